/* The memory of a training, in more detail than trainer/training.h has it. */
#ifndef TRAINING_BUDGET_H
#define TRAINING_BUDGET_H

#include "system/budget.h"
#include "trainer/training.h"

/* The scores of `samples` samples, [samples, 2], on the host or on the device. */
struct budget_row budget_scores(size_t samples);

/* The outputs of a network for so many images, [images, classes], likewise. */
struct budget_row budget_outputs(size_t images, size_t classes);

/* The rates of `batches` steps, [batches, R], on the host or on the device. */
struct budget_row budget_rates(const struct training_plan *plan, size_t batches);

/* The seconds and scores of all epochs, on the host; those of their validations; and the best
 * parameters. */
struct budget_row budget_epochs(const struct training_plan *plan);
struct budget_row budget_validations(const struct training_plan *plan);
struct budget_row budget_best(const struct training_plan *plan, const struct network_shape *shape);

/* Bytes that a training on `count` images takes on the host, where that is the device's memory,
 * too; else 0. A loader counts them as memory of the device that it can't have. */
size_t budget_beside(const struct training_plan *plan, const struct device *device,
    const struct network_shape *shape, size_t count);

/* Checks whether device and host have the memory to train a network of this shape by this plan:
 * network_check_budget for the device, with what the training takes there besides, and a check of
 * the host's memory. */
enum status budget_check(struct device *device, const struct network_shape *shape,
    const struct dataset *dataset, const struct training_plan *plan, struct error *error);

#endif
