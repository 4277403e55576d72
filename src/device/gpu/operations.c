/* All operations, as commands; and what is the same for every driver when a device is opened and
 * closed. */
#include "device/environment.h"
#include "device/gpu/choice.h"
#include "device/gpu/products.h"
#include "device/gpu/program.h"

#include <stdlib.h>

/* Items of the groups of kernels/samples.cl and kernels/optimize.cl, and elements of the memory to
 * which the bytes of images are sent, as many images at a time as it holds. */
enum { GROUP = 64, STAGED_ELEMENTS = 3 << 20 };
_Static_assert(STAGED_ELEMENTS * 4 >= PIXELS_IMAGE_MAX, "an image can be sent");

/* --- Opening --- */

static enum status create_kernels(struct gpu *gpu, const char *gemm, struct error *error) {
    struct {
        struct gpu_program **program;
        const char *name;
        struct gpu_kernel *kernel;
    } const kernels[] = {{&gpu->samples, "softmax_cross_entropy", &gpu->softmax_cross_entropy},
        {&gpu->samples, "gather_rows", &gpu->gather_rows},
        {&gpu->samples, "convert_pixels", &gpu->convert_pixels},
        {&gpu->optimizers, "gradient_descent", &gpu->gradient_descent}};
    enum status status = products_create(gpu, gemm, &gpu->products, error);
    if (status == STATUS_OK)
        status = product_choices_create(gpu->products, &gpu->choices, error);
    if (status == STATUS_OK)
        status = gpu_program_create(gpu, "samples.cl", "", &gpu->samples, error);
    if (status == STATUS_OK)
        status = gpu_program_create(gpu, "optimize.cl", "", &gpu->optimizers, error);
    for (size_t k = 0; k < sizeof kernels / sizeof *kernels && status == STATUS_OK; k++)
        status =
            gpu_kernel_create(gpu, *kernels[k].program, kernels[k].name, kernels[k].kernel, error);
    return status;
}

/* Drivers finish a kernel's compilation when it first runs: here, and not when it is timed. The
 * products are run by whoever asks for them first, the self-check. */
static enum status run_kernels(struct device *device, struct error *error) {
    enum { PLANE = 1024 };
    static const struct pixel_format format = {3, PLANE, true, {0}};
    static const uint8_t pixels[3 * PLANE];
    static const uint32_t zeros[4];
    struct buffer *buffer = NULL;
    enum status status = device_allocate(device, PLANE + 8, &buffer, error);
    const struct view small = {buffer, PLANE, 1, 2};
    const struct view label = {buffer, PLANE + 2, 1, 1};
    const struct view score = {buffer, PLANE + 4, 1, 2};
    if (status == STATUS_OK)
        status = device_upload(device, (struct view){buffer, PLANE, 1, 4}, zeros, error);
    if (status == STATUS_OK)
        status = device_softmax_cross_entropy(device, small, label, 0.0f, score, error);
    if (status == STATUS_OK)
        status = device_gather_rows(device, small, label, score, error);
    if (status == STATUS_OK)
        status = device_optimize(
            device, OPTIMIZER_GRADIENT_DESCENT, small, view_rows(label, 0, 1), score, error);
    if (status == STATUS_OK)
        status =
            device_upload_pixels(device, pixels, &format, device_view(buffer, 1, PLANE), error);
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
        status = device_allocate(&gpu->base, STAGED_ELEMENTS, &gpu->staged, error);
    if (status == STATUS_OK)
        status = run_kernels(&gpu->base, error);
    return status;
}

