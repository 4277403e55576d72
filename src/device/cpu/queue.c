#include "device/cpu/queue.h"

#include "device/cpu/gemm.h"
#include "system/barrier.h"
#include "system/denormals.h"
#include "system/team.h"

#include <omp.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

int division_parts(struct division division) {
    return division.threads * division.each;
}

/* The numbers from 1 to n, added up. */
static size_t triangle(size_t n) {
    return n * (n + 1) / 2;
}

/* How much of a thread's share its first parts are, of triangle(each). They are each, each - 1,
 * ... 1. */
static size_t of_first_parts(int parts, int each) {
    return triangle((size_t)each) - triangle((size_t)(each - parts));
}

/* Where a part begins, and the one before it ends. */
static size_t begin_of(size_t count, size_t unit, struct division division, int part) {
    const size_t units = (count + unit - 1) / unit, all = triangle((size_t)division.each);
    const size_t before =
        (size_t)(part / division.each) * all + of_first_parts(part % division.each, division.each);
    const size_t begin = units * before / ((size_t)division.threads * all) * unit;
    return begin < count ? begin : count;
}

static struct slice slice_units(size_t count, size_t unit, struct division division, int part) {
    return (struct slice){
        begin_of(count, unit, division, part), begin_of(count, unit, division, part + 1)};
}

struct slice slice_rows(size_t rows, struct division division, int part) {
    /* Whole tiles of a gemm, if there are many. One of one row takes as long as one of two: it
     * waits for the same row of b. */
    const size_t each = rows / (size_t)division_parts(division);
    const size_t unit = each >= 4 * GEMM_TILE_ROWS ? GEMM_TILE_ROWS : each >= 4 ? 2 : 1;
    return slice_units(rows, unit, division, part);
}

struct slice slice_columns(size_t columns, struct division division, int part) {
    /* Whole cache lines, or the widest panels of a gemm. */
    const size_t each = columns / (size_t)division_parts(division);
    return slice_units(columns, each >= GEMM_PANEL_MAX ? GEMM_PANEL_MAX : 16, division, part);
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
    struct division division;
    bool written;
};

/* Gives the operands of an entry, in the order of the operation's views, and their number. An entry
 * with an order has that as one more. */
static size_t list_operands(
    const struct queue_entry *entry, struct operand operands[OPERATION_VIEWS + 1]) {
    const struct operation_type *type = &operation_types[entry->operation.kind];
    const enum met *met = entry->by_columns ? entry->how->by_columns : entry->how->by_rows;
    size_t count = operation_operands(&entry->operation);
    for (size_t i = 0; i < count; i++)
        operands[i] = (struct operand){entry->operation.views[i], met[i], entry->division,
            type->operands[i].use != OPERAND_READ};
    if (entry->order.buffer) {
        operands[count++] = (struct operand){entry->order, operands[0].met, entry->division, false};
        operands[0].met = MET_ANY;
    }
    return count;
}

/* Whether a thread that does the later operation could meet, at operand `b`, what another thread
 * still does to operand `a` of the earlier one. */
