#include "device/cpu/queue.h"

#include "system/barrier.h"
#include "system/team.h"

#include <omp.h>
#include <stdlib.h>

/* Whole units, as evenly as they go. */
static struct slice slice_units(size_t count, size_t unit, int thread, int threads) {
    const size_t units = (count + unit - 1) / unit;
    const size_t first = units * (size_t)thread / (size_t)threads * unit;
    const size_t end = units * ((size_t)thread + 1) / (size_t)threads * unit;
    return (struct slice){first, end < count ? end : count};
}

struct slice slice_rows(size_t rows, int thread, int threads) {
    /* A gemm's tile of one row takes as long as one of two: it waits for the same row of b. */
    return slice_units(rows, rows >= 4 * (size_t)threads ? 2 : 1, thread, threads);
}

struct slice slice_columns(size_t columns, int thread, int threads) {
    /* Whole cache lines, or the widest panels of a gemm. */
    return slice_units(columns, columns >= 64 * (size_t)threads ? 64 : 16, thread, threads);
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

/* An operand of an entry: its view, what a thread meets of it, and whether that is written. */
struct operand {
    struct view view;
    enum met met;
    bool written;
};

/* Gives the operands of an entry, in the order of the operation's views, and their number. An entry
 * with an order has that as one more. */
static size_t list_operands(
    const struct queue_entry *entry, struct operand operands[OPERATION_VIEWS + 1]) {
    const struct operation_type *type = &operation_types[entry->operation.kind];
    const enum met *met = entry->by_columns ? entry->how->by_columns : entry->how->by_rows;
    size_t count = operation_operands(type);
    for (size_t i = 0; i < count; i++)
        operands[i] = (struct operand){
            entry->operation.views[i], met[i], type->operands[i].use != OPERAND_READ};
    if (entry->order.buffer) {
        operands[count++] = (struct operand){entry->order, operands[0].met, false};
        operands[0].met = MET_ANY;
    }
    return count;
}

/* Whether a thread that does the later operation could meet, at operand `b`, what another thread
 * still does to operand `a` of the earlier one. */
static bool operands_conflict(const struct operand *a, const struct operand *b) {
    if (!(a->written || b->written) || !view_overlaps(a->view, b->view))
        return false;
    const bool same_slices = a->met != MET_ANY && a->met == b->met &&
                             a->view.offset == b->view.offset && a->view.rows == b->view.rows &&
                             a->view.columns == b->view.columns;
    return !same_slices;
}

static bool entries_conflict(const struct queue_entry *earlier, const struct queue_entry *later) {
    struct operand befores[OPERATION_VIEWS + 1], afters[OPERATION_VIEWS + 1];
    const size_t befores_count = list_operands(earlier, befores);
    const size_t afters_count = list_operands(later, afters);
    for (size_t i = 0; i < befores_count; i++)
        for (size_t j = 0; j < afters_count; j++)
            if (operands_conflict(&befores[i], &afters[j]))
                return true;
    return false;
}

/* How many entries since the last barrier a new entry is compared with, at most. If there are more,
 * it has a barrier before it anyway, so that adding an entry never takes long. */
enum { LOOK_BACK = 64 };

void queue_append(struct queue *queue, const struct queue_entry *entry) {
    struct queue_entry *added = &queue->entries[queue->count];
    *added = *entry;
    added->barrier = queue->count - queue->last_barrier >= LOOK_BACK;
    for (size_t i = queue->last_barrier; i < queue->count && !added->barrier; i++)
        added->barrier = entries_conflict(&queue->entries[i], added);
    if (added->barrier)
        queue->last_barrier = queue->count;
    queue->count++;
}

/* What one thread of the team does of a queue. All have done all of it in the end. */
static void walk(const struct queue *queue, const struct cpu *cpu, struct barrier *barrier,
    int thread, int team) {
    for (size_t i = 0; i < queue->count; i++) {
        const struct queue_entry *entry = &queue->entries[i];
        if (entry->barrier)
            barrier_wait(barrier, team);
        entry->how->run(cpu, entry, thread, team);
    }
    barrier_wait(barrier, team);
}

int queue_run(
    const struct queue *first, const struct queue *second, const struct cpu *cpu, int threads) {
    int size = threads;
    if (first->count + second->count == 0)
        return size;
    struct barrier barrier;
    barrier_open(&barrier, omp_get_num_procs());
#pragma omp parallel num_threads(team_whole(threads))
    {
        const int thread = omp_get_thread_num(), team = omp_get_num_threads();
        if (thread == 0)
            size = team;
        walk(first, cpu, &barrier, thread, team);
        walk(second, cpu, &barrier, thread, team);
    }
    barrier_close(&barrier);
    return size;
}
