/* Budgets: tables that say how much memory something takes, with a row for each array. Both the
 * allocations and what is said of them beforehand come from the same table. */
#ifndef SYSTEM_BUDGET_H
#define SYSTEM_BUDGET_H

#include <stddef.h>

/* An array. It may grow with the number of samples in a batch. */
struct budget_row {
    /* Elements for a batch of any size, and elements more for each sample of the batch. */
    size_t fixed, sample;
    size_t size; /* bytes of an element */
};

/* The elements of an array for batches of `batch` samples. */
size_t budget_elements(const struct budget_row *row, size_t batch);

/* The bytes of `count` arrays together, for batches of `batch` samples. */
size_t budget_bytes(const struct budget_row *rows, size_t count, size_t batch);

/* The most samples that a batch may have so that these arrays take no more than `bytes`. SIZE_MAX
 * when no array grows with the batch; 0 when they are too large for any batch. */
size_t budget_largest_batch(const struct budget_row *rows, size_t count, size_t bytes);

#endif
