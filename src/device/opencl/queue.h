/* What is enqueued on an OpenCL device: kernels and CLBlast's products. The queue is in order, and
 * no command has an event. */
#ifndef DEVICE_OPENCL_QUEUE_H
#define DEVICE_OPENCL_QUEUE_H

#include "device/opencl/device.h"

/* As in struct gpu_driver. */
enum status opencl_create_function(struct gpu_program *program, const char *name,
    struct gpu_function **function, struct error *error);
void opencl_free_function(struct gpu_function *function);
enum status opencl_upload(
    struct gpu *gpu, struct view destination, const void *host, struct error *error);
enum status opencl_enqueue(struct gpu *gpu, const struct gpu_command *command, struct error *error);
enum status opencl_prepare(struct gpu *gpu, const struct gpu_kernel *kernel,
    struct gpu_command *command, struct error *error);
enum status opencl_gemm_work(
    struct gpu *gpu, const struct gpu_gemm *gemm, size_t *elements, struct error *error);
enum status opencl_finish(struct gpu *gpu, struct error *error);

/* Tells the driver to start on what was enqueued, which it may else do when it likes. */
enum status opencl_flush(struct opencl *opencl, struct error *error);
void opencl_forget_mark(struct opencl *opencl);

#endif
