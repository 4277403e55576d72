/* Budgets: how much memory something takes, as a table with a row for each array. What is allocated
 * and what is said of it beforehand both come from that table. */
#ifndef SYSTEM_BUDGET_H
#define SYSTEM_BUDGET_H

#include <stddef.h>

/* An array. It may grow with the number of samples in a batch. */
struct budget_row {
    size_t fixed, sample; /* elements: of any batch, and more for each sample of it */
    size_t size;          /* bytes of an element */
};

/* The elements of an array for batches of `batch` samples. */
size_t budget_elements(const struct budget_row *row, size_t batch);

/* The bytes of `count` arrays together, for batches of `batch` samples. */
size_t budget_bytes(const struct budget_row *rows, size_t count, size_t batch);

/* How many samples a batch may have, so that these arrays take no more than `bytes`; SIZE_MAX where
 * none of them grows, and 0 where they are too large for any batch. */
size_t budget_largest_batch(const struct budget_row *rows, size_t count, size_t bytes);

#endif
