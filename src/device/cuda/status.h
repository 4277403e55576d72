/* Turns the errors of CUDA's libraries into messages with the libraries' own names for them. */
#ifndef DEVICE_CUDA_STATUS_H
#define DEVICE_CUDA_STATUS_H

#include "trainer/error.h"

#include <cublas_v2.h>
#include <cuda_runtime_api.h>
#include <stdbool.h>

/* Fills the error: `call` gave `code`. Gives STATUS_DEVICE. `doing` says what was being done; it
 * may be empty. The runtime remembers its last error, and its next call would report it again; this
 * is cleared. */
enum status cuda_failed(const char *call, cudaError_t code, const char *doing, struct error *error);

/* The same for a call of cuBLAS. cuBLAS has a CUDA runtime of its own, and its codes don't say what
 * went wrong there. So the message also names the error of `stream`, on which cuBLAS works, if
 * there is one. */
enum status cublas_failed(
    const char *call, cublasStatus_t code, cudaStream_t stream, struct error *error);

/* Whether the code means that this process can't compute anything more on the GPU. */
bool cuda_is_lost(cudaError_t code);

#endif
