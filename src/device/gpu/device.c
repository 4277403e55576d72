/* Opening and closing a device, and counting its memory, as far as that is the same for all
 * drivers. */
#include "device/environment.h"
#include "device/gpu/exchange.h"
#include "device/gpu/gemm.h"
#include "device/gpu/step_choice.h"

#include <stdlib.h>

enum status gpu_open(struct gpu *gpu, const struct device_type *type,
    const struct device_options *options, struct error *error) {
    gpu->base.type = type;
    gpu->environment = environment_text(type->kind);
    if (!gpu->environment)
        return error_memory(error, "the environment", 0);
    enum status status = gemms_create(gpu, options->gemm, &gpu->gemms, error);
    if (status == STATUS_OK)
        status = gpu_choices_create(gpu, error);
    if (status == STATUS_OK)
        status = step_choices_create(gpu, options->step, options->gemm, error);
    return status == STATUS_OK ? gpu_operations_create(gpu, error) : status;
}

void gpu_close(struct gpu *gpu) {
    exchange_free(gpu);
    fused_steps_free(gpu);
    step_choices_free(gpu);
    gpu_operations_free(gpu);
    gemm_choices_free(gpu->choices);
    gemms_free(gpu->gemms);
    free(gpu->environment);
}

enum status gpu_synchronise(struct device *device, struct error *error) {
    struct gpu *gpu = (struct gpu *)device;
    return gpu->driver->synchronise(gpu, error);
}

/* --- Memory --- */

bool gpu_is_within_budget(const struct gpu *gpu, size_t bytes) {
    return bytes <= gpu->buffer_bytes && bytes <= gpu->memory_bytes - gpu->used_bytes;
}

enum status gpu_out_of_memory(
    const struct gpu *gpu, size_t bytes, const char *refused, struct error *error) {
    return error_set(error, STATUS_DEVICE,
        "%s: out of memory: a buffer of %zu bytes: %s; '%s' has %zu bytes, of which %zu are free, "
        "and buffers of %zu bytes at most; lower --batch-size, the widths of --layers, or use "
        "--batches streamed",
        gpu->base.info.kind, bytes, refused ? refused : "more than there is", gpu->base.info.name,
        gpu->memory_bytes, gpu->memory_bytes - gpu->used_bytes, gpu->buffer_bytes);
}

struct device_memory gpu_memory_left(const struct device *device) {
    const struct gpu *gpu = (const struct gpu *)device;
    const size_t left = gpu->memory_bytes - gpu->used_bytes;
    return (struct device_memory){left, gpu->buffer_bytes < left ? gpu->buffer_bytes : left,
        gpu->host_limit ? gpu->host_bytes - gpu->used_bytes : SIZE_MAX, gpu->host_limit};
}
