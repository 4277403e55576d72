#include "device/step.h"

#include <string.h>

/* The list of operations, and how far it has been read as parts of a step. */
struct reader {
    const struct operation *operations;
    size_t count, at;
};

/* Takes the next operation if it is of this kind; else NULL. */
static const struct operation *take(struct reader *reader, enum operation_kind kind) {
    if (reader->at == reader->count || reader->operations[reader->at].kind != kind)
        return NULL;
    return &reader->operations[reader->at++];
}

static bool is_same(struct view a, struct view b) {
    return a.buffer == b.buffer && a.offset == b.offset && a.rows == b.rows &&
           a.columns == b.columns;
}

/* --- The parts of a step --- */

/* Reads the gathering of a batch and of its labels, both by the same index. A step may do without
 * it. */
static bool read_gather(struct reader *reader, struct step *step, struct view *x) {
    const struct operation *images = take(reader, OPERATION_GATHER_ROWS);
    step->gathered = images != NULL;
    if (!images)
        return true;
    const struct operation *labels = take(reader, OPERATION_GATHER_ROWS);
    if (!labels || !is_same(images->gather_rows.index, labels->gather_rows.index))
        return false;
    step->all_x = images->gather_rows.source;
    step->all_labels = labels->gather_rows.source;
    step->index = images->gather_rows.index;
    step->labels = labels->gather_rows.destination;
    *x = images->gather_rows.destination;
    return true;
}

/* Reads the forward operations of all layers. Each layer's x is the y of the layer before it. */
static bool read_forward(struct reader *reader, struct step *step) {
    for (const struct operation *o; (o = take(reader, OPERATION_DENSE_FORWARD));) {
        if (step->layers_count == STEP_LAYERS_MAX)
            return false;
        struct step_layer *layer = &step->layers[step->layers_count++];
        *layer = (struct step_layer){.x = o->dense_forward.x,
            .weights = o->dense_forward.weights,
            .bias = o->dense_forward.bias,
            .y = o->dense_forward.y,
            .activation = o->activation};
        if (step->layers_count > 1 && !is_same(layer->x, layer[-1].y))
            return false;
    }
    return step->layers_count > 0 &&
           step->layers[step->layers_count - 1].activation == ACTIVATION_NONE;
}

static bool read_loss(struct reader *reader, struct step *step) {
    struct step_layer *last = &step->layers[step->layers_count - 1];
    const struct operation *o = take(reader, OPERATION_SOFTMAX_CROSS_ENTROPY);
    if (!o || !is_same(o->softmax_cross_entropy.logits, last->y))
        return false;
    last->d_y = last->y;
    if (step->gathered && !is_same(o->softmax_cross_entropy.labels, step->labels))
        return false;
    step->labels = o->softmax_cross_entropy.labels;
    step->score = o->softmax_cross_entropy.score;
    step->loss_scale = o->scale;
    step->smoothing = o->smoothing;
    return true;
}

/* Reads the backward operations, from the last layer to the second. Each gives the d_y of the layer
 * before it. */
static bool read_backward(struct reader *reader, struct step *step) {
    for (size_t l = step->layers_count - 1; l > 0; l--) {
        const struct step_layer *layer = &step->layers[l];
        const struct operation *o = take(reader, OPERATION_DENSE_BACKWARD);
        if (!o || !is_same(o->dense_backward.d_y, layer->d_y) ||
            !is_same(o->dense_backward.weights, layer->weights) ||
            !is_same(o->dense_backward.x, layer->x) || o->activation != layer[-1].activation)
            return false;
        step->layers[l - 1].d_y = o->dense_backward.d_x;
    }
    return true;
}

static bool read_updates(struct reader *reader, struct step *step) {
    for (size_t l = 0; l < step->layers_count; l++) {
        const struct step_layer *layer = &step->layers[l];
        const struct operation *o = take(reader, OPERATION_DENSE_UPDATE);
        if (!o || !is_same(o->dense_update.x, layer->x) ||
            !is_same(o->dense_update.d_y, layer->d_y) ||
            !is_same(o->dense_update.weights, layer->weights) ||
            !is_same(o->dense_update.bias, layer->bias) ||
            (l > 0 &&
                (o->optimizer != step->optimizer || !is_same(o->dense_update.rates, step->rates))))
            return false;
        step->optimizer = o->optimizer;
        step->rates = o->dense_update.rates;
        memcpy(step->layers[l].states, o->dense_update.states, sizeof step->layers[l].states);
    }
    return true;
}

/* --- Memory --- */

/* Lists each view of a step once: those of the batch, and those that belong to one layer. */
enum { VIEWS_MAX = (4 + 2 * OPTIMIZER_STATES_MAX) * STEP_LAYERS_MAX + 7 };
static size_t list_views(const struct step *step, struct view views[VIEWS_MAX]) {
    size_t count = 0;
    views[count++] = step->layers[0].x;
    views[count++] = step->labels;
    views[count++] = step->score;
    views[count++] = step->rates;
    if (step->gathered) {
        views[count++] = step->all_x;
        views[count++] = step->all_labels;
        views[count++] = step->index;
    }
    for (size_t l = 0; l < step->layers_count; l++) {
        const struct step_layer *layer = &step->layers[l];
        views[count++] = layer->weights;
        views[count++] = layer->bias;
        views[count++] = layer->y;
        if (l + 1 < step->layers_count) /* the last layer's d_y is its y */
            views[count++] = layer->d_y;
        for (size_t s = 0; s < optimizer_states[step->optimizer]; s++) {
            views[count++] = layer->states[s].weights;
            views[count++] = layer->states[s].bias;
        }
    }
    return count;
}

static bool is_apart(const struct step *step) {
    struct view views[VIEWS_MAX];
    const size_t count = list_views(step, views);
    for (size_t a = 0; a < count; a++)
        for (size_t b = 0; b < a; b++)
            if (view_overlaps(views[a], views[b]))
                return false;
    return true;
}

bool step_find(const struct operation *operations, size_t count, struct step *step) {
    struct reader reader = {operations, count, 0};
    struct view gathered = {0};
    step->layers_count = 0;
    const bool found = read_gather(&reader, step, &gathered) && read_forward(&reader, step) &&
                       (!step->gathered || is_same(step->layers[0].x, gathered)) &&
                       read_loss(&reader, step) && read_backward(&reader, step) &&
                       read_updates(&reader, step) && is_apart(step);
    step->operations = found ? reader.at : 0;
    return found;
}
