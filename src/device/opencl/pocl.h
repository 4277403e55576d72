/* What PoCL, OpenCL on the CPU, needs of the system: it says nothing of a folder that it lacks, and
 * ends the process for want of a thread. */
#ifndef DEVICE_OPENCL_POCL_H
#define DEVICE_OPENCL_POCL_H

#include "device/opencl/device.h"

/* Of a platform whose devices were not asked for yet. STATUS_DEVICE, saying what is missing, when
 * it is PoCL and lacks it; of any other platform nothing is asked. */
enum status pocl_check(cl_platform_id platform, struct error *error);

#endif
