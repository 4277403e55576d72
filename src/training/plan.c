#include "training/plan.h"

const char *const tail_names[] = {
    [TAIL_WRAP] = "wrap", [TAIL_SHORT] = "short", [TAIL_DROP] = "drop", NULL};
const char *const batches_names[] = {[BATCHES_AUTO] = "auto",
    [BATCHES_RESIDENT] = "resident",
    [BATCHES_STREAMED] = "streamed",
    NULL};

/* --- Batches --- */

size_t training_batches(const struct training_plan *plan, size_t samples) {
    const size_t full = samples / plan->batch_size;
    return plan->tail == TAIL_DROP ? full : full + (samples % plan->batch_size > 0);
}

size_t plan_samples(const struct training_plan *plan, size_t count) {
    const size_t whole = training_batches(plan, count) * plan->batch_size;
    return plan->tail == TAIL_SHORT && whole > count ? count : whole;
}

enum status plan_check(const struct training_plan *plan, const struct network_shape *shape,
    const struct images *images, struct error *error) {
    const size_t classes = images->format->classes, count = images->count;
    if (shape->widths[shape->layers] < classes)
        return error_set(error, STATUS_USAGE, "the network has %zu classes, the data set %zu",
            shape->widths[shape->layers], classes);
    if (plan->batch_size == 0 || training_batches(plan, count) == 0)
        return error_set(error, STATUS_USAGE,
            "no batch is left: %zu samples, batches of %zu, tail: %s", count, plan->batch_size,
            tail_names[plan->tail]);
    const size_t samples = plan_samples(plan, count),
                 ranks = (size_t)communicator_ranks(plan->communicator);
    return ranks <= plan->batch_size && ranks <= samples
               ? STATUS_OK
               : error_set(error, STATUS_USAGE,
                     "%zu ranks are too many for batches of %zu of %zu samples: each must have one",
                     ranks, plan->batch_size, samples);
}

enum status training_check_position(const struct training_plan *plan, size_t samples,
    const struct training_position *position, struct error *error) {
    const size_t batches = training_batches(plan, samples);
    const bool within = position->epochs_done < plan->epochs
                            ? position->batches_done < batches
                            : position->epochs_done == plan->epochs && position->batches_done == 0;
    if (position->validated != (plan->validation > 0 ? position->epochs_done : 0) ||
        (plan->keep_best && position->validated > 0 && !position->best))
        return error_set(error, STATUS_USAGE,
            "%zu of %zu epochs have a score of %zu images that are held back, and the best weights "
            "are%s there",
            position->validated, position->epochs_done, plan->validation,
            position->best ? "" : " not");
    return within && position->samples_done == position->batches_done * plan->batch_size
               ? STATUS_OK
               : error_set(error, STATUS_USAGE,
                     "%zu epochs and %zu batches with %zu samples are no position in %zu epochs of "
                     "%zu batches of %zu",
                     position->epochs_done, position->batches_done, position->samples_done,
                     plan->epochs, batches, plan->batch_size);
}

/* --- Loaders --- */

size_t loader_operations(const struct training_plan *plan) {
    return (plan->shuffle || plan->flip ? 2 : 0) + (plan->flip ? 1 : 0);
}

struct loader_options plan_epoch_loader(const struct training_plan *plan,
    const struct network_shape *shape, const struct images *images, size_t others) {
    return (struct loader_options){.images = images,
        .color = plan->color,
        .samples = plan_samples(plan, images->count),
        .batch_size = plan->batch_size,
        .rank = (size_t)communicator_rank(plan->communicator),
        .ranks = (size_t)communicator_ranks(plan->communicator),
        .batches = plan->batches,
        .others = others,
        .shuffle = plan->shuffle,
        .flip = plan->flip,
        .draws = shape->dropout > 0.0,
        .seed = plan->seed};
}

struct loader_options plan_test_loader(
    const struct training_plan *plan, const struct images *images) {
    return (struct loader_options){.images = images,
        .color = plan->color,
        .samples = images->count,
        .batch_size = plan->batch_size,
        .rank = (size_t)communicator_rank(plan->communicator),
        .ranks = (size_t)communicator_ranks(plan->communicator),
        .batches = plan->batches};
}
