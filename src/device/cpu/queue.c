#include "device/cpu/queue.h"

#include "system/barrier.h"
#include "system/team.h"

#include <omp.h>
#include <stdatomic.h>
#include <stdlib.h>

/* Whole units, as evenly as they go. */
static struct slice slice_units(size_t count, size_t unit, int part, int parts) {
    const size_t units = (count + unit - 1) / unit;
    const size_t first = units * (size_t)part / (size_t)parts * unit;
    const size_t end = units * ((size_t)part + 1) / (size_t)parts * unit;
    return (struct slice){first, end < count ? end : count};
}

struct slice slice_rows(size_t rows, int part, int parts) {
    /* A gemm's tile of one row takes as long as one of two: it waits for the same row of b. */
    return slice_units(rows, rows >= 4 * (size_t)parts ? 2 : 1, part, parts);
}

struct slice slice_columns(size_t columns, int part, int parts) {
    /* Whole cache lines, or the widest panels of a gemm. */
    return slice_units(columns, columns >= 64 * (size_t)parts ? 64 : 16, part, parts);
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
    int parts;
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
            entry->operation.views[i], met[i], entry->parts, type->operands[i].use != OPERAND_READ};
    if (entry->order.buffer) {
        operands[count++] = (struct operand){entry->order, operands[0].met, entry->parts, false};
        operands[0].met = MET_ANY;
    }
    return count;
}

/* Whether a thread that does the later operation could meet, at operand `b`, what another thread
 * still does to operand `a` of the earlier one. */
static bool operands_conflict(const struct operand *a, const struct operand *b) {
    if (!(a->written || b->written) || !view_overlaps(a->view, b->view))
        return false;
    const bool same_slices = a->met != MET_ANY && a->met == b->met && a->parts == b->parts &&
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

/* --- Sections, from one barrier to the next --- */

struct section queue_section(const struct queue *queue, size_t first) {
    struct section section = {queue->entries + first, 1, queue->entries[first].parts};
    while (first + section.count < queue->count && !section.entries[section.count].barrier) {
        const int parts = section.entries[section.count++].parts;
        section.turns = parts > section.turns ? parts : section.turns;
    }
    return section;
}

void section_take(const struct section *section, const struct cpu *cpu, int turn, int thread) {
    for (size_t i = 0; i < section->count; i++) {
        const struct queue_entry *entry = &section->entries[i];
        /* Fewer parts than turns are spread evenly over them. */
        const int part = (turn * entry->parts + section->turns - 1) / section->turns;
        if (part < entry->parts && part * section->turns / entry->parts == turn)
            entry->how->run(&(struct share){cpu, entry, part, thread});
    }
}

/* --- The team --- */

/* The turns that a thread begins with. Others take what it has not come to when they are done with
 * theirs, so that nobody waits for all of a thread that has lost its processor. Each is a line of
 * the processor's cache. */
struct own_turns {
    /* The section, by its number, and the next turn: (number << 32) + turn. Before anybody has
     * taken one of this section, the number is an earlier one. */
    _Alignas(64) atomic_ullong next;
};

enum { OWNERS_MAX = 64 }; /* threads of larger teams share turns */

struct team {
    struct barrier barrier;
    struct own_turns owners[OWNERS_MAX];
};

/* Takes a turn of owner number `owner` of `owners`. Gives -1 when none is left. */
static int take_turn(struct team *team, unsigned number, int turns, int owner, int owners) {
    const unsigned first = (unsigned)(turns * owner / owners);
    const unsigned end = (unsigned)(turns * (owner + 1) / owners);
    atomic_ullong *next = &team->owners[owner].next;
    unsigned long long seen = atomic_load_explicit(next, memory_order_relaxed);
    for (;;) {
        const unsigned turn = (unsigned)(seen >> 32) == number ? (unsigned)seen : first;
        if (turn >= end)
            return -1;
        if (atomic_compare_exchange_weak_explicit(next, &seen,
                ((unsigned long long)number << 32) + turn + 1, memory_order_relaxed,
                memory_order_relaxed))
            return (int)turn;
    }
}

/* What one thread of the team does of a queue, whose sections are numbered from *number on. All
 * have done all of it in the end. */
static void walk(const struct queue *queue, const struct cpu *cpu, struct team *team, int thread,
    int size, unsigned *number) {
    const int owners = size < OWNERS_MAX ? size : OWNERS_MAX;
    for (size_t first = 0; first < queue->count;) {
        const struct section section = queue_section(queue, first);
        for (int n = 0; n < owners; n++) {
            const int owner = (thread + n) % owners;
            int turn;
            while ((turn = take_turn(team, *number, section.turns, owner, owners)) >= 0)
                section_take(&section, cpu, turn, thread);
        }
        ++*number;
        first += section.count;
        barrier_wait(&team->barrier, size);
    }
}

int queue_run(
    const struct queue *first, const struct queue *second, const struct cpu *cpu, int threads) {
    int size = threads;
    if (first->count + second->count == 0)
        return size;
    struct team team;
    barrier_open(&team.barrier, omp_get_num_procs());
    for (int o = 0; o < OWNERS_MAX; o++)
        atomic_init(&team.owners[o].next, 0);
#pragma omp parallel num_threads(team_whole(threads))
    {
        const int thread = omp_get_thread_num(), got = omp_get_num_threads();
        unsigned number = 1;
        if (thread == 0)
            size = got;
        walk(first, cpu, &team, thread, got, &number);
        walk(second, cpu, &team, thread, got, &number);
    }
    barrier_close(&team.barrier);
    return size;
}
