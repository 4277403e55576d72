/* Finds whole training steps in a list of operations. A device that has kernels of its own for
 * whole steps can so recognise them when it compiles a recording. Operations that are no step are
 * done one by one. */
#ifndef DEVICE_STEP_H
#define DEVICE_STEP_H

#include "device/operation.h"

enum { STEP_LAYERS_MAX = 128 };

/* A layer of B samples, with I inputs and O outputs. */
struct step_layer {
    struct view x;       /* [B, I]: the batch, or y of the layer before */
    struct view weights; /* [I, O] */
    struct view bias;    /* [1, O] */
    struct view y;   /* [B, O]: the outputs; of the last layer the logits, which then become d_y */
    struct view d_y; /* [B, O]: the loss's gradient by the values before the activation */
    struct dense_parameters states[OPTIMIZER_STATES_MAX]; /* those that the optimiser has */
    enum activation activation;
};

/* A step: forward of all layers, the loss, backward of all but the first, and an update of each. */
struct step {
    size_t operations; /* the number of operations that the step consists of */
    size_t layers_count;
    struct step_layer layers[STEP_LAYERS_MAX];
    struct view labels, score; /* [B, 1], [B, 2] */
    float loss_scale;          /* of softmax_cross_entropy */
    float smoothing;           /* likewise */
    enum optimizer optimizer;  /* the same in every update, */
    struct view rates;         /* [1, R], and so are these */
    /* Whether the batch is gathered first: x and labels are the rows index[B, 1] of all_x[N, I] and
     * all_labels[N, 1]. */
    bool gathered;
    struct view all_x, all_labels, index;
};

/* Whether the list of `count` operations begins with such a step. If so, fills `step`; else that is
 * undefined. Only a step without anything unusual is found: its views belong together exactly, no
 * two different views overlap, and all updates are alike. */
bool step_find(const struct operation *operations, size_t count, struct step *step);

#endif
