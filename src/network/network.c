#include "trainer/network.h"

#include "network/budget.h"

#include <stdlib.h>

struct network {
    struct device *device;
    struct network_shape shape;
    size_t batch;
    struct buffer *arrays[NETWORK_OWN]; /* NULL: those that have no elements */
    /* The gradient of all ranks together. NULL: it takes the place of this one's. */
    struct buffer *total;
};

/* --- Creating --- */

/* The gradient has elements between weights and biases, which must not count in its norm, and which
 * ranks add up with the others. */
static enum status clear_gradient(struct network *network, struct error *error) {
    enum { ROWS = 1024 };
    static const float zeros[ROWS * NETWORK_UNIT];
    struct buffer *gradient = network->arrays[NETWORK_GRADIENT];
    if (!gradient)
        return STATUS_OK;
    const size_t rows = network_parameters_length(&network->shape) / NETWORK_UNIT;
    const struct view all = device_view(gradient, rows, NETWORK_UNIT);
    enum status status = STATUS_OK;
    for (size_t first = 0; first < rows && status == STATUS_OK; first += ROWS) {
        const size_t count = rows - first < ROWS ? rows - first : ROWS;
        status = device_upload(network->device, view_rows(all, first, count), zeros, error);
    }
    return status;
}

enum status network_create(struct device *device, const struct network_shape *shape, size_t batch,
    struct network **network, struct error *error) {
    *network = NULL;
    struct network *created = calloc(1, sizeof *created);
    if (!created)
        return error_memory(error, "the network", sizeof *created);
    created->device = device;
    created->shape = *shape;
    created->batch = batch;
    struct budget_row arrays[NETWORK_ARRAYS];
    network_list(shape, arrays);
    enum status status = network_check_budget(device, shape, batch, 0, 0, error);
    for (size_t a = 0; a < NETWORK_OWN && status == STATUS_OK; a++) {
        const size_t elements = budget_elements(&arrays[a], batch);
        const bool exchanged = a == NETWORK_GRADIENT && shape->ranked && shape->clip_norm == 0.0;
        struct buffer **array = &created->arrays[a];
        if (elements > 0)
            status = exchanged ? device_allocate_exchanged(
                                     device, elements, array, &created->total, error)
                               : device_allocate(device, elements, array, error);
    }
    if (status == STATUS_OK)
        status = clear_gradient(created, error);
    if (status != STATUS_OK) {
        network_free(created);
        return status;
    }
    *network = created;
    return STATUS_OK;
}

void network_free(struct network *network) {
    if (!network)
        return;
    for (size_t a = 0; a < NETWORK_OWN; a++)
        buffer_free(network->arrays[a]);
    buffer_free(network->total);
    free(network);
}

const struct network_shape *network_shape(const struct network *network) {
    return &network->shape;
}

struct device *network_device(const struct network *network) {
    return network->device;
}

/* --- Views --- */

/* What belongs to layer `layer` in an array that is laid out as the parameters are, or several
 * times so: in that number `number`. */
static struct dense_parameters part_of(
    const struct network *network, enum network_array array, size_t number, size_t layer) {
    const struct network_shape *shape = &network->shape;
    const size_t first = number * network_parameters_length(shape), *widths = shape->widths + layer;
    struct buffer *buffer = network->arrays[array];
    return (struct dense_parameters){
        {buffer, first + network_weights_offset(shape, layer), widths[0], widths[1]},
        {buffer, first + network_bias_offset(shape, layer), 1, widths[1]}};
}

static struct dense_parameters parameters_of(const struct network *network, size_t layer) {
    return part_of(network, NETWORK_PARAMETERS, 0, layer);
}

/* What follows the parameters, and is laid out as they are: the states of the optimiser. */
static void states_of(const struct network *network, size_t layer,
    struct dense_parameters states[OPTIMIZER_STATES_MAX]) {
    for (size_t s = 0; s < optimizer_states[network->shape.optimizer]; s++)
        states[s] = part_of(network, NETWORK_PARAMETERS, 1 + s, layer);
}

/* The first `rows` rows of layer `layer` in an array that holds [batch, width] for each layer. */
static struct view rows_of(
    const struct network *network, enum network_array array, size_t layer, size_t rows) {
    const size_t offset = network->batch * network_values_offset(&network->shape, layer);
    return (struct view){network->arrays[array], offset, rows, network->shape.widths[layer + 1]};
}

/* The inputs of layer `layer`: the batch, or the outputs of the layer before it, which are in
 * `array`. */
static struct view input_of(
    const struct network *network, struct view x, enum network_array array, size_t layer) {
    return layer == 0 ? x : rows_of(network, array, layer - 1, x.rows);
}

