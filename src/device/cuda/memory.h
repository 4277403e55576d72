/* Buffers of a GPU, and copies from and to them. */
#ifndef DEVICE_CUDA_MEMORY_H
#define DEVICE_CUDA_MEMORY_H

#include "device/cuda/device.h"

/* As in struct device_type. */
enum status cuda_allocate(
    struct device *device, size_t elements, struct buffer **buffer, struct error *error);
void cuda_free_buffer(struct buffer *buffer);
enum status cuda_download(
    struct device *device, struct view source, void *host, struct error *error);

/* As in struct gpu_driver. */
enum status cuda_upload(
    struct gpu *gpu, struct view destination, const void *host, struct error *error);

#endif
