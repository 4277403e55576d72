#include "trainer/network.h"

#include "network/budget.h"

#include <stdlib.h>

struct network {
    struct device *device;
    struct network_shape shape;
    size_t batch;
    struct buffer *parameters, *values, *gradients; /* see network/budget.h */
};

/* --- Creating --- */

enum status network_create(struct device *device, const struct network_shape *shape, size_t batch,
    struct network **network, struct error *error) {
    *network = NULL;
    struct network *created = calloc(1, sizeof *created);
    if (!created)
        return error_memory(error, "the network", sizeof *created);
    created->device = device;
    created->shape = *shape;
    created->batch = batch;
    struct buffer **const buffers[NETWORK_OWN] = {[NETWORK_PARAMETERS] = &created->parameters,
        [NETWORK_VALUES] = &created->values,
        [NETWORK_GRADIENTS] = &created->gradients};
    struct budget_row arrays[NETWORK_ARRAYS];
    network_list(shape, arrays);
    enum status status = network_check_budget(device, shape, batch, 0, 0, error);
    for (size_t a = 0; a < NETWORK_OWN && status == STATUS_OK; a++)
        status = device_allocate(device, budget_elements(&arrays[a], batch), buffers[a], error);
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
    buffer_free(network->parameters);
    buffer_free(network->values);
    buffer_free(network->gradients);
    free(network);
}

const struct network_shape *network_shape(const struct network *network) {
    return &network->shape;
}

struct device *network_device(const struct network *network) {
    return network->device;
}

/* --- Views --- */

/* The parameters of layer `layer`, which are array number 0 of their layout, or what is laid out so
 * after them. */
static struct dense_parameters array_of(const struct network *network, size_t array, size_t layer) {
    const struct network_shape *shape = &network->shape;
    const size_t first = array * network_parameters_length(shape), *widths = shape->widths + layer;
    struct buffer *buffer = network->parameters;
    return (struct dense_parameters){
        {buffer, first + network_weights_offset(shape, layer), widths[0], widths[1]},
        {buffer, first + network_bias_offset(shape, layer), 1, widths[1]}};
}

static struct dense_parameters parameters_of(const struct network *network, size_t layer) {
    return array_of(network, 0, layer);
}

/* The first `rows` rows of layer `layer` in a buffer that holds [batch, width] for each layer. */
static struct view rows_of(
    const struct network *network, struct buffer *buffer, size_t layer, size_t rows) {
    const size_t offset = network->batch * network_values_offset(&network->shape, layer);
    return (struct view){buffer, offset, rows, network->shape.widths[layer + 1]};
}

/* The inputs of layer `layer`: the batch, or the outputs of the layer before it. */
static struct view input_of(const struct network *network, struct view x, size_t layer) {
    return layer == 0 ? x : rows_of(network, network->values, layer - 1, x.rows);
}

/* The gradient by the values of layer `layer` before its activation. The last layer's gradient is
 * where its logits were. */
static struct view gradient_of(const struct network *network, struct view x, size_t layer) {
    const bool last = layer + 1 == network->shape.layers;
    return rows_of(network, last ? network->values : network->gradients, layer, x.rows);
}

/* --- Parameters --- */

static struct view all_parameters(const struct network *network) {
    return device_view(
        network->parameters, network_length(&network->shape) / NETWORK_UNIT, NETWORK_UNIT);
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

static enum status forward(struct network *network, struct view x, struct error *error) {
    const struct network_shape *shape = &network->shape;
    enum status status = STATUS_OK;
    for (size_t l = 0; l < shape->layers && status == STATUS_OK; l++) {
        const struct dense_parameters layer = parameters_of(network, l);
        status = device_dense_forward(network->device, input_of(network, x, l), layer.weights,
            layer.bias, l + 1 < shape->layers ? shape->activation : ACTIVATION_NONE,
            rows_of(network, network->values, l, x.rows), error);
    }
    return status;
}

/* Computes the scores, and replaces the logits by their gradient. */
static enum status loss(struct network *network, struct view x, struct view labels,
    struct view score, float smoothing, struct error *error) {
    const size_t last = network->shape.layers - 1;
    const float scale = 1.0f / (float)network->shape.widths[last + 1];
    return device_softmax_cross_entropy(network->device,
        rows_of(network, network->values, last, x.rows), labels, scale, smoothing, score, error);
}

static enum status backward(struct network *network, struct view x, struct error *error) {
    enum status status = STATUS_OK;
    for (size_t l = network->shape.layers - 1; l > 0 && status == STATUS_OK; l--)
        status = device_dense_backward(network->device, gradient_of(network, x, l),
            parameters_of(network, l).weights, input_of(network, x, l), network->shape.activation,
            gradient_of(network, x, l - 1), error);
    return status;
}

/* Updates every layer. This comes after all of backward, which needs the weights of before the
 * step. */
static enum status step(
    struct network *network, struct view x, struct view rates, struct error *error) {
    const enum optimizer optimizer = network->shape.optimizer;
    enum status status = STATUS_OK;
    for (size_t l = 0; l < network->shape.layers && status == STATUS_OK; l++) {
        struct dense_parameters states[OPTIMIZER_STATES_MAX];
        for (size_t s = 0; s < optimizer_states[optimizer]; s++)
            states[s] = array_of(network, 1 + s, l);
        status = device_dense_update_by(network->device, optimizer, input_of(network, x, l),
            gradient_of(network, x, l), rates, parameters_of(network, l), states, error);
    }
    return status;
}

size_t network_operations(const struct network_shape *shape) {
    return 3 * shape->layers; /* forward and an update of each, backward of all but one, the loss */
}

static enum status check_batch(const struct network *network, size_t samples, struct error *error) {
    return samples <= network->batch ? STATUS_OK
                                     : error_set(error, STATUS_FAILED,
                                           "network: a batch of %zu samples; it has room for %zu",
                                           samples, network->batch);
}

enum status network_train(struct network *network, struct view x, struct view labels,
    struct view rates, struct view score, struct error *error) {
    enum status status = check_batch(network, x.rows, error);
    if (status == STATUS_OK)
        status = forward(network, x, error);
    if (status == STATUS_OK)
        status = loss(network, x, labels, score, (float)network->shape.label_smoothing, error);
    if (status == STATUS_OK)
        status = backward(network, x, error);
    if (status == STATUS_OK)
        status = step(network, x, rates, error);
    return status;
}

enum status network_evaluate(struct network *network, struct view x, struct view labels,
    struct view score, struct error *error) {
    enum status status = check_batch(network, x.rows, error);
    if (status == STATUS_OK)
        status = forward(network, x, error);
    if (status == STATUS_OK)
        status = loss(network, x, labels, score, 0.0f, error);
    return status;
}
