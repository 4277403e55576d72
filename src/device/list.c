/* The list of devices: the one place that knows which kinds this build has. */
#include "device/device_type.h"

extern const struct device_type cuda_device_type, opencl_device_type, cpu_device_type,
    reference_device_type;

/* In the order in which "auto" tries them. */
const struct device_type *const device_types[] = {
#if TRAINER_HAS_CUDA
    &cuda_device_type,
#endif
#if TRAINER_HAS_OPENCL
    &opencl_device_type,
#endif
#if TRAINER_HAS_CPU
    &cpu_device_type,
#endif
    &reference_device_type,
    NULL,
};

const struct device_lacking device_types_lacking[] = {
#if !TRAINER_HAS_CUDA
    {"cuda", TRAINER_LACKS_CUDA},
#endif
#if !TRAINER_HAS_OPENCL
    {"opencl", TRAINER_LACKS_OPENCL},
#endif
#if !TRAINER_HAS_CPU
    {"cpu", TRAINER_LACKS_CPU},
#endif
    {NULL, NULL},
};
