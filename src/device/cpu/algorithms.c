/* The ways of the cpu device to compute a gemm: OpenBLAS, or our own gemm, which is there for each
 * instruction set. */
#include "device/cpu/cpu.h"

#include "device/environment.h"
#include "device/instruction_set.h"
#include "device/program_cache.h"
#include "system/text.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char openblas_name[] = "openblas";

const char *const cpu_gemms[] = {
#if TRAINER_HAS_OPENBLAS
    openblas_name,
#endif
    "own",
#ifdef __aarch64__
    "own-neon",
#else
    "own-baseline",
#endif
#ifdef __x86_64__
    "own-avx2", "own-avx512",
#endif
    NULL};

const struct device_lacking cpu_gemms_lacking[] = {
#if !TRAINER_HAS_OPENBLAS
    {openblas_name, TRAINER_LACKS_OPENBLAS},
#endif
    {NULL, NULL}};

/* --- Which there are --- */

static void add(struct cpu *cpu, const char *name, const struct cpu_kernels *kernels) {
    cpu->algorithms[cpu->algorithms_count++] = (struct cpu_algorithm){name, kernels};
}

/* Adds our own gemm for one instruction set, by name. */
static enum status add_own(struct cpu *cpu, const char *gemm, struct error *error) {
    const struct instruction_set *set = instruction_sets;
    while (strcmp(set->gemm, gemm) != 0)
        set++;
    if (!set->usable())
        return error_set(error, STATUS_DEVICE,
            "cpu: --gemm %s: this processor has no %s, only %s; use --gemm own, which takes the "
            "best that is there",
            gemm, set->name, instruction_set_best()->name);
    add(cpu, set->gemm, set->kernels);
    cpu->kernels = set->kernels;
    return STATUS_OK;
}

/* Adds all that may be the fastest. Of our own, that is any for which the processor has the
 * instructions; the baseline, only where there is nothing better. */
static void add_all(struct cpu *cpu) {
    struct error error;
    for (const struct instruction_set *set = instruction_sets; set->name; set++)
        if (set->usable() && (set[1].name || cpu->algorithms_count == 0))
            add(cpu, set->gemm, set->kernels);
    if (!openblas_is_built)
        return;
    if (openblas_open(&cpu->openblas, &error) == STATUS_OK)
        add(cpu, openblas_name, NULL);
    else
        snprintf(cpu->without, sizeof cpu->without, "%.500s", error.message + strlen("cpu: "));
}

enum status cpu_find_algorithms(struct cpu *cpu, const char *gemm, struct error *error) {
    cpu->kernels = instruction_set_best()->kernels;
    if (!gemm || strcmp(gemm, "auto") == 0) {
        add_all(cpu);
        return STATUS_OK;
    }
    if (strcmp(gemm, openblas_name) != 0)
        return add_own(cpu, strcmp(gemm, "own") == 0 ? instruction_set_best()->gemm : gemm, error);
    add(cpu, openblas_name, NULL);
    return openblas_open(&cpu->openblas, error);
}

/* --- How many threads may use them --- */

int cpu_callers(const struct cpu *cpu, const char **why) {
    const bool own = cpu->algorithms[0].kernels;
    *why = own ? NULL : cpu->openblas.why;
    return own ? INT_MAX : cpu->openblas.callers;
}

void cpu_suit_algorithms(struct cpu *cpu, int threads) {
    const bool own = cpu->algorithms[0].kernels;
    if (!own || !cpu->openblas.handle || threads <= cpu->openblas.callers)
        return;
    snprintf(cpu->without, sizeof cpu->without, "there are %d threads, and %s", threads,
        cpu->openblas.why);
    openblas_close(&cpu->openblas);
    cpu->algorithms_count--; /* it is the last one */
}

/* --- What a choice among them depends on --- */

char *cpu_make_key(const struct device *device, const char *shape, size_t *length) {
    const struct cpu *cpu = (const struct cpu *)device;
    char algorithms[256] = "", threads[16];
    char *environment = environment_text(device->info.kind);
    if (!environment)
        return NULL;
    for (size_t a = 0; a < cpu->algorithms_count; a++)
        text_append(algorithms, sizeof algorithms, "%s ", cpu->algorithms[a].name);
    snprintf(threads, sizeof threads, "%d", device->info.threads);
    const char *const parts[] = {device->info.kind, "choice", device->info.name,
        device->info.library, threads, algorithms, TRAINER_CPU_CODE, environment, shape};
    char *key = program_cache_key(parts, sizeof parts / sizeof *parts, length);
    free(environment);
    return key;
}
