/* The gemms of a dense layer as data, and how a gemm is divided among a device's groups. */
#ifndef DEVICE_GPU_GEMM_PLAN_H
#define DEVICE_GPU_GEMM_PLAN_H

#include "device/gemm_shape.h"
#include "device/gpu/gemm_tile.h"
#include "device/gpu/gpu.h"

/* --- Gemms as data ---------------------------------------------------------------------- */

/* Each kind computes the operation of the same name, such as dense_forward. */
enum gemm_kind { GEMM_FORWARD, GEMM_BACKWARD, GEMM_GRADIENT, GEMM_UPDATE, GEMM_KINDS };

/* A gemm's shape and its operands. It computes result = left * right and its epilogue. Besides
 * `result`, a gradient and an update write `bias`. Only GEMM_BACKWARD has `x`, the values of the
 * activation. Only an update has an optimiser, `rates` and states. */
struct gemm_views {
    struct gemm_shape shape;
    struct view left, right, bias, result, x, rates;
    enum activation activation;
    enum optimizer optimizer;
    struct dense_parameters states[OPTIMIZER_STATES_MAX];
};

/* Whether the gemm adds up over the batch, as a gradient and an update do. Such a gemm also has
 * sums for the bias. */
bool gemm_sums_batch(enum gemm_kind kind);

/* Gives the kind of gemm that an operation is, and fills its views. */
enum gemm_kind gemm_kind_of(const struct operation *operation, struct gemm_views *views);

/* --- Dividing them ------------------------------------------------------------------------- */

/* How our kernels compute a gemm. Where it has too few tiles to keep a device busy, the terms of
 * its sums are divided into splits. Then each group computes one split of a tile. */
struct gemm_plan {
    struct gpu_grid grid; /* a group for each tile and split */
    size_t splits;        /* 1: each group has all terms of its sums */
    size_t terms_each;    /* terms of a split; the last may have fewer */
    size_t elements; /* floats of workspace for the sums of all splits: [splits, rows, columns] of
                      * the result, and a row more in each split where the bias has sums; 0 with one
                      * split */
};

struct gemm_plan gemm_plan_of(const struct gpu *gpu, const struct gemm_tile *tile,
    enum gemm_kind kind, const struct gemm_views *views);

/* The most tiles that a gemm with splits can have. */
size_t gemm_tiles_split(const struct gpu *gpu);

#endif
