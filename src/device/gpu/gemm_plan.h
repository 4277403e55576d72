/* The matrix products of a dense layer as data, and how one is divided among a device's groups. */
#ifndef DEVICE_GPU_PRODUCT_PLAN_H
#define DEVICE_GPU_PRODUCT_PLAN_H

#include "device/gpu/gemm_tile.h"
#include "device/gpu/gpu.h"

/* --- Products as data ---------------------------------------------------------------------- */

/* Each is an operation of the same name. */
enum product { PRODUCT_FORWARD, PRODUCT_BACKWARD, PRODUCT_GRADIENT, PRODUCT_UPDATE, PRODUCTS };

/* A product of a layer x [batch, in], weights [in, out]. */
struct product_shape {
    size_t product, batch, in, out;
};

/* What a product is given. `result` and, of a gradient or an update, `bias` are written; only an
 * update has a scale. */
struct product_views {
    struct view left, right, bias, result, x, scale;
    enum activation activation;
};

/* Whether it gives the sums of weights and bias: a gradient, or an update by it. */
bool product_sums_batch(enum product product);

/* The product that an operation is, and its views. */
enum product product_of(const struct operation *operation, struct product_views *views);

struct product_shape product_shape_of(enum product product, const struct product_views *views);

/* "dense_forward 300 1024 64": the shape by name, for what is chosen by it. Gives `text`. */
typedef char product_shape_name[96];
const char *product_shape_text(const struct product_shape *shape, product_shape_name text);

/* --- Dividing them ------------------------------------------------------------------------- */

/* How our kernels compute a product. Where it has too few tiles to keep a device busy, the terms of
 * its sums are divided into slices, and each group computes one slice of a tile. */
struct product_plan {
    struct gpu_grid grid; /* a group for each tile and slice */
    size_t slices;        /* 1: a group has all terms of its sums */
    size_t terms_each;    /* of a slice */
    size_t elements;      /* of all slices' sums, [slices, rows, columns] of the result, and with a
                           * row more for the bias's; 0 with one slice */
};

struct product_plan product_plan_of(const struct gpu *gpu, const struct product_tile *tile,
    enum product product, const struct product_views *views);

/* The tiles that a product with slices has at most. */
size_t product_tiles_sliced(const struct gpu *gpu);

#endif
