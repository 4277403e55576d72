/* The `cpu` device. We have a team of threads, each of which computes its part of a gemm by our own
 * gemm or by OpenBLAS, whose own threads are off. Vectorised kernels do the rest. Calls only
 * enqueue operations (queue.h). The team starts when something waits, or when the queue is full. */
#include "device/cpu/cpu.h"

#include "device/instruction_set.h"
#include "system/memory.h"
#include "trainer/host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PENDING = 512,             /* operations in the queue at which the team starts by itself */
    RECORDED_LONGEST = 1 << 16 /* the most operations of a recording: 16 MiB */
};

/* --- Finding and opening --- */

static int usual_threads(const struct openblas *openblas) {
    const int usable = host_usable_threads();
    return usable < openblas->callers ? usable : openblas->callers;
}

static void describe(const struct openblas *openblas, int threads, struct device_info *info) {
    host_device_describe("cpu", threads, info);
    snprintf(
        info->library, sizeof info->library, "OpenBLAS %s %s", openblas->version, openblas->core);
    snprintf(info->kernels, sizeof info->kernels, "%s", instruction_set_best()->name);
}

/* Warns of what makes the device slower than it could be, as a user should know before quoting its
 * times. `asked`: the user asked for this number of threads. */
static void warn_of(const struct openblas *openblas, bool asked, struct device_info *info) {
    const char *core;
    const int usable = host_usable_threads();
    if (openblas_is_mistaken(openblas, &core))
        snprintf(info->warning, sizeof info->warning,
            "OpenBLAS %s does not know this CPU and takes it for a Prescott, at a fraction of its "
            "speed; set OPENBLAS_CORETYPE=%s in the environment, or install a newer OpenBLAS",
            openblas->version, core);
    else if (!asked && info->threads < usable)
        snprintf(info->warning, sizeof info->warning,
            "cpu computes with %d thread%s, though %d could: %s", info->threads,
            info->threads == 1 ? "" : "s", usable,
            info->threads == openblas->callers
                ? openblas->why
                : "OpenMP or the system gives no more (OMP_THREAD_LIMIT, ulimit -u)");
}

static void cpu_list(device_visitor *visit, void *context) {
    struct openblas openblas;
    struct error error;
    struct device_entry entry = {.spec = "cpu"};
    entry.available = openblas_open(&openblas, &error) == STATUS_OK;
    if (entry.available)
        describe(&openblas, usual_threads(&openblas), &entry.info);
    else
        entry.reason = error.message + strlen("cpu: ");
    visit(context, &entry);
    openblas_close(&openblas);
}

static enum status cpu_library(char *text, size_t size, struct error *error) {
    struct openblas openblas;
    const enum status status = openblas_open(&openblas, error);
    if (status == STATUS_OK)
        snprintf(text, size, "OpenBLAS %s", openblas.version);
    openblas_close(&openblas);
    return status;
}

static enum status cpu_find(
    const char *rest, bool automatic, const char **shortly, struct error *error) {
    (void)automatic;
    char text[sizeof((struct device_info){0}.library)];
    *shortly = "its OpenBLAS can't be opened";
    return rest ? error_set(error, STATUS_DEVICE, "cpu: there is only one; ':%s' is too much", rest)
                : cpu_library(text, sizeof text, error);
}

static void cpu_close(struct device *device) {
    struct cpu *cpu = (struct cpu *)device;
    queue_free(&cpu->pending);
    free(cpu->scratch);
    openblas_close(&cpu->openblas);
    free(cpu);
}

static enum status cpu_open(const char *rest, const struct device_options *options,
    struct device **device, struct error *error) {
    const char *shortly;
    if (cpu_find(rest, false, &shortly, error) != STATUS_OK)
        return STATUS_DEVICE;
    struct cpu *cpu = calloc(1, sizeof *cpu);
    if (!cpu)
        return error_memory(error, "the cpu device", sizeof *cpu);
    enum status status = cpu_find_algorithms(cpu, options->gemm, error);
    int threads = 0;
    if (status == STATUS_OK)
        status = openblas_open(&cpu->openblas, error);
    if (status == STATUS_OK)
        status = host_team_size("cpu", options->threads, usual_threads(&cpu->openblas),
            cpu->openblas.callers, cpu->openblas.why, &threads, error);
    if (status == STATUS_OK && !queue_reserve(&cpu->pending, PENDING))
        status = error_memory(error, "the cpu device", PENDING * sizeof(struct queue_entry));
    if (status == STATUS_OK)
        cpu->scratch = memory_allocate((size_t)threads * sizeof *cpu->scratch);
    if (status == STATUS_OK && !cpu->scratch)
        status = error_memory(error, "the threads' gemms", (size_t)threads * sizeof *cpu->scratch);
    if (status != STATUS_OK) {
        cpu_close(&cpu->host.base);
        return status;
    }
    describe(&cpu->openblas, threads, &cpu->host.base.info);
    snprintf(
        cpu->host.base.info.gemm, sizeof cpu->host.base.info.gemm, "%s", cpu->algorithms[0].name);
    warn_of(&cpu->openblas, options->threads > 0, &cpu->host.base.info);
    host_device_begin(&cpu->host);
    *device = &cpu->host.base;
    return STATUS_OK;
}

