#include "device/cuda/memory.h"

#include "device/cuda/nccl.h"
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

enum status cuda_stage(
    struct gpu *gpu, size_t half, struct view destination, const void *host, struct error *error) {
    struct cuda *cuda = cuda_of(gpu);
    const enum status status = cuda_enter(cuda, error);
    if (status != STATUS_OK)
        return status;
    const char *call = "cudaStreamWaitEvent";
    cudaError_t code = cudaStreamWaitEvent(cuda->sending, cuda->read[half], 0);
    if (code == cudaSuccess) {
        call = "cudaMemcpyAsync";
        cuda->has_sent = true;
        code = cudaMemcpyAsync(cuda_memory(destination.buffer, destination.offset), host,
            destination.rows * destination.columns * sizeof(float), cudaMemcpyHostToDevice,
            cuda->sending);
    }
    if (code == cudaSuccess) {
        call = "cudaEventRecord";
        code = cudaEventRecord(cuda->sent[half], cuda->sending);
    }
    if (code == cudaSuccess) {
        call = "cudaStreamWaitEvent";
        code = cudaStreamWaitEvent(cuda->stream, cuda->sent[half], 0);
    }
    return code == cudaSuccess ? STATUS_OK : cuda_failed(call, code, "images", error);
}

enum status cuda_staged_is_read(struct gpu *gpu, size_t half, struct error *error) {
    const struct cuda *cuda = cuda_of(gpu);
    const cudaError_t code = cudaEventRecord(cuda->read[half], cuda->stream);
    return code == cudaSuccess ? STATUS_OK : cuda_failed("cudaEventRecord", code, "images", error);
}

/* Exchanges are waited for first: a copy to memory that is not pinned waits, too, and unwatched. */
enum status cuda_download(
    struct device *device, struct view source, void *host, struct error *error) {
    struct cuda *cuda = cuda_of_device(device);
    enum status status = cuda_enter(cuda, error);
    if (status == STATUS_OK)
        status = nccl_wait(cuda, error);
    if (status != STATUS_OK)
        return status;
    const cudaError_t code = cudaMemcpyAsync(host, cuda_memory(source.buffer, source.offset),
        source.rows * source.columns * sizeof(float), cudaMemcpyDeviceToHost, cuda->stream);
    return code == cudaSuccess ? cuda_synchronise(&cuda->gpu, error)
                               : cuda_failed("cudaMemcpyAsync", code, "download", error);
}

enum status cuda_measure_memory(struct cuda *cuda, struct error *error) {
    struct gpu *gpu = &cuda->gpu;
    size_t available = 0, all = 0;
    const cudaError_t code = cudaMemGetInfo(&available, &all);
    if (code != cudaSuccess)
        return cuda_failed("cudaMemGetInfo", code, "", error);
    gpu->memory_bytes = gpu->buffer_bytes = gpu->used_bytes + available - available / 32;
    return STATUS_OK;
}

/* --- Memory of the host --- */

bool cuda_pin(struct device *device, const void *memory, size_t bytes) {
    if (cuda_enter(cuda_of_device(device), NULL) != STATUS_OK)
        return false;
    /* It does not write there. */
    const cudaError_t code =
        cudaHostRegister((void *)(uintptr_t)memory, bytes, cudaHostRegisterDefault);
    cudaGetLastError(); /* else the next call would report an error that is none */
    return code == cudaSuccess;
}

void cuda_unpin(struct device *device, const void *memory) {
    struct cuda *cuda = cuda_of_device(device);
    cuda_synchronise(&cuda->gpu, NULL);
    cudaHostUnregister((void *)(uintptr_t)memory);
    cudaGetLastError();
}
