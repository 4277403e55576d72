#include "device/opencl/commands.h"

#include "device/opencl/status.h"

#include <stdlib.h>

enum {
    MARKED_COMMANDS = 4096, /* twice as many may be enqueued and not done: drivers keep memory for
                             * each. More than the default net's epoch, which so has no events */
    FLUSH_COMMANDS = 16,    /* enqueued before the driver is told to start on them */
    RECORDING_COMMANDS = 1 << 14 /* in a recording: a kernel each; a longer one is plain calls */
};

struct command {
    cl_kernel kernel; /* NULL: it is the gemm */
    const char *name;
    struct opencl_grid grid;
    struct opencl_gemm gemm;
};

struct recording {
    struct command *commands;
    size_t count, room;
    bool unfit; /* too long, or with what can't be recorded */
};

/* --- Kernels --- */

enum status opencl_kernel_create(
    cl_program program, const char *name, struct opencl_kernel *kernel, struct error *error) {
    cl_int code;
    *kernel = (struct opencl_kernel){name, program, clCreateKernel(program, name, &code)};
    return kernel->kernel ? STATUS_OK : opencl_failed("clCreateKernel", code, name, error);
}

void opencl_kernel_free(struct opencl_kernel *kernel) {
    if (kernel->kernel)
        clReleaseKernel(kernel->kernel);
    kernel->kernel = NULL;
}

static enum status set_arguments(cl_kernel kernel, const char *name,
    const struct opencl_argument *arguments, size_t count, struct error *error) {
    for (size_t a = 0; a < count; a++) {
        const cl_int code =
            clSetKernelArg(kernel, (cl_uint)a, arguments[a].bytes, &arguments[a].value);
        if (code != CL_SUCCESS)
            return opencl_failed("clSetKernelArg", code, name, error);
    }
    return STATUS_OK;
}

/* --- Enqueueing --- */

enum status opencl_flush(struct opencl *opencl, struct error *error) {
    opencl->unflushed = 0;
    const cl_int code = clFlush(opencl->queue);
    return code == CL_SUCCESS ? STATUS_OK : opencl_failed("clFlush", code, "", error);
}

void opencl_forget_mark(struct opencl *opencl) {
    if (opencl->mark)
        clReleaseEvent(opencl->mark);
    opencl->mark = NULL;
}

/* Waits for what was marked some thousands of commands ago, so that the queue doesn't run empty,
 * and marks the last one. */
static enum status wait_for_mark(struct opencl *opencl, struct error *error) {
    opencl->unmarked = 0;
    cl_int code = opencl->mark ? clWaitForEvents(1, &opencl->mark) : CL_SUCCESS;
    opencl_forget_mark(opencl);
    if (code != CL_SUCCESS)
        return opencl_failed("clWaitForEvents", code, "", error);
    code = clEnqueueMarkerWithWaitList(opencl->queue, 0, NULL, &opencl->mark);
    return code == CL_SUCCESS ? opencl_flush(opencl, error)
                              : opencl_failed("clEnqueueMarkerWithWaitList", code, "", error);
}

enum status opencl_finish(struct opencl *opencl, struct error *error) {
    opencl->unflushed = opencl->unmarked = 0;
    opencl_forget_mark(opencl);
    const cl_int code = clFinish(opencl->queue);
    return code == CL_SUCCESS ? STATUS_OK : opencl_failed("clFinish", code, "", error);
}

static CLBlastTranspose transposed(bool yes) {
    return yes ? CLBlastTransposeYes : CLBlastTransposeNo;
}

static enum status enqueue(
    struct opencl *opencl, const struct command *command, struct error *error) {
    cl_int code;
    if (command->kernel) {
        const struct opencl_grid *grid = &command->grid;
        size_t global[3];
        for (int d = 0; d < 3; d++)
            global[d] = grid->groups[d] * grid->items[d];
        code = clEnqueueNDRangeKernel(
            opencl->queue, command->kernel, 3, NULL, global, grid->items, 0, NULL, NULL);
    } else {
        const struct opencl_gemm *gemm = &command->gemm;
        code =
            (cl_int)CLBlastSgemmWithTempBuffer(CLBlastLayoutRowMajor, transposed(gemm->transpose_a),
                transposed(gemm->transpose_b), gemm->m, gemm->n, gemm->k, gemm->alpha,
                opencl_memory(gemm->a), gemm->a.offset, gemm->a.columns, opencl_memory(gemm->b),
                gemm->b.offset, gemm->b.columns, gemm->beta, opencl_memory(gemm->c), gemm->c.offset,
                gemm->c.columns, &opencl->queue, NULL, opencl_memory(gemm->work));
    }
    if (code != CL_SUCCESS)
        return opencl_failed(
            command->kernel ? "clEnqueueNDRangeKernel" : "CLBlastSgemmWithTempBuffer", code,
            command->name, error);
    if (++opencl->unmarked >= MARKED_COMMANDS)
        return wait_for_mark(opencl, error);
    return ++opencl->unflushed < FLUSH_COMMANDS ? STATUS_OK : opencl_flush(opencl, error);
}

