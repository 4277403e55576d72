/* How training steps are done: the fastest way at each shape of step, as it is chosen for gemms
 * (autotune.h). */
#ifndef DEVICE_GPU_STEP_CHOICE_H
#define DEVICE_GPU_STEP_CHOICE_H

#include "device/gpu/fused_step.h"

/* Prepares the choice. `step` is device_options.step, and `gemm` is device_options.gemm: who names
 * what multiplies matrices does not want it replaced, unless by a step that is asked for, too.
 * step_choices_free ends it, even if it was never called. */
enum status step_choices_create(
    struct gpu *gpu, const char *step, const char *gemm, struct error *error);
void step_choices_free(struct gpu *gpu);

/* What was chosen, as `choices` of struct device_type writes it. */
size_t step_choices_text(const struct gpu *gpu, char *text, size_t size);

/* Chooses for the step that `operations` begin with. *way becomes how it is done, and *fused the
 * kernels for that, if it is fused. Where it may be fused, what is taken does a step from the same
 * numbers as single operations do, and they are compared. STATUS_DEVICE, saying where they
 * differ, when a fused step is wrong; or why, when the user asked for fused steps and this one
 * can't be. Otherwise what prevents it is a warning. */
enum status step_choose(struct gpu *gpu, const struct step *step,
    const struct operation *operations, size_t count, struct fused_step **fused, enum step_way *way,
    struct error *error);

#endif
