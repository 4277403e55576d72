/* The GPUs that CUDA's runtime finds: listing, choosing and describing them. Nothing here makes a
 * context on a GPU, which would take its memory. */
#ifndef DEVICE_CUDA_DISCOVERY_H
#define DEVICE_CUDA_DISCOVERY_H

#include "device/cuda/device.h"

/* As in struct device_type. */
void cuda_list(device_visitor *visit, void *context);
enum status cuda_library(char *text, size_t size, struct error *error);
enum status cuda_find(const char *rest, bool automatic, const char **shortly, struct error *error);

/* The GPU that `rest` names, what follows "cuda:": its number, or NULL for the first, which is the
 * fastest. Fills base.info, ordinal and capability. With `automatic` the error leaves out what else
 * this build has. STATUS_DEVICE, saying what there is, when none fits. */
enum status cuda_choose(const char *rest, bool automatic, struct cuda *cuda, struct error *error);

#endif
