/* The OpenCL devices that are there: listing, choosing and describing them. */
#ifndef DEVICE_OPENCL_DISCOVERY_H
#define DEVICE_OPENCL_DISCOVERY_H

#include "device/opencl/device.h"

/* As in struct device_type. */
void opencl_list(device_visitor *visit, void *context);
enum status opencl_library(char *text, size_t size, struct error *error);
enum status opencl_find(
    const char *rest, bool automatic, const char **shortly, struct error *error);

/* The device that `rest` names, what follows "opencl:": numbers P or P:D, a part of exactly one
 * device's name, or NULL for the best there is: a GPU before an accelerator before a CPU or a
 * renderer that computes on one. Fills base.info and id. With `automatic` nothing but a GPU.
 * STATUS_DEVICE, saying what there is, when none fits. */
enum status opencl_choose(
    const char *rest, bool automatic, struct opencl *opencl, struct error *error);

/* clGetDeviceInfo into `size` bytes; a text that is longer is cut. */
enum status opencl_device_info(
    cl_device_id id, cl_device_info what, void *value, size_t size, struct error *error);

#endif
