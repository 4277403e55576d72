/* What is enqueued on a GPU: kernels, cuBLAS's gemms, and whole graphs of them. All of it goes to
 * one stream, which keeps the order; but for images, which another one sends (memory.h). Only
 * cuda_synchronise, and making and freeing a graph, wait for the stream. */
#ifndef DEVICE_CUDA_QUEUE_H
#define DEVICE_CUDA_QUEUE_H

#include "device/cuda/device.h"

/* Makes this GPU the one that the calling thread's CUDA calls are about. This comes before anything
 * else that is done with the GPU, because another device may have been used in between. */
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
