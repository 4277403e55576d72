/* Our kernels on a GPU: compiled now (compiler.h), or loaded from the machine code of an earlier
 * run. */
#ifndef DEVICE_CUDA_PROGRAM_H
#define DEVICE_CUDA_PROGRAM_H

#include "device/cuda/device.h"

/* As in struct gpu_driver. */
enum status cuda_compile_program(struct gpu *gpu, const char *file, const char *text,
    const char *options, struct gpu_program **program, void **code, size_t *length,
    struct error *error);
struct gpu_program *cuda_load_program(
    struct gpu *gpu, const char *options, const void *code, size_t length);
void cuda_free_program(struct gpu_program *program);
enum status cuda_create_function(struct gpu_program *program, const char *name,
    struct gpu_function **function, struct error *error);
void cuda_free_function(struct gpu_function *function);
enum status cuda_groups_at_once(struct gpu *gpu, const struct gpu_function *function, size_t items,
    size_t *groups, struct error *error);

#endif
