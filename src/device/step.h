/* Whole training steps in a list of operations. A device that has kernels of its own for them can
 * so find them in what it is to compile; what is no step, it does operation by operation. */
#ifndef DEVICE_STEP_H
#define DEVICE_STEP_H

#include "device/operation.h"

enum { STEP_LAYERS_MAX = 128 };

/* A layer of B samples, with I inputs and O outputs. */
struct step_layer {
    struct view x;       /* [B, I]: the batch, or y of the layer before */
    struct view weights; /* [I, O] */
    struct view bias;    /* [1, O] */
    struct view y;       /* [B, O]: what it gives; of the last layer the logits, and then d_y */
    struct view d_y;     /* [B, O]: the gradient by what it computes before its activation */
    enum activation activation;
};

/* A step of plain gradient descent: forward of all layers, the loss, backward of all but the first,
 * and an update of each. */
struct step {
    size_t operations; /* of the list that it is made of */
    size_t layers_count;
    struct step_layer layers[STEP_LAYERS_MAX];
    struct view labels, score; /* [B, 1], [B, 2] */
    float loss_scale;          /* of softmax_cross_entropy */
    struct view scale;         /* [1, 1]: of every update */
    /* Whether the batch is gathered first: x and labels are rows index[B, 1] of all_x[N, I] and
     * all_labels[N, 1]. */
    bool gathered;
    struct view all_x, all_labels, index;
};

/* Whether the first operations of `count` are such a step, in this order; and if so what it
 * consists of. It is one only where nothing in it is unusual: views belong together exactly, no two
 * different ones overlap, and all updates have the same scale. */
bool step_find(const struct operation *operations, size_t count, struct step *step);

#endif
