/* What the files of the OpenCL device share. */
#ifndef DEVICE_OPENCL_OPENCL_H
#define DEVICE_OPENCL_OPENCL_H

/* OpenCL 1.2 is what every driver has; CLBlast's header brings OpenCL's, wherever it lies. */
#define CL_TARGET_OPENCL_VERSION 120
#define CL_USE_DEPRECATED_OPENCL_1_2_APIS
#define CL_SILENCE_DEPRECATION /* macOS would rather have none of it */

#include "device/device_type.h"

#include <clblast_c.h>
#include <string.h>

struct opencl_buffer {
    struct buffer base;
    cl_mem memory;
};

/* An open device, as far as commands, programs and products need it. */
struct opencl {
    struct device base;
    cl_device_id id;
    bool divided; /* id is a part of a device, to be released */
    cl_context context;
    cl_command_queue queue;
    struct recording *recorded; /* while recording: where commands go; else NULL */
    unsigned unflushed;         /* commands since the driver was last told to start on them */
    unsigned unmarked;          /* commands since `mark` was enqueued */
    cl_event mark;              /* of a command that is waited for when too many follow it */
    size_t largest_group;       /* items that a group may have */
    size_t local_bytes;         /* shared memory of a group */
    size_t memory_bytes, buffer_bytes; /* of the device, and of its largest buffer */
    size_t used_bytes;                 /* by our buffers */
    char identity[1024];               /* of the device and its driver: another one, or another
                                        * version, has another */
};

static inline bool opencl_is_cpu(const struct opencl *opencl) {
    return strcmp(opencl->base.info.type, "cpu") == 0;
}

static inline cl_mem opencl_memory(struct view view) {
    return ((struct opencl_buffer *)view.buffer)->memory;
}

#endif
