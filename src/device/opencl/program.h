/* Our kernels on an OpenCL device: from the cache where it has them, else compiled by its driver.
 */
#ifndef DEVICE_OPENCL_PROGRAM_H
#define DEVICE_OPENCL_PROGRAM_H

#include "device/opencl/device.h"

/* As in struct gpu_driver. */
enum status opencl_compile_program(struct gpu *gpu, const char *file, const char *defines,
    struct gpu_program **program, struct error *error);
void opencl_free_program(struct gpu_program *program);
enum status opencl_create_function(struct gpu_program *program, const char *name,
    struct gpu_function **function, struct error *error);
void opencl_free_function(struct gpu_function *function);

#endif
