/* The shapes of a dense layer's gemms, by which a device chooses the algorithm for each. */
#ifndef DEVICE_GEMM_SHAPE_H
#define DEVICE_GEMM_SHAPE_H

#include "device/operation.h"

/* The kind of operation (enum operation_kind), and the sizes of its layer, with x[batch, in] and
 * weights[in, out]. */
struct gemm_shape {
    size_t kind, batch, in, out;
};

/* Whether an operation is a gemm with its epilogue: dense_forward, dense_backward, dense_gradient
 * or dense_update. */
bool operation_is_gemm(const struct operation *operation);

/* The shape of such an operation. */
struct gemm_shape gemm_shape_of(const struct operation *operation);

/* Writes a shape as text, "dense_forward 300 1024 64": the operation, batch, in and out. A choice
 * is kept under this text. Gives `text`. */
typedef char gemm_shape_name[96];
const char *gemm_shape_text(const struct gemm_shape *shape, gemm_shape_name text);

#endif
