/* What the files of the CUDA device share. */
#ifndef DEVICE_CUDA_DEVICE_H
#define DEVICE_CUDA_DEVICE_H

#include "device/cuda/clocks.h"
#include "device/gpu/gpu.h"

#include <cublas_v2.h>
#include <cuda_runtime_api.h>

struct cuda_buffer {
    struct buffer base;
    void *memory; /* on the GPU */
};

struct cuda {
    struct gpu gpu;
    int ordinal;    /* the runtime's number of the GPU */
    int capability; /* compute capability: 90 for 9.0 */
    bool tf32;      /* cuBLAS may round what it multiplies to a mantissa of 10 bits */
    bool graphs;    /* recordings become graphs where they can */
    cudaStream_t stream;
    /* Images are sent on a stream of their own, to two buffers in turn. Events tell when one has
     * been sent, and when it has been read. */
    cudaStream_t sending;
    cudaEvent_t sent[2], read[2];
    bool has_sent; /* since the last wait */
    cublasHandle_t blas;
    void *workspace; /* cuBLAS's, on the GPU */
    struct cuda_clocks clocks;
    enum { EXCHANGE_AUTO, EXCHANGE_BY_NCCL, EXCHANGE_BY_HOST } exchange; /* with other ranks */
    struct nccl *nccl; /* NULL: exchanges go through the host (nccl.h) */
    float *one;        /* a 1.0f on the GPU: cuBLAS's factor beta */
};

static inline struct cuda *cuda_of(struct gpu *gpu) {
    return (struct cuda *)gpu;
}

static inline struct cuda *cuda_of_device(struct device *device) {
    return (struct cuda *)device;
}

/* The address of element `offset` of a buffer. */
static inline void *cuda_memory(const struct buffer *buffer, size_t offset) {
    return (float *)((const struct cuda_buffer *)buffer)->memory + offset;
}

#endif
