#include "device/instruction_set.h"

#include <stddef.h>

extern const struct cpu_kernels cpu_kernels_baseline, cpu_kernels_avx2, cpu_kernels_avx512;
extern const struct multiply_add multiply_add_baseline, multiply_add_avx2, multiply_add_avx512;

#if TRAINER_HAS_CPU
#define COMPILED(set) &cpu_kernels_##set, &multiply_add_##set
#else
#define COMPILED(set) NULL, &multiply_add_##set
#endif

#ifdef __x86_64__
static bool has_avx2(void) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

static bool has_avx512(void) {
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512cd");
}
#endif

static bool has_baseline(void) {
    return true;
}

#ifdef __aarch64__ /* where NEON is part of every processor */
#define BASELINE "NEON"
#define BASELINE_GEMM "own-neon"
#else
#define BASELINE "baseline"
#define BASELINE_GEMM "own-baseline"
#endif

const struct instruction_set instruction_sets[] = {
#ifdef __x86_64__
    {"AVX-512", "own-avx512", has_avx512, COMPILED(avx512), 16},
    {"AVX2", "own-avx2", has_avx2, COMPILED(avx2), 8},
#endif
    {BASELINE, BASELINE_GEMM, has_baseline, COMPILED(baseline), 4},
    {NULL, NULL, NULL, NULL, NULL, 0},
};

const struct instruction_set *instruction_set_best(void) {
    const struct instruction_set *set = instruction_sets;
    while (!set->usable())
        set++;
    return set;
}
