/* Our kernels on an OpenCL device: compiled by its driver, or loaded from the binary of an earlier
 * run. */
#ifndef DEVICE_OPENCL_PROGRAM_H
#define DEVICE_OPENCL_PROGRAM_H

#include "device/opencl/device.h"

/* As in struct gpu_driver. */
enum status opencl_compile_program(struct gpu *gpu, const char *file, const char *text,
    const char *options, struct gpu_program **program, void **code, size_t *length,
    struct error *error);
struct gpu_program *opencl_load_program(
    struct gpu *gpu, const char *options, const void *code, size_t length);
void opencl_free_program(struct gpu_program *program);
enum status opencl_create_function(struct gpu_program *program, const char *name,
    struct gpu_function **function, struct error *error);
void opencl_free_function(struct gpu_function *function);

#endif
