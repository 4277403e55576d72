/* The memory of a training, beside what trainer/training.h tells of it. */
#ifndef TRAINING_BUDGET_H
#define TRAINING_BUDGET_H

#include "system/budget.h"
#include "trainer/training.h"

/* The scores of so many samples, on either side: [samples, 2]. */
struct budget_row budget_scores(size_t samples);

/* The scales of so many steps, on either side: [batches, 1]. */
struct budget_row budget_scales(size_t batches);

/* What is kept of the epochs that are done, on the host. */
struct budget_row budget_epochs(const struct training_plan *plan);

/* Bytes of the device's memory that a training on `count` images will take outside of the device:
 * what it keeps on the host, where that is the same memory; else 0. */
size_t budget_beside(const struct training_plan *plan, const struct device *device,
    const struct network_shape *shape, size_t count);

/* Whether device and host have the memory for training a network of this shape by this plan:
 * network_check_budget, with what the training itself has there, and with what it has of the host.
 */
enum status budget_check(struct device *device, const struct network_shape *shape,
    const struct dataset *dataset, const struct training_plan *plan, struct error *error);

#endif
