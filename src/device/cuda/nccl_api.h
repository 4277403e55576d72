/* What is used of NCCL, and how it is opened. It is no part of the toolkit, so it is declared here,
 * as its API reference has it (docs.nvidia.com/deeplearning/nccl), under names of our own.
 * tests/unit/test_nccl.c compares that with nccl.h, where there is one. */
#ifndef DEVICE_CUDA_NCCL_API_H
#define DEVICE_CUDA_NCCL_API_H

#include <cuda_runtime_api.h>
#include <stdbool.h>
#include <stddef.h>

typedef int nccl_result; /* an enum there */
enum { NCCL_SUCCESS = 0, NCCL_IN_PROGRESS = 7 };
enum { NCCL_FLOAT32 = 7 }; /* a data type */
enum { NCCL_SUM = 0 };     /* an operation */

typedef struct {
    char internal[128];
} nccl_id;

typedef void *nccl_communicator;

struct nccl_api {
    void *library;
    nccl_result (*get_version)(int *version);
    nccl_result (*get_unique_id)(nccl_id *id);
    nccl_result (*comm_init_rank)(nccl_communicator *made, int ranks, nccl_id id, int rank);
    nccl_result (*comm_destroy)(nccl_communicator communicator);
    nccl_result (*comm_abort)(nccl_communicator communicator);
    nccl_result (*comm_get_async_error)(nccl_communicator communicator, nccl_result *found);
    nccl_result (*all_reduce)(const void *from, void *to, size_t count, int type, int operation,
        nccl_communicator communicator, cudaStream_t stream);
    const char *(*get_error_string)(nccl_result code);
    const char *(*get_last_error)(nccl_communicator communicator);
};

/* Opens libnccl.so.2; false, and dlerror says why, when it is not there or lacks a function. It is
 * never closed: threads of its own may be in it. */
bool nccl_api_open(struct nccl_api *api);

#endif
