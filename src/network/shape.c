#include "network/shape.h"

#include "trainer/random.h"

#include <math.h>
#include <string.h>

const char *const initial_names[] = {
    [INITIAL_NORMAL] = "normal", [INITIAL_GLOROT] = "glorot", [INITIAL_HE] = "he", NULL};

static size_t padded(size_t elements) {
    return (elements + NETWORK_UNIT - 1) / NETWORK_UNIT * NETWORK_UNIT;
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

size_t network_length(const struct network_shape *shape) {
    return (1 + optimizer_states[shape->optimizer]) * network_parameters_length(shape);
}

size_t network_values_offset(const struct network_shape *shape, size_t layer) {
    size_t offset = 0;
    for (size_t l = 0; l < layer; l++)
        offset += padded(shape->widths[l + 1]);
    return offset;
}

static double deviation_of(enum initial initial, size_t in, size_t out) {
    switch (initial) {
    case INITIAL_GLOROT:
        return sqrt(2.0 / (double)(in + out));
    case INITIAL_HE:
        return sqrt(2.0 / (double)in);
    default:
        return 0.1;
    }
}

void network_first_parameters(const struct network_shape *shape, uint64_t seed, float *parameters) {
    memset(parameters, 0, network_length(shape) * sizeof *parameters);
    for (size_t l = 0; l < shape->layers; l++) {
        const size_t in = shape->widths[l], out = shape->widths[l + 1];
        const double deviation = deviation_of(shape->initial, in, out);
        random_normal(seed, RANDOM_PARAMETERS, (uint32_t)(2 * l), deviation,
            parameters + network_weights_offset(shape, l), in * out);
        if (shape->initial == INITIAL_NORMAL)
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
