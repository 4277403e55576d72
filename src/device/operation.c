#include "device/operation.h"

#include "device/device_type.h"
#include "system/text.h"

#include <limits.h>

/* In the shapes, B is the number of samples of a batch, I and O are inputs and outputs of a layer,
 * C is classes, N is rows to gather from, and R and S are any sizes. */
const struct operation_type operation_types[OPERATION_KINDS] = {
    [OPERATION_UPLOAD] = {"upload", {{"destination", 'R', 'S', OPERAND_WRITTEN, 0}}, .sends = true},
    [OPERATION_UPLOAD_PIXELS] = {"upload_pixels", {{"destination", 'R', 'p', OPERAND_WRITTEN, 0}},
        .sends = true},
    [OPERATION_GATHER_ROWS] = {"gather_rows",
        {{"source", 'N', 'S', OPERAND_READ, 0}, {"index", 'B', '1', OPERAND_READ, 'N'},
            {"destination", 'B', 'S', OPERAND_WRITTEN, 0}}},
    [OPERATION_DENSE_FORWARD] = {"dense_forward",
        {{"x", 'B', 'I', OPERAND_READ, 0}, {"weights", 'I', 'O', OPERAND_READ, 0},
            {"bias", '1', 'O', OPERAND_READ, 0}, {"y", 'B', 'O', OPERAND_WRITTEN, 0}}},
    [OPERATION_DENSE_BACKWARD] = {"dense_backward",
        {{"d_y", 'B', 'O', OPERAND_READ, 0}, {"weights", 'I', 'O', OPERAND_READ, 0},
            {"x", 'B', 'I', OPERAND_READ, 0}, {"d_x", 'B', 'I', OPERAND_WRITTEN, 0}}},
    [OPERATION_DENSE_GRADIENT] = {"dense_gradient",
        {{"x", 'B', 'I', OPERAND_READ, 0}, {"d_y", 'B', 'O', OPERAND_READ, 0},
            {"d_weights", 'I', 'O', OPERAND_WRITTEN, 0}, {"d_bias", '1', 'O', OPERAND_WRITTEN, 0}}},
    [OPERATION_OPTIMIZE] = {"optimize",
        {{"gradient", 'R', 'S', OPERAND_READ, 0}, {"rates", '1', 'r', OPERAND_READ, 0},
            {"parameters", 'R', 'S', OPERAND_CHANGED, 0},
            {"state 0", 'R', 'S', OPERAND_CHANGED, 0, 1},
            {"state 1", 'R', 'S', OPERAND_CHANGED, 0, 2}}},
    [OPERATION_DENSE_UPDATE] = {"dense_update",
        {{"x", 'B', 'I', OPERAND_READ, 0}, {"d_y", 'B', 'O', OPERAND_READ, 0},
            {"rates", '1', 'r', OPERAND_READ, 0}, {"weights", 'I', 'O', OPERAND_CHANGED, 0},
            {"bias", '1', 'O', OPERAND_CHANGED, 0},
            {"weights' state 0", 'I', 'O', OPERAND_CHANGED, 0, 1},
            {"bias's state 0", '1', 'O', OPERAND_CHANGED, 0, 1},
            {"weights' state 1", 'I', 'O', OPERAND_CHANGED, 0, 2},
            {"bias's state 1", '1', 'O', OPERAND_CHANGED, 0, 2}}},
    [OPERATION_SOFTMAX_CROSS_ENTROPY] = {"softmax_cross_entropy",
        {{"logits", 'B', 'C', OPERAND_CHANGED, 0}, {"labels", 'B', '1', OPERAND_READ, 'C'},
            {"score", 'B', '2', OPERAND_WRITTEN, 0}}},
    [OPERATION_DROPOUT] = {"dropout",
        {{"source", 'B', 'S', OPERAND_READ, 0}, {"pass", '1', '1', OPERAND_READ, '*'},
            {"destination", 'B', 'S', OPERAND_WRITTEN, 0}},
        .in_place = true},
    [OPERATION_FLIP] = {"flip",
        {{"pass", '1', '1', OPERAND_READ, '*'}, {"images", 'B', 'S', OPERAND_CHANGED, 0}}},
    [OPERATION_SQUARE_SUMS] = {"square_sums",
        {{"values", 'R', 'S', OPERAND_READ, 0}, {"sums", '1', 'q', OPERAND_WRITTEN, 0}}},
    [OPERATION_CLIP] = {"clip",
        {{"sums", '1', 'q', OPERAND_READ, 0}, {"values", 'R', 'S', OPERAND_CHANGED, 0}}},
    [OPERATION_ALL_REDUCE] = {"all_reduce",
        {{"values", 'R', 'S', OPERAND_READ, 0}, {"sums", 'R', 'S', OPERAND_WRITTEN, 0}},
        .in_place = true},
};

const size_t optimizer_states[OPTIMIZERS] = {[OPTIMIZER_MOMENTUM] = 1, [OPTIMIZER_ADAMW] = 2};
const size_t optimizer_rates[OPTIMIZERS] = {
    [OPTIMIZER_GRADIENT_DESCENT] = 1, [OPTIMIZER_MOMENTUM] = 5, [OPTIMIZER_ADAMW] = 6};

size_t operation_operands(const struct operation *operation) {
    const struct operand_type *operands = operation_types[operation->kind].operands;
    size_t count = 0;
    while (count < OPERATION_VIEWS && operands[count].name &&
           operands[count].states <= optimizer_states[operation->optimizer])
        count++;
    return count;
}

