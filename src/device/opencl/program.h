/* Our kernels, compiled: from the cache where it has them, else by the driver. */
#ifndef DEVICE_OPENCL_PROGRAM_H
#define DEVICE_OPENCL_PROGRAM_H

#include "device/opencl/device.h"

/* As in struct gpu_driver. STATUS_DEVICE, with the start of the compiler's messages, when it can't
 * be compiled. */
enum status opencl_compile(struct gpu *gpu, const char *name, const char *defines,
    struct gpu_program **program, struct error *error);
void opencl_free_program(struct gpu_program *program);

/* Fills gpu.identity, which opencl_compile needs. */
enum status opencl_identify(struct opencl *opencl, struct error *error);

#endif
