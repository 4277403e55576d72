/* Our kernels on a GPU: from the cache where it has them, else compiled (compiler.h). */
#ifndef DEVICE_CUDA_PROGRAM_H
#define DEVICE_CUDA_PROGRAM_H

#include "device/cuda/device.h"

/* As in struct gpu_driver. */
enum status cuda_compile_program(struct gpu *gpu, const char *file, const char *defines,
    struct gpu_program **program, struct error *error);
void cuda_free_program(struct gpu_program *program);
enum status cuda_create_function(struct gpu_program *program, const char *name,
    struct gpu_function **function, struct error *error);
void cuda_free_function(struct gpu_function *function);

#endif
