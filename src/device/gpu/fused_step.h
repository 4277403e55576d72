/* Whole training steps as two launches each (kernels/step.cl). */
#ifndef DEVICE_GPU_FUSED_STEP_H
#define DEVICE_GPU_FUSED_STEP_H

#include "device/gpu/step_plan.h"

/* The kernels of one plan, and the memory between them. Those of a device are a list. */
struct fused_step {
    struct fused_step *next;
    struct step_plan plan;
    struct gpu_program *program;
    struct gpu_kernel weights, samples;
    struct buffer *sums; /* what step_weights hands to step_samples */
    /* A step of theirs has been compared with its operations; and where its launches overlap. */
    bool checked[2];
};

/* Gives the kernels for a plan, and memory for batches of so many samples. Makes what is not there
 * yet. It lives as long as the device; fused_steps_free ends all of them. */
enum status fused_step_get(struct gpu *gpu, const struct step_plan *plan, size_t batch,
    struct fused_step **fused, struct error *error);
void fused_steps_free(struct gpu *gpu);

/* Adds the commands of the steps that `operations` begin with to the list `to`: at least the first
 * step, which must fit the plan, and as many as follow from it. *done becomes the number of their
 * operations. Each launch but the first may overlap with the one before it, if `overlapped`. */
enum status fused_step_add(struct gpu *gpu, struct gpu_commands *to, struct fused_step *fused,
    bool overlapped, const struct operation *operations, size_t count, size_t *done,
    struct error *error);

#endif
