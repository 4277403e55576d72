/* Tries both ways of a training step, fused and operation by operation, on memory of their own, so
 * that the views of the operations keep what they hold. */
#ifndef DEVICE_GPU_STEP_TRIAL_H
#define DEVICE_GPU_STEP_TRIAL_H

#include "device/gpu/fused_step.h"

/* Whether the steps that `operations` begin with are faster fused. They read their batches where
 * these are, so that a batch is as far away as in an epoch. */
enum status step_trial_time(struct gpu *gpu, struct fused_step *fused,
    const struct operation *operations, size_t count, bool *faster, struct error *error);

/* Does the first step once in each way, from the same numbers. STATUS_DEVICE, saying what differs,
 * when the fused one gives another result. */
enum status step_trial_check(struct gpu *gpu, struct fused_step *fused,
    const struct operation *operations, size_t count, struct error *error);

#endif
