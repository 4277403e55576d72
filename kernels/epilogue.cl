/* Epilogues as kernels of their own. An epilogue is what follows a gemm in the same layer: bias and
 * activation, the activation's slope, or the step of an update. These kernels are needed after a
 * gemm that gemm.cl has divided into splits, and after a gemm of a library, which counts as one
 * split. Each item computes one element, except in bias_update. Splits are added in their order. */
#include "dialect.h"
#include "activation.h"
#include "vector.h"
#include "optimizer.h"

/* The sum of one element over `count` splits, which lie `stride` floats apart. */
DEVICE float add_splits(GLOBAL const float *splits, uint count, ulong stride) {
    float sum = splits[0];
    for (uint s = 1; s < count; s++)
        sum += splits[s * stride];
    return sum;
}

/* y[rows, columns] = activation(the sum of splits[count, rows, columns] over the splits +
 * bias[columns]). A single split may be y itself. */
KERNEL(dense_forward_epilogue)
(GLOBAL const float *splits, ulong splits_at, uint count, GLOBAL const float *bias, ulong bias_at,
    GLOBAL float *y, ulong y_at, uint rows, uint columns, uint activation) {
    const ulong i = get_global_id(0), elements = (ulong)rows * columns;
    if (i < elements) {
        const float z = add_splits(splits + splits_at + i, count, elements);
        y[y_at + i] = activate(z + bias[bias_at + i % columns], activation);
    }
}

/* d_x[rows, columns] = slope(x[rows, columns]) .* (the sum of splits[count, rows, columns] over the
 * splits). A single split may be d_x itself. */
KERNEL(dense_backward_epilogue)
(GLOBAL const float *splits, ulong splits_at, uint count, GLOBAL const float *x, ulong x_at,
    GLOBAL float *d_x, ulong d_x_at, uint rows, uint columns, uint activation) {
    const ulong i = get_global_id(0), elements = (ulong)rows * columns;
    if (i < elements)
        d_x[d_x_at + i] = add_splits(splits + splits_at + i, count, elements) *
                          slope(x[x_at + i], activation);
}

/* The splits, added up, are a layer's gradient, [rows + 1, columns]: first the weights', and the
 * bias's in the last row. With it weights[rows, columns] and bias[columns] take a step, as in
 * dense_update (gemm.cl). */
KERNEL(dense_update_epilogue)
(GLOBAL const float *splits, uint count, GLOBAL float *weights, ulong weights_at,
    GLOBAL float *bias, ulong bias_at, uint rows, uint columns, GLOBAL const float *rates,
    ulong rates_at, uint optimizer STATES(weights) STATES(bias)) {
    const ulong i = get_global_id(0), inside = (ulong)rows * columns, elements = inside + columns;
    if (i >= elements)
        return;
    const float sum = add_splits(splits + i, count, elements);
    struct rates loaded;
    load_rates(&loaded, rates + rates_at, optimizer);
    if (i < inside)
        TAKE_STEP(weights, i, sum, loaded, optimizer, 1);
    else
        TAKE_STEP(bias, i - inside, sum, loaded, optimizer, 1);
}

/* bias[columns] takes a step with its gradient, the sums of the columns of d_y[batch, columns], as
 * in dense_update (gemm.cl). A group does BIAS_COLUMNS columns, with BIAS_ROWS
 * items for each; the host passes both as options. BIAS_ROWS is a power of two, because the sums of
 * a column's items are added up in pairs. */
KERNEL_OF_GROUP(bias_update, BIAS_COLUMNS, BIAS_ROWS)
(GLOBAL const float *d_y, ulong d_y_at, GLOBAL float *bias, ulong bias_at, uint batch,
    uint columns, GLOBAL const float *rates, ulong rates_at, uint optimizer STATES(bias)) {
    SHARED_ARRAY(float, sums, BIAS_ROWS * BIAS_COLUMNS);
    const uint c = get_local_id(0), r = get_local_id(1);
    const uint column = (uint)get_group_id(0) * BIAS_COLUMNS + c;
    float sum = 0.0f;
    if (column < columns)
        for (uint i = r; i < batch; i += BIAS_ROWS)
            sum += d_y[d_y_at + (ulong)i * columns + column];
    LOCAL float *const own = sums + r * BIAS_COLUMNS + c;
    *own = sum;
    for (uint left = BIAS_ROWS / 2; left > 0; left /= 2) {
        BARRIER();
        if (r < left)
            *own += own[left * BIAS_COLUMNS];
    }
    struct rates loaded;
    load_rates(&loaded, rates + rates_at, optimizer);
    if (r == 0 && column < columns)
        TAKE_STEP(bias, column, *own, loaded, optimizer, 1);
}
