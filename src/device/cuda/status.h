/* The errors of CUDA's libraries by their own names. */
#ifndef DEVICE_CUDA_STATUS_H
#define DEVICE_CUDA_STATUS_H

#include "trainer/error.h"

#include <cublas_v2.h>
#include <cuda_runtime_api.h>
#include <stdbool.h>

/* STATUS_DEVICE: `call` gave `code` while `doing` was done, which may be empty. The runtime's own
 * note of the error, which the next call would else report, is cleared. */
enum status cuda_failed(const char *call, cudaError_t code, const char *doing, struct error *error);

/* As that, of cuBLAS; says, too, what is wrong with the stream that it works on: cuBLAS has a
 * runtime of its own, and does not tell. */
enum status cublas_failed(
    const char *call, cublasStatus_t code, cudaStream_t stream, struct error *error);

/* Whether the code means that nothing more can be computed on the device by this process. */
bool cuda_is_lost(cudaError_t code);

#endif
