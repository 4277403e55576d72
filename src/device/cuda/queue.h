/* What is enqueued on a GPU: kernels, cuBLAS's gemms, and whole graphs of them. There is one
 * stream, which keeps their order; only cuda_synchronise and making a graph wait for it. */
#ifndef DEVICE_CUDA_QUEUE_H
#define DEVICE_CUDA_QUEUE_H

#include "device/cuda/device.h"

/* Makes the GPU the calling thread's. Before anything else that is done with it: another device may
 * have been used in between. */
enum status cuda_enter(const struct cuda *cuda, struct error *error);

/* As in struct gpu_driver. */
enum status cuda_synchronise(struct gpu *gpu, struct error *error);
enum status cuda_gemm_workspace(
    struct gpu *gpu, const struct gpu_gemm *gemm, size_t *elements, struct error *error);
enum status cuda_enqueue(struct gpu *gpu, const struct gpu_command *command, struct error *error);
enum status cuda_make_graph(struct gpu *gpu, const struct gpu_command *commands, size_t count,
    struct gpu_graph **graph, struct error *error);
enum status cuda_run_graph(struct gpu *gpu, struct gpu_graph *graph, struct error *error);
void cuda_free_graph(struct gpu *gpu, struct gpu_graph *graph);

#endif