size_t operation_size(const struct operation *operation, char letter) {
    const struct pixel_format *format = &operation->pixels;
    return letter == 'p'   ? format->plane * (format->mixed ? 1 : format->channels)
           : letter == 'r' ? optimizer_rates[operation->optimizer]
           : letter == 'q' ? SQUARE_SUMS
                           : 0;
}

/* --- Checks --- */

/* Sides are limited to INT_MAX, which is what BLAS takes. */
bool view_fits(const struct device *device, struct view view) {
    return view.buffer && view.buffer->device == device && view.rows >= 1 && view.columns >= 1 &&
           view.rows <= INT_MAX && view.columns <= INT_MAX &&
           view.offset <= view.buffer->elements &&
           view.rows <= (view.buffer->elements - view.offset) / view.columns;
}

bool view_overlaps(struct view a, struct view b) {
    return a.buffer == b.buffer && a.offset < b.offset + b.rows * b.columns &&
           b.offset < a.offset + a.rows * a.columns;
}

/* Whether a side of a view is what the table says. sizes[letter] is the size of that letter so far;
 * 0: it has not occurred yet. */
static bool is_side(char said, size_t side, size_t sizes[CHAR_MAX + 1]) {
    if (said >= '0' && said <= '9')
        return side == (size_t)(said - '0');
    size_t *size = &sizes[(int)said];
    *size = *size == 0 ? side : *size;
    return side == *size;
}

static bool is_format(const struct pixel_format *format) {
    const size_t channels = format->channels, plane = format->plane;
    return channels >= 1 && plane >= 1 && plane <= PIXELS_IMAGE_MAX / channels &&
           channels * plane % sizeof(float) == 0 &&
           (!(format->mixed || format->normalized) || channels <= PIXELS_CHANNELS_MAX);
}

/* What the table can't say of the numbers of an operation. */
static bool has_numbers(const struct operation *operation) {
    const struct view images = operation->flip.images, dropped = operation->dropout.destination;
    switch (operation->kind) {
    case OPERATION_UPLOAD_PIXELS:
        return is_format(&operation->pixels);
    case OPERATION_FLIP:
        return operation->width > 0 && images.columns % operation->width == 0;
    case OPERATION_DROPOUT:
        return dropped.columns <= DROPOUT_COLUMNS_MAX && operation->drawn.layer < 1 << 16 &&
               operation->drawn.share >= 0.0 && operation->drawn.share < 1.0;
    default:
        return true;
    }
}

static bool has_shapes(const struct operation *operation) {
    const struct operation_type *type = &operation_types[operation->kind];
    size_t sizes[CHAR_MAX + 1] = {0};
    sizes['p'] = operation_size(operation, 'p');
    sizes['r'] = operation_size(operation, 'r');
    sizes['q'] = operation_size(operation, 'q');
    for (size_t v = 0; v < operation_operands(operation); v++)
        if (!is_side(type->operands[v].rows, operation->views[v].rows, sizes) ||
            !is_side(type->operands[v].columns, operation->views[v].columns, sizes))
            return false;
    return true;
}

/* Whether these two operands are one, as they may be. */
static bool is_in_place(const struct operation *operation, size_t a, size_t b) {
    const size_t last = operation_operands(operation) - 1;
    const struct view first = operation->views[0], other = operation->views[last];
    return operation_types[operation->kind].in_place && a + b == last && a * b == 0 &&
           first.buffer == other.buffer && first.offset == other.offset;
}

/* The first operand that is written and overlaps another one; OPERATION_VIEWS when there is
 * none. */
static size_t find_overlap(const struct operation *operation) {
    const struct operation_type *type = &operation_types[operation->kind];
    const size_t count = operation_operands(operation);
    for (size_t v = 0; v < count; v++)
        for (size_t other = 0; type->operands[v].use != OPERAND_READ && other < count; other++)
            if (other != v && !is_in_place(operation, v, other) &&
                view_overlaps(operation->views[v], operation->views[other]))
                return v;
    return OPERATION_VIEWS;
}

/* The error for views that don't fit. It says what is wrong, and gives their shapes. */
static enum status refuse(const struct device *device, const struct operation *operation,
    const char *wrong, struct error *error) {
    const struct operation_type *type = &operation_types[operation->kind];
    char shapes[512] = "";
    for (size_t v = 0; v < operation_operands(operation); v++) {
        const struct view view = operation->views[v];
        text_append(shapes, sizeof shapes, " %s [%zu, %zu]+%zu of %zu", type->operands[v].name,
            view.rows, view.columns, view.offset, view.buffer ? view.buffer->elements : 0);
    }
    return error_set(error, STATUS_FAILED, "%s: %s: views (shape + offset of elements) %s:%s",
        device->info.kind, type->name, wrong, shapes);
}

enum status operation_check(
    const struct device *device, const struct operation *operation, struct error *error) {
    const struct operation_type *type = &operation_types[operation->kind];
    bool fit = !type->sends || operation->host;
    for (size_t v = 0; v < operation_operands(operation); v++)
        fit = fit && view_fits(device, operation->views[v]);
    if (!fit || !has_numbers(operation) || !has_shapes(operation))
        return refuse(device, operation, "that don't fit", error);
    return find_overlap(operation) == OPERATION_VIEWS
               ? STATUS_OK
               : refuse(device, operation, "that overlap where one is written", error);
}