/* The gradient by the values of layer `layer` before its activation. The last layer's gradient is
 * where its logits were. */
static struct view gradient_of(const struct network *network, struct view x, size_t layer) {
    const bool last = layer + 1 == network->shape.layers;
    return rows_of(network, last ? NETWORK_VALUES : NETWORK_GRADIENTS, layer, x.rows);
}

/* All of an array that is laid out as the parameters are, with so many elements. */
static struct view all_of(const struct network *network, enum network_array array, size_t length) {
    return device_view(network->arrays[array], length / NETWORK_UNIT, NETWORK_UNIT);
}

/* --- Parameters --- */

static struct view all_parameters(const struct network *network) {
    return all_of(network, NETWORK_PARAMETERS, network_length(&network->shape));
}

enum status network_upload(struct network *network, const float *parameters, struct error *error) {
    const enum status status =
        device_upload(network->device, all_parameters(network), parameters, error);
    const enum status waited =
        device_synchronise(network->device, status == STATUS_OK ? error : NULL);
    return status == STATUS_OK ? waited : status;
}

enum status network_download(struct network *network, float *parameters, struct error *error) {
    return device_download(network->device, all_parameters(network), parameters, error);
}

enum status network_check(
    struct device *device, const struct network_shape *shape, size_t rows, struct error *error) {
    const size_t *widths = shape->widths;
    enum status status = STATUS_OK;
    for (size_t l = 0; l < shape->layers && status == STATUS_OK; l++) {
        bool checked = false; /* an earlier layer of the same shape has been checked */
        for (size_t e = 0; e < l && !checked; e++)
            checked = widths[e] == widths[l] && widths[e + 1] == widths[l + 1];
        if (!checked)
            status = device_check(device, rows, widths[l], widths[l + 1], error);
    }
    return status;
}

/* --- A batch --- */

/* To `outputs`. `draws`: what the hidden layers drop; NULL: nothing. */
static enum status forward(struct network *network, struct view x, const struct draws *draws,
    struct view outputs, struct error *error) {
    const struct network_shape *shape = &network->shape;
    const enum network_array inputs = draws ? NETWORK_DROPPED : NETWORK_VALUES;
    enum status status = STATUS_OK;
    for (size_t l = 0; l < shape->layers && status == STATUS_OK; l++) {
        const struct dense_parameters layer = parameters_of(network, l);
        const bool hidden = l + 1 < shape->layers;
        const struct view y = hidden ? rows_of(network, NETWORK_VALUES, l, x.rows) : outputs;
        status = device_dense_forward(network->device, input_of(network, x, inputs, l),
            layer.weights, layer.bias, hidden ? shape->activation : ACTIVATION_NONE, y, error);
        if (status == STATUS_OK && hidden && draws)
            status = device_dropout(network->device, y, draws, (uint32_t)l, shape->dropout,
                rows_of(network, NETWORK_DROPPED, l, x.rows), error);
    }
    return status;
}

/* Where the outputs of the last layer are, and then their gradient, unless somebody wants them. */
static struct view own_outputs(const struct network *network, size_t rows) {
    return rows_of(network, NETWORK_VALUES, network->shape.layers - 1, rows);
}

/* Computes the scores, and replaces the outputs by their gradient. */
static enum status loss(struct network *network, struct view outputs, struct view labels,
    struct view score, float weight, double smoothing, struct error *error) {
    const float scale = weight / (float)outputs.columns;
    return device_softmax_cross_entropy(
        network->device, outputs, labels, scale, (float)smoothing, score, error);
}

/* What a layer has dropped passes no gradient on, either. */
static enum status backward(
    struct network *network, struct view x, const struct draws *draws, struct error *error) {
    const struct network_shape *shape = &network->shape;
    enum status status = STATUS_OK;
    for (size_t l = shape->layers - 1; l > 0 && status == STATUS_OK; l--) {
        const struct view d_x = gradient_of(network, x, l - 1);
        status = device_dense_backward(network->device, gradient_of(network, x, l),
            parameters_of(network, l).weights, input_of(network, x, NETWORK_VALUES, l),
            shape->activation, d_x, error);
        if (status == STATUS_OK && draws)
            status = device_dropout(
                network->device, d_x, draws, (uint32_t)(l - 1), shape->dropout, d_x, error);
    }
    return status;
}

/* Updates every layer. This comes after all of backward, which needs the weights of before the
 * step. */
static enum status update(struct network *network, struct view x, enum network_array inputs,
    struct view rates, struct error *error) {
    enum status status = STATUS_OK;
    for (size_t l = 0; l < network->shape.layers && status == STATUS_OK; l++) {
        struct dense_parameters states[OPTIMIZER_STATES_MAX];
        states_of(network, l, states);
        status = device_dense_update_by(network->device, network->shape.optimizer,
            input_of(network, x, inputs, l), gradient_of(network, x, l), rates,
            parameters_of(network, l), states, error);
    }
    return status;
}

