/* Our kernels on a device: programs of them, and keys for what is kept of a device between runs. */
#ifndef DEVICE_GPU_PROGRAM_H
#define DEVICE_GPU_PROGRAM_H

#include "device/gpu/gpu.h"

/* --- Programs and kernels ------------------------------------------------------------------ */

/* The kernels of kernels/`file`, compiled with gpu_program_options: from the program cache, or by
 * the driver and then kept there. STATUS_DEVICE, with the start of the compiler's messages, when
 * they can't be compiled. NULL is fine in gpu_program_free. */
enum status gpu_program_create(struct gpu *gpu, const char *file, const char *defines,
    struct gpu_program **program, struct error *error);
void gpu_program_free(struct gpu *gpu, struct gpu_program *program);

enum { GPU_OPTIONS_SIZE = 512 };

/* The options for the kernels' compiler: its `language`, the constants that all kernels share with
 * the host, and `defines`, those of one program ("-DNAME=VALUE ..."). Both may be empty. */
void gpu_program_options(const char *language, const char *defines, char *text, size_t size);

/* The kernel of that name. Ended by gpu_kernel_free, before its program. */
enum status gpu_kernel_create(struct gpu *gpu, struct gpu_program *program, const char *name,
    struct gpu_kernel *kernel, struct error *error);
void gpu_kernel_free(struct gpu *gpu, struct gpu_kernel *kernel);

/* --- The program cache --------------------------------------------------------------------- */

/* The key in the program cache for `what` of this device: what its code is compiled for, the
 * environment, and `count` parts, all else that it depends on. The caller frees it; NULL when
 * memory is refused. */
char *gpu_cache_key(const struct gpu *gpu, const char *what, const char *const *parts, size_t count,
    size_t *length);

#endif
