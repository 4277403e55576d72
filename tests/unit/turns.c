#include "turns.h"

enum turns turns = TEAM;
struct turns_seen turns_seen;

int __wrap_queue_run(
    const struct queue *first, const struct queue *second, const struct cpu *cpu, int threads);
int __real_queue_run(
    const struct queue *first, const struct queue *second, const struct cpu *cpu, int threads);

static void see(const struct queue_entry *entry, bool unheld) {
    const struct operation *operation = &entry->operation;
    turns_seen.unheld += unheld;
    turns_seen.by_columns += entry->by_columns;
    turns_seen.ordered += entry->order.buffer != NULL;
    turns_seen.copied +=
        operation->kind == OPERATION_GATHER_ROWS && !operation->gather_rows.index.buffer;
}

static void take_turns(const struct queue *queue, const struct cpu *cpu, int threads) {
    for (size_t first = 0, end; first < queue->count; first = end) {
        for (end = first + 1; end < queue->count && !queue->entries[end].barrier; end++)
            if (turns == TOGETHER)
                break;
        for (size_t i = first; i < end; i++)
            see(&queue->entries[i], i > first);
        for (int turn = 0; turn < threads; turn++)
            for (size_t i = first; i < end; i++)
                queue->entries[i].how->run(cpu, &queue->entries[i],
                    turns == LAST_AHEAD ? threads - 1 - turn : turn, threads);
    }
}

int __wrap_queue_run(
    const struct queue *first, const struct queue *second, const struct cpu *cpu, int threads) {
    if (turns == TEAM)
        return __real_queue_run(first, second, cpu, threads);
    take_turns(first, cpu, threads);
    take_turns(second, cpu, threads);
    return threads;
}

const char *turns_text(void) {
    static const char *const texts[] = {
        [TOGETHER] = "the threads are together",
        [FIRST_AHEAD] = "the first thread is ahead",
        [LAST_AHEAD] = "the last thread is ahead",
        [TEAM] = "a team of threads does it",
    };
    return texts[turns];
}
