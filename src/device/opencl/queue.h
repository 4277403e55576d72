/* What is enqueued on an OpenCL device: kernels and CLBlast's gemms. All of it goes to one queue,
 * which keeps the order. No kernel or gemm has an event; only a marker has, now and then (queue.c).
 */
#ifndef DEVICE_OPENCL_QUEUE_H
#define DEVICE_OPENCL_QUEUE_H

#include "device/opencl/device.h"

/* Tells the driver to start on what was enqueued. Else it may start as late as it likes. */
enum status opencl_flush(struct opencl *opencl, struct error *error);

/* As in struct gpu_driver. */
enum status opencl_synchronise(struct gpu *gpu, struct error *error);
enum status opencl_gemm_workspace(
    struct gpu *gpu, const struct gpu_gemm *gemm, size_t *elements, struct error *error);
enum status opencl_enqueue(struct gpu *gpu, const struct gpu_command *command, struct error *error);
enum status opencl_prepare(struct gpu *gpu, const struct gpu_kernel *kernel,
    struct gpu_command *command, struct error *error);

#endif
