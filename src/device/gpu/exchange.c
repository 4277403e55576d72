#include "device/gpu/exchange.h"

#include "communicator/wait.h"
#include "system/memory.h"

#include <stdlib.h>

/* Two halves, which exchanges use in turn: what one has uploaded must stay as it is until the next
 * wait, which is the download of the one after it. */
struct gpu_exchange {
    float *values; /* [2, elements] */
    size_t elements;
    bool pinned;
    int half; /* of the last exchange */
};

enum status exchange_reserve(struct gpu *gpu, size_t elements, struct error *error) {
    if (gpu->joined)
        return STATUS_OK;
    if (gpu->exchange && gpu->exchange->elements >= elements)
        return STATUS_OK;
    const enum status status = gpu->driver->synchronise(gpu, error);
    if (status != STATUS_OK)
        return status;
    exchange_free(gpu);
    gpu->exchange = calloc(1, sizeof *gpu->exchange);
    const size_t bytes = 2 * elements * sizeof *gpu->exchange->values;
    float *values = gpu->exchange ? memory_allocate(bytes) : NULL;
    if (!values)
        return error_memory(error, "the exchange with other ranks", bytes);
    *gpu->exchange =
        (struct gpu_exchange){values, elements, device_pin(&gpu->base, values, bytes), 0};
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

static enum status run_on_host(struct gpu *gpu, struct view values, struct error *error) {
    gpu->exchange->half ^= 1;
    float *host = gpu->exchange->values + (gpu->exchange->half ? gpu->exchange->elements : 0);
    enum status status = device_download(&gpu->base, values, host, error);
    if (status == STATUS_OK)
        status =
            communicator_sum(gpu->base.communicator, host, values.rows * values.columns, error);
    return status == STATUS_OK ? gpu->driver->upload(gpu, values, host, error) : status;
}

enum status exchange_run(struct gpu *gpu, const struct gpu_command *command, struct error *error) {
    if (!gpu->joined)
        return run_on_host(gpu, command->exchanged, error);
    exchange_begin(gpu);
    return gpu->driver->enqueue(gpu, command, error);
}

void exchange_begin(struct gpu *gpu) {
    if (!gpu->exchanging)
        communicator_wait(gpu->base.communicator, "an exchange of gradients by NCCL", false);
    gpu->exchanging = true;
}
