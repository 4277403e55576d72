/* Our kernels, compiled as CUDA C++ by NVRTC. This needs no GPU. */
#ifndef DEVICE_CUDA_COMPILER_H
#define DEVICE_CUDA_COMPILER_H

#include "trainer/error.h"

#include <stddef.h>

/* NVRTC's version: 13000 for 13.0. 0 when it does not say. */
int cuda_compiler_version(void);

/* Machine code for a GPU of compute capability `capability` (90 for 9.0), from the text of
 * kernels/`file` and the options "-DNAME=VALUE ...". A GPU that is newer than NVRTC gets PTX, which
 * its driver compiles. The caller frees *code. STATUS_DEVICE, with the start of the compiler's
 * messages, when it can't be compiled. */
enum status cuda_compile(const char *file, const char *text, const char *defines, int capability,
    void **code, size_t *length, struct error *error);

#endif
