/* Our kernels on a device: their compiled programs, and the keys under which the program cache
 * keeps what is known of a device. */
#ifndef DEVICE_GPU_PROGRAM_H
#define DEVICE_GPU_PROGRAM_H

#include "device/gpu/gpu.h"

/* --- Programs and kernels ------------------------------------------------------------------ */

/* Makes the program of kernels/`file`, with the options that gpu_program_options writes. It comes
 * from the program cache. If it isn't there, the driver compiles it, and it is kept there.
 * STATUS_DEVICE, with the start of the compiler's messages, when it can't be compiled. Ended by
 * gpu_program_free; NULL is fine there. */
enum status gpu_program_create(struct gpu *gpu, const char *file, const char *defines,
    struct gpu_program **program, struct error *error);
void gpu_program_free(struct gpu *gpu, struct gpu_program *program);

enum { GPU_OPTIONS_SIZE = 1536 };

/* The language of an OpenCL device. Later versions have other rules for pointers. On CPUs denormals
 * take long (system/denormals.h); all else is as exact as OpenCL lets it be. */
#define OPENCL_LANGUAGE "-cl-std=CL1.2 -cl-denorms-are-zero"

/* Writes the options for the kernels' compiler: the option `language`, the constants that all
 * kernels share with the host, and `defines`, the constants of one program ("-DNAME=VALUE ...").
 * `language` and `defines` may be empty. */
void gpu_program_options(const char *language, const char *defines, char *text, size_t size);

/* Makes the kernel `name` of a program. Ended by gpu_kernel_free, before its program is freed. */
enum status gpu_kernel_create(struct gpu *gpu, struct gpu_program *program, const char *name,
    struct gpu_kernel *kernel, struct error *error);
void gpu_kernel_free(struct gpu *gpu, struct gpu_kernel *kernel);

/* --- The program cache --------------------------------------------------------------------- */

/* The key under which the program cache keeps `what` ("program", "choice") of this device. It holds
 * everything that the content depends on: what code is compiled for, the environment, and `count`
 * further parts, at most GPU_CACHE_PARTS. The caller frees it. NULL when memory is refused. */
enum { GPU_CACHE_PARTS = 8 };
char *gpu_cache_key(const struct gpu *gpu, const char *what, const char *const *parts, size_t count,
    size_t *length);

#endif
