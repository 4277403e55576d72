/* What the team of the cpu device does: operations in the queue, and recordings. */
#include "device/cpu/cpu.h"

#include "device/instruction_set.h"
#include "system/denormals.h"

#include <stdlib.h>
#include <time.h>

/* --- The queue --- */

/* Does what is pending, and then a queue's operations. */
static enum status run_whole(struct cpu *cpu, const struct queue *queue, struct error *error) {
    const struct device_info *info = &cpu->host.base.info;
    const int team = queue_run(&cpu->pending, queue, cpu, info->threads);
    queue_empty(&cpu->pending);
    const struct cpu_failure failure = *cpu->failure;
    cpu->failure->status = STATUS_OK;
    if (failure.status != STATUS_OK)
        return error_set(error, failure.status, "%s", failure.error.message);
    return host_team_check(info, team, error);
}

enum status cpu_flush(struct cpu *cpu, struct error *error) {
    return run_whole(cpu, &(struct queue){0}, error);
}

/* Adds an operation to the queue. `algorithm` computes it if it is a gemm. */
static enum status append(struct cpu *cpu, const struct operation *operation,
    const struct cpu_algorithm *algorithm, struct error *error) {
    const enum status status = queue_is_full(&cpu->pending) ? cpu_flush(cpu, error) : STATUS_OK;
    const struct queue_entry entry = cpu_plan(cpu, operation, algorithm);
    queue_append(&cpu->pending, &entry);
    return status;
}

/* Gives the algorithm for an operation; NULL where it is no gemm. While a choice is made, all that
 * is pending is done. */
static enum status choose(struct cpu *cpu, const struct operation *operation,
    const struct cpu_algorithm **algorithm, struct error *error) {
    size_t chosen;
    *algorithm = NULL;
    if (!operation_is_gemm(operation))
        return STATUS_OK;
    const enum status status = autotune_choose(cpu->choices, operation, &chosen, error);
    if (status == STATUS_OK)
        *algorithm = &cpu->algorithms[chosen];
    return status;
}

enum status cpu_enqueue(
    struct device *device, const struct operation *operation, struct error *error) {
    struct cpu *cpu = (struct cpu *)device;
    const struct cpu_algorithm *algorithm;
    const enum status status = choose(cpu, operation, &algorithm, error);
    return status == STATUS_OK ? append(cpu, operation, algorithm, error) : status;
}

enum status cpu_synchronise(struct device *device, struct error *error) {
    return cpu_flush((struct cpu *)device, error);
}

/* --- Recordings: queues whose barriers are known --- */

struct recording {
    struct queue queue;
    struct host_buffer *copy; /* (cpu_plan_recording) */
};

void cpu_free_recording(struct device *device, struct recording *recording) {
    (void)device;
    queue_free(&recording->queue);
    if (recording->copy)
        free(recording->copy->data);
    free(recording->copy);
    free(recording);
}

/* Makes a recording of operations whose algorithms are known. NULL when memory is refused. */
static struct recording *make_recording(const struct cpu *cpu, const struct cpu_list *list) {
    struct recording *made = calloc(1, sizeof *made);
    if (!made || cpu_plan_recording(cpu, list, &made->queue, &made->copy))
        return made;
    cpu_free_recording(NULL, made);
    return NULL;
}

enum status cpu_compile(struct device *device, const struct operation *operations, size_t count,
    struct recording **recording, struct error *error) {
    struct cpu *cpu = (struct cpu *)device;
    const struct cpu_list list = {operations, calloc(count, sizeof *list.algorithms), count};
    enum status status = STATUS_OK;
    if (!list.algorithms)
        return error_memory(error, "a recording", count * sizeof *list.algorithms);
    for (size_t o = 0; o < count && status == STATUS_OK; o++)
        status = choose(cpu, &operations[o], &list.algorithms[o], error);
    if (status == STATUS_OK && !(*recording = make_recording(cpu, &list)))
        status = error_memory(error, "a recording", count * sizeof(struct queue_entry));
    free(list.algorithms);
    return status;
}

enum status cpu_run(struct device *device, struct recording *recording, struct error *error) {
    return run_whole((struct cpu *)device, &recording->queue, error);
}

/* --- Choosing algorithms, as struct algorithms asks for it --- */

/* Seconds that a processor has worked for the calling thread. */
static double thread_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Does one thread's share of a gemm, alone. By the time that this takes of a processor the
 * algorithms can be told apart even while other work keeps the team waiting. */
static enum status do_share(
    struct device *device, size_t algorithm, const struct operation *gemm, struct error *error) {
    const struct cpu *cpu = (struct cpu *)device;
    const struct queue_entry entry = cpu_plan(cpu, gemm, &cpu->algorithms[algorithm]);
    (void)error;
    const int parts = division_parts(entry.division);
    const uint64_t section = section_numbers(1), denormals = denormals_flush();
    for (int part = parts - entry.division.each; part < parts; part++) /* the last has the most */
        entry.how->run(&(struct share){cpu, &entry, part, 0, section});
    denormals_restore(denormals);
    return STATUS_OK;
}

enum status cpu_choices_create(struct cpu *cpu, struct error *error) {
    struct algorithms *tuned = &cpu->tuned;
    const int threads = cpu->host.base.info.threads;
    /* About what a thread does in half a millisecond, if its processor is not old. */
    const double multiplications = 2e6 * instruction_set_best()->floats;
    *tuned = (struct algorithms){
        .count = cpu->algorithms_count,
        .clock = thread_seconds,
        .turn = 0.25e-3,
        .enough = 5e-3,
        .enough_in_all = 0.06,
        .repeats = 64,
        .rounds = 5,
        .rounds_for_all = 2,
        .multiplications = multiplications * threads,
        .largest_batch = CPU_BATCH_IN_BLOCKS - 1, /* only our own gemm may take blocks */
        .make_key = cpu_make_key,
        .enqueue = do_share,
    };
    for (size_t a = 0; a < cpu->algorithms_count; a++) {
        tuned->all[a].name = cpu->algorithms[a].name;
        tuned->all[a].library = !cpu->algorithms[a].kernels;
        /* Our own gemm with the widest vectors is the first. OpenBLAS must be clearly faster,
         * because only our own can read shuffled rows in place (plan.c). */
        tuned->all[a].share = cpu->algorithms[a].kernels ? 0.95 : 0.9;
    }
    return gemm_choices_create(&cpu->host.base, tuned, &cpu->choices, error);
}

size_t cpu_choices(const struct device *device, char *text, size_t size) {
    return gemm_choices_text(((const struct cpu *)device)->choices, text, size);
}
