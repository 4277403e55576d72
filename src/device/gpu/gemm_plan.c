#include "device/gpu/gemm_plan.h"

#include <stdio.h>

/* --- Products as data --- */

static const enum operation_kind kinds[PRODUCTS] = {
    [PRODUCT_FORWARD] = OPERATION_DENSE_FORWARD,
    [PRODUCT_BACKWARD] = OPERATION_DENSE_BACKWARD,
    [PRODUCT_GRADIENT] = OPERATION_DENSE_GRADIENT,
    [PRODUCT_UPDATE] = OPERATION_DENSE_UPDATE,
};

bool product_sums_batch(enum product product) {
    return product == PRODUCT_GRADIENT || product == PRODUCT_UPDATE;
}

enum product product_of(const struct operation *operation, struct product_views *views) {
    switch (operation->kind) {
    case OPERATION_DENSE_FORWARD:
        *views = (struct product_views){.left = operation->dense_forward.x,
            .right = operation->dense_forward.weights,
            .bias = operation->dense_forward.bias,
            .result = operation->dense_forward.y,
            .activation = operation->activation};
        return PRODUCT_FORWARD;
    case OPERATION_DENSE_BACKWARD:
        *views = (struct product_views){.left = operation->dense_backward.d_y,
            .right = operation->dense_backward.weights,
            .x = operation->dense_backward.x,
            .result = operation->dense_backward.d_x,
            .activation = operation->activation};
        return PRODUCT_BACKWARD;
    case OPERATION_DENSE_GRADIENT:
        *views = (struct product_views){.left = operation->dense_gradient.x,
            .right = operation->dense_gradient.d_y,
            .bias = operation->dense_gradient.d_bias,
            .result = operation->dense_gradient.d_weights};
        return PRODUCT_GRADIENT;
    default:
        *views = (struct product_views){.left = operation->dense_update.x,
            .right = operation->dense_update.d_y,
            .bias = operation->dense_update.bias,
            .result = operation->dense_update.weights,
            .scale = operation->dense_update.scale};
        return PRODUCT_UPDATE;
    }
}

struct product_shape product_shape_of(enum product product, const struct product_views *views) {
    return (struct product_shape){
        .product = product,
        .batch = views->left.rows,
        .in = product == PRODUCT_BACKWARD ? views->right.rows : views->left.columns,
        .out = views->right.columns,
    };
}

const char *product_shape_text(const struct product_shape *shape, product_shape_name text) {
    snprintf(text, sizeof(product_shape_name), "%s %zu %zu %zu",
        operation_types[kinds[shape->product]].name, shape->batch, shape->in, shape->out);
    return text;
}

/* --- Dividing them --- */

/* Groups of sliced products that a compute unit gets. */
enum { UNIT_GROUPS = 4 };

size_t product_tiles_sliced(const struct gpu *gpu) {
    return (size_t)gpu->base.info.units * UNIT_GROUPS;
}

/* How a product of our own is divided: terms for each of `count` slices. */
struct slices {
    size_t count, terms_each;
};

enum {
    SLICE_TERMS = 128,  /* fewer are not worth the launch that adds up slices */
    JOINED_SLICES = 16, /* more take one group too long */
};

/* So many slices that each compute unit has some groups to do, but not so short or so many that
 * adding them up costs more than it gains: where it takes no launch, they may be short. */
static struct slices divide(const struct gpu *gpu, const struct product_tile *tile, size_t rows,
    size_t columns, size_t terms) {
    const size_t tile_rows = product_tile_rows(tile), tile_columns = product_tile_columns(tile);
    const size_t groups =
        ((rows + tile_rows - 1) / tile_rows) * ((columns + tile_columns - 1) / tile_columns);
    const size_t wanted = (size_t)gpu->base.info.units * (tile->vectors ? 1 : UNIT_GROUPS);
    const bool joins = gpu->driver->joins;
    const size_t least = joins || tile->tile_k >= SLICE_TERMS / 2 ? 2 * tile->tile_k : SLICE_TERMS;
    size_t most = terms / least;
    most = joins && most > JOINED_SLICES ? JOINED_SLICES : most;
    size_t count = wanted / groups < most ? wanted / groups : most;
    if (count <= 1)
        return (struct slices){1, terms};
    const size_t steps = (terms + tile->tile_k - 1) / tile->tile_k; /* each slice whole ones */
    const size_t terms_each = (steps + count - 1) / count * tile->tile_k;
    return (struct slices){(terms + terms_each - 1) / terms_each, terms_each};
}

struct product_plan product_plan_of(const struct gpu *gpu, const struct product_tile *tile,
    enum product product, const struct product_views *views) {
    const struct view result = views->result;
    const struct product_shape shape = product_shape_of(product, views);
    const bool batch = product_sums_batch(product);
    const size_t terms = batch ? shape.batch : product == PRODUCT_BACKWARD ? shape.out : shape.in;
    const struct slices slices = divide(gpu, tile, result.rows, result.columns, terms);
    const size_t rows = result.rows + batch; /* the bias's sums */
    const size_t tile_rows = product_tile_rows(tile), tile_columns = product_tile_columns(tile);
    return (struct product_plan){
        .grid = {{(result.columns + tile_columns - 1) / tile_columns,
                     (result.rows + tile_rows - 1) / tile_rows, slices.count},
            {tile->group_n, tile->group_m, 1}},
        .slices = slices.count,
        .terms_each = slices.terms_each,
        .elements = slices.count > 1 ? slices.count * rows * result.columns : 0,
    };
}
