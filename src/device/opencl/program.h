/* Our kernels, compiled: from the cache where it has them, else by the driver. */
#ifndef DEVICE_OPENCL_PROGRAM_H
#define DEVICE_OPENCL_PROGRAM_H

#include "device/opencl/opencl.h"

/* The kernels of kernels/`name` with the compiler options `defines`. The caller ends it with
 * clReleaseProgram. STATUS_DEVICE, with the start of the compiler's messages, when it can't be
 * compiled. */
enum status opencl_program(struct opencl *opencl, const char *name, const char *defines,
    cl_program *program, struct error *error);

/* Fills opencl->identity, which opencl_program needs. */
enum status opencl_identify(struct opencl *opencl, struct error *error);

#endif