void gpu_close(struct gpu *gpu) {
    product_choices_free(gpu->choices);
    products_free(gpu->products);
    gpu_kernel_free(gpu, &gpu->softmax_cross_entropy);
    gpu_kernel_free(gpu, &gpu->gather_rows);
    gpu_kernel_free(gpu, &gpu->convert_pixels);
    gpu_kernel_free(gpu, &gpu->gradient_descent);
    gpu_program_free(gpu, gpu->samples);
    gpu_program_free(gpu, gpu->optimizers);
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

static enum status upload(struct gpu *gpu, struct gpu_commands *to,
    const struct operation *operation, struct error *error) {
    (void)to; /* what sends is in no recording */
    return gpu->driver->upload(gpu, operation->upload.destination, operation->host, error);
}

/* As grid_of, in groups that divide the columns. */
static struct gpu_grid exact_grid_of(const struct gpu *gpu, size_t columns, size_t rows) {
    struct gpu_grid grid = grid_of(gpu, columns, rows);
    while (columns % grid.items[0] != 0)
        grid.items[0] /= 2;
    grid.groups[0] = columns / grid.items[0];
    return grid;
}

static enum status upload_pixels(struct gpu *gpu, struct gpu_commands *to,
    const struct operation *operation, struct error *error) {
    const struct view destination = operation->upload_pixels.destination;
    const struct pixel_format *format = &operation->pixels;
    const size_t image = format->channels * format->plane; /* bytes */
    const size_t most = STAGED_ELEMENTS / (image / 4);
    const uint8_t *pixels = operation->host;
    float weights[PIXELS_CHANNELS_MAX] = {0};
    for (size_t c = 0; c < format->channels && format->mixed; c++)
        weights[c] = (float)format->weights[c];
    enum status status = STATUS_OK;
    for (size_t done = 0; done < destination.rows && status == STATUS_OK; done += most) {
        const size_t left = destination.rows - done, count = left < most ? left : most;
        const struct view rows = view_rows(destination, done, count);
        status = gpu->driver->upload(
            gpu, device_view(gpu->staged, count, image / 4), pixels + done * image, error);
        if (status == STATUS_OK)
            status = GPU_LAUNCH(gpu, to, &gpu->convert_pixels,
                exact_grid_of(gpu, rows.columns, count), error, ARGUMENT_BUFFER(gpu->staged),
                ARGUMENT_VIEW(rows), ARGUMENT_NUMBER(format->channels),
                ARGUMENT_NUMBER(format->plane), ARGUMENT_NUMBER(format->mixed),
                ARGUMENT_REAL(weights[0]), ARGUMENT_REAL(weights[1]), ARGUMENT_REAL(weights[2]));
    }
    return status;
}

static enum status gather_rows(struct gpu *gpu, struct gpu_commands *to,
    const struct operation *operation, struct error *error) {
    const struct view destination = operation->gather_rows.destination;
    return GPU_LAUNCH(gpu, to, &gpu->gather_rows,
        grid_of(gpu, destination.columns, destination.rows), error,
        ARGUMENT_VIEW(operation->gather_rows.source), ARGUMENT_VIEW(operation->gather_rows.index),
        ARGUMENT_VIEW(destination), ARGUMENT_NUMBER(destination.rows),
        ARGUMENT_NUMBER(destination.columns));
}

static enum status softmax_cross_entropy(struct gpu *gpu, struct gpu_commands *to,
    const struct operation *operation, struct error *error) {
    const struct view logits = operation->softmax_cross_entropy.logits;
    return GPU_LAUNCH(gpu, to, &gpu->softmax_cross_entropy, grid_of(gpu, logits.rows, 1), error,
        ARGUMENT_VIEW(logits), ARGUMENT_VIEW(operation->softmax_cross_entropy.labels),
        ARGUMENT_VIEW(operation->softmax_cross_entropy.score), ARGUMENT_NUMBER(logits.rows),
        ARGUMENT_NUMBER(logits.columns), ARGUMENT_REAL(operation->scale));
}

enum status gpu_descend(struct gpu *gpu, struct gpu_commands *to, struct view gradient,
    struct view scale, struct view parameters, struct error *error) {
    const size_t count = parameters.rows * parameters.columns;
    return GPU_LAUNCH(gpu, to, &gpu->gradient_descent, grid_of(gpu, count, 1), error,
        ARGUMENT_VIEW(gradient), ARGUMENT_VIEW(scale), ARGUMENT_VIEW(parameters),
        {GPU_OFFSET, {.offset = count}});
}

static enum status optimize(struct gpu *gpu, struct gpu_commands *to,
    const struct operation *operation, struct error *error) {
    return gpu_descend(gpu, to, operation->optimize.gradient, operation->optimize.scale,
        operation->optimize.parameters, error);
}

/* A product of a dense layer, by the method that is the fastest for its shape. */
static enum status dense(struct gpu *gpu, struct gpu_commands *to,
    const struct operation *operation, struct error *error) {
    struct product_views views;
    const enum product product = product_of(operation, &views);
    size_t method;
    const enum status status = product_choose(gpu->choices, product, &views, &method, error);
    return status == STATUS_OK ? products_compute(gpu->products, to, method, product, &views, error)
                               : status;
}

typedef enum status operate(struct gpu *gpu, struct gpu_commands *to,
    const struct operation *operation, struct error *error);

static operate *const operations[OPERATION_KINDS] = {
    [OPERATION_UPLOAD] = upload,
    [OPERATION_UPLOAD_PIXELS] = upload_pixels,
    [OPERATION_GATHER_ROWS] = gather_rows,
    [OPERATION_DENSE_FORWARD] = dense,
    [OPERATION_DENSE_BACKWARD] = dense,
    [OPERATION_DENSE_GRADIENT] = dense,
    [OPERATION_OPTIMIZE] = optimize,
    [OPERATION_DENSE_UPDATE] = dense,
    [OPERATION_SOFTMAX_CROSS_ENTROPY] = softmax_cross_entropy,
};

enum status gpu_operate(struct gpu *gpu, struct gpu_commands *to, const struct operation *operation,
    struct error *error) {
    return operations[operation->kind](gpu, to, operation, error);
}

enum status gpu_enqueue(
    struct device *device, const struct operation *operation, struct error *error) {
    return gpu_operate((struct gpu *)device, NULL, operation, error);
}

enum status gpu_synchronise(struct device *device, struct error *error) {
    struct gpu *gpu = (struct gpu *)device;
    return gpu->driver->finish(gpu, error);
}