static bool operands_conflict(const struct operand *a, const struct operand *b) {
    if (!(a->written || b->written) || !view_overlaps(a->view, b->view))
        return false;
    const bool same_slices =
        a->met != MET_ANY && a->met == b->met && a->division.threads == b->division.threads &&
        a->division.each == b->division.each && a->view.offset == b->view.offset &&
        a->view.rows == b->view.rows && a->view.columns == b->view.columns;
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

uint64_t section_numbers(size_t count) {
    static atomic_ullong given;
    return atomic_fetch_add_explicit(&given, count, memory_order_relaxed) + 1;
}

struct section queue_section(const struct queue *queue, size_t first, uint64_t number) {
    struct section section = {
        queue->entries + first, 1, division_parts(queue->entries[first].division), number};
    while (first + section.count < queue->count && !section.entries[section.count].barrier) {
        const int parts = division_parts(section.entries[section.count++].division);
        section.turns = parts > section.turns ? parts : section.turns;
    }
    return section;
}

void section_take(const struct section *section, const struct cpu *cpu, int turn, int thread) {
    for (size_t i = 0; i < section->count; i++) {
        const struct queue_entry *entry = &section->entries[i];
        /* Fewer parts than turns are spread evenly over them. */
        const int parts = division_parts(entry->division);
        const int part = (turn * parts + section->turns - 1) / section->turns;
        if (part < parts && part * section->turns / parts == turn)
            entry->how->run(&(struct share){cpu, entry, part, thread, section->number});
    }
}

/* --- The team --- */

/* The turns that a thread begins with. Others take what it has not come to when they are done with
 * theirs, so that nobody waits for all of a thread that has lost its processor. Each is a line of
 * the processor's cache. */
struct own_turns {
    /* The round and its next turn: (round << 32) + turn. Before anybody has taken one of this
     * round, it is of an earlier one; who comes late may find it of a later one. */
    _Alignas(64) atomic_ullong next;
};

enum { OWNERS_MAX = 64 }; /* threads of larger teams share turns */

struct team {
    struct barrier barrier;
    struct own_turns owners[OWNERS_MAX];
};

/* Takes a turn of owner number `owner` of `owners`. Gives -1 when none is left. */
static int take_turn(struct team *team, unsigned round, int turns, int owner, int owners) {
    const unsigned first = (unsigned)(turns * owner / owners);
    const unsigned end = (unsigned)(turns * (owner + 1) / owners);
    atomic_ullong *next = &team->owners[owner].next;
    unsigned long long seen = atomic_load_explicit(next, memory_order_relaxed);
    for (;;) {
        const unsigned of = (unsigned)(seen >> 32);
        const unsigned turn = of == round ? (unsigned)seen : first;
        if (of > round || turn >= end)
            return -1;
        if (atomic_compare_exchange_weak_explicit(next, &seen,
                ((unsigned long long)round << 32) + turn + 1, memory_order_relaxed,
                memory_order_relaxed))
            return (int)turn;
    }
}

/* --- A thread of the team --- */

struct member {
    const struct cpu *cpu;
    struct team *team;
    int thread, size;  /* its number, and how many there are */
    unsigned round;    /* of the team's barrier: each section is one */
    uint64_t sections; /* number of the section of round 0 */
    uint64_t offered;  /* when it last offered its processor to others, in nanoseconds */
};

/* Takes a turn that is meant for the member, or else for somebody else. Gives -1 when none is left.
 */
static int take_any_turn(const struct member *member, int turns) {
    const int owners = member->size < OWNERS_MAX ? member->size : OWNERS_MAX;
    int turn = -1;
    for (int n = 0; n < owners && turn < 0; n++)
        turn = take_turn(member->team, member->round, turns, (member->thread + n) % owners, owners);
    return turn;
}

/* Lets other work have the processor, from time to time. Otherwise the system would take it away in
 * the middle of a part, for which the whole team then waits; between two sections there is none. */
static void offer_processor(struct member *member) {
    enum { EVERY = 1000000 }; /* nanoseconds: less than a slice of time */
    const uint64_t now = barrier_clock();
    if (member->size == 1 || now - member->offered < EVERY)
        return;
    sched_yield();
    member->offered = now;
}

/* Does what the member can get of a queue. All of it is done in the end. */
static void walk(struct member *member, const struct queue *queue) {
    for (size_t first = 0; first < queue->count; member->round++) {
        const struct section section =
            queue_section(queue, first, member->sections + member->round);
        for (int turn; (turn = take_any_turn(member, section.turns)) >= 0;) {
            section_take(&section, member->cpu, turn, member->thread);
            barrier_arrive(&member->team->barrier, member->round, section.turns);
        }
        offer_processor(member);
        barrier_wait(&member->team->barrier, member->round, member->size);
        first += section.count;
    }
}

int queue_run(
    const struct queue *first, const struct queue *second, const struct cpu *cpu, int threads) {
    const size_t count = first->count + second->count;
    int size = threads;
    if (count == 0)
        return size;
    const uint64_t sections = section_numbers(count + 1);
    struct team team;
    barrier_open(&team.barrier, omp_get_num_procs());
    for (int o = 0; o < OWNERS_MAX; o++)
        atomic_init(&team.owners[o].next, 0);
#pragma omp parallel num_threads(team_whole(threads))
    {
        const int thread = omp_get_thread_num(), got = omp_get_num_threads();
        struct member member = {cpu, &team, thread, got, 1, sections, barrier_clock()};
        if (thread == 0)
            size = got;
        const uint64_t denormals = denormals_flush();
        walk(&member, first);
        walk(&member, second);
        denormals_restore(denormals);
    }
    barrier_close(&team.barrier);
    return size;
}
