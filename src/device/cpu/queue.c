#include "device/cpu/queue.h"

#include "system/team.h"

#include <omp.h>
#include <stdint.h>
#include <stdlib.h>

struct slice slice_rows(size_t rows, int thread, int threads) {
    /* Whole vectors and register tiles for each thread, where there are enough rows. */
    const size_t unit = rows >= 16 * (size_t)threads ? 8 : 1;
    const size_t units = (rows + unit - 1) / unit;
    const size_t first = units * (size_t)thread / (size_t)threads * unit;
    const size_t end = units * ((size_t)thread + 1) / (size_t)threads * unit;
    return (struct slice){first, end < rows ? end : rows};
}

bool queue_reserve(struct queue *queue, size_t capacity) {
    struct command *commands = realloc(queue->commands, capacity * sizeof *commands);
    if (!commands)
        return false;
    queue->commands = commands;
    queue->capacity = capacity;
    return true;
}

void queue_free(struct queue *queue) {
    free(queue->commands);
    *queue = (struct queue){0};
}

/* Whether a thread doing `later` could meet what another thread still does to `earlier`. */
static bool conflict(const struct operand *earlier, const struct operand *later) {
    const uintptr_t a = (uintptr_t)earlier->data, b = (uintptr_t)later->data;
    if (!(earlier->written || later->written) || a + earlier->bytes <= b || b + later->bytes <= a)
        return false;
    const bool same_rows = earlier->rows > 0 && earlier->rows == later->rows && a == b &&
                           earlier->bytes == later->bytes;
    return !same_rows;
}

static bool commands_conflict(const struct command *earlier, const struct command *later) {
    for (int i = 0; i < COMMAND_OPERANDS; i++)
        for (int j = 0; j < COMMAND_OPERANDS; j++)
            if (conflict(&earlier->operands[i], &later->operands[j]))
                return true;
    return false;
}

/* Commands since the last wait that a new one is compared with; past that, it waits. */
enum { LOOK_BACK = 64 };

void queue_append(struct queue *queue, const struct command *command) {
    bool wait = queue->count - queue->met >= LOOK_BACK;
    for (size_t i = queue->met; i < queue->count && !wait; i++)
        wait = commands_conflict(&queue->commands[i], command);
    if (wait)
        queue->met = queue->count;
    queue->commands[queue->count] = *command;
    queue->commands[queue->count++].wait = wait;
}

int queue_run(const struct queue *queue, int threads) {
    int size = threads;
    if (queue->count == 0)
        return size;
#pragma omp parallel num_threads(team_whole(threads))
    {
        const int thread = omp_get_thread_num(), team = omp_get_num_threads();
        if (thread == 0)
            size = team;
        for (size_t i = 0; i < queue->count; i++) {
            const struct command *command = &queue->commands[i];
            if (command->wait) {
#pragma omp barrier
            }
            command->run(command, thread, team);
        }
    }
    return size;
}
