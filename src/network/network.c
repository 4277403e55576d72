#include "trainer/network.h"

#include "trainer/random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct network {
    struct device *device;
    struct network_shape shape;
    size_t batch;
    struct buffer *parameters;
    struct buffer *values;    /* of each layer: what it gives, [batch, width], one after another */
    struct buffer *gradients; /* of the objective by each hidden layer's values before activation */
};

/* --- Shape --- */

enum { UNIT = 64 }; /* elements that everything is padded to */

static size_t padded(size_t elements) {
    return (elements + UNIT - 1) / UNIT * UNIT;
}

size_t network_weights_offset(const struct network_shape *shape, size_t layer) {
    size_t offset = 0;
    for (size_t l = 0; l < layer; l++)
        offset += padded(shape->widths[l] * shape->widths[l + 1]) + padded(shape->widths[l + 1]);
    return offset;
}

size_t network_bias_offset(const struct network_shape *shape, size_t layer) {
    return network_weights_offset(shape, layer) +
           padded(shape->widths[layer] * shape->widths[layer + 1]);
}

size_t network_parameters_length(const struct network_shape *shape) {
    return network_weights_offset(shape, shape->layers);
}

void network_first_parameters(const struct network_shape *shape, uint64_t seed, float *parameters) {
    const double deviation = 0.1;
    memset(parameters, 0, network_parameters_length(shape) * sizeof *parameters);
    for (size_t l = 0; l < shape->layers; l++) {
        random_normal(seed, RANDOM_PARAMETERS, (uint32_t)(2 * l), deviation,
            parameters + network_weights_offset(shape, l), shape->widths[l] * shape->widths[l + 1]);
        random_normal(seed, RANDOM_PARAMETERS, (uint32_t)(2 * l + 1), deviation,
            parameters + network_bias_offset(shape, l), shape->widths[l + 1]);
    }
}

double network_flops(const struct network_shape *shape) {
    double flops = 0.0;
    for (size_t l = 0; l < shape->layers; l++)
        flops += (l == 0 ? 4.0 : 6.0) * (double)shape->widths[l] * (double)shape->widths[l + 1];
    return flops;
}

/* --- Memory --- */

/* Of all layers together, as values and gradients have them. */
static size_t all_widths(const struct network_shape *shape) {
    size_t width = 0;
    for (size_t l = 1; l <= shape->layers; l++)
        width += padded(shape->widths[l]);
    return width;
}

/* Memory that grows with the batch. */
struct room {
    size_t fixed, sample; /* bytes: of any batch, and for each sample of it */
};

static size_t largest_batch(struct room room, size_t bytes) {
    return bytes < room.fixed ? 0 : (bytes - room.fixed) / room.sample;
}

/* What is on the device while this network trains, but for what only the caller knows: itself, and
 * a batch with its labels and scores. */
static struct room training_room(const struct network_shape *shape) {
    const size_t sample = 2 * all_widths(shape) + shape->widths[0] + 3;
    return (struct room){network_parameters_length(shape) * sizeof(float), sample * sizeof(float)};
}

/* The self-check of a layer: weights, a result of their size, operands and results of both sides,
 * and a scale. */
static struct room check_room(const struct network_shape *shape, size_t layer) {
    const size_t in = shape->widths[layer], out = shape->widths[layer + 1];
    return (struct room){(2 * (in + 1) * out + 1) * sizeof(float), 3 * (in + out) * sizeof(float)};
}

size_t network_bytes(const struct network_shape *shape, size_t batch) {
    return (network_parameters_length(shape) + 2 * batch * all_widths(shape)) * sizeof(float);
}

size_t network_check_bytes(const struct network_shape *shape, size_t batch) {
    size_t most = 0;
    for (size_t l = 0; l < shape->layers; l++) {
        const struct room room = check_room(shape, l);
        const size_t bytes = room.fixed + batch * room.sample;
        most = bytes > most ? bytes : most;
    }
    return most;
}

/* Of several needs the one that leaves the smallest batch. */
struct tightest {
    size_t most, needed, free; /* the batch that fits; bytes, for the batch that is wanted */
};

