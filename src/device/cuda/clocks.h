/* The clocks of a GPU, from NVIDIA's management library (NVML), which comes with the driver. It is
 * opened when a device is, and where it is not there or refuses, as for a part of a GPU, nothing is
 * known and all else is as usual. */
#ifndef DEVICE_CUDA_CLOCKS_H
#define DEVICE_CUDA_CLOCKS_H

#include "device/device_type.h"

#include <cuda_runtime_api.h>

/* Everything but `library` is undefined while that is NULL. */
struct cuda_clocks {
    void *library; /* of dlopen */
    void *gpu;     /* NVML's handle of the GPU */
    /* NVML's functions, of which each returns 0 when it succeeds. */
    int (*shut_down)(void);
    int (*get_clock)(void *gpu, int type, unsigned *mhz);
    int (*get_reasons)(void *gpu, unsigned long long *reasons); /* NULL: the driver has none */
};

/* Opens NVML for the GPU with these properties. */
void cuda_clocks_open(struct cuda_clocks *clocks, const struct cudaDeviceProp *properties);
void cuda_clocks_close(struct cuda_clocks *clocks);

/* As in struct device_type. */
bool cuda_read_clocks(struct device *device, struct device_clocks *clocks);

#endif
