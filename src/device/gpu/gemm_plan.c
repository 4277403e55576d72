#include "device/gpu/gemm_plan.h"

#include <string.h>

/* --- Gemms as data --- */

bool gemm_sums_batch(enum gemm_kind kind) {
    return kind == GEMM_GRADIENT || kind == GEMM_UPDATE;
}

enum gemm_kind gemm_kind_of(const struct operation *operation, struct gemm_views *views) {
    switch (operation->kind) {
    case OPERATION_DENSE_FORWARD:
        *views = (struct gemm_views){.shape = gemm_shape_of(operation),
            .left = operation->dense_forward.x,
            .right = operation->dense_forward.weights,
            .bias = operation->dense_forward.bias,
            .result = operation->dense_forward.y,
            .activation = operation->activation};
        return GEMM_FORWARD;
    case OPERATION_DENSE_BACKWARD:
        *views = (struct gemm_views){.shape = gemm_shape_of(operation),
            .left = operation->dense_backward.d_y,
            .right = operation->dense_backward.weights,
            .x = operation->dense_backward.x,
            .result = operation->dense_backward.d_x,
            .activation = operation->activation};
        return GEMM_BACKWARD;
    case OPERATION_DENSE_GRADIENT:
        *views = (struct gemm_views){.shape = gemm_shape_of(operation),
            .left = operation->dense_gradient.x,
            .right = operation->dense_gradient.d_y,
            .bias = operation->dense_gradient.d_bias,
            .result = operation->dense_gradient.d_weights};
        return GEMM_GRADIENT;
    default:
        *views = (struct gemm_views){.shape = gemm_shape_of(operation),
            .left = operation->dense_update.x,
            .right = operation->dense_update.d_y,
            .bias = operation->dense_update.bias,
            .result = operation->dense_update.weights,
            .rates = operation->dense_update.rates,
            .optimizer = operation->optimizer};
        memcpy(views->states, operation->dense_update.states, sizeof views->states);
        return GEMM_UPDATE;
    }
}

/* --- Dividing them --- */

/* How many groups of a split gemm each compute unit gets. */
enum { UNIT_GROUPS = 4 };

size_t gemm_tiles_split(const struct gpu *gpu) {
    return (size_t)gpu->base.info.units * UNIT_GROUPS;
}

/* How a gemm is split: into `count` splits of `terms_each` terms. */
struct splits {
    size_t count, terms_each;
};

enum {
    SPLIT_TERMS = 128, /* the fewest of a split that are worth the launch which adds up splits */
    FUSED_SPLITS = 16, /* the most that one group adds up without taking too long */
};

/* Chooses the number of splits. There should be enough for each compute unit to have some groups.
 * There should not be so many, or such short ones, that adding them up costs more than they gain.
 * Where adding them up takes no launch of its own, they may be shorter. */
static struct splits divide(const struct gpu *gpu, const struct gemm_tile *tile, size_t rows,
    size_t columns, size_t terms) {
    const size_t tile_rows = gemm_tile_rows(tile), tile_columns = gemm_tile_columns(tile);
    const size_t groups =
        ((rows + tile_rows - 1) / tile_rows) * ((columns + tile_columns - 1) / tile_columns);
    const size_t wanted = (size_t)gpu->base.info.units * (tile->vectors ? 1 : UNIT_GROUPS);
    const bool fused_reduction = gpu->driver->fused_reduction;
    const size_t least =
        fused_reduction || tile->tile_k >= SPLIT_TERMS / 2 ? 2 * tile->tile_k : SPLIT_TERMS;
    size_t most = terms / least;
    most = fused_reduction && most > FUSED_SPLITS ? FUSED_SPLITS : most;
    size_t count = wanted / groups < most ? wanted / groups : most;
    if (count <= 1)
        return (struct splits){1, terms};
    const size_t steps = (terms + tile->tile_k - 1) / tile->tile_k; /* a split has whole steps */
    const size_t terms_each = (steps + count - 1) / count * tile->tile_k;
    return (struct splits){(terms + terms_each - 1) / terms_each, terms_each};
}

struct gemm_plan gemm_plan_of(const struct gpu *gpu, const struct gemm_tile *tile,
    enum gemm_kind kind, const struct gemm_views *views) {
    const struct view result = views->result;
    const struct gemm_shape shape = views->shape;
    const bool batch = gemm_sums_batch(kind);
    const size_t terms = batch ? shape.batch : kind == GEMM_BACKWARD ? shape.out : shape.in;
    const struct splits splits = divide(gpu, tile, result.rows, result.columns, terms);
    const size_t rows = result.rows + batch; /* a row for the bias's sums */
    const size_t tile_rows = gemm_tile_rows(tile), tile_columns = gemm_tile_columns(tile);
    return (struct gemm_plan){
        .grid = {{(result.columns + tile_columns - 1) / tile_columns,
                     (result.rows + tile_rows - 1) / tile_rows, splits.count},
            {tile->group_n, tile->group_m, 1}},
        .splits = splits.count,
        .terms_each = splits.terms_each,
        .elements = splits.count > 1 ? splits.count * rows * result.columns : 0,
    };
}
