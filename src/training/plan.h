/* What follows from the plan of a training: its batches, and the loaders that give them. */
#ifndef TRAINING_PLAN_H
#define TRAINING_PLAN_H

#include "training/loader.h"

/* Whether a network of this shape can be trained by the plan on these images: STATUS_USAGE when
 * it has fewer classes than they, or no batch is left. */
enum status plan_check(const struct training_plan *plan, const struct network_shape *shape,
    const struct images *images, struct error *error);

/* Samples of an epoch over `count` images, where one that completes the last batch counts again. */
size_t plan_samples(const struct training_plan *plan, size_t count);

/* The loader of an epoch's batches, when others will take `others` bytes of the device's memory
 * besides; and that of the test set, which is always taken whole and in order. */
struct loader_options plan_epoch_loader(
    const struct training_plan *plan, const struct images *images, size_t others);
struct loader_options plan_test_loader(
    const struct training_plan *plan, const struct images *images);

#endif
