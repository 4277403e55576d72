/* What the files of the OpenCL device share. */
#ifndef DEVICE_OPENCL_DEVICE_H
#define DEVICE_OPENCL_DEVICE_H

/* We use OpenCL 1.2, because every driver has it. CLBlast's header includes OpenCL's, which is in
 * different places on different systems. */
#define CL_TARGET_OPENCL_VERSION 120
#define CL_USE_DEPRECATED_OPENCL_1_2_APIS
#define CL_SILENCE_DEPRECATION /* macOS warns of each use of OpenCL, which it calls outdated */

#include "device/gpu/gpu.h"

#include <clblast_c.h>
#include <string.h>

struct opencl_buffer {
    struct buffer base;
    cl_mem memory;
};

struct opencl {
    struct gpu gpu;
    cl_device_id id;
    bool divided; /* `id` is a part of a device, which must be freed */
    cl_context context;
    cl_command_queue queue;
    unsigned unflushed; /* commands since the driver was last told to start on them */
    unsigned unmarked;  /* commands since `mark` was enqueued */
    cl_event mark;      /* of a marker in the queue, which is waited for when too many follow */
};

static inline struct opencl *opencl_of(struct gpu *gpu) {
    return (struct opencl *)gpu;
}

static inline struct opencl *opencl_of_device(struct device *device) {
    return (struct opencl *)device;
}

static inline bool opencl_is_cpu(const struct opencl *opencl) {
    return strcmp(opencl->gpu.base.info.type, "cpu") == 0;
}

static inline cl_mem opencl_memory(const struct buffer *buffer) {
    return ((const struct opencl_buffer *)buffer)->memory;
}

#endif
