#include "device/gemm_shape.h"

#include <stdio.h>

/* The operand of [in, out]; NULL: the operation is no gemm. */
static const struct view *weights_of(const struct operation *operation) {
    switch (operation->kind) {
    case OPERATION_DENSE_FORWARD:
        return &operation->dense_forward.weights;
    case OPERATION_DENSE_BACKWARD:
        return &operation->dense_backward.weights;
    case OPERATION_DENSE_GRADIENT:
        return &operation->dense_gradient.d_weights;
    case OPERATION_DENSE_UPDATE:
        return &operation->dense_update.weights;
    default:
        return NULL;
    }
}

bool operation_is_gemm(const struct operation *operation) {
    return weights_of(operation) != NULL;
}

struct gemm_shape gemm_shape_of(const struct operation *operation) {
    const struct view *weights = weights_of(operation);
    return (struct gemm_shape){
        .kind = operation->kind,
        .batch = operation->views[0].rows, /* of x or d_y */
        .in = weights->rows,
        .out = weights->columns,
    };
}

const char *gemm_shape_text(const struct gemm_shape *shape, gemm_shape_name text) {
    snprintf(text, sizeof(gemm_shape_name), "%s %zu %zu %zu", operation_types[shape->kind].name,
        shape->batch, shape->in, shape->out);
    return text;
}
