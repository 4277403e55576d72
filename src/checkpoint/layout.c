#include "checkpoint/layout.h"

#include <stdio.h>
#include <stdlib.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "safetensors files are little-endian");

const char *layout_prefix(enum optimizer optimizer, size_t array) {
    static const char *const prefixes[OPTIMIZERS][1 + OPTIMIZER_STATES_MAX] = {
        [OPTIMIZER_GRADIENT_DESCENT] = {""},
        [OPTIMIZER_MOMENTUM] = {"", "trainer.momentum_buffer."},
        [OPTIMIZER_ADAMW] = {"", "trainer.exp_avg.", "trainer.exp_avg_sq."}};
    return prefixes[optimizer][array];
}

size_t layout_weight(const struct network_shape *shape, size_t array, size_t layer) {
    return 2 * (array * shape->layers + layer);
}

size_t tensor_elements(const struct tensor *tensor) {
    return tensor->columns > 0 ? tensor->rows * tensor->columns : tensor->rows;
}

uint64_t tensor_bytes(const struct tensor *tensor) {
    return (uint64_t)tensor_elements(tensor) * (tensor->is_double ? sizeof(double) : sizeof(float));
}

static void append(struct layout *layout, struct tensor tensor) {
    tensor.begin = layout->bytes;
    layout->bytes += tensor_bytes(&tensor);
    layout->tensors[layout->count++] = tensor;
}

static void append_layers(
    struct layout *layout, const struct network_shape *shape, const char *prefix) {
    for (size_t l = 0; l < shape->layers; l++) {
        struct tensor weight = {.rows = shape->widths[l + 1], .columns = shape->widths[l]};
        struct tensor bias = {.rows = shape->widths[l + 1]};
        /* PyTorch counts the activations between the layers, too, so layer l is number 2l. */
        snprintf(weight.name, sizeof weight.name, "%s%zu.weight", prefix, 2 * l);
        snprintf(bias.name, sizeof bias.name, "%s%zu.bias", prefix, 2 * l);
        append(layout, weight);
        append(layout, bias);
    }
}

size_t layout_arrays(const struct contents *contents) {
    return 1 + optimizer_states[contents->optimizer] + contents->best;
}

bool layout_create(
    const struct network_shape *shape, const struct contents *contents, struct layout *layout) {
    enum { OTHERS = 3 }; /* epochs, validations, scores */
    const size_t arrays = layout_arrays(contents), own = arrays - contents->best;
    *layout = (struct layout){
        .tensors = calloc(layout_weight(shape, arrays, 0) + OTHERS, sizeof *layout->tensors)};
    if (!layout->tensors)
        return false;
    for (size_t a = 0; a < arrays; a++)
        append_layers(layout, shape, a < own ? layout_prefix(contents->optimizer, a) : BEST_PREFIX);
    if (contents->epochs > 0)
        append(layout, (struct tensor){EPOCHS_NAME, true, contents->epochs, EPOCH_COLUMNS, 0});
    if (contents->validated > 0)
        append(layout,
            (struct tensor){VALIDATION_NAME, true, contents->validated, VALIDATION_COLUMNS, 0});
    if (contents->samples > 0)
        append(layout, (struct tensor){SCORES_NAME, false, contents->samples, SCORE_COLUMNS, 0});
    return true;
}

uint64_t layout_file_bytes(const struct layout *layout, bool is_run) {
    /* Bytes of the header, at most. */
    enum { OF_TENSOR = 128, OF_FORMAT = 1024, OF_SETTINGS = 128 * 1024 };
    return LENGTH_BYTES + OF_FORMAT + (is_run ? OF_SETTINGS : 0) + layout->count * OF_TENSOR +
           layout->bytes;
}

void layout_transpose(const float *from, size_t rows, size_t columns, float *to) {
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j++)
            to[j * rows + i] = from[i * columns + j];
}
