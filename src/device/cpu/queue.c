#include "device/cpu/queue.h"

#include "system/team.h"

#include <omp.h>
#include <stdlib.h>

struct slice slice_rows(size_t rows, int thread, int threads) {
    /* Where there are enough rows, each thread has a multiple of 6 of them, so that the register
     * tiles of its gemms are full. */
    const size_t unit = rows >= 12 * (size_t)threads ? 6 : 1;
    const size_t units = (rows + unit - 1) / unit;
    const size_t first = units * (size_t)thread / (size_t)threads * unit;
    const size_t end = units * ((size_t)thread + 1) / (size_t)threads * unit;
    return (struct slice){first, end < rows ? end : rows};
}

bool queue_reserve(struct queue *queue, size_t capacity) {
    struct queue_entry *entries = realloc(queue->entries, capacity * sizeof *entries);
    if (!entries)
        return false;
    queue->entries = entries;
    queue->capacity = capacity;
    return true;
}

void queue_free(struct queue *queue) {
    free(queue->entries);
    *queue = (struct queue){0};
}

void queue_empty(struct queue *queue) {
    queue->count = queue->last_barrier = 0;
}

bool queue_is_full(const struct queue *queue) {
    return queue->count == queue->capacity;
}

/* Whether a thread that does the later entry could meet, at its operand `j`, what another thread
 * still does to operand `i` of the earlier entry. */
static bool operands_conflict(
    const struct queue_entry *earlier, size_t i, const struct queue_entry *later, size_t j) {
    const struct view a = earlier->operation.views[i], b = later->operation.views[j];
    const bool written = operation_types[earlier->operation.kind].operands[i].use != OPERAND_READ ||
                         operation_types[later->operation.kind].operands[j].use != OPERAND_READ;
    if (!written || !view_overlaps(a, b))
        return false;
    const bool same_rows = earlier->how->by_rows[i] && later->how->by_rows[j] &&
                           a.offset == b.offset && a.rows == b.rows && a.columns == b.columns;
    return !same_rows;
}

static bool entries_conflict(const struct queue_entry *earlier, const struct queue_entry *later) {
    const size_t befores = operation_operands(&operation_types[earlier->operation.kind]);
    const size_t afters = operation_operands(&operation_types[later->operation.kind]);
    for (size_t i = 0; i < befores; i++)
        for (size_t j = 0; j < afters; j++)
            if (operands_conflict(earlier, i, later, j))
                return true;
    return false;
}

/* How many entries since the last barrier a new entry is compared with, at most. If there are more,
 * it has a barrier before it anyway, so that adding an entry never takes long. */
enum { LOOK_BACK = 64 };

void queue_append(struct queue *queue, const struct operation *operation,
    const struct cpu_operation *how, const struct cpu_algorithm *algorithm) {
    struct queue_entry *entry = &queue->entries[queue->count];
    *entry = (struct queue_entry){
        *operation, how, algorithm, queue->count - queue->last_barrier >= LOOK_BACK};
    for (size_t i = queue->last_barrier; i < queue->count && !entry->barrier; i++)
        entry->barrier = entries_conflict(&queue->entries[i], entry);
    if (entry->barrier)
        queue->last_barrier = queue->count;
    queue->count++;
}

int queue_run(const struct queue *queue, const struct cpu *cpu, int threads) {
    int size = threads;
    if (queue->count == 0)
        return size;
#pragma omp parallel num_threads(team_whole(threads))
    {
        const int thread = omp_get_thread_num(), team = omp_get_num_threads();
        if (thread == 0)
            size = team;
        for (size_t i = 0; i < queue->count; i++) {
            const struct queue_entry *entry = &queue->entries[i];
            if (entry->barrier) {
#pragma omp barrier
            }
            entry->how->run(cpu, entry, thread, team);
        }
    }
    return size;
}
