/* The OpenCL devices that are there: listing, choosing and describing them. */
#ifndef DEVICE_OPENCL_DISCOVERY_H
#define DEVICE_OPENCL_DISCOVERY_H

#include "device/opencl/device.h"

/* As in struct device_type. */
void opencl_list(device_visitor *visit, void *context);
enum status opencl_library(char *text, size_t size, struct error *error);
enum status opencl_find(
    const char *rest, bool automatic, const char **shortly, struct error *error);

/* Chooses the device that `rest` names. `rest` is what follows "opencl:" in the spec: the numbers P
 * or P:D of a platform and a device, a part of exactly one device's name, or NULL for the best
 * device. The best is a GPU; next comes an accelerator; last comes a CPU, or a renderer that
 * computes on one. Of several GPUs that `rest` may mean, ranks on the same host take one after
 * another. With options->automatic, only a GPU will do. Fills base.info and id. STATUS_DEVICE,
 * saying which devices there are, when none fits. */
enum status opencl_choose(const char *rest, const struct device_options *options,
    struct opencl *opencl, struct error *error);

/* Copies what clGetDeviceInfo says to the `size` bytes at `value`. A longer text is cut. */
enum status opencl_device_info(
    cl_device_id id, cl_device_info what, void *value, size_t size, struct error *error);

#endif
