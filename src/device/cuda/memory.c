#include "device/cuda/memory.h"

#include "device/cuda/queue.h"
#include "device/cuda/status.h"

#include <stdlib.h>

enum status cuda_allocate(
    struct device *device, size_t elements, struct buffer **buffer, struct error *error) {
    struct cuda *cuda = cuda_of_device(device);
    const size_t bytes = elements * sizeof(float);
    const enum status status = cuda_enter(cuda, error);
    if (status != STATUS_OK)
        return status;
    struct cuda_buffer *allocated = calloc(1, sizeof *allocated);
    if (!allocated)
        return error_memory(error, "a buffer", sizeof *allocated);
    const bool fits = gpu_is_within_budget(&cuda->gpu, bytes);
    const cudaError_t code =
        fits ? cudaMalloc(&allocated->memory, bytes) : cudaErrorMemoryAllocation;
    if (code != cudaSuccess) {
        free(allocated);
        cudaGetLastError();
        if (code != cudaErrorMemoryAllocation)
            return cuda_failed("cudaMalloc", code, "a buffer", error);
        return gpu_out_of_memory(&cuda->gpu, bytes, cudaGetErrorName(code), error);
    }
    cuda->gpu.used_bytes += bytes;
    *buffer = &allocated->base;
    return STATUS_OK;
}

void cuda_free_buffer(struct buffer *buffer) {
    struct cuda *cuda = cuda_of_device(buffer->device);
    cuda_synchronise(&cuda->gpu, NULL);
    cudaFree(cuda_memory(buffer, 0));
    cuda->gpu.used_bytes -= buffer->elements * sizeof(float);
    free(buffer);
}

/* --- Copies --- */

enum status cuda_upload(
    struct gpu *gpu, struct view destination, const void *host, struct error *error) {
    const struct cuda *cuda = cuda_of(gpu);
    const enum status status = cuda_enter(cuda, error);
    if (status != STATUS_OK)
        return status;
    const cudaError_t code = cudaMemcpyAsync(cuda_memory(destination.buffer, destination.offset),
        host, destination.rows * destination.columns * sizeof(float), cudaMemcpyHostToDevice,
        cuda->stream);
    return code == cudaSuccess ? STATUS_OK : cuda_failed("cudaMemcpyAsync", code, "upload", error);
}

enum status cuda_download(
    struct device *device, struct view source, void *host, struct error *error) {
    struct cuda *cuda = cuda_of_device(device);
    const enum status status = cuda_enter(cuda, error);
    if (status != STATUS_OK)
        return status;
    const cudaError_t code = cudaMemcpyAsync(host, cuda_memory(source.buffer, source.offset),
        source.rows * source.columns * sizeof(float), cudaMemcpyDeviceToHost, cuda->stream);
    return code == cudaSuccess ? cuda_synchronise(&cuda->gpu, error)
                               : cuda_failed("cudaMemcpyAsync", code, "download", error);
}
