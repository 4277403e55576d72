/* How a device runs a whole training step in the two kernels of kernels/step.cl: whether the step
 * fits, and the sizes that the kernels are compiled for. */
#ifndef DEVICE_GPU_STEP_PLAN_H
#define DEVICE_GPU_STEP_PLAN_H

#include "device/gpu/gpu.h"
#include "device/step.h"

#define STEP_KERNELS "step.cl"
#define STEP_TOGETHER " -DTOGETHER" /* the option that makes them the one of many steps */

enum { STEP_FUSED_LAYERS = 8, STEP_OPTIONS_SIZE = 1280 };

struct step_plan {
    char options[STEP_OPTIONS_SIZE]; /* of the compiler; they tell plans apart */
    size_t weights_groups, weights_items;
    size_t each, samples_items; /* samples of a group, and its items */
    size_t tiles; /* down the first layer's weights; the sums are [tiles, batch, outputs] */
    size_t outputs;
    bool together; /* the one kernel of many steps has its sizes, too */
};

/* Makes the plan of a step. NULL, or a few words that say why it does not fit: the kernels want all
 * parameters in one buffer, all values and all gradients likewise, and what is only read in others;
 * the states of all parameters as far behind them; few layers; and a first layer that has nearly
 * all of the weights, because the others must fit in a group's shared memory. */
const char *step_plan_make(const struct gpu *gpu, const struct step *step, struct step_plan *plan);

/* The floats of the sums that step_weights hands to step_samples, for a batch of so many samples.
 */
size_t step_plan_sums(const struct step_plan *plan, size_t batch);

/* Whether `next` can follow `step` in one launch: it is a step of the same net on the same buffers,
 * and none of what it reads before that launch is written by `step`. */
bool step_plan_goes_on(const struct step *step, const struct step *next);

/* Whether `next`, which can follow `step`, can also be a step of a launch that has `steps` from
 * `first` to `step`. That reads each batch right after the one before it, and all but the last are
 * as large as the first. Its rates are as far apart as step_plan_rates_step says of two of its
 * steps, one after the other: they are the same ones, or rows of a matrix. */
bool step_plan_follows(
    const struct step *first, const struct step *step, size_t steps, const struct step *next);
size_t step_plan_rates_step(const struct step *step, const struct step *next);

#endif
