/* The three products of a dense layer, by our own kernels or by the driver's library. */
#ifndef DEVICE_GPU_PRODUCTS_H
#define DEVICE_GPU_PRODUCTS_H

#include "device/gpu/gpu.h"
#include "device/gpu/product_tile.h"

enum product { PRODUCT_FORWARD, PRODUCT_BACKWARD, PRODUCT_GRADIENT, PRODUCT_UPDATE, PRODUCTS };
extern const char *const product_names[PRODUCTS]; /* of their operations */

/* A product of a layer x [batch, in], weights [in, out]. */
struct product_shape {
    size_t product, batch, in, out;
};

/* One way to compute the products: our kernels for a tile, or the library. */
struct product_method {
    const char *name;
    bool library;             /* the driver's */
    struct product_tile tile; /* else */
    struct gpu_program *program;
    struct gpu_kernel kernels[PRODUCTS];
};

/* Which method takes the products of a shape. (choice.h) */
struct product_choice {
    struct product_shape shape;
    size_t method;
};

/* Memory for slices, and for the library's copies. A recording may refer to what has become too
 * small, so it lives on. */
struct product_scratch {
    struct product_scratch *older;
    struct buffer *buffer;
};

enum { PRODUCT_METHODS_MAX = 5 };

struct products {
    struct gpu *gpu;
    struct product_method methods[PRODUCT_METHODS_MAX];
    size_t methods_count;
    struct product_choice *choices;
    size_t choices_count;
    struct product_scratch *scratch; /* the newest, which is the largest */
    struct buffer *arrivals; /* a 0 for each tile that may be sliced, where slices are joined */
    struct gpu_program *finish_program;
    struct gpu_kernel finish[PRODUCTS], bias_update;
};

/* What a product is given. `result` and, of a gradient or an update, `bias` are written; only an
 * update has a scale. */
struct product_views {
    struct view left, right, bias, result, x, scale;
    enum activation activation;
};

/* Whether it gives the sums of weights and bias: a gradient, or an update by it. */
bool product_sums_batch(enum product product);

/* Compiles what `gemm` needs: the driver's library by its name, "own" for our kernels with the tile
 * that is fastest, one tile by its name, or NULL or "auto" for the fastest of all. Ended by
 * products_free, whatever is returned; NULL is fine there. */
enum status products_create(
    struct gpu *gpu, const char *gemm, struct products **products, struct error *error);
void products_free(struct products *products);

struct product_shape product_shape_of(enum product product, const struct product_views *views);

/* Adds a product by one of the methods to a list; NULL: enqueues it. */
enum status products_compute(struct products *products, struct gpu_commands *to, size_t method,
    enum product product, const struct product_views *views, struct error *error);

/* An operation that is a product, as gpu_operate: the first time that a shape occurs, the methods
 * there are for it are timed, and the fastest is taken from then on; with one method there is no
 * choice. */
enum status products_operate(struct gpu *gpu, struct gpu_commands *to,
    const struct operation *operation, struct error *error);

#endif
