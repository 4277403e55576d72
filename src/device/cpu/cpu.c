/* The `cpu` device. We have a team of threads, each of which computes its part of a gemm by our own
 * gemm or by OpenBLAS, whose own threads are off. Vectorised kernels do the rest. Calls only
 * enqueue operations (work.c). The team starts when something waits, or when the queue is full. */
#include "device/cpu/cpu.h"

#include "device/instruction_set.h"
#include "system/memory.h"
#include "system/text.h"
#include "trainer/host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PENDING = 512,             /* operations in the queue at which the team starts by itself */
    RECORDED_LONGEST = 1 << 16 /* the most operations of a recording: 16 MiB */
};

/* --- Finding and opening --- */

/* The threads that can compute here, at full speed. Ranks that their launcher has not bound to
 * cores of their own share those of the host. */
static int usable_threads(const struct communicator *communicator) {
    const int share = host_usable_threads() / communicator_info(communicator)->sharing;
    return share > 1 ? share : 1;
}

static int usual_threads(const struct cpu *cpu, const struct communicator *communicator) {
    const char *why;
    const int usable = usable_threads(communicator), callers = cpu_callers(cpu, &why);
    return usable < callers ? usable : callers;
}

static void describe(const struct cpu *cpu, int threads, struct device_info *info) {
    host_device_describe("cpu", threads, info);
    if (cpu->openblas.handle)
        snprintf(info->library, sizeof info->library, "OpenBLAS %s %s", cpu->openblas.version,
            cpu->openblas.core);
    snprintf(info->kernels, sizeof info->kernels, "%s", instruction_set_best()->name);
}

/* Warns of what makes the device slower than it could be, as a user should know before quoting its
 * times. `asked`: the user asked for this number of threads. */
static void warn_of(
    const struct cpu *cpu, const struct device_options *options, struct device_info *info) {
    const char *core, *why;
    const bool asked = options->threads > 0;
    const int usable = usable_threads(options->communicator), callers = cpu_callers(cpu, &why);
    const struct communicator_info *ranks = communicator_info(options->communicator);
    const bool own = cpu->algorithms[0].kernels;
    if (!own && openblas_is_mistaken(&cpu->openblas, &core))
        snprintf(info->warning, sizeof info->warning,
            "OpenBLAS %s does not know this CPU and takes it for a Prescott, at a fraction of its "
            "speed; set OPENBLAS_CORETYPE=%s in the environment, or install a newer OpenBLAS",
            cpu->openblas.version, core);
    else if (!asked && info->threads < usable)
        snprintf(info->warning, sizeof info->warning,
            "cpu computes with %d thread%s, though %d could: %s", info->threads,
            info->threads == 1 ? "" : "s", usable,
            info->threads == callers
                ? why
                : "OpenMP or the system gives no more (OMP_THREAD_LIMIT, ulimit -u)");
    if (ranks->sharing < ranks->local_ranks && ranks->bound_cores < ranks->host_cores)
        text_append(info->warning, sizeof info->warning,
            "%sthe launcher has bound the %d ranks on %s to %d of its %d cores; if they may use "
            "more, start them with --bind-to none",
            info->warning[0] ? "; " : "", ranks->local_ranks, ranks->host, ranks->bound_cores,
            ranks->host_cores);
    if (cpu->without[0])
        text_append(info->warning, sizeof info->warning, "%scpu computes without OpenBLAS: %s",
            info->warning[0] ? "; " : "", cpu->without);
}

static void cpu_list(device_visitor *visit, void *context) {
    struct cpu cpu = {.algorithms_count = 0};
    struct device_entry entry = {.spec = "cpu", .available = true};
    (void)cpu_find_algorithms(&cpu, NULL, NULL);
    describe(&cpu, usual_threads(&cpu, NULL), &entry.info);
    visit(context, &entry);
    openblas_close(&cpu.openblas);
}

static enum status cpu_library(char *text, size_t size, struct error *error) {
    (void)error;
    struct openblas openblas;
    text[0] = '\0';
    if (openblas_open(&openblas, NULL) == STATUS_OK)
        snprintf(text, size, "OpenBLAS %s", openblas.version);
    openblas_close(&openblas);
    return STATUS_OK;
}

