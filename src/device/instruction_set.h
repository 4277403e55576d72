/* The instruction sets that some files are compiled for, each file once for each set.
 * CMakeLists.txt names these files, and the compiler's options for each set. */
#ifndef DEVICE_INSTRUCTION_SET_H
#define DEVICE_INSTRUCTION_SET_H

#include <stdbool.h>

struct instruction_set {
    const char *name;                  /* as in device_info.kernels */
    const char *gemm;                  /* by which --gemm asks for our gemm for it */
    bool (*usable)(void);              /* whether this processor and its system have it */
    const struct cpu_kernels *kernels; /* NULL: this build has no cpu device */
    const struct multiply_add *multiply_add;
    int floats; /* of a vector */
};

/* All that this build has code for, the fastest first, with a NULL name at the end. The last of
 * them is the baseline, which every processor of the compiler's target has. */
extern const struct instruction_set instruction_sets[];

/* The first of them that is usable. */
const struct instruction_set *instruction_set_best(void);

/* In a file that is compiled for several sets: the name that is "name_avx2" when it is compiled for
 * the set that CMakeLists.txt calls avx2. */
#define OF_SET(name) OF_SET_PASTE(name, INSTRUCTION_SET)
#define OF_SET_PASTE(name, set) OF_SET_JOIN(name, set)
#define OF_SET_JOIN(name, set) name##_##set

/* Before a loop whose count is a constant: its variables that are indexed by the count can be in
 * registers only when it is unrolled. Each compiler is told so in its own words. */
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 32")
#endif

#endif
