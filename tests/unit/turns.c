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

static void take_turns(const struct queue *queue, const struct cpu *cpu) {
    for (size_t first = 0; first < queue->count;) {
        struct section section = queue_section(queue, first, section_numbers(1));
        section.count = turns == TOGETHER ? 1 : section.count;
        for (size_t i = 0; i < section.count; i++)
            see(&section.entries[i], i > 0);
        for (int turn = 0; turn < section.turns; turn++)
            section_take(&section, cpu, turns == LAST_AHEAD ? section.turns - 1 - turn : turn, 0);
        first += section.count;
    }
}

int __wrap_queue_run(
    const struct queue *first, const struct queue *second, const struct cpu *cpu, int threads) {
    if (turns == TEAM)
        return __real_queue_run(first, second, cpu, threads);
    take_turns(first, cpu);
    take_turns(second, cpu);
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
