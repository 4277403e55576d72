/* The GPUs that CUDA's runtime finds: listing, choosing and describing them. Nothing here makes a
 * context on a GPU, because a context takes some of the GPU's memory. */
#ifndef DEVICE_CUDA_DISCOVERY_H
#define DEVICE_CUDA_DISCOVERY_H

#include "device/cuda/device.h"

/* As in struct device_type. */
void cuda_list(device_visitor *visit, void *context);
enum status cuda_library(char *text, size_t size, struct error *error);
enum status cuda_find(const char *rest, bool automatic, const char **shortly, struct error *error);

/* Chooses the GPU that `rest` names. `rest` is what follows "cuda:" in the spec: a number, or NULL
 * for the first GPU, which is the fastest; of ranks on the same host each for the next one. Fills
 * base.info, ordinal, capability and clocks.
 * STATUS_DEVICE, saying which GPUs there are, when none fits. The error also lists the other
 * devices of this build, but not with `automatic`. */
enum status cuda_choose(
    const char *rest, const struct device_options *options, struct cuda *cuda, struct error *error);

#endif
