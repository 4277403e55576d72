/* What PoCL, an OpenCL for CPUs, needs of the system. We check it first, because PoCL doesn't say
 * which folder it lacks, and ends the process when it can't start a thread. */
#ifndef DEVICE_OPENCL_POCL_H
#define DEVICE_OPENCL_POCL_H

#include "device/opencl/device.h"

/* Checks a platform, before its devices are asked for. STATUS_DEVICE, saying what is missing, when
 * it is PoCL and lacks something. Any other platform passes. */
enum status pocl_check(cl_platform_id platform, struct error *error);

#endif