/* --- Recording --- */

/* A place for one more command; NULL when the recording is too long, or memory is refused. */
static struct command *grow(struct recording *recording) {
    if (recording->count == recording->room && !recording->unfit) {
        const size_t room = recording->room > 0 ? recording->room * 2 : 256;
        struct command *grown =
            room <= RECORDING_COMMANDS ? realloc(recording->commands, room * sizeof *grown) : NULL;
        if (grown) {
            recording->commands = grown;
            recording->room = room;
        }
        recording->unfit = !grown;
    }
    return recording->unfit ? NULL : &recording->commands[recording->count];
}

static enum status record_kernel(struct recording *recording, const struct opencl_kernel *kernel,
    struct opencl_grid grid, const struct opencl_argument *arguments, size_t count,
    struct error *error) {
    struct command *command = grow(recording);
    if (!command)
        return STATUS_OK;
    struct opencl_kernel own;
    enum status status = opencl_kernel_create(kernel->program, kernel->name, &own, error);
    if (status == STATUS_OK)
        status = set_arguments(own.kernel, own.name, arguments, count, error);
    if (status != STATUS_OK) {
        opencl_kernel_free(&own);
        return status;
    }
    *command = (struct command){.kernel = own.kernel, .name = own.name, .grid = grid};
    recording->count++;
    return STATUS_OK;
}

enum status opencl_launch(struct opencl *opencl, const struct opencl_kernel *kernel,
    struct opencl_grid grid, const struct opencl_argument *arguments, size_t count,
    struct error *error) {
    if (opencl->recorded)
        return record_kernel(opencl->recorded, kernel, grid, arguments, count, error);
    const struct command command = {.kernel = kernel->kernel, .name = kernel->name, .grid = grid};
    const enum status status = set_arguments(kernel->kernel, kernel->name, arguments, count, error);
    return status == STATUS_OK ? enqueue(opencl, &command, error) : status;
}

enum status opencl_gemm_work(
    struct opencl *opencl, const struct opencl_gemm *gemm, size_t *elements, struct error *error) {
    size_t bytes = 0;
    const int code = CLBlastSGemmTempBufferSize(CLBlastLayoutRowMajor,
        transposed(gemm->transpose_a), transposed(gemm->transpose_b), gemm->m, gemm->n, gemm->k,
        gemm->a.offset, gemm->a.columns, gemm->b.offset, gemm->b.columns, gemm->c.offset,
        gemm->c.columns, &opencl->queue, &bytes);
    *elements = bytes / sizeof(cl_float) + 1;
    return code == CLBlastSuccess ? STATUS_OK
                                  : opencl_failed("CLBlastSGemmTempBufferSize", code, "", error);
}

enum status opencl_gemm(
    struct opencl *opencl, const struct opencl_gemm *gemm, struct error *error) {
    const struct command command = {.name = "a matrix product", .gemm = *gemm};
    if (!opencl->recorded)
        return enqueue(opencl, &command, error);
    struct command *recorded = grow(opencl->recorded);
    if (recorded) {
        *recorded = command;
        opencl->recorded->count++;
    }
    return STATUS_OK;
}

bool opencl_spoil_recording(struct opencl *opencl) {
    if (opencl->recorded)
        opencl->recorded->unfit = true;
    return opencl->recorded != NULL;
}

enum status opencl_record_begin(struct device *device, struct error *error) {
    struct opencl *opencl = (struct opencl *)device;
    opencl->recorded = calloc(1, sizeof *opencl->recorded);
    return opencl->recorded ? STATUS_OK
                            : error_memory(error, "a recording", sizeof *opencl->recorded);
}

enum status opencl_record_end(
    struct device *device, struct recording **recording, struct error *error) {
    (void)error;
    struct opencl *opencl = (struct opencl *)device;
    *recording = opencl->recorded;
    opencl->recorded = NULL;
    if ((*recording)->unfit) {
        opencl_forget(device, *recording);
        *recording = NULL;
    }
    return STATUS_OK;
}

enum status opencl_replay(struct device *device, struct recording *recording, struct error *error) {
    struct opencl *opencl = (struct opencl *)device;
    enum status status = STATUS_OK;
    for (size_t c = 0; c < recording->count && status == STATUS_OK; c++)
        status = enqueue(opencl, &recording->commands[c], error);
    return status;
}

void opencl_forget(struct device *device, struct recording *recording) {
    (void)device;
    for (size_t c = 0; c < recording->count; c++)
        if (recording->commands[c].kernel)
            clReleaseKernel(recording->commands[c].kernel);
    free(recording->commands);
    free(recording);
}
