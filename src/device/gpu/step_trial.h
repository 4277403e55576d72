/* Tries the ways of a training step, on memory of their own, so that the views of the operations
 * keep what they hold. */
#ifndef DEVICE_GPU_STEP_TRIAL_H
#define DEVICE_GPU_STEP_TRIAL_H

#include "device/gpu/fused_step.h"

/* Gives the fastest way of the steps that `operations` begin with, of those that `wanted` has. They
 * read their batches where these are, so that a batch is as far away as in an epoch. A driver may
 * be unable to let launches overlap, or to have all groups at work at once; that way is then left
 * out, and in the latter case the kernel for it is gone, too. */
enum status step_trial_time(struct gpu *gpu, struct fused_step *fused,
    const struct operation *operations, size_t count, const bool wanted[STEP_WAYS],
    enum step_way *fastest, struct error *error);

/* Does the first step operation by operation, fused, and in that `way`, each from the same numbers;
 * if the way is STEP_PERSISTENT, the first steps. STATUS_DEVICE, saying what differs, when one of
 * them gives another result, or a fused one other bits than another. */
enum status step_trial_check(struct gpu *gpu, struct fused_step *fused, enum step_way way,
    const struct operation *operations, size_t count, struct error *error);

#endif
