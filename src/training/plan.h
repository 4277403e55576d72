/* What follows from the plan of a training before it begins: its batches, their loaders, its
 * memory. */
#ifndef TRAINING_PLAN_H
#define TRAINING_PLAN_H

#include "training/loader.h"

/* Samples of an epoch over `count` of them. */
size_t plan_samples(const struct training_plan *plan, size_t count);

/* The loader of the batches of an epoch of `samples` samples, for a network of this shape on this
 * device; and that of the test set. */
struct loader_options plan_epoch_loader(const struct training_plan *plan, struct device *device,
    const struct network_shape *shape, const struct images *images, size_t samples);
struct loader_options plan_test_loader(
    const struct training_plan *plan, const struct images *images);

#endif
