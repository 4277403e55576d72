/* What was chosen before, so that runs repeat each other to the bit. */
#ifndef DEVICE_GPU_CHOICE_CACHE_H
#define DEVICE_GPU_CHOICE_CACHE_H

#include "device/gpu/gemm.h"

/* The algorithm for gemms of a shape that was chosen by the run that this one continues
 * (choices.h), or else by any run on this device, with these algorithms (the program cache). False
 * when there is none. */
bool choice_recall(struct gemms *gemms, const struct gemm_shape *shape, size_t *algorithm);

/* Keeps a choice in the program cache. When that fails, it is made again in the next run. */
void choice_keep(const struct gemms *gemms, const struct gemm_shape *shape, size_t algorithm);

#endif