/* --- The queue --- */

/* Does a queue's operations. It is an error if the team has fewer threads than it should, because
 * their number is part of the record. */
static enum status run_whole(struct cpu *cpu, const struct queue *queue, struct error *error) {
    const int threads = cpu->host.base.info.threads, team = queue_run(queue, cpu, threads);
    return team == threads
               ? STATUS_OK
               : error_set(error, STATUS_DEVICE,
                     "cpu: OpenMP gave only %d of %d threads in mid-run: is the device used within "
                     "another parallel region, or OMP_THREAD_LIMIT too low for that?",
                     team, threads);
}

static enum status flush(struct cpu *cpu, struct error *error) {
    const enum status status = run_whole(cpu, &cpu->pending, error);
    queue_empty(&cpu->pending);
    return status;
}

static enum status cpu_enqueue(
    struct device *device, const struct operation *operation, struct error *error) {
    struct cpu *cpu = (struct cpu *)device;
    const enum status status = queue_is_full(&cpu->pending) ? flush(cpu, error) : STATUS_OK;
    const struct queue_entry entry = cpu_plan(cpu, operation);
    queue_append(&cpu->pending, &entry);
    return status;
}

static enum status cpu_synchronise(struct device *device, struct error *error) {
    return flush((struct cpu *)device, error);
}

/* --- Recordings: queues whose barriers are known --- */

struct recording {
    struct queue queue;
    struct host_buffer *copy; /* (cpu_plan_recording) */
};

static void cpu_free_recording(struct device *device, struct recording *recording) {
    (void)device;
    queue_free(&recording->queue);
    if (recording->copy)
        free(recording->copy->data);
    free(recording->copy);
    free(recording);
}

static enum status cpu_compile(struct device *device, const struct operation *operations,
    size_t count, struct recording **recording, struct error *error) {
    struct recording *made = calloc(1, sizeof *made);
    if (!made ||
        !cpu_plan_recording((struct cpu *)device, operations, count, &made->queue, &made->copy)) {
        if (made)
            cpu_free_recording(device, made);
        return error_memory(error, "a recording", count * sizeof(struct queue_entry));
    }
    *recording = made;
    return STATUS_OK;
}

static enum status cpu_run(
    struct device *device, struct recording *recording, struct error *error) {
    struct cpu *cpu = (struct cpu *)device;
    const enum status status = flush(cpu, error);
    return status == STATUS_OK ? run_whole(cpu, &recording->queue, error) : status;
}

/* --- Memory --- */

static void cpu_free_buffer(struct buffer *buffer) {
    (void)flush((struct cpu *)buffer->device, NULL); /* operations in the queue may use it */
    host_buffer_free(buffer);
}

static enum status cpu_download(
    struct device *device, struct view source, void *host, struct error *error) {
    const enum status status = flush((struct cpu *)device, error);
    if (status == STATUS_OK)
        memcpy(host, host_floats(source), source.rows * source.columns * sizeof(float));
    return status;
}

const struct device_type cpu_device_type = {
    .kind = "cpu",
    .automatic = true,
    .gemms = cpu_gemms,
    .list = cpu_list,
    .library = cpu_library,
    .find = cpu_find,
    .open = cpu_open,
    .close = cpu_close,
    .environment = openblas_environment,
    .allocate = host_buffer_allocate,
    .memory = host_device_memory,
    .free_buffer = cpu_free_buffer,
    .download = cpu_download,
    .synchronise = cpu_synchronise,
    .enqueue = cpu_enqueue,
    .longest = RECORDED_LONGEST,
    .compile = cpu_compile,
    .run = cpu_run,
    .free_recording = cpu_free_recording,
};
