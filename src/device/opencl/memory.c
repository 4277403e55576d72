#include "device/opencl/memory.h"

#include "device/opencl/queue.h"
#include "device/opencl/status.h"

#include <stdlib.h>

enum status opencl_allocate(
    struct device *device, size_t elements, struct buffer **buffer, struct error *error) {
    struct opencl *opencl = opencl_of_device(device);
    const size_t bytes = elements * sizeof(cl_float);
    struct opencl_buffer *allocated = calloc(1, sizeof *allocated);
    if (!allocated)
        return error_memory(error, "a buffer", sizeof *allocated);
    cl_int code = CL_SUCCESS;
    /* We count memory ourselves, because many drivers find out that it is short only when a kernel
     * uses it. */
    if (gpu_is_within_budget(&opencl->gpu, bytes))
        allocated->memory = clCreateBuffer(opencl->context, CL_MEM_READ_WRITE, bytes, NULL, &code);
    if (!allocated->memory) {
        free(allocated);
        return gpu_out_of_memory(
            &opencl->gpu, bytes, code == CL_SUCCESS ? NULL : opencl_status_name(code), error);
    }
    opencl->gpu.used_bytes += bytes;
    *buffer = &allocated->base;
    return STATUS_OK;
}

void opencl_free_buffer(struct buffer *buffer) {
    struct opencl *opencl = opencl_of_device(buffer->device);
    opencl_synchronise(&opencl->gpu, NULL);
    clReleaseMemObject(opencl_memory(buffer));
    opencl->gpu.used_bytes -= buffer->elements * sizeof(cl_float);
    free(buffer);
}

/* --- Copies --- */

enum status opencl_upload(
    struct gpu *gpu, struct view destination, const void *host, struct error *error) {
    struct opencl *opencl = opencl_of(gpu);
    const cl_int code = clEnqueueWriteBuffer(opencl->queue, opencl_memory(destination.buffer),
        CL_FALSE, destination.offset * sizeof(cl_float),
        destination.rows * destination.columns * sizeof(cl_float), host, 0, NULL, NULL);
    return code == CL_SUCCESS ? opencl_flush(opencl, error)
                              : opencl_failed("clEnqueueWriteBuffer", code, "upload", error);
}

enum status opencl_download(
    struct device *device, struct view source, void *host, struct error *error) {
    struct opencl *opencl = opencl_of_device(device);
    const cl_int code = clEnqueueReadBuffer(opencl->queue, opencl_memory(source.buffer), CL_TRUE,
        source.offset * sizeof(cl_float), source.rows * source.columns * sizeof(cl_float), host, 0,
        NULL, NULL);
    return code == CL_SUCCESS ? STATUS_OK
                              : opencl_failed("clEnqueueReadBuffer", code, "download", error);
}
