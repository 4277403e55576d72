/* Recordings: lists of commands, in which training steps may be fused. */
#include "device/gpu/step_choice.h"

#include <stdlib.h>

const char *const gpu_steps[] = {"fused", "separate", NULL};

void gpu_free_recording(struct device *device, struct recording *recording) {
    gpu_commands_free((struct gpu *)device, &recording->commands);
    free(recording);
}

/* Adds the commands of what `operations` begin with: the steps that can be fused, or else an
 * operation, or all operations of a step. *done becomes the number of operations. */
static enum status add(struct gpu *gpu, struct recording *recording,
    const struct operation *operations, size_t count, size_t *done, struct error *error) {
    struct step step;
    struct fused_step *fused = NULL;
    enum step_way way = STEP_SEPARATE;
    const bool is_step = step_find(operations, count, &step);
    enum status status =
        is_step ? step_choose(gpu, &step, operations, count, &fused, &way, error) : STATUS_OK;
    if (fused) {
        recording->way = way > recording->way ? way : recording->way;
        return fused_step_add(
            gpu, &recording->commands, fused, way, operations, count, done, error);
    }
    *done = is_step ? step.operations : 1;
    for (size_t o = 0; o < *done && status == STATUS_OK; o++)
        status = gpu_operate(gpu, &recording->commands, &operations[o], error);
    return status;
}

/* Makes a graph of a recording's commands, where that is to be. */
static enum status submit(struct gpu *gpu, struct recording *recording, struct error *error) {
    struct gpu_commands *commands = &recording->commands;
    enum status status = STATUS_OK;
    const char *submission = "graph";
    if (recording->way == STEP_PERSISTENT) {
        gpu->base.info.submission = "persistent";
        return STATUS_OK;
    }
    if (recording->way == STEP_OVERLAPPED) {
        status = gpu_commands_make_overlapped(gpu, commands, error);
        submission = commands->graph ? "overlapped" : submission;
    }
    if (status == STATUS_OK && !commands->graph)
        status = gpu_commands_make_graph(gpu, commands, error);
    if (commands->graph)
        gpu->base.info.submission = submission;
    return status;
}

/* Makes no recording where the driver has graphs, but can make none of these operations: to run
 * such a list would be no faster than to enqueue the operations again, unless it has fused steps.
 */
enum status gpu_compile(struct device *device, const struct operation *operations, size_t count,
    struct recording **recording, struct error *error) {
    struct gpu *gpu = (struct gpu *)device;
    struct recording *made = calloc(1, sizeof *made);
    if (!made)
        return error_memory(error, "a recording", sizeof *made);
    enum status status = STATUS_OK;
    for (size_t o = 0, done; o < count && status == STATUS_OK; o += done)
        status = add(gpu, made, operations + o, count - o, &done, error);
    if (status == STATUS_OK)
        status = submit(gpu, made, error);
    const bool fused = made->way != STEP_SEPARATE;
    const bool useful = made->commands.graph || fused || !gpu->driver->make_graph;
    if (status != STATUS_OK || !useful) {
        gpu_free_recording(device, made);
        return status;
    }
    *recording = made;
    device->info.step = gpu_steps[fused ? 0 : 1];
    return STATUS_OK;
}

enum status gpu_run(struct device *device, struct recording *recording, struct error *error) {
    return gpu_commands_run((struct gpu *)device, &recording->commands, error);
}
