/* Commands: enqueued at once, or recorded. */
#include "device/gpu/gpu.h"

#include <stdlib.h>
#include <string.h>

struct recording {
    struct gpu_command *commands;
    size_t count, room;
    bool unfit;              /* too long, or with what can't be recorded */
    struct gpu_graph *graph; /* the commands as one; NULL: they are enqueued one by one */
};

/* --- Kernels --- */

enum status gpu_kernel_create(struct gpu *gpu, struct gpu_program *program, const char *name,
    struct gpu_kernel *kernel, struct error *error) {
    *kernel = (struct gpu_kernel){name, program, NULL};
    return gpu->driver->create_function(program, name, &kernel->function, error);
}

void gpu_kernel_free(struct gpu *gpu, struct gpu_kernel *kernel) {
    if (kernel->function)
        gpu->driver->free_function(kernel->function);
    kernel->function = NULL;
}

/* --- Enqueueing --- */

/* A place for one more command; NULL when the recording is too long, or memory is refused. */
static struct gpu_command *grow(const struct gpu *gpu) {
    struct recording *recording = gpu->recorded;
    if (recording->count == recording->room && !recording->unfit) {
        const size_t room = recording->room > 0 ? recording->room * 2 : 256;
        struct gpu_command *grown = room <= gpu->driver->longest
                                        ? realloc(recording->commands, room * sizeof *grown)
                                        : NULL;
        if (grown) {
            recording->commands = grown;
            recording->room = room;
        }
        recording->unfit = !grown;
    }
    return recording->unfit ? NULL : &recording->commands[recording->count];
}

/* `kernel`: the command's; NULL for a gemm. */
static enum status submit(struct gpu *gpu, const struct gpu_kernel *kernel,
    const struct gpu_command *command, struct error *error) {
    if (!gpu->recorded)
        return gpu->driver->enqueue(gpu, command, error);
    struct gpu_command *recorded = grow(gpu);
    if (!recorded)
        return STATUS_OK;
    *recorded = *command;
    const enum status status = kernel && gpu->driver->prepare
                                   ? gpu->driver->prepare(gpu, kernel, recorded, error)
                                   : STATUS_OK;
    if (status == STATUS_OK)
        gpu->recorded->count++;
    return status;
}

enum status gpu_launch(struct gpu *gpu, const struct gpu_kernel *kernel, struct gpu_grid grid,
    const struct gpu_argument *arguments, size_t count, struct error *error) {
    struct gpu_command command = {
        .name = kernel->name, .function = kernel->function, .grid = grid, .arguments_count = count};
    memcpy(command.arguments, arguments, count * sizeof *arguments);
    return submit(gpu, kernel, &command, error);
}

enum status gpu_gemm(struct gpu *gpu, const struct gpu_gemm *gemm, struct error *error) {
    const struct gpu_command command = {.name = "a matrix product", .gemm = *gemm};
    return submit(gpu, NULL, &command, error);
}

/* --- Recording --- */

bool gpu_spoil_recording(struct gpu *gpu) {
    if (gpu->recorded)
        gpu->recorded->unfit = true;
    return gpu->recorded != NULL;
}

enum status gpu_record_begin(struct device *device, struct error *error) {
    struct gpu *gpu = (struct gpu *)device;
    gpu->recorded = calloc(1, sizeof *gpu->recorded);
    return gpu->recorded ? STATUS_OK : error_memory(error, "a recording", sizeof *gpu->recorded);
}

enum status gpu_record_end(
    struct device *device, struct recording **recording, struct error *error) {
    struct gpu *gpu = (struct gpu *)device;
    struct recording *made = gpu->recorded;
    gpu->recorded = NULL;
    enum status status = STATUS_OK;
    if (!made->unfit && gpu->driver->make_graph && made->count > 0)
        status = gpu->driver->make_graph(gpu, made->commands, made->count, &made->graph, error);
    if (gpu->driver->make_graph)
        gpu->base.info.submission = made->graph ? "graph" : "stream";
    if (made->unfit || status != STATUS_OK) {
        gpu_forget(device, made);
        made = NULL;
    }
    *recording = made;
    return status;
}

enum status gpu_replay(struct device *device, struct recording *recording, struct error *error) {
    struct gpu *gpu = (struct gpu *)device;
    if (recording->graph)
        return gpu->driver->run_graph(gpu, recording->graph, error);
    enum status status = STATUS_OK;
    for (size_t c = 0; c < recording->count && status == STATUS_OK; c++)
        status = gpu->driver->enqueue(gpu, &recording->commands[c], error);
    return status;
}

void gpu_forget(struct device *device, struct recording *recording) {
    struct gpu *gpu = (struct gpu *)device;
    if (recording->graph)
        gpu->driver->free_graph(gpu, recording->graph);
    for (size_t c = 0; c < recording->count; c++)
        if (recording->commands[c].prepared)
            gpu->driver->free_function(recording->commands[c].function);
    free(recording->commands);
    free(recording);
}