static void consider(struct tightest *tightest, struct room room, size_t batch, size_t free) {
    const size_t fits = largest_batch(room, free);
    if (fits < tightest->most)
        *tightest = (struct tightest){fits, room.fixed + batch * room.sample, free};
}

/* All of the training and of the self-checks before it, whose other side is on the host. */
static struct tightest find_tightest(const struct device_memory *memory,
    const struct network_shape *shape, size_t batch, size_t before, size_t others) {
    struct tightest tightest = {.most = SIZE_MAX};
    struct room room = training_room(shape);
    room.fixed += others;
    consider(&tightest, room, batch, memory->free_bytes);
    room.fixed += before;
    consider(&tightest, room, batch, memory->host_bytes);
    for (size_t l = 0; l < shape->layers; l++) {
        room = check_room(shape, l);
        consider(&tightest, room, batch, memory->free_bytes);
        room = (struct room){before + 2 * room.fixed, 2 * room.sample};
        consider(&tightest, room, batch, memory->host_bytes);
    }
    return tightest;
}

enum status network_check_room(struct device *device, const struct network_shape *shape,
    size_t batch, size_t before, size_t others, struct error *error) {
    const struct device_memory memory = device_memory(device);
    const struct tightest tightest = find_tightest(&memory, shape, batch, before, others);
    const size_t parameters = network_parameters_length(shape) * sizeof(float);
    const size_t values = all_widths(shape) * sizeof(float),
                 input = shape->widths[0] * sizeof(float);
    const size_t widest = values > input ? values : input; /* of the buffers with a row a sample */
    const size_t longest = memory.buffer_bytes < parameters ? 0 : memory.buffer_bytes / widest;
    const size_t most = longest < tightest.most ? longest : tightest.most;
    if (batch <= most)
        return STATUS_OK;
    const bool by_host = memory.host_limit && tightest.free == memory.host_bytes;
    char advice[64] = "no batch fits: use narrower --layers";
    if (most > 0)
        snprintf(advice, sizeof advice, "the largest --batch-size that fits is %zu", most);
    return error_set(error, STATUS_DEVICE,
        "%s: out of memory: this network with batches of %zu needs %zu bytes, the largest buffer "
        "%zu; '%s' has %zu free%s%s, buffers may have %zu; %s",
        device_info(device)->kind, batch, tightest.needed,
        parameters > batch * widest ? parameters : batch * widest, device_info(device)->name,
        tightest.free, by_host ? ", by " : "", by_host ? memory.host_limit : "",
        memory.buffer_bytes, advice);
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
    const size_t width = all_widths(shape);
    enum status status = network_check_room(device, shape, batch, 0, 0, error);
    if (status == STATUS_OK)
        status =
            device_allocate(device, network_parameters_length(shape), &created->parameters, error);
    if (status == STATUS_OK)
        status = device_allocate(device, batch * width, &created->values, error);
    if (status == STATUS_OK)
        status = device_allocate(device, batch * width, &created->gradients, error);
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
    device_release(network->parameters);
    device_release(network->values);
    device_release(network->gradients);
    free(network);
}

const struct network_shape *network_shape(const struct network *network) {
    return &network->shape;
}

struct device *network_device(const struct network *network) {
    return network->device;
}

/* --- Views --- */

static struct view weights_of(const struct network *network, size_t layer) {
    const size_t *widths = network->shape.widths + layer;
    return (struct view){
        network->parameters, network_weights_offset(&network->shape, layer), widths[0], widths[1]};
}

static struct view bias_of(const struct network *network, size_t layer) {
    return (struct view){network->parameters, network_bias_offset(&network->shape, layer), 1,
        network->shape.widths[layer + 1]};
}

/* What `layer` has in a buffer that holds [batch, width] of each layer. */
static struct view rows_of(
    const struct network *network, struct buffer *buffer, size_t layer, size_t rows) {
    size_t offset = 0;
    for (size_t l = 0; l < layer; l++)
        offset += network->batch * padded(network->shape.widths[l + 1]);
    return (struct view){buffer, offset, rows, network->shape.widths[layer + 1]};
}

