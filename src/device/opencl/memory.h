/* Buffers of an OpenCL device, and copies from and to them. */
#ifndef DEVICE_OPENCL_MEMORY_H
#define DEVICE_OPENCL_MEMORY_H

#include "device/opencl/device.h"

/* As in struct device_type. */
enum status opencl_allocate(
    struct device *device, size_t elements, struct buffer **buffer, struct error *error);
void opencl_free_buffer(struct buffer *buffer);
enum status opencl_download(
    struct device *device, struct view source, void *host, struct error *error);

/* As in struct gpu_driver. */
enum status opencl_upload(
    struct gpu *gpu, struct view destination, const void *host, struct error *error);

#endif
