/* Commands: enqueued at once, or kept in lists. */
#include "device/gpu/exchange.h"

#include <stdlib.h>
#include <string.h>

/* --- Enqueueing --- */

/* Makes room for one more command at a list's end, and gives its place; NULL when memory is
 * refused. */
static struct gpu_command *grow(struct gpu_commands *commands) {
    if (commands->count == commands->capacity) {
        const size_t capacity = commands->capacity > 0 ? commands->capacity * 2 : 256;
        struct gpu_command *grown = realloc(commands->all, capacity * sizeof *grown);
        if (!grown)
            return NULL;
        commands->all = grown;
        commands->capacity = capacity;
    }
    return &commands->all[commands->count];
}

static enum status enqueue(
    struct gpu *gpu, const struct gpu_command *command, struct error *error) {
    return command->exchanged.buffer ? exchange_run(gpu, command, error)
                                     : gpu->driver->enqueue(gpu, command, error);
}

/* Adds a command to the list `to`. If that is NULL, the command is enqueued. `kernel` is the
 * command's kernel; NULL where it launches none. */
static enum status submit(struct gpu *gpu, struct gpu_commands *to, const struct gpu_kernel *kernel,
    const struct gpu_command *command, struct error *error) {
    if (!to)
        return enqueue(gpu, command, error);
    struct gpu_command *kept = grow(to);
    if (!kept)
        return error_memory(error, "a recording", (to->count + 1) * sizeof *kept);
    *kept = *command;
    to->exchanges |= command->exchanged.buffer != NULL;
    const enum status status =
        kernel && gpu->driver->prepare ? gpu->driver->prepare(gpu, kernel, kept, error) : STATUS_OK;
    if (status == STATUS_OK)
        to->count++;
    return status;
}

enum status gpu_launch(struct gpu *gpu, struct gpu_commands *to, const struct gpu_kernel *kernel,
    struct gpu_grid grid, const struct gpu_argument *arguments, size_t count, struct error *error) {
    struct gpu_command command = {
        .name = kernel->name, .function = kernel->function, .grid = grid, .arguments_count = count};
    memcpy(command.arguments, arguments, count * sizeof *arguments);
    return submit(gpu, to, kernel, &command, error);
}

enum status gpu_gemm(
    struct gpu *gpu, struct gpu_commands *to, const struct gpu_gemm *gemm, struct error *error) {
    const struct gpu_command command = {.name = "a matrix product", .gemm = *gemm};
    return submit(gpu, to, NULL, &command, error);
}

enum status gpu_exchange(
    struct gpu *gpu, struct gpu_commands *to, struct view exchanged, struct error *error) {
    const struct gpu_command command = {.name = "an exchange", .exchanged = exchanged};
    const enum status status = exchange_reserve(gpu, exchanged.rows * exchanged.columns, error);
    return status == STATUS_OK ? submit(gpu, to, NULL, &command, error) : status;
}

/* --- Lists --- */

/* What the host has a part in can't be submitted as one. */
static bool can_be_graph(const struct gpu *gpu, const struct gpu_commands *commands) {
    return gpu->driver->make_graph && commands->count > 0 && (gpu->joined || !commands->exchanges);
}

/* Ranks have a graph in all of them or in none: libraries exchange otherwise in a graph. */
static enum status agree_on_graph(
    struct gpu *gpu, struct gpu_commands *commands, struct error *error) {
    int lacking;
    const enum status status =
        communicator_most(gpu->base.communicator, !commands->graph, &lacking, error);
    if (commands->graph && (status != STATUS_OK || lacking)) {
        gpu->driver->free_graph(gpu, commands->graph);
        commands->graph = NULL;
    }
    return status;
}

enum status gpu_commands_make_graph(
    struct gpu *gpu, struct gpu_commands *commands, struct error *error) {
    if (!can_be_graph(gpu, commands))
        return STATUS_OK;
    const enum status status =
        gpu->driver->make_graph(gpu, commands->all, commands->count, &commands->graph, error);
    return status == STATUS_OK && commands->exchanges ? agree_on_graph(gpu, commands, error)
                                                      : status;
}

enum status gpu_commands_make_overlapped(
    struct gpu *gpu, struct gpu_commands *commands, struct error *error) {
    struct device_info *info = &gpu->base.info;
    char warning[sizeof info->warning];
    memcpy(warning, info->warning, sizeof warning);
    const enum status status = gpu_commands_make_graph(gpu, commands, error);
    memcpy(info->warning, warning, sizeof warning);
    for (size_t c = 0; c < commands->count && !commands->graph; c++)
        commands->all[c].start = START_AFTER;
    return status;
}

enum status gpu_commands_run(
    struct gpu *gpu, const struct gpu_commands *commands, struct error *error) {
    if (gpu->joined && commands->exchanges)
        exchange_begin(gpu);
    if (commands->graph)
        return gpu->driver->run_graph(gpu, commands->graph, error);
    enum status status = STATUS_OK;
    for (size_t c = 0; c < commands->count && status == STATUS_OK; c++)
        status = enqueue(gpu, &commands->all[c], error);
    return status;
}

void gpu_commands_free(struct gpu *gpu, struct gpu_commands *commands) {
    if (commands->graph)
        gpu->driver->free_graph(gpu, commands->graph);
    for (size_t c = 0; c < commands->count; c++)
        if (commands->all[c].prepared)
            gpu->driver->free_function(commands->all[c].function);
    free(commands->all);
    *commands = (struct gpu_commands){0};
}
