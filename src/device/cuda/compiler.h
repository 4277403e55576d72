/* Compiles our kernels as CUDA C++, by NVRTC. This needs no GPU. */
#ifndef DEVICE_CUDA_COMPILER_H
#define DEVICE_CUDA_COMPILER_H

#include "trainer/error.h"

#include <stddef.h>

/* NVRTC's version: 13000 for 13.0; 0 when NVRTC does not say. */
int cuda_compiler_version(void);

/* Compiles `text`, the text of kernels/`file`, for a GPU of compute capability `capability` (90 for
 * 9.0). `defines` are the options "-DNAME=VALUE ...". *code is machine code. If the GPU is newer
 * than what NVRTC knows, *code is PTX, which the GPU's driver compiles. The caller frees it.
 * STATUS_DEVICE, with the start of the compiler's messages, when the text can't be compiled. */
enum status cuda_compile(const char *file, const char *text, const char *defines, int capability,
    void **code, size_t *length, struct error *error);

#endif