/* What layer `layer` is given: the batch, or the values of the layer before. */
static struct view input_of(const struct network *network, struct view x, size_t layer) {
    return layer == 0 ? x : rows_of(network, network->values, layer - 1, x.rows);
}

/* The gradient by what layer `layer` computes before its activation; the last layer's takes the
 * place of its logits. */
static struct view gradient_of(const struct network *network, struct view x, size_t layer) {
    const bool last = layer + 1 == network->shape.layers;
    return rows_of(network, last ? network->values : network->gradients, layer, x.rows);
}

/* --- Parameters --- */

static struct view all_parameters(const struct network *network) {
    return device_view(
        network->parameters, network_parameters_length(&network->shape) / UNIT, UNIT);
}

enum status network_upload(struct network *network, const float *parameters, struct error *error) {
    const enum status status =
        device_upload(network->device, all_parameters(network), parameters, error);
    return status == STATUS_OK ? device_synchronise(network->device, error) : status;
}

enum status network_download(struct network *network, float *parameters, struct error *error) {
    return device_download(network->device, all_parameters(network), parameters, error);
}

enum status network_check(
    struct device *device, const struct network_shape *shape, size_t rows, struct error *error) {
    const size_t *widths = shape->widths;
    enum status status = STATUS_OK;
    for (size_t l = 0; l < shape->layers && status == STATUS_OK; l++) {
        bool checked = false; /* as an earlier layer of the same shape */
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
    for (size_t l = 0; l < shape->layers && status == STATUS_OK; l++)
        status =
            device_dense_forward(network->device, input_of(network, x, l), weights_of(network, l),
                bias_of(network, l), l + 1 < shape->layers ? shape->activation : ACTIVATION_NONE,
                rows_of(network, network->values, l, x.rows), error);
    return status;
}

/* The scores; and the logits become their gradient. */
static enum status loss(struct network *network, struct view x, struct view labels,
    struct view score, struct error *error) {
    const size_t last = network->shape.layers - 1;
    const float scale = 1.0f / (float)network->shape.widths[last + 1];
    return device_softmax_cross_entropy(network->device,
        rows_of(network, network->values, last, x.rows), labels, scale, score, error);
}

static enum status backward(struct network *network, struct view x, struct error *error) {
    enum status status = STATUS_OK;
    for (size_t l = network->shape.layers - 1; l > 0 && status == STATUS_OK; l--)
        status = device_dense_backward(network->device, gradient_of(network, x, l),
            weights_of(network, l), input_of(network, x, l), network->shape.activation,
            gradient_of(network, x, l - 1), error);
    return status;
}

/* Of every layer, after all of backward, which needs the weights as they were. */
static enum status step(
    struct network *network, struct view x, struct view scale, struct error *error) {
    enum status status = STATUS_OK;
    for (size_t l = 0; l < network->shape.layers && status == STATUS_OK; l++)
        status = device_dense_update(network->device, input_of(network, x, l),
            gradient_of(network, x, l), scale, weights_of(network, l), bias_of(network, l), error);
    return status;
}

static enum status check_batch(const struct network *network, size_t samples, struct error *error) {
    return samples <= network->batch ? STATUS_OK
                                     : error_set(error, STATUS_FAILED,
                                           "network: a batch of %zu samples; it has room for %zu",
                                           samples, network->batch);
}

enum status network_train(struct network *network, struct view x, struct view labels,
    struct view scale, struct view score, struct error *error) {
    enum status status = check_batch(network, x.rows, error);
    if (status == STATUS_OK)
        status = forward(network, x, error);
    if (status == STATUS_OK)
        status = loss(network, x, labels, score, error);
    if (status == STATUS_OK)
        status = backward(network, x, error);
    if (status == STATUS_OK)
        status = step(network, x, scale, error);
    return status;
}

enum status network_evaluate(struct network *network, struct view x, struct view labels,
    struct view score, struct error *error) {
    enum status status = check_batch(network, x.rows, error);
    if (status == STATUS_OK)
        status = forward(network, x, error);
    if (status == STATUS_OK)
        status = loss(network, x, labels, score, error);
    return status;
}
