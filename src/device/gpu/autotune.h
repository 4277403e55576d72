/* Autotuning: times the algorithms that can compute a gemm (gemm.h), and chooses the fastest. */
#ifndef DEVICE_GPU_AUTOTUNE_H
#define DEVICE_GPU_AUTOTUNE_H

#include "device/gpu/gemm.h"

/* The choices made so far: an algorithm for each shape of gemm. Ended by gemm_choices_free; NULL is
 * fine there. */
struct gemm_choices;
enum status gemm_choices_create(
    struct gemms *gemms, struct gemm_choices **choices, struct error *error);
void gemm_choices_free(struct gemm_choices *choices);

/* Gives the algorithm for this gemm. The first gemm of a shape makes the choice. If an earlier run
 * has chosen for this shape, its algorithm is taken (choice_cache.h). Else all algorithms are timed
 * on the operands, and the fastest is kept. While they are timed, results go to memory of their
 * own, so that the views keep what they hold. The device's info names what was chosen. */
enum status autotune_choose(struct gemm_choices *choices, enum gemm_kind kind,
    const struct gemm_views *views, size_t *algorithm, struct error *error);

#endif
