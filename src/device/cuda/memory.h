/* Buffers of a GPU, and copies from and to them. All copies are done in their place in the queue
 * but for those of cuda_stage: another stream makes these as early as it can, beside the kernels of
 * earlier batches. They take that time only where the host's memory is page-locked (cuda_pin). */
#ifndef DEVICE_CUDA_MEMORY_H
#define DEVICE_CUDA_MEMORY_H

#include "device/cuda/device.h"

/* As in struct device_type. */
enum status cuda_allocate(
    struct device *device, size_t elements, struct buffer **buffer, struct error *error);
void cuda_free_buffer(struct buffer *buffer);
bool cuda_pin(struct device *device, const void *memory, size_t bytes);
void cuda_unpin(struct device *device, const void *memory);
enum status cuda_download(
    struct device *device, struct view source, void *host, struct error *error);

/* Fills the bytes of struct gpu: our buffers may take the memory that is free now, but for a 32nd,
 * which the driver may need. */
enum status cuda_measure_memory(struct cuda *cuda, struct error *error);

/* As in struct gpu_driver. */
enum status cuda_upload(
    struct gpu *gpu, struct view destination, const void *host, struct error *error);
enum status cuda_stage(
    struct gpu *gpu, size_t half, struct view destination, const void *host, struct error *error);
enum status cuda_staged_is_read(struct gpu *gpu, size_t half, struct error *error);

#endif
