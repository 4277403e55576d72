/* What the files of the CUDA device share. */
#ifndef DEVICE_CUDA_DEVICE_H
#define DEVICE_CUDA_DEVICE_H

#include "device/gpu/gpu.h"

#include <cublas_v2.h>
#include <cuda_runtime_api.h>

struct cuda_buffer {
    struct buffer base;
    void *memory; /* of the GPU */
};

struct cuda {
    struct gpu gpu;
    int ordinal;    /* the runtime's number of the GPU */
    int capability; /* 90 for 9.0 */
    bool tf32;      /* cuBLAS may round what it multiplies to 10 bits */
    bool graphs;    /* recordings become graphs, if they can */
    cudaStream_t stream;
    cublasHandle_t blas;
    void *workspace; /* of cuBLAS */
    float *one;      /* on the GPU: a factor for cuBLAS */
};

static inline struct cuda *cuda_of(struct gpu *gpu) {
    return (struct cuda *)gpu;
}

/* The address of element `offset` of a buffer. */
static inline void *cuda_memory(const struct buffer *buffer, size_t offset) {
    return (float *)((const struct cuda_buffer *)buffer)->memory + offset;
}

/* Makes the GPU the calling thread's. Before anything else that is done with it: another device may
 * have been used in between. */
enum status cuda_enter(const struct cuda *cuda, struct error *error);

/* As that, and waits until nothing is done any more, before something ends. What fails here has
 * failed before, or will at the next call that computes. */
void cuda_settle(const struct cuda *cuda);

/* --- Which GPU (discovery.c) --- */

/* As in struct device_type. */
void cuda_list(device_visitor *visit, void *context);
enum status cuda_library(char *text, size_t size, struct error *error);
enum status cuda_find(const char *rest, bool automatic, const char **shortly, struct error *error);

/* The GPU of a spec: `rest` is what follows "cuda:", NULL for the first one. Fills base.info,
 * ordinal, capability, and the limits of struct gpu. `automatic`: as in device_options. */
enum status cuda_choose(const char *rest, bool automatic, struct cuda *cuda, struct error *error);

/* --- Compiled kernels (program.c): as in struct gpu_driver --- */

enum status cuda_load_program(struct gpu *gpu, const char *file, const char *defines,
    struct gpu_program **program, struct error *error);
void cuda_free_program(struct gpu_program *program);
enum status cuda_create_function(struct gpu_program *program, const char *name,
    struct gpu_function **function, struct error *error);
void cuda_free_function(struct gpu_function *function);

/* --- The stream (queue.c): as in struct gpu_driver --- */

enum status cuda_upload(
    struct gpu *gpu, struct view destination, const void *host, struct error *error);
enum status cuda_gemm_work(
    struct gpu *gpu, const struct gpu_gemm *gemm, size_t *elements, struct error *error);
enum status cuda_enqueue(struct gpu *gpu, const struct gpu_command *command, struct error *error);
enum status cuda_finish(struct gpu *gpu, struct error *error);
enum status cuda_make_graph(struct gpu *gpu, const struct gpu_command *commands, size_t count,
    struct gpu_graph **graph, struct error *error);
enum status cuda_run_graph(struct gpu *gpu, struct gpu_graph *graph, struct error *error);
void cuda_free_graph(struct gpu *gpu, struct gpu_graph *graph);

#endif
