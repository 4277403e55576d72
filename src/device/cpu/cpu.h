/* What the files of the cpu device share. */
#ifndef DEVICE_CPU_CPU_H
#define DEVICE_CPU_CPU_H

#include "device/cpu/kernels.h"
#include "device/cpu/openblas.h"
#include "device/cpu/queue.h"
#include "device/host_device.h"

/* A way to compute gemms. */
struct cpu_algorithm {
    const char *name;                  /* by which --gemm asks for it */
    const struct cpu_kernels *kernels; /* with our gemm for an instruction set; NULL: OpenBLAS */
};

enum { CPU_ALGORITHMS_MAX = 4 };

struct cpu {
    struct host_device host;
    struct openblas openblas;
    /* Those that --gemm allows and this processor has, the fastest instruction set first. */
    struct cpu_algorithm algorithms[CPU_ALGORITHMS_MAX];
    size_t algorithms_count;
    const struct cpu_kernels *kernels; /* for all else than gemms */
    struct gemm_scratch *scratch;      /* [threads] */
    struct queue pending;              /* operations that are enqueued and not begun */
};

/* --- Algorithms (algorithms.c) --- */

extern const char *const cpu_gemms[]; /* what --gemm takes, with a NULL at the end */

/* Finds the algorithms that `gemm` allows: a name of cpu_gemms, or "auto" or NULL. STATUS_DEVICE
 * when this processor lacks the instruction set that is asked for. */
enum status cpu_find_algorithms(struct cpu *cpu, const char *gemm, struct error *error);

/* The algorithm for an operation; NULL where it is no gemm. */
const struct cpu_algorithm *cpu_choose(const struct cpu *cpu, const struct operation *operation);

/* Whether all of them take the rows of an operand in any order (struct queue_entry). */
bool cpu_takes_order(const struct cpu *cpu);

/* --- Plans (plan.c) --- */

/* How the team does an operation. */
struct queue_entry cpu_plan(const struct cpu *cpu, const struct operation *operation);

/* How the team does a recording's operations: adds them to an empty queue, in which there need be
 * no room. The results are the same to the bit as when they are done one by one. *copy becomes
 * memory that the entries use, or NULL; the caller ends it with free(). False when memory is
 * refused. */
bool cpu_plan_recording(const struct cpu *cpu, const struct operation *operations, size_t count,
    struct queue *queue, struct host_buffer **copy);

/* --- Operations (operations.c) --- */

extern const struct cpu_operation cpu_operations[OPERATION_KINDS];

#endif
