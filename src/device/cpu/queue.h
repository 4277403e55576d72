/* The cpu device's work: a list of commands that a team of threads walks through together.
 *
 * Each thread does its own slice of each command. Two commands that split the same rows over the
 * team need nothing between them, since a thread only meets rows of its own; where a thread would
 * meet another's results, the team waits for all first. The list finds out where as it is made,
 * from what each command reads and writes: a training step of any depth comes to two waits. */
#ifndef DEVICE_CPU_QUEUE_H
#define DEVICE_CPU_QUEUE_H

#include "device/cpu/kernels.h"

enum { COMMAND_OPERANDS = 5 };

/* A command's use of a stretch of memory. */
struct operand {
    const void *data;
    size_t bytes;
    size_t rows; /* split over the team by rows, this many in all; 0: every thread sees it all */
    bool written;
};

struct openblas;

struct command {
    /* Does the share of `thread`, which is below `threads`. */
    void (*run)(const struct command *command, int thread, int threads);
    const struct cpu_kernels *kernels;
    const struct openblas *openblas;
    struct operand operands[COMMAND_OPERANDS];
    size_t rows, in, out;
    enum activation activation;
    enum color color;
    float scale;
    bool wait; /* the team meets before it; set by queue_append */
};

struct queue {
    struct command *commands;
    size_t count, capacity;
    size_t met; /* index of the first command after the last wait */
};

/* The rows first <= row < end that fall to `thread`. */
struct slice {
    size_t first, end;
};
struct slice slice_rows(size_t rows, int thread, int threads);

/* False when memory is refused. */
bool queue_reserve(struct queue *queue, size_t capacity);
void queue_free(struct queue *queue);

/* Adds a command; there must be room. */
void queue_append(struct queue *queue, const struct command *command);

/* Does all commands, in a team of `threads`. Gives the number of them that there really were, which
 * did all of it, too. */
int queue_run(const struct queue *queue, int threads);

#endif
