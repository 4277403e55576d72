/* A test double of the CUDA calls that the `cuda` device makes (the runtime, cuBLAS and NVRTC),
 * linked in their place. It computes, on the CPU, and it is strict where a GPU would be lenient or
 * late:
 *
 * - Device memory is on the heap, so that a sanitizer knows it, and starts as NaN (of more than
 *   2 MiB, the first and the last).
 * - A stream does nothing until something waits for it. A copy to the host fills its destination
 *   with NaN at once, and brings the values when it is waited for; a copy from the host reads then.
 *   Another stream does no more than an event that is waited for asks for, or, where that is
 *   wanted, as much as it may.
 * - Every address that a command uses must lie in memory that is allocated when it is done.
 * - Within a capture, nothing else may be launched, allocated or waited for.
 * - cuBLAS's gemms are plain loops over column-major matrices, and check all sizes.
 * - Kernels are the same text, as OpenCL C (kernels/dialect.h), run by an OpenCL driver of the CPU;
 *   where there is none, a program ends before it begins, and CTest reports it as skipped. Those
 *   whose groups wait for one another, and where that is wanted all, are run by groups.h.
 *
 * A broken rule is a violation: it is printed, and ends the process.
 *
 * It says nothing about speed or a GPU's own arithmetic. One thread only. */
#ifndef EMULATED_CUDA_H
#define EMULATED_CUDA_H

#include "groups.h"

#include <cublas_v2.h>
#include <cuda_runtime_api.h>
#include <stdbool.h>
#include <stddef.h>

/* --- For tests ----------------------------------------------------------------------------- */

/* What it pretends to be. The first call takes these from the environment, where they are set:
 * EMULATED_CUDA_GPUS, _CAPABILITY, _UNITS, _MEMORY, _FAIL, _LOSE, _NO_GRAPHS, _DRIVER, _EAGER,
 * _SHARED, and EMULATED_CUDA_GROUPS and EMULATED_CUDA_SEED.
 * CUDA_VISIBLE_DEVICES=-1 hides all GPUs. */
struct emulated_cuda {
    int gpus, capability;  /* 2 of 9.0 */
    int units;             /* compute units of each: 8 */
    size_t memory;         /* bytes of each: 1 GiB */
    unsigned long fail_at; /* the call of this number fails; 0: none */
    unsigned long lose_at; /* from this one on, the GPU is lost */
    const char *refused;   /* every call of this function fails; or NULL */
    bool no_graphs;        /* captures fail */
    int driver;            /* the CUDA that its driver is for: CUDART_VERSION */
    bool groups;           /* all kernels are run by groups.h */
    unsigned long seed;    /* of the order in which it runs groups and items */
    bool shared;   /* other programs use the GPU: it can't promise that groups run at once */
    bool draws;    /* it has a screen, too, and ends launches that last long */
    bool eager;    /* a stream of copies alone does each as soon as it may */
    bool tolerant; /* a violation is kept, and does not end the process */
};
extern struct emulated_cuda emulated_cuda;

struct emulated_cuda_state {
    unsigned long calls;       /* that can fail */
    const char *failed;        /* the one that did; or NULL */
    const char *violation;     /* the first; or NULL */
    size_t objects;            /* allocations, streams, graphs, libraries, handles, ... not ended */
    unsigned long submissions; /* launches, copies and graphs that the host has enqueued */
    unsigned long commands;    /* kernels and gemms that were done */
    unsigned long copies;      /* and copies */
    unsigned long first_runs; /* of those kernels, the first of each since its library was loaded */
    unsigned long graph_nodes; /* of the graph that was last run */
    unsigned long together;    /* kernels whose groups had to be at work at once */
    unsigned long
        overlapping;   /* those of them that may begin before the one before them has ended */
    int driver_errors; /* of the OpenCL driver */
};
extern struct emulated_cuda_state emulated_cuda_state;

/* A new start: no call has been made, none has failed. What was not ended stays. */
void emulated_cuda_reset(void);

/* --- Between its files --------------------------------------------------------------------- */

__attribute__((format(printf, 1, 2))) void emulated_violation(const char *format, ...);

/* Counts a call that can fail; gives true when it must. */
bool emulated_fails(const char *name);
bool emulated_is_lost(void);
void emulated_lose(void);
/* Keeps an error for cudaGetLastError; gives it. */
cudaError_t emulated_note(cudaError_t code);
int emulated_current(void); /* the GPU that calls are about */

/* The memory of `bytes` from an address of a GPU on; NULL, after a violation, when it is not. */
void *emulated_memory(const void *address, size_t bytes, const char *user);

/* The bytes of the allocation that begins at the address; 0, after a violation, when none does. */
size_t emulated_bytes(const void *address, const char *user);

/* Commands of a stream. */
struct command {
    enum { COPY, KERNEL, GEMM, GRAPH, RECORD, WAIT, CALL } kind;
    void *to; /* COPY */
    const void *from;
    size_t bytes;
    enum cudaMemcpyKind direction;
    struct emulated_kernel *kernel; /* KERNEL */
    dim3 grid, block;
    bool overlaps; /* KERNEL */
    bool together; /* KERNEL: all of its groups must be at work at once */
    unsigned char arguments[GROUP_ARGUMENTS][8];
    struct {
        bool transpose_a, transpose_b, tf32; /* GEMM: column-major */
        int m, n, k, lda, ldb, ldc;
        float alpha, beta;               /* where the next two are NULL */
        const float *alpha_at, *beta_at; /* on the GPU: read when it is computed */
        const float *a, *b;
        float *c;
    } gemm;
    struct CUgraphExec_st *graph; /* GRAPH */
    struct CUevent_st *event;     /* RECORD, WAIT */
    unsigned long version;        /* the how manieth record of it */
    cudaHostFn_t call;            /* CALL: of the host, with this context */
    void *context;
};
/* Appends to the stream, or to what it captures. */
cudaError_t emulated_enqueue(cudaStream_t stream, const struct command *command);
bool emulated_is_capturing(void);
/* What is being captured will be no graph. */
void emulated_spoil_capture(void);
/* Does all that streams still have to do. */
void emulated_run_all(void);

void emulated_multiply(const struct command *command);

/* Kernels. Their arguments have 4 or 8 bytes, or are addresses. */
struct emulated_kernel;
cudaError_t emulated_copy_arguments(
    struct emulated_kernel *kernel, void **arguments, struct command *command);
void emulated_run_kernel(const struct command *command);
/* How many groups of a kernel are at work at once, at most. */
size_t emulated_groups_at_once(const struct emulated_kernel *kernel, size_t items);

/* A buffer of the OpenCL driver, of which the memory is `address`. */
void *emulated_wrap(void *address, size_t bytes);
void emulated_unwrap(void *wrapped);
/* That of the allocation that begins at the address. */
void *emulated_wrapped(const void *address, const char *user);

#endif
