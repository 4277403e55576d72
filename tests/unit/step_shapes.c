#include "step_shapes.h"

struct buffer step_buffers[BUFFERS];

struct gpu gpu_of(const char *type, int units, size_t group_bytes) {
    struct gpu gpu = {.largest_group = 256, .group_bytes = group_bytes, .vector_width = 8};
    gpu.base.info.type = type;
    gpu.base.info.units = units;
    return gpu;
}

struct step make_step(size_t batch, size_t layers, const size_t *widths, bool gathered) {
    struct step step = {.layers_count = layers,
        .labels = {&step_buffers[LABELS], 0, batch, 1},
        .score = {&step_buffers[SCORE], 0, batch, 2},
        .loss_scale = 0.1f,
        .rates = {&step_buffers[SCALE], 0, 1, 1},
        .gathered = gathered};
    if (gathered) {
        step.all_x = (struct view){&step_buffers[ALL_X], 0, 1000, widths[0]};
        step.all_labels = (struct view){&step_buffers[ALL_LABELS], 0, 1000, 1};
        step.index = (struct view){&step_buffers[INDEX], 0, batch, 1};
    }
    size_t parameters = 0, values = 0;
    for (size_t l = 0; l < layers; l++) {
        const size_t in = widths[l], out = widths[l + 1];
        struct step_layer *layer = &step.layers[l];
        layer->x = l == 0 ? (struct view){&step_buffers[X], 0, batch, in} : layer[-1].y;
        layer->weights = (struct view){&step_buffers[PARAMETERS], parameters, in, out};
        layer->bias = (struct view){&step_buffers[PARAMETERS], parameters + in * out, 1, out};
        layer->y = (struct view){&step_buffers[VALUES], values, batch, out};
        layer->d_y = layer->y;
        if (l + 1 < layers) {
            layer->d_y.buffer = &step_buffers[GRADIENTS];
            layer->activation = ACTIVATION_TANH;
        }
        parameters += (in + 1) * out;
        values += batch * out;
    }
    return step;
}

void optimize_by(struct step *step, enum optimizer optimizer) {
    const struct step_layer *last = &step->layers[step->layers_count - 1];
    const size_t apart = last->bias.offset + last->bias.columns;
    step->optimizer = optimizer;
    step->rates.columns = optimizer_rates[optimizer];
    for (size_t l = 0; l < step->layers_count; l++)
        for (size_t s = 0; s < optimizer_states[optimizer]; s++) {
            struct step_layer *layer = &step->layers[l];
            layer->states[s] = (struct dense_parameters){layer->weights, layer->bias};
            layer->states[s].weights.offset += (s + 1) * apart;
            layer->states[s].bias.offset += (s + 1) * apart;
        }
}