/* Whether something is done with the whole gradient before its step is taken. */
static bool needs_gradient(const struct network_shape *shape) {
    return shape->ranked || shape->clip_norm > 0.0;
}

/* The same with the whole gradient first, which ranks add up, and whose norm may have a limit. */
static enum status update_whole(struct network *network, struct view x, enum network_array inputs,
    struct view rates, struct error *error) {
    const struct network_shape *shape = &network->shape;
    struct device *device = network->device;
    const size_t length = network_parameters_length(shape);
    const struct view own = all_of(network, NETWORK_GRADIENT, length);
    struct view all = own;
    all.buffer = network->total ? network->total : own.buffer;
    const struct view sums = device_view(network->arrays[NETWORK_SUMS], 1, SQUARE_SUMS);
    enum status status = STATUS_OK;
    for (size_t l = 0; l < shape->layers && status == STATUS_OK; l++) {
        const struct dense_parameters gradient = part_of(network, NETWORK_GRADIENT, 0, l);
        status = device_dense_gradient(device, input_of(network, x, inputs, l),
            gradient_of(network, x, l), gradient.weights, gradient.bias, error);
    }
    if (status == STATUS_OK && shape->ranked)
        status = device_all_reduce(device, own, all, error);
    if (status == STATUS_OK && shape->clip_norm > 0.0)
        status = device_square_sums(device, all, sums, error);
    if (status == STATUS_OK && shape->clip_norm > 0.0)
        status = device_clip(device, sums, (float)shape->clip_norm, all, error);
    struct view parameters = all, states[OPTIMIZER_STATES_MAX];
    parameters.buffer = network->arrays[NETWORK_PARAMETERS];
    for (size_t s = 0; s < optimizer_states[shape->optimizer]; s++) {
        states[s] = parameters;
        states[s].offset = (1 + s) * length;
    }
    return status == STATUS_OK
               ? device_optimize(device, shape->optimizer, all, rates, parameters, states, error)
               : status;
}

size_t network_operations(const struct network_shape *shape) {
    /* forward and an update of each, backward of all but one, the loss */
    const size_t dropping = shape->dropout > 0.0 ? 2 * (shape->layers - 1) : 0;
    const size_t whole = needs_gradient(shape) + shape->ranked + 2 * (shape->clip_norm > 0.0);
    return 3 * shape->layers + dropping + whole;
}

static enum status check_batch(const struct network *network, size_t samples, struct error *error) {
    return samples <= network->batch ? STATUS_OK
                                     : error_set(error, STATUS_FAILED,
                                           "network: a batch of %zu samples; it has room for %zu",
                                           samples, network->batch);
}

/* A step, in which the samples' objective has this weight. */
static enum status train(struct network *network, struct view x, struct view labels,
    struct view rates, const struct draws *draws, float weight, struct view score,
    struct error *error) {
    const struct network_shape *shape = &network->shape;
    const struct draws *dropped = shape->dropout > 0.0 ? draws : NULL;
    const enum network_array inputs = dropped ? NETWORK_DROPPED : NETWORK_VALUES;
    const struct view outputs = own_outputs(network, x.rows);
    enum status status = check_batch(network, x.rows, error);
    if (status == STATUS_OK)
        status = forward(network, x, dropped, outputs, error);
    if (status == STATUS_OK)
        status = loss(network, outputs, labels, score, weight, shape->label_smoothing, error);
    if (status == STATUS_OK)
        status = backward(network, x, dropped, error);
    if (status == STATUS_OK)
        status = (needs_gradient(shape) ? update_whole : update)(network, x, inputs, rates, error);
    return status;
}

enum status network_train(struct network *network, struct view x, struct view labels,
    struct view rates, const struct draws *draws, struct view score, struct error *error) {
    return train(network, x, labels, rates, draws, 1.0f, score, error);
}

enum status network_attend(struct network *network, struct view x, struct view labels,
    struct view rates, struct view score, struct error *error) {
    return train(network, x, labels, rates, NULL, 0.0f, score, error);
}

enum status network_evaluate(struct network *network, struct view x, struct view labels,
    struct view outputs, struct view score, struct error *error) {
    const struct view to = outputs.buffer ? outputs : own_outputs(network, x.rows);
    enum status status = check_batch(network, x.rows, error);
    if (status == STATUS_OK)
        status = forward(network, x, NULL, to, error);
    if (status == STATUS_OK)
        status = loss(network, to, labels, score, 1.0f, 0.0, error);
    return status;
}
