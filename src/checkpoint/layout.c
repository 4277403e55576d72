#include "checkpoint/layout.h"

#include <stdio.h>
#include <stdlib.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "safetensors files are little-endian");

size_t layout_weight(size_t layer) {
    return 2 * layer;
}

size_t layout_bias(size_t layer) {
    return 2 * layer + 1;
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

bool layout_create(
    const struct network_shape *shape, size_t epochs, size_t samples, struct layout *layout) {
    *layout = (struct layout){.tensors = calloc(2 * shape->layers + 2, sizeof *layout->tensors)};
    if (!layout->tensors)
        return false;
    for (size_t l = 0; l < shape->layers; l++) {
        struct tensor weight = {.rows = shape->widths[l + 1], .columns = shape->widths[l]};
        struct tensor bias = {.rows = shape->widths[l + 1]};
        /* PyTorch counts the activations between the layers, too, so layer l is number 2l. */
        snprintf(weight.name, sizeof weight.name, "%zu.weight", 2 * l);
        snprintf(bias.name, sizeof bias.name, "%zu.bias", 2 * l);
        append(layout, weight);
        append(layout, bias);
    }
    if (epochs > 0)
        append(layout, (struct tensor){EPOCHS_NAME, true, epochs, EPOCH_COLUMNS, 0});
    if (samples > 0)
        append(layout, (struct tensor){SCORES_NAME, false, samples, SCORE_COLUMNS, 0});
    return true;
}

uint64_t layout_file_bytes(const struct layout *layout, bool is_run) {
    /* Bytes of the header, at most. */
    enum { OF_TENSOR = 128, OF_FORMAT = 256, OF_SETTINGS = 128 * 1024 };
    return LENGTH_BYTES + OF_FORMAT + (is_run ? OF_SETTINGS : 0) + layout->count * OF_TENSOR +
           layout->bytes;
}

void layout_transpose(const float *from, size_t rows, size_t columns, float *to) {
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j++)
            to[j * rows + i] = from[i * columns + j];
}
