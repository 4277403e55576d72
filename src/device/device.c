/* The device interface's functions: what is the same for all devices. */
#include "device/device_type.h"
#include "device/operation.h"
#include "system/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *const activation_names[] = {[ACTIVATION_NONE] = "none",
    [ACTIVATION_SIGMOID] = "sigmoid",
    [ACTIVATION_TANH] = "tanh",
    [ACTIVATION_RELU] = "relu",
    NULL};

const struct device_info *device_info(const struct device *device) {
    return &device->info;
}

void device_warn(struct device *device, const char *format, ...) {
    struct device_info *info = &device->info;
    char text[sizeof info->warning];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (!strstr(info->warning, text))
        text_append(
            info->warning, sizeof info->warning, "%s%s", info->warning[0] ? "; " : "", text);
}

/* --- Memory --- */

enum status device_allocate(
    struct device *device, size_t elements, struct buffer **buffer, struct error *error) {
    *buffer = NULL;
    if (elements == 0 || elements > SIZE_MAX / 8)
        return error_set(error, STATUS_FAILED, "%s: a buffer can't have %zu elements",
            device->info.kind, elements);
    const enum status status = device->type->allocate(device, elements, buffer, error);
    if (status == STATUS_OK)
        **buffer = (struct buffer){device, elements};
    return status;
}

enum status device_allocate_exchanged(struct device *device, size_t elements,
    struct buffer **values, struct buffer **sums, struct error *error) {
    *values = *sums = NULL;
    if (device->type->allocate_exchanged &&
        device->type->allocate_exchanged(device, elements, values, sums)) {
        **values = **sums = (struct buffer){device, elements};
        return STATUS_OK;
    }
    return device_allocate(device, elements, values, error);
}

void buffer_free(struct buffer *buffer) {
    if (buffer)
        buffer->device->type->free_buffer(buffer);
}

struct device_memory device_memory(const struct device *device) {
    return device->type->memory ? device->type->memory(device)
                                : (struct device_memory){SIZE_MAX, SIZE_MAX, SIZE_MAX, NULL};
}

struct view device_view(struct buffer *buffer, size_t rows, size_t columns) {
    return (struct view){buffer, 0, rows, columns};
}

struct view view_rows(struct view view, size_t first, size_t count) {
    return (struct view){view.buffer, view.offset + first * view.columns, count, view.columns};
}

enum status device_download(
    struct device *device, struct view source, void *host, struct error *error) {
    if (!host || !view_fits(device, source))
        return error_set(error, STATUS_FAILED,
            "%s: download: views (shape + offset of elements) that don't fit: [%zu, %zu]+%zu of "
            "%zu",
            device->info.kind, source.rows, source.columns, source.offset,
            source.buffer ? source.buffer->elements : 0);
    return device->type->download(device, source, host, error);
}

enum status device_synchronise(struct device *device, struct error *error) {
    return device->type->synchronise(device, error);
}

bool device_pin(struct device *device, const void *memory, size_t bytes) {
    return device->type->pin && device->type->pin(device, memory, bytes);
}

void device_unpin(struct device *device, const void *memory) {
    device->type->unpin(device, memory);
}

/* --- Clocks --- */

const char *const clock_limit_names[] = {"power", "temperature", "hardware", "setting", NULL};

bool device_read_clocks(struct device *device, struct device_clocks *clocks) {
    return device->type->read_clocks && device->type->read_clocks(device, clocks);
}

/* --- Operations, as data --- */

enum status device_upload(
    struct device *device, struct view destination, const void *host, struct error *error) {
    return operation_enqueue(device,
        &(struct operation){.kind = OPERATION_UPLOAD, .upload = {destination}, .host = host},
        error);
}

enum status device_upload_pixels(struct device *device, const uint8_t *host,
    const struct pixel_format *format, struct view destination, struct error *error) {
    return operation_enqueue(device,
        &(struct operation){.kind = OPERATION_UPLOAD_PIXELS,
            .upload_pixels = {destination},
            .host = host,
            .pixels = *format},
        error);
}

enum status device_gather_rows(struct device *device, struct view source, struct view index,
    struct view destination, struct error *error) {
    return operation_enqueue(device,
        &(struct operation){
            .kind = OPERATION_GATHER_ROWS, .gather_rows = {source, index, destination}},
        error);
}

enum status device_dense_forward(struct device *device, struct view x, struct view weights,
    struct view bias, enum activation activation, struct view y, struct error *error) {
    return operation_enqueue(device,
        &(struct operation){.kind = OPERATION_DENSE_FORWARD,
            .dense_forward = {x, weights, bias, y},
            .activation = activation},
        error);
}

