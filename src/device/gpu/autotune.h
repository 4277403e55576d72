/* Autotuning: which way a gemm is computed where there are several, by measurement. */
#ifndef DEVICE_GPU_AUTOTUNE_H
#define DEVICE_GPU_AUTOTUNE_H

#include "device/gpu/gemm.h"

/* What was chosen so far, for each shape of gemms. Ended by gemm_choices_free; NULL is fine there.
 */
struct gemm_choices;
enum status gemm_choices_create(
    struct gemms *gemms, struct gemm_choices **choices, struct error *error);
void gemm_choices_free(struct gemm_choices *choices);

/* The algorithm for this gemm. For the first of a shape it is what was chosen before
 * (choice_cache.h); else all algorithms are timed on the operands, with memory of their own for the
 * result, and the fastest is kept. The choice is named in the device's info. */
enum status autotune_choose(struct gemm_choices *choices, enum gemm_kind kind,
    const struct gemm_views *views, size_t *algorithm, struct error *error);

#endif
