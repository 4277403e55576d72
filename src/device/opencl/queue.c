#include "device/opencl/queue.h"

#include "device/opencl/program.h"
#include "device/opencl/status.h"

enum {
    MARKED_COMMANDS = 4096, /* commands from one marker to the next. At most twice as many are
                             * enqueued and not done, because drivers keep memory for each. An epoch
                             * of the default net has fewer, so that it has no events */
    FLUSH_COMMANDS = 16     /* commands after which the driver is told to start on them */
};

/* --- Waiting --- */

enum status opencl_flush(struct opencl *opencl, struct error *error) {
    opencl->unflushed = 0;
    const cl_int code = clFlush(opencl->queue);
    return code == CL_SUCCESS ? STATUS_OK : opencl_failed("clFlush", code, "", error);
}

static void free_mark(struct opencl *opencl) {
    if (opencl->mark)
        clReleaseEvent(opencl->mark);
    opencl->mark = NULL;
}

/* Waits for the marker, if any, that was enqueued MARKED_COMMANDS commands ago, and enqueues a new
 * one. The commands since then keep the device busy while we wait. */
static enum status wait_for_mark(struct opencl *opencl, struct error *error) {
    opencl->unmarked = 0;
    cl_int code = opencl->mark ? clWaitForEvents(1, &opencl->mark) : CL_SUCCESS;
    free_mark(opencl);
    if (code != CL_SUCCESS)
        return opencl_failed("clWaitForEvents", code, "", error);
    code = clEnqueueMarkerWithWaitList(opencl->queue, 0, NULL, &opencl->mark);
    return code == CL_SUCCESS ? opencl_flush(opencl, error)
                              : opencl_failed("clEnqueueMarkerWithWaitList", code, "", error);
}

enum status opencl_synchronise(struct gpu *gpu, struct error *error) {
    struct opencl *opencl = opencl_of(gpu);
    opencl->unflushed = opencl->unmarked = 0;
    free_mark(opencl);
    const cl_int code = clFinish(opencl->queue);
    return code == CL_SUCCESS ? STATUS_OK : opencl_failed("clFinish", code, "", error);
}

/* --- Enqueueing --- */

static CLBlastTranspose transposed(bool yes) {
    return yes ? CLBlastTransposeYes : CLBlastTransposeNo;
}

/* Asks CLBlast how much workspace it needs. If it had to allocate that itself, it would do so at
 * every call, and CLBlast 1.5.3 ends the process when it can't. */
enum status opencl_gemm_workspace(
    struct gpu *gpu, const struct gpu_gemm *gemm, size_t *elements, struct error *error) {
    size_t bytes = 0;
    const int code = CLBlastSGemmTempBufferSize(CLBlastLayoutRowMajor,
        transposed(gemm->transpose_a), transposed(gemm->transpose_b), gemm->m, gemm->n, gemm->k,
        gemm->a.offset, gemm->a.columns, gemm->b.offset, gemm->b.columns, gemm->c.offset,
        gemm->c.columns, &opencl_of(gpu)->queue, &bytes);
    *elements = bytes / sizeof(cl_float) + 1;
    return code == CLBlastSuccess ? STATUS_OK
                                  : opencl_failed("CLBlastSGemmTempBufferSize", code, "", error);
}

static cl_int enqueue_gemm(struct opencl *opencl, const struct gpu_gemm *gemm) {
    return (cl_int)CLBlastSgemmWithTempBuffer(CLBlastLayoutRowMajor, transposed(gemm->transpose_a),
        transposed(gemm->transpose_b), gemm->m, gemm->n, gemm->k, 1.0f,
        opencl_memory(gemm->a.buffer), gemm->a.offset, gemm->a.columns,
        opencl_memory(gemm->b.buffer), gemm->b.offset, gemm->b.columns, 0.0f,
        opencl_memory(gemm->c.buffer), gemm->c.offset, gemm->c.columns, &opencl->queue, NULL,
        opencl_memory(gemm->workspace.buffer));
}

static enum status set_arguments(const struct gpu_command *command, struct error *error) {
    for (size_t a = 0; a < command->arguments_count; a++) {
        const struct gpu_argument *argument = &command->arguments[a];
        cl_mem memory = NULL;
        size_t bytes = sizeof(cl_uint); /* a cl_float has the same size */
        const void *value = &argument->value;
        if (argument->kind == GPU_BUFFER) {
            memory = opencl_memory(argument->value.buffer);
            value = &memory;
            bytes = sizeof memory;
        } else if (argument->kind == GPU_OFFSET) {
            bytes = sizeof(cl_ulong);
        }
        const cl_int code = clSetKernelArg((cl_kernel)command->function, (cl_uint)a, bytes, value);
        if (code != CL_SUCCESS)
            return opencl_failed("clSetKernelArg", code, command->name, error);
    }
    return STATUS_OK;
}

static cl_int enqueue_kernel(struct opencl *opencl, const struct gpu_command *command) {
    const struct gpu_grid *grid = &command->grid;
    size_t global[3];
    for (int d = 0; d < 3; d++)
        global[d] = grid->groups[d] * grid->items[d];
    return clEnqueueNDRangeKernel(
        opencl->queue, (cl_kernel)command->function, 3, NULL, global, grid->items, 0, NULL, NULL);
}

enum status opencl_enqueue(
    struct gpu *gpu, const struct gpu_command *command, struct error *error) {
    struct opencl *opencl = opencl_of(gpu);
    if (command->function && !command->prepared) {
        const enum status status = set_arguments(command, error);
        if (status != STATUS_OK)
            return status;
    }
    const cl_int code =
        command->function ? enqueue_kernel(opencl, command) : enqueue_gemm(opencl, &command->gemm);
    if (code != CL_SUCCESS)
        return opencl_failed(
            command->function ? "clEnqueueNDRangeKernel" : "CLBlastSgemmWithTempBuffer", code,
            command->name, error);
    if (++opencl->unmarked >= MARKED_COMMANDS)
        return wait_for_mark(opencl, error);
    return ++opencl->unflushed < FLUSH_COMMANDS ? STATUS_OK : opencl_flush(opencl, error);
}

/* --- Recordings --- */

enum status opencl_prepare(struct gpu *gpu, const struct gpu_kernel *kernel,
    struct gpu_command *command, struct error *error) {
    (void)gpu;
    enum status status =
        opencl_create_function(kernel->program, kernel->name, &command->function, error);
    if (status != STATUS_OK)
        return status;
    status = set_arguments(command, error);
    if (status != STATUS_OK)
        opencl_free_function(command->function);
    command->prepared = status == STATUS_OK;
    return status;
}
