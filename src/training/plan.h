/* What follows from the plan of a training: the number of its samples, and its loaders. */
#ifndef TRAINING_PLAN_H
#define TRAINING_PLAN_H

#include "training/loader.h"

/* Whether a network of this shape can be trained by the plan on these images. STATUS_USAGE when the
 * network has fewer classes than the images, or when no batch is left. */
enum status plan_check(const struct training_plan *plan, const struct network_shape *shape,
    const struct images *images, struct error *error);

/* The samples of an epoch over `count` images. A sample that completes the last batch counts
 * again. */
size_t plan_samples(const struct training_plan *plan, size_t count);

/* The options of the loader of the batches of an epoch of this network, where others take `others`
 * bytes of the device's memory besides; and those of the loader of the test set, which is always
 * taken whole and in order. */
struct loader_options plan_epoch_loader(const struct training_plan *plan,
    const struct network_shape *shape, const struct images *images, size_t others);
struct loader_options plan_test_loader(
    const struct training_plan *plan, const struct images *images);

#endif
