/* The three products of a dense layer, by our own kernels or by the driver's library. */
#ifndef DEVICE_GPU_PRODUCTS_H
#define DEVICE_GPU_PRODUCTS_H

#include "device/gpu/product_plan.h"

/* The files of kernels/ that compute them: with the sums, and what follows a library's sums. */
#define PRODUCT_KERNELS "product.cl"
#define FINISH_KERNELS "finish.cl"

/* The options for the latter (of the former: product_tile_options). */
enum { FINISH_OPTIONS_SIZE = 64 };
void products_finish_options(char text[FINISH_OPTIONS_SIZE]);

/* One way to compute the products: our kernels for a tile, or the library. */
struct product_method {
    const char *name;
    bool library;             /* the driver's */
    struct product_tile tile; /* else */
    struct gpu_program *program;
    struct gpu_kernel kernels[PRODUCTS];
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
    struct product_scratch *scratch; /* the newest, which is the largest */
    struct buffer *arrivals; /* a 0 for each tile that may be sliced, where slices are joined */
    struct gpu_program *finish_program;
    struct gpu_kernel finish[PRODUCTS], bias_update;
};

/* Compiles what `gemm` needs: the driver's library by its name, "own" for our kernels with the tile
 * that is fastest, one tile by its name, or NULL or "auto" for the fastest of all. Ended by
 * products_free, whatever is returned; NULL is fine there. */
enum status products_create(
    struct gpu *gpu, const char *gemm, struct products **products, struct error *error);
void products_free(struct products *products);

/* Adds a product by one of the methods to a list; NULL: enqueues it. */
enum status products_compute(struct products *products, struct gpu_commands *to, size_t method,
    enum product product, const struct product_views *views, struct error *error);

#endif
