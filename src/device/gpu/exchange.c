#include "device/gpu/exchange.h"

#include "system/memory.h"

#include <stdlib.h>

struct gpu_exchange {
    float *values;
    size_t elements;
    bool pinned;
};

enum status exchange_reserve(struct gpu *gpu, size_t elements, struct error *error) {
    if (gpu->exchange && gpu->exchange->elements >= elements)
        return STATUS_OK;
    const enum status status = gpu->driver->synchronise(gpu, error);
    if (status != STATUS_OK)
        return status;
    exchange_free(gpu);
    gpu->exchange = calloc(1, sizeof *gpu->exchange);
    float *values = gpu->exchange ? memory_allocate(elements * sizeof *values) : NULL;
    if (!values)
        return error_memory(
            error, "the exchange with other ranks", elements * sizeof *gpu->exchange->values);
    *gpu->exchange = (struct gpu_exchange){
        values, elements, device_pin(&gpu->base, values, elements * sizeof *values)};
    return STATUS_OK;
}

void exchange_free(struct gpu *gpu) {
    if (!gpu->exchange)
        return;
    if (gpu->exchange->pinned)
        device_unpin(&gpu->base, gpu->exchange->values);
    free(gpu->exchange->values);
    free(gpu->exchange);
    gpu->exchange = NULL;
}

enum status exchange_run(struct gpu *gpu, struct view values, struct error *error) {
    float *host = gpu->exchange->values;
    enum status status = device_download(&gpu->base, values, host, error);
    if (status == STATUS_OK)
        status =
            communicator_sum(gpu->base.communicator, host, values.rows * values.columns, error);
    /* The next exchange overwrites the memory only after it has waited for this upload. */
    return status == STATUS_OK ? gpu->driver->upload(gpu, values, host, error) : status;
}
