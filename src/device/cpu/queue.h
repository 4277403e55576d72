/* The cpu device's work: a list of operations that a team of threads walks through together.
 *
 * Each thread does its own slice of each. Two operations that split the same rows over the team
 * need nothing between them, since a thread only meets rows of its own; where a thread would meet
 * another's results, a barrier lets the team wait for all first. The list finds out where as it is
 * made, from what each operation reads and writes: a training step of any depth comes to two
 * barriers. */
#ifndef DEVICE_CPU_QUEUE_H
#define DEVICE_CPU_QUEUE_H

#include "device/operation.h"

struct cpu;

/* How the team does an operation. */
struct cpu_operation {
    /* The share of `thread`, which is below `threads`. */
    void (*run)(const struct cpu *cpu, const struct operation *operation, int thread, int threads);
    /* Of each operand: whether a thread meets only those rows of it that are its slice of all. Else
     * every thread may meet all of it. */
    bool by_rows[OPERATION_VIEWS];
};

struct queue_entry {
    struct operation operation;
    const struct cpu_operation *how;
    bool barrier; /* the team has one before it */
};

struct queue {
    struct queue_entry *entries;
    size_t count, capacity;
    size_t last_barrier; /* index of the first entry after it */
};

/* The rows first <= row < end that fall to `thread`. */
struct slice {
    size_t first, end;
};
struct slice slice_rows(size_t rows, int thread, int threads);

/* Makes room for `capacity` entries; false when memory is refused. */
bool queue_reserve(struct queue *queue, size_t capacity);
void queue_free(struct queue *queue);

/* Adds an operation; there must be room. */
void queue_append(
    struct queue *queue, const struct operation *operation, const struct cpu_operation *how);
bool queue_is_full(const struct queue *queue);
void queue_empty(struct queue *queue);

/* Does all of it, in a team of `threads`. Gives the number of them that there really were, which
 * did all of it, too. */
int queue_run(const struct queue *queue, const struct cpu *cpu, int threads);

#endif