static enum status cpu_find(
    const char *rest, bool automatic, const char **shortly, struct error *error) {
    (void)automatic;
    *shortly = "there is only one";
    return rest ? error_set(error, STATUS_DEVICE, "cpu: there is only one; ':%s' is too much", rest)
                : STATUS_OK;
}

static void cpu_close(struct device *device) {
    struct cpu *cpu = (struct cpu *)device;
    host_device_end(&cpu->host);
    gemm_choices_free(cpu->choices);
    queue_free(&cpu->pending);
    free(cpu->scratch);
    free(cpu->failure);
    openblas_close(&cpu->openblas);
    free(cpu);
}

/* Finds the algorithms, and starts the team of threads. */
static enum status start(
    struct cpu *cpu, const struct device_options *options, struct error *error) {
    const char *why;
    int threads;
    enum status status = cpu_find_algorithms(cpu, options->gemm, error);
    if (status != STATUS_OK)
        return status;
    const int callers = cpu_callers(cpu, &why);
    status = host_team_size("cpu", options->threads, usual_threads(cpu, options->communicator),
        callers, why, &threads, error);
    if (status != STATUS_OK)
        return status;
    cpu_suit_algorithms(cpu, threads);
    describe(cpu, threads, &cpu->host.base.info);
    warn_of(cpu, options, &cpu->host.base.info);
    return status;
}

/* Makes what the team works with. */
static enum status create(struct cpu *cpu, struct error *error) {
    const size_t scratch = (size_t)cpu->host.base.info.threads * sizeof *cpu->scratch;
    if (!queue_reserve(&cpu->pending, PENDING))
        return error_memory(error, "the cpu device", PENDING * sizeof(struct queue_entry));
    cpu->scratch = memory_allocate(scratch);
    cpu->failure = calloc(1, sizeof *cpu->failure);
    if (!cpu->scratch || !cpu->failure)
        return error_memory(error, "the threads' gemms", scratch);
    for (int thread = 0; thread < cpu->host.base.info.threads; thread++)
        cpu->scratch[thread].gemm.b_version = 0;
    return cpu_choices_create(cpu, error);
}

static enum status cpu_open(const char *rest, const struct device_options *options,
    struct device **device, struct error *error) {
    const char *shortly;
    if (cpu_find(rest, false, &shortly, error) != STATUS_OK)
        return STATUS_DEVICE;
    struct cpu *cpu = calloc(1, sizeof *cpu);
    if (!cpu)
        return error_memory(error, "the cpu device", sizeof *cpu);
    enum status status = start(cpu, options, error);
    if (status == STATUS_OK)
        status = create(cpu, error);
    if (status != STATUS_OK) {
        cpu_close(&cpu->host.base);
        return status;
    }
    host_device_begin(&cpu->host, options);
    *device = &cpu->host.base;
    return STATUS_OK;
}

/* --- Memory --- */

static void cpu_free_buffer(struct buffer *buffer) {
    (void)cpu_flush((struct cpu *)buffer->device, NULL); /* operations in the queue may use it */
    host_buffer_free(buffer);
}

static enum status cpu_download(
    struct device *device, struct view source, void *host, struct error *error) {
    const enum status status = cpu_flush((struct cpu *)device, error);
    if (status == STATUS_OK)
        memcpy(host, host_floats(source), source.rows * source.columns * sizeof(float));
    return status;
}

const struct device_type cpu_device_type = {
    .kind = "cpu",
    .automatic = true,
    .gemms = cpu_gemms,
    .gemms_lacking = cpu_gemms_lacking,
    .list = cpu_list,
    .library = cpu_library,
    .find = cpu_find,
    .open = cpu_open,
    .close = cpu_close,
    .environment = openblas_environment,
    .choices = cpu_choices,
    .join = host_device_join,
    .exchanges = host_exchanges,
    .allocate = host_buffer_allocate,
    .allocate_exchanged = host_buffer_allocate_exchanged,
    .memory = host_device_memory,
    .free_buffer = cpu_free_buffer,
    .download = cpu_download,
    .synchronise = cpu_synchronise,
    .measure_arithmetic = host_device_measure_arithmetic,
    .enqueue = cpu_enqueue,
    .longest = RECORDED_LONGEST,
    .compile = cpu_compile,
    .run = cpu_run,
    .free_recording = cpu_free_recording,
};
