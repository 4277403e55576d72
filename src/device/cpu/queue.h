/* The cpu device's queue: a list of operations that a team of threads goes through together.
 *
 * The rows of each operation are divided into parts. Where two operations divide the same rows in
 * the same way, the same thread does the same part of both, one after the other, and no thread has
 * to wait. Where a thread would meet the results of another one, there is a barrier: the team waits
 * until all parts before it are done. The queue finds out where barriers are needed as operations
 * are added, from what each reads and writes. A training step of narrow layers needs two, whatever
 * its depth.
 *
 * Between two barriers each thread first does the parts that are meant for it, and then those that
 * others have not come to. Who does a part makes no difference to its results. */
#ifndef DEVICE_CPU_QUEUE_H
#define DEVICE_CPU_QUEUE_H

#include "device/operation.h"

struct cpu;
struct cpu_algorithm;
struct queue_entry;

/* Which elements of an operand one part meets: any; or only its own slice of the rows, or of the
 * columns. */
enum met { MET_ANY, MET_ROWS, MET_COLUMNS };

/* One part of an operation: number `part`, from 0 on, of entry->division. Thread number `thread`
 * does it. */
struct share {
    const struct cpu *cpu;
    const struct queue_entry *entry;
    int part, thread;
    uint64_t section; /* its number */
};

/* Into how many parts rows or columns are divided: `each` for each of so many threads. Those of one
 * thread follow each other, and become smaller: so the team ends its work at nearly the same time,
 * and has few parts. (Tzen and Ni, "Trapezoid Self-Scheduling", 1993.) */
struct division {
    int threads, each; /* at least 1 */
};

/* How the team does a kind of operation. */
struct cpu_operation {
    void (*run)(const struct share *share);
    /* For each operand: what a thread meets of it where the team divides the rows of the result,
     * and where it divides the columns. */
    enum met by_rows[OPERATION_VIEWS], by_columns[OPERATION_VIEWS];
};

struct queue_entry {
    struct operation operation;
    const struct cpu_operation *how;
    const struct cpu_algorithm *algorithm; /* of its gemm; NULL: it has none */
    /* [B, 1]: instead of the first B rows of the first operand, those of these numbers are taken.
     * Without a buffer: the first B rows. */
    struct view order;
    bool by_columns; /* the columns of the result are divided, not the rows */
    bool barrier;    /* there is a barrier before this operation (found by queue_append) */
    struct division division;
};

struct queue {
    struct queue_entry *entries;
    size_t count, capacity;
    size_t last_barrier; /* index of the first entry after the last barrier */
};

int division_parts(struct division division);

/* The rows or columns of a part: first <= i < end. */
struct slice {
    size_t first, end;
};
struct slice slice_rows(size_t rows, struct division division, int part);
struct slice slice_columns(size_t columns, struct division division, int part);

/* Makes room for `capacity` entries; false when memory is refused. */
bool queue_reserve(struct queue *queue, size_t capacity);
void queue_free(struct queue *queue);

/* Adds an entry; there must be room. */
void queue_append(struct queue *queue, const struct queue_entry *entry);
bool queue_is_full(const struct queue *queue);
void queue_empty(struct queue *queue);

/* Entries from one barrier to the next. The team takes them in turns: a turn is a part of each
 * entry that has one for it, one entry after another, by the same thread. */
struct section {
    const struct queue_entry *entries;
    size_t count;
    int turns;
    uint64_t number; /* of section_numbers */
};

/* Gives the first of `count` numbers in a row that no section of this process has had. */
uint64_t section_numbers(size_t count);

/* The section that begins at entry `first`. */
struct section queue_section(const struct queue *queue, size_t first, uint64_t number);
/* Does turn number `turn` of the section's, as thread number `thread`. */
void section_take(const struct section *section, const struct cpu *cpu, int turn, int thread);

/* Does all operations of one queue and then of the other, in a team of `threads`. Gives the number
 * of threads that the team really had. If they are fewer, they have done all of it, too. To start a
 * team and to end it takes milliseconds where other work shares the processors, so two queues that
 * follow each other are done by one. */
int queue_run(
    const struct queue *first, const struct queue *second, const struct cpu *cpu, int threads);

#endif
