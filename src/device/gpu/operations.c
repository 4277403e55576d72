/* The operations that are no matrix products, and what is the same for every driver when a device
 * is opened and closed. */
#include "device/environment.h"
#include "device/gpu/gpu.h"
#include "device/gpu/products.h"
#include "trainer/dataset.h"

#include <stdlib.h>

/* Items of the groups of kernels/samples.cl, and the samples whose pixels are sent in one go. */
enum { GROUP = 64, STAGED_SAMPLES = 4096, SAMPLE_ELEMENTS = CIFAR10_PIXELS / 4 };

static struct gpu *gpu_of(struct device *device) {
    return (struct gpu *)device;
}

/* --- Opening --- */

static enum status create_kernels(struct gpu *gpu, const char *gemm, struct error *error) {
    struct {
        const char *name;
        struct gpu_kernel *kernel;
    } const kernels[] = {{"softmax_cross_entropy", &gpu->softmax_cross_entropy},
        {"gather_rows", &gpu->gather_rows}, {"convert_pixels", &gpu->convert_pixels}};
    enum status status = products_create(gpu, gemm, &gpu->products, error);
    if (status == STATUS_OK)
        status = gpu->driver->compile(gpu, "samples.cl", "", &gpu->samples, error);
    for (size_t k = 0; k < sizeof kernels / sizeof *kernels && status == STATUS_OK; k++)
        status = gpu_kernel_create(gpu, gpu->samples, kernels[k].name, kernels[k].kernel, error);
    return status;
}

/* Drivers finish a kernel's compilation when it first runs: here, and not when it is timed. The
 * products are run by whoever asks for them first, the self-check. */
static enum status run_kernels(struct device *device, struct error *error) {
    static const uint8_t pixels[CIFAR10_PIXELS];
    static const uint32_t zeros[4];
    struct buffer *buffer = NULL;
    enum status status = device_allocate(device, CIFAR10_PLANE + 8, &buffer, error);
    const struct view small = {buffer, CIFAR10_PLANE, 1, 2};
    const struct view label = {buffer, CIFAR10_PLANE + 2, 1, 1};
    const struct view score = {buffer, CIFAR10_PLANE + 4, 1, 2};
    if (status == STATUS_OK)
        status = device_upload(device, (struct view){buffer, CIFAR10_PLANE, 1, 4}, zeros, error);
    if (status == STATUS_OK)
        status = device_softmax_cross_entropy(device, small, label, 0.0f, score, error);
    if (status == STATUS_OK)
        status = device_gather_rows(device, small, label, score, error);
    if (status == STATUS_OK)
        status = device_upload_pixels(
            device, pixels, COLOR_GREY, device_view(buffer, 1, CIFAR10_PLANE), error);
    const enum status waited = device_synchronise(device, status == STATUS_OK ? error : NULL);
    device_release(buffer);
    return status == STATUS_OK ? waited : status;
}

enum status gpu_open(
    struct gpu *gpu, const struct device_type *type, const char *gemm, struct error *error) {
    gpu->base.type = type;
    gpu->environment = environment_text(type->kind);
    if (!gpu->environment)
        return error_memory(error, "the environment", 0);
    enum status status = create_kernels(gpu, gemm, error);
    if (status == STATUS_OK)
        status = device_allocate(
            &gpu->base, (size_t)STAGED_SAMPLES * SAMPLE_ELEMENTS, &gpu->staged, error);
    if (status == STATUS_OK)
        status = run_kernels(&gpu->base, error);
    return status;
}

void gpu_close(struct gpu *gpu) {
    products_free(gpu->products);
    gpu_kernel_free(gpu, &gpu->softmax_cross_entropy);
    gpu_kernel_free(gpu, &gpu->gather_rows);
    gpu_kernel_free(gpu, &gpu->convert_pixels);
    if (gpu->samples)
        gpu->driver->free_program(gpu->samples);
    device_release(gpu->staged);
    free(gpu->environment);
}

/* --- Memory --- */

bool gpu_has_room(const struct gpu *gpu, size_t bytes) {
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

/* --- Operations --- */

/* An item for each of `columns` columns of each row, in groups of a power of two. */
static struct gpu_grid grid_of(const struct gpu *gpu, size_t columns, size_t rows) {
    size_t items = GROUP;
    while (items > gpu->largest_group)
        items /= 2;
    return (struct gpu_grid){{(columns + items - 1) / items, rows, 1}, {items, 1, 1}};
}

enum status gpu_softmax_cross_entropy(struct device *device, struct view logits, struct view labels,
    float scale, struct view score, struct error *error) {
    struct gpu *gpu = gpu_of(device);
    return GPU_LAUNCH(gpu, &gpu->softmax_cross_entropy, grid_of(gpu, logits.rows, 1), error,
        ARGUMENT_VIEW(logits), ARGUMENT_VIEW(labels), ARGUMENT_VIEW(score),
        ARGUMENT_NUMBER(logits.rows), ARGUMENT_NUMBER(logits.columns), ARGUMENT_REAL(scale));
}

enum status gpu_gather_rows(struct device *device, struct view source, struct view index,
    struct view destination, struct error *error) {
    struct gpu *gpu = gpu_of(device);
    return GPU_LAUNCH(gpu, &gpu->gather_rows, grid_of(gpu, destination.columns, destination.rows),
        error, ARGUMENT_VIEW(source), ARGUMENT_VIEW(index), ARGUMENT_VIEW(destination),
        ARGUMENT_NUMBER(destination.rows), ARGUMENT_NUMBER(destination.columns));
}

enum status gpu_upload_pixels(struct device *device, const uint8_t *host, enum color color,
    struct view destination, struct error *error) {
    struct gpu *gpu = gpu_of(device);
    if (gpu_spoil_recording(gpu))
        return STATUS_OK;
    enum status status = STATUS_OK;
    for (size_t done = 0; done < destination.rows && status == STATUS_OK; done += STAGED_SAMPLES) {
        const size_t left = destination.rows - done;
        const size_t count = left < STAGED_SAMPLES ? left : STAGED_SAMPLES;
        const struct view rows = view_rows(destination, done, count);
        status = device_upload(device, device_view(gpu->staged, count, SAMPLE_ELEMENTS),
            host + done * CIFAR10_PIXELS, error);
        if (status == STATUS_OK)
            status = GPU_LAUNCH(gpu, &gpu->convert_pixels, grid_of(gpu, rows.columns, count), error,
                ARGUMENT_BUFFER(gpu->staged), ARGUMENT_VIEW(rows),
                ARGUMENT_NUMBER(color == COLOR_GREY));
    }
    return status;
}
