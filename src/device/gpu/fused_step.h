/* Whole training steps as two launches each, or many as one (kernels/step.cl). */
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
    /* The kernel of many steps, and what its groups count their arrivals in. Without a function
     * where that way may not be taken, or where not all groups can be at work at once. */
    struct gpu_program *together;
    struct gpu_kernel epoch;
    struct buffer *arrivals;
    bool checked[STEP_WAYS]; /* a step of theirs has been compared with its operations */
};

/* Gives the kernels for a plan, and memory for batches of so many samples. Makes what is not there
 * yet. It lives as long as the device; fused_steps_free ends all of them. */
enum status fused_step_get(struct gpu *gpu, const struct step_plan *plan, size_t batch,
    struct fused_step **fused, struct error *error);
void fused_steps_free(struct gpu *gpu);

/* Adds the commands of the steps that `operations` begin with to the list `to`: at least the first
 * step, which must fit the plan, and as many as follow from it. *done becomes the number of their
 * operations. `way` is one that is fused. */
enum status fused_step_add(struct gpu *gpu, struct gpu_commands *to, struct fused_step *fused,
    enum step_way way, const struct operation *operations, size_t count, size_t *done,
    struct error *error);

#endif
