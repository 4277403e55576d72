/* The ways of the cpu device to compute a gemm: OpenBLAS, or our own gemm, which is there for each
 * instruction set. */
#include "device/cpu/cpu.h"

#include "device/instruction_set.h"

#include <string.h>

const char *const cpu_gemms[] = {"openblas", "own",
#ifdef __aarch64__
    "own-neon",
#else
    "own-baseline",
#endif
#ifdef __x86_64__
    "own-avx2", "own-avx512",
#endif
    NULL};

static void add(struct cpu *cpu, const char *name, const struct cpu_kernels *kernels) {
    cpu->algorithms[cpu->algorithms_count++] = (struct cpu_algorithm){name, kernels};
}

enum status cpu_find_algorithms(struct cpu *cpu, const char *gemm, struct error *error) {
    const bool automatic = !gemm || strcmp(gemm, "auto") == 0,
               own = gemm && strcmp(gemm, "own") == 0;
    const struct instruction_set *best = instruction_set_best();
    cpu->kernels = best->kernels;
    for (const struct instruction_set *set = instruction_sets; set->name; set++)
        if (automatic || own ? set == best : strcmp(gemm, set->gemm) == 0) {
            if (!set->usable())
                return error_set(error, STATUS_DEVICE,
                    "cpu: --gemm %s: this processor has no %s, only %s; use --gemm own, which "
                    "takes "
                    "the best that is there",
                    gemm, set->name, best->name);
            add(cpu, set->gemm, set->kernels);
            cpu->kernels = set->kernels;
        }
    if (cpu->algorithms_count == 0)
        add(cpu, "openblas", NULL);
    return STATUS_OK;
}

const struct cpu_algorithm *cpu_choose(const struct cpu *cpu, const struct operation *operation) {
    switch (operation->kind) {
    case OPERATION_DENSE_FORWARD:
    case OPERATION_DENSE_BACKWARD:
    case OPERATION_DENSE_GRADIENT:
    case OPERATION_DENSE_UPDATE:
        return &cpu->algorithms[0];
    default:
        return NULL;
    }
}

bool cpu_takes_order(const struct cpu *cpu) {
    for (size_t a = 0; a < cpu->algorithms_count; a++)
        if (!cpu->algorithms[a].kernels)
            return false;
    return true;
}
