/* The part of the device interface that is the same for all devices: what is asked of one is
 * checked here. */
#include "device/device_type.h"
#include "trainer/dataset.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const activation_names[] = {[ACTIVATION_NONE] = "none",
    [ACTIVATION_SIGMOID] = "sigmoid",
    [ACTIVATION_TANH] = "tanh",
    [ACTIVATION_RELU] = "relu",
    NULL};
const char *const color_names[] = {[COLOR_GREY] = "grey", [COLOR_RGB] = "rgb", NULL};

const struct device_info *device_info(const struct device *device) {
    return &device->info;
}

/* --- Memory --- */

enum status device_allocate(
    struct device *device, size_t elements, struct buffer **buffer, struct error *error) {
    *buffer = NULL;
    if (elements == 0 || elements > SIZE_MAX / 8)
        return error_set(error, STATUS_FAILED, "%s: a buffer can't have %zu elements",
            device->info.kind, elements);
    const enum status status = device->type->allocate(device, elements, buffer, error);
    if (status == STATUS_OK) {
        (*buffer)->device = device;
        (*buffer)->elements = elements;
    }
    return status;
}

void device_release(struct buffer *buffer) {
    if (buffer)
        buffer->device->type->release(buffer);
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

/* --- Checks --- */

/* Whether a view lies inside its buffer, on this device. Sides are limited to what BLAS takes. */
static bool fits(const struct device *device, struct view view) {
    return view.buffer && view.buffer->device == device && view.rows >= 1 && view.columns >= 1 &&
           view.rows <= INT_MAX && view.columns <= INT_MAX &&
           view.offset <= view.buffer->elements &&
           view.rows <= (view.buffer->elements - view.offset) / view.columns;
}

static bool is_shape(struct view view, size_t rows, size_t columns) {
    return view.rows == rows && view.columns == columns;
}

/* The message for views that don't fit: their shapes, in the order of the call. */
static enum status refuse(const struct device *device, const char *operation,
    const struct view *views, size_t count, struct error *error) {
    char shapes[256] = "";
    for (size_t i = 0; i < count; i++) {
        const size_t used = strlen(shapes);
        snprintf(shapes + used, sizeof shapes - used, " [%zu, %zu]+%zu of %zu", views[i].rows,
            views[i].columns, views[i].offset, views[i].buffer ? views[i].buffer->elements : 0);
    }
    return error_set(error, STATUS_FAILED,
        "%s: %s: views (shape + offset of elements) that don't fit:%s", device->info.kind,
        operation, shapes);
}

/* Refuses the operation unless `condition` holds and all the views named lie in their buffers. */
#define CHECK_VIEWS(operation, condition, ...)                                                     \
    do {                                                                                           \
        const struct view views_[] = {__VA_ARGS__};                                                \
        const size_t count_ = sizeof views_ / sizeof *views_;                                      \
        bool right_ = (condition);                                                                 \
        for (size_t i_ = 0; i_ < count_; i_++)                                                     \
            right_ = right_ && fits(device, views_[i_]);                                           \
        if (!right_)                                                                               \
            return refuse(device, operation, views_, count_, error);                               \
    } while (0)

enum status device_upload(
    struct device *device, struct view destination, const void *host, struct error *error) {
    CHECK_VIEWS("upload", host != NULL, destination);
    return device->type->upload(device, destination, host, error);
}

enum status device_download(
    struct device *device, struct view source, void *host, struct error *error) {
    CHECK_VIEWS("download", host != NULL, source);
    return device->type->download(device, source, host, error);
}

enum status device_synchronise(struct device *device, struct error *error) {
    return device->type->synchronise(device, error);
}

enum status device_dense_forward(struct device *device, struct view x, struct view weights,
    struct view bias, enum activation activation, struct view y, struct error *error) {
    CHECK_VIEWS("dense_forward",
        x.columns == weights.rows && is_shape(bias, 1, weights.columns) &&
            is_shape(y, x.rows, weights.columns),
        x, weights, bias, y);
    return device->type->dense_forward(device, x, weights, bias, activation, y, error);
}

enum status device_dense_backward(struct device *device, struct view d_y, struct view weights,
    struct view x, enum activation activation, struct view d_x, struct error *error) {
    CHECK_VIEWS("dense_backward",
        d_y.columns == weights.columns && is_shape(x, d_y.rows, weights.rows) &&
            is_shape(d_x, d_y.rows, weights.rows),
        d_y, weights, x, d_x);
    return device->type->dense_backward(device, d_y, weights, x, activation, d_x, error);
}

enum status device_dense_update(struct device *device, struct view x, struct view d_y, float scale,
    struct view weights, struct view bias, struct error *error) {
    CHECK_VIEWS("dense_update",
        d_y.rows == x.rows && is_shape(weights, x.columns, d_y.columns) &&
            is_shape(bias, 1, d_y.columns),
        x, d_y, weights, bias);
    return device->type->dense_update(device, x, d_y, scale, weights, bias, error);
}

enum status device_softmax_cross_entropy(struct device *device, struct view logits,
    struct view labels, float scale, struct view score, struct error *error) {
    CHECK_VIEWS("softmax_cross_entropy",
        is_shape(labels, logits.rows, 1) && is_shape(score, logits.rows, 2), logits, labels, score);
    return device->type->softmax_cross_entropy(device, logits, labels, scale, score, error);
}

enum status device_gather_rows(struct device *device, struct view source, struct view index,
    struct view destination, struct error *error) {
    CHECK_VIEWS("gather_rows",
        is_shape(index, destination.rows, 1) && source.columns == destination.columns, source,
        index, destination);
    return device->type->gather_rows(device, source, index, destination, error);
}

enum status device_upload_pixels(struct device *device, const uint8_t *host, enum color color,
    struct view destination, struct error *error) {
    CHECK_VIEWS("upload_pixels",
        host != NULL &&
            destination.columns == (color == COLOR_GREY ? CIFAR10_PLANE : CIFAR10_PIXELS),
        destination);
    return device->type->upload_pixels(device, host, color, destination, error);
}

/* --- Doing the same again --- */

enum status device_record(struct device *device, device_enqueue *enqueue, void *context,
    struct recording **recording, struct error *error) {
    *recording = NULL;
    if (!device->type->record_begin)
        return STATUS_OK;
    enum status status = device->type->record_begin(device, error);
    if (status != STATUS_OK)
        return status;
    status = enqueue(context, error);
    struct error later; /* what `enqueue` says comes first */
    const enum status ended =
        device->type->record_end(device, recording, status == STATUS_OK ? error : &later);
    if (status == STATUS_OK)
        status = ended;
    if (status != STATUS_OK) {
        device_forget(device, *recording);
        *recording = NULL;
    }
    return status;
}

void device_forget(struct device *device, struct recording *recording) {
    if (recording)
        device->type->forget(device, recording);
}

enum status device_run(struct device *device, struct recording *recording, device_enqueue *enqueue,
    void *context, struct error *error) {
    return recording ? device->type->replay(device, recording, error) : enqueue(context, error);
}
