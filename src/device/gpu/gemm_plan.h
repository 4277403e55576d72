/* The gemms of a dense layer as data, and how one is divided among a device's groups. */
#ifndef DEVICE_GPU_GEMM_PLAN_H
#define DEVICE_GPU_GEMM_PLAN_H

#include "device/gpu/gemm_tile.h"
#include "device/gpu/gpu.h"

/* --- Gemms as data ---------------------------------------------------------------------- */

/* Each is an operation of the same name. */
enum gemm_kind { GEMM_FORWARD, GEMM_BACKWARD, GEMM_GRADIENT, GEMM_UPDATE, GEMM_KINDS };

/* A gemm of a layer x [batch, in], weights [in, out]. */
struct gemm_shape {
    size_t kind, batch, in, out;
};

/* What a gemm is given. `result` and, of a gradient or an update, `bias` are written; only an
 * update has a scale. */
struct gemm_views {
    struct view left, right, bias, result, x, scale;
    enum activation activation;
};

/* Whether it gives the sums of weights and bias: a gradient, or an update by it. */
bool gemm_sums_batch(enum gemm_kind kind);

/* The gemm that an operation is, and its views. */
enum gemm_kind gemm_kind_of(const struct operation *operation, struct gemm_views *views);

struct gemm_shape gemm_shape_of(enum gemm_kind kind, const struct gemm_views *views);

/* "dense_forward 300 1024 64": the shape by name, for what is chosen by it. Gives `text`. */
typedef char gemm_shape_name[96];
const char *gemm_shape_text(const struct gemm_shape *shape, gemm_shape_name text);

/* --- Dividing them ------------------------------------------------------------------------- */

/* How our kernels compute a gemm. Where it has too few tiles to keep a device busy, the terms of
 * its sums are divided into splits, and each group computes one split of a tile. */
struct gemm_plan {
    struct gpu_grid grid; /* a group for each tile and split */
    size_t splits;        /* 1: a group has all terms of its sums */
    size_t terms_each;    /* of a split */
    size_t elements; /* of all splits' sums, [splits, rows, columns] of the result, and with a row
                      * more for the bias's; 0 with one split */
};

struct gemm_plan gemm_plan_of(const struct gpu *gpu, const struct gemm_tile *tile,
    enum gemm_kind kind, const struct gemm_views *views);

/* The tiles that a gemm with splits has at most. */
size_t gemm_tiles_split(const struct gpu *gpu);

#endif