enum status device_dense_backward(struct device *device, struct view d_y, struct view weights,
    struct view x, enum activation activation, struct view d_x, struct error *error) {
    return operation_enqueue(device,
        &(struct operation){.kind = OPERATION_DENSE_BACKWARD,
            .dense_backward = {d_y, weights, x, d_x},
            .activation = activation},
        error);
}

enum status device_dense_gradient(struct device *device, struct view x, struct view d_y,
    struct view d_weights, struct view d_bias, struct error *error) {
    return operation_enqueue(device,
        &(struct operation){
            .kind = OPERATION_DENSE_GRADIENT, .dense_gradient = {x, d_y, d_weights, d_bias}},
        error);
}

enum status device_optimize(struct device *device, enum optimizer optimizer, struct view gradient,
    struct view rates, struct view parameters, const struct view states[OPTIMIZER_STATES_MAX],
    struct error *error) {
    struct operation operation = {.kind = OPERATION_OPTIMIZE,
        .optimize = {gradient, rates, parameters},
        .optimizer = optimizer};
    for (size_t s = 0; s < optimizer_states[optimizer]; s++)
        operation.optimize.states[s] = states[s];
    return operation_enqueue(device, &operation, error);
}

enum status device_dense_update_by(struct device *device, enum optimizer optimizer, struct view x,
    struct view d_y, struct view rates, struct dense_parameters parameters,
    const struct dense_parameters states[OPTIMIZER_STATES_MAX], struct error *error) {
    struct operation operation = {.kind = OPERATION_DENSE_UPDATE,
        .dense_update = {x, d_y, rates, parameters.weights, parameters.bias},
        .optimizer = optimizer};
    for (size_t s = 0; s < optimizer_states[optimizer]; s++)
        operation.dense_update.states[s] = states[s];
    return operation_enqueue(device, &operation, error);
}

enum status device_dense_update(struct device *device, struct view x, struct view d_y,
    struct view rates, struct view weights, struct view bias, struct error *error) {
    return device_dense_update_by(device, OPTIMIZER_GRADIENT_DESCENT, x, d_y, rates,
        (struct dense_parameters){weights, bias}, NULL, error);
}

enum status device_softmax_cross_entropy(struct device *device, struct view logits,
    struct view labels, float scale, float smoothing, struct view score, struct error *error) {
    return operation_enqueue(device,
        &(struct operation){.kind = OPERATION_SOFTMAX_CROSS_ENTROPY,
            .softmax_cross_entropy = {logits, labels, score},
            .scale = scale,
            .smoothing = smoothing},
        error);
}

enum status device_dropout(struct device *device, struct view source, const struct draws *draws,
    uint32_t layer, double share, struct view destination, struct error *error) {
    return operation_enqueue(device,
        &(struct operation){.kind = OPERATION_DROPOUT,
            .dropout = {source, draws->pass, destination},
            .drawn = {draws->seed, (uint32_t)draws->first, layer, share}},
        error);
}

enum status device_flip(struct device *device, struct view images, const struct draws *draws,
    size_t width, struct error *error) {
    return operation_enqueue(device,
        &(struct operation){.kind = OPERATION_FLIP,
            .flip = {draws->pass, images},
            .drawn = {draws->seed, (uint32_t)draws->first, 0, 0.0},
            .width = width},
        error);
}

enum status device_square_sums(
    struct device *device, struct view values, struct view sums, struct error *error) {
    return operation_enqueue(device,
        &(struct operation){.kind = OPERATION_SQUARE_SUMS, .square_sums = {values, sums}}, error);
}

enum status device_clip(struct device *device, struct view sums, float largest, struct view values,
    struct error *error) {
    return operation_enqueue(device,
        &(struct operation){.kind = OPERATION_CLIP, .clip = {sums, values}, .largest = largest},
        error);
}

enum status device_join(struct device *device, size_t elements, struct error *error) {
    struct device_info *info = &device->info;
    if (communicator_ranks(device->communicator) == 1)
        return STATUS_OK;
    snprintf(info->transport, sizeof info->transport, "%s",
        device->type->gpu ? "host memory" : "memory");
    return device->type->join ? device->type->join(device, elements, error) : STATUS_OK;
}

enum status device_all_reduce(
    struct device *device, struct view values, struct view sums, struct error *error) {
    return operation_enqueue(device,
        &(struct operation){.kind = OPERATION_ALL_REDUCE, .all_reduce = {values, sums}}, error);
}
