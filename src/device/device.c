/* The part of the device interface that is the same for all devices: choosing one, and checking
 * what is asked of it. */
#include "device/device_type.h"
#include "trainer/dataset.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const activation_names[] = {[ACTIVATION_NONE] = "none",
    [ACTIVATION_SIGMOID] = "sigmoid",
    [ACTIVATION_TANH] = "tanh",
    [ACTIVATION_RELU] = "relu",
    NULL};
const char *const color_names[] = {[COLOR_GREY] = "grey", [COLOR_RGB] = "rgb", NULL};

/* --- Finding and opening --- */

void device_list(device_visitor *visit, void *context) {
    for (const struct device_type *const *type = device_types; *type; type++)
        (*type)->list(visit, context);
    for (const struct device_lacking *lacking = device_types_lacking; lacking->kind; lacking++)
        visit(context, &(struct device_entry){.spec = lacking->kind, .reason = lacking->reason});
}

/* A text under construction; what does not fit is cut. */
struct text {
    char *end;
    size_t left;
};

#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
static void
append(struct text *text, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(text->end, text->left, format, arguments);
    va_end(arguments);
    const size_t taken = length < 0 ? 0 : (size_t)length < text->left ? (size_t)length : text->left;
    text->end += taken;
    text->left -= taken;
}

static void append_spec(void *context, const struct device_entry *entry) {
    if (entry->available)
        append(context, "%s, ", entry->spec);
    else
        append(context, "%s (no: %s), ", entry->spec, entry->reason);
}

static void append_available(void *context, const struct device_entry *entry) {
    if (entry->available)
        append(context, "%s, ", entry->spec);
}

const char *device_list_others(const char *except, char *text, size_t size) {
    struct text others = {text, size};
    text[0] = '\0';
    for (const struct device_type *const *type = device_types; *type; type++)
        if (strcmp((*type)->kind, except) != 0)
            (*type)->list(append_available, &others);
    const size_t length = strlen(text);
    if (length >= 2 && strcmp(text + length - 2, ", ") == 0)
        text[length - 2] = '\0';
    return text;
}

static bool is_automatic(const char *spec) {
    return strcmp(spec, "auto") == 0;
}

/* Whether the spec is "kind" or "kind:..." of this type. */
static bool is_kind(const struct device_type *type, const char *spec) {
    const size_t length = strcspn(spec, ":");
    return strlen(type->kind) == length && strncmp(type->kind, spec, length) == 0;
}

/* The device's type; NULL, with an error that lists what there is, when this build lacks it. */
static const struct device_type *find_type(const char *spec, struct error *error) {
    for (const struct device_type *const *type = device_types; *type; type++)
        if (is_kind(*type, spec))
            return *type;
    char list[512] = "";
    device_list(append_spec, &(struct text){list, sizeof list});
    error_set(error, STATUS_DEVICE,
        "device '%s' is not here; there are: %sauto (the best that opens)", spec, list);
    return NULL;
}

/* Something that device_options may ask a device for. */
struct choice {
    const char *wanted, *usual; /* every device has the usual one, as it has NULL */
    const char *const *names;   /* the others, or all; NULL: there is no choice */
    const char *complaint;      /* about what is wanted */
};

static enum status check_choice(
    const struct device_type *type, const struct choice *choice, struct error *error) {
    char list[256] = "";
    struct text text = {list, sizeof list};
    if (!choice->wanted || strcmp(choice->wanted, choice->usual) == 0)
        return STATUS_OK;
    append(&text, "%s", choice->usual);
    for (const char *const *name = choice->names; name && *name; name++) {
        if (strcmp(*name, choice->wanted) == 0)
            return STATUS_OK;
        if (strcmp(*name, choice->usual) != 0)
            append(&text, ", %s", *name);
    }
    return error_set(error, STATUS_USAGE, "%s: '%s' %s; %s: %s", type->kind, choice->wanted,
        choice->complaint, choice->names ? "there are" : "it has one way only", list);
}

/* Whether the device has what the options ask for. */
static enum status check_choices(
    const struct device_type *type, const struct device_options *options, struct error *error) {
    const struct choice choices[] = {
        {options->gemm, "auto", type->gemms, "does not multiply matrices there"},
        {options->precision, "fp32", type->precisions, "is not a precision of its products"},
        {options->submission, "auto", type->submissions, "is not how work is submitted there"},
    };
    enum status status = STATUS_OK;
    for (size_t c = 0; c < sizeof choices / sizeof *choices && status == STATUS_OK; c++)
        status = check_choice(type, &choices[c], error);
    return status;
}

enum status device_find(
    const char *spec, const struct device_options *options, struct error *error) {
    if (is_automatic(spec)) { /* any of them may do */
        enum status status = STATUS_OK;
        for (const struct device_type *const *type = device_types; *type; type++)
            if ((status = check_choices(*type, options, error)) == STATUS_OK)
                return STATUS_OK;
        return error_set(error, status,
            "no device of this build has all of --gemm %s, --precision %s, --submission %s",
            options->gemm ? options->gemm : "auto",
            options->precision ? options->precision : "fp32",
            options->submission ? options->submission : "auto");
    }
    const struct device_type *type = find_type(spec, error);
    return type ? check_choices(type, options, error) : STATUS_DEVICE;
}

static enum status open_type(const struct device_type *type, const char *rest,
    const struct device_options *options, struct device **device, struct error *error) {
    enum status status = check_choices(type, options, error);
    if (status == STATUS_OK)
        status = type->open(rest, options, device, error);
    if (status == STATUS_OK)
        (*device)->type = type;
    return status;
}

static enum status open_automatic(
    const struct device_options *options, struct device **device, struct error *error) {
    char failures[sizeof((struct device_info){0}.passed_over)] = "";
    struct text text = {failures, sizeof failures};
    struct device_options wanted = *options;
    wanted.automatic = true;
    for (const struct device_type *const *type = device_types; *type; type++) {
        struct error failure;
        if (!(*type)->automatic)
            continue;
        if (open_type(*type, NULL, &wanted, device, &failure) == STATUS_OK) {
            memcpy((*device)->info.passed_over, failures, sizeof failures);
            return STATUS_OK;
        }
        append(&text, "%s%s", failures[0] ? "; " : "", failure.message);
    }
    return error_set(error, STATUS_DEVICE, "no device opens: %s", failures);
}

enum status device_open(const char *spec, const struct device_options *options,
    struct device **device, struct error *error) {
    *device = NULL;
    if (is_automatic(spec))
        return open_automatic(options, device, error);
    const struct device_type *type = find_type(spec, error);
    const char *colon = strchr(spec, ':');
    return type ? open_type(type, colon ? colon + 1 : NULL, options, device, error) : STATUS_DEVICE;
}

void device_close(struct device *device) {
    if (device)
        device->type->close(device);
}

const char *device_environment(const char *spec, const char **value) {
    for (const struct device_type *const *type = device_types; *type; type++) {
        const bool meant = is_automatic(spec) ? (*type)->automatic : is_kind(*type, spec);
        const char *name = meant && (*type)->environment ? (*type)->environment(value) : NULL;
        if (name && !getenv(name))
            return name;
    }
    return NULL;
}

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
                                : (struct device_memory){SIZE_MAX, SIZE_MAX};
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
