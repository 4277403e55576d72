/* What the files of the cpu device share. */
#ifndef DEVICE_CPU_CPU_H
#define DEVICE_CPU_CPU_H

#include "device/cpu/kernels.h"
#include "device/cpu/openblas.h"
#include "device/cpu/queue.h"
#include "device/host_device.h"

struct cpu {
    struct host_device host;
    struct openblas openblas;
    const struct cpu_kernels *kernels;
    struct queue pending; /* operations that are enqueued and not begun */
};

extern const struct cpu_operation cpu_operations[OPERATION_KINDS]; /* (operations.c) */

#endif
