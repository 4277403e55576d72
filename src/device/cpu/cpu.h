/* What the files of the cpu device share. */
#ifndef DEVICE_CPU_CPU_H
#define DEVICE_CPU_CPU_H

#include "device/autotune.h"
#include "device/cpu/kernels.h"
#include "device/cpu/openblas.h"
#include "device/cpu/queue.h"
#include "device/host_device.h"

/* A way to compute gemms. */
struct cpu_algorithm {
    const char *name;                  /* by which --gemm asks for it */
    const struct cpu_kernels *kernels; /* with our gemm for an instruction set; NULL: OpenBLAS */
};

/* So many values of a gradient are computed at a time, and then the step of their parameters is
 * taken: in whole rows, unless they are longer than so many columns, since long stretches of memory
 * are what a processor reads ahead. The values should stay in a second cache meanwhile, which ARM's
 * cores share. */
#ifdef __aarch64__
enum { CPU_GRADIENT = 48 * 1024, CPU_GRADIENT_COLUMNS = 1024 };
#else
enum { CPU_GRADIENT = 192 * 1024, CPU_GRADIENT_COLUMNS = 1024 };
#endif

/* A thread's own memory, aligned to a cache line. */
struct cpu_scratch {
    struct gemm_scratch gemm;
    _Alignas(64) float gradient[CPU_GRADIENT];
};
_Static_assert(
    (int)CPU_GRADIENT / (int)CPU_GRADIENT_COLUMNS >= (int)GEMM_BLOCK_M, "whole blocks of rows");

/* What fails within the team; reported by the next wait. */
struct cpu_failure {
    enum status status;
    struct error error;
};

struct cpu {
    struct host_device host;
    struct openblas openblas; /* open where it is one of the algorithms */
    /* Those that --gemm allows and this machine has, the fastest instruction set first. */
    struct cpu_algorithm algorithms[ALGORITHMS_MAX];
    size_t algorithms_count;
    struct algorithms tuned;           /* the same, as autotuning knows them (work.c) */
    struct gemm_choices *choices;      /* which of them computes which shape */
    const struct cpu_kernels *kernels; /* for all else than gemms */
    struct cpu_scratch *scratch;       /* [threads] */
    struct cpu_failure *failure;
    struct queue pending; /* operations that are enqueued and not begun */
    char without[512];    /* why OpenBLAS is left out; empty: it is not, or is not asked for */
};

/* --- Algorithms (algorithms.c) --- */

extern const char *const cpu_gemms[]; /* what --gemm takes, with a NULL at the end */
extern const struct device_lacking cpu_gemms_lacking[]; /* and what this build has not */

/* Finds the algorithms that `gemm` allows: a name of cpu_gemms, or "auto" or NULL for all that may
 * be the fastest. Opens OpenBLAS if it is one of them. With "auto" it is left out where it can't be
 * opened. STATUS_DEVICE when this machine lacks what is asked for by name. */
enum status cpu_find_algorithms(struct cpu *cpu, const char *gemm, struct error *error);

/* The most threads that the algorithms allow, with *why saying why. Where there are others than
 * OpenBLAS, its limit is none. */
int cpu_callers(const struct cpu *cpu, const char **why);

/* Leaves OpenBLAS out if fewer threads than the device has may call it, and there are others. */
void cpu_suit_algorithms(struct cpu *cpu, int threads);

/* As make_key of struct algorithms. */
char *cpu_make_key(const struct device *device, const char *shape, size_t *length);

/* --- Plans (plan.c) --- */

/* Batches of so many samples and more may be taken in blocks of half as many. Blocks end where
 * those of a gemm's terms do, so that sums are the same as of the whole batch. */
enum { CPU_BLOCK = 10 * GEMM_BLOCK_K_TRANSPOSED, CPU_BATCH_IN_BLOCKS = 2 * CPU_BLOCK };

/* How the team does an operation. `algorithm` computes it if it is a gemm; else it is NULL. */
struct queue_entry cpu_plan(const struct cpu *cpu, const struct operation *operation,
    const struct cpu_algorithm *algorithm);

/* The operations of a recording, and the algorithm of each. */
struct cpu_list {
    const struct operation *operations;
    const struct cpu_algorithm **algorithms;
    size_t count;
};

/* How the team does a recording: adds its operations to an empty queue, in which there need be no
 * room. The results are the same to the bit as when they are done one by one. *copy becomes memory
 * that the entries use, or NULL; the caller ends it with free(), after its data. False when memory
 * is refused. */
bool cpu_plan_recording(const struct cpu *cpu, const struct cpu_list *list, struct queue *queue,
    struct host_buffer **copy);

/* --- Operations (operations.c) --- */

extern const struct cpu_operation cpu_operations[OPERATION_KINDS];

/* --- What the team does (work.c) --- */

/* Makes cpu->tuned and cpu->choices. The latter is ended by gemm_choices_free. */
enum status cpu_choices_create(struct cpu *cpu, struct error *error);

/* Does all operations that are pending. */
enum status cpu_flush(struct cpu *cpu, struct error *error);

/* As in struct device_type. */
size_t cpu_choices(const struct device *device, char *text, size_t size);
enum status cpu_synchronise(struct device *device, struct error *error);
enum status cpu_enqueue(
    struct device *device, const struct operation *operation, struct error *error);
enum status cpu_compile(struct device *device, const struct operation *operations, size_t count,
    struct recording **recording, struct error *error);
enum status cpu_run(struct device *device, struct recording *recording, struct error *error);
void cpu_free_recording(struct device *device, struct recording *recording);

#endif
