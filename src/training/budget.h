/* The memory of a training, beside what trainer/training.h tells of it. */
#ifndef TRAINING_BUDGET_H
#define TRAINING_BUDGET_H

#include "trainer/training.h"

/* Bytes of the device's memory that a training on `count` images will take outside of the device:
 * what it keeps on the host, where that is the same memory; else 0. */
size_t budget_beside(const struct training_plan *plan, const struct device *device,
    const struct network_shape *shape, size_t count);

#endif
