/* Doing a matrix product of a dense layer, by one of several methods: our own kernels with one of
 * their tiles, or the driver's library. */
#ifndef DEVICE_GPU_PRODUCTS_H
#define DEVICE_GPU_PRODUCTS_H

#include "device/gpu/gemm_plan.h"

/* The files of kernels/ for that: the products, each with what follows it; and what follows alone,
 * after a product of the library or one that was divided into slices. */
#define PRODUCT_KERNELS "gemm.cl"
#define FINISH_KERNELS "finish.cl"

/* The options for FINISH_KERNELS. Those for PRODUCT_KERNELS are product_tile_options. */
enum { FINISH_OPTIONS_SIZE = 64 };
void products_finish_options(char text[FINISH_OPTIONS_SIZE]);

struct product_method {
    const char *name; /* as for --gemm */
    bool library;     /* else: our kernels, with this tile */
    struct product_tile tile;
    struct gpu_program *program;
    struct gpu_kernel kernels[PRODUCTS];
};

/* Memory for slices' sums, and for what the library asks for. What has become too small lives on,
 * as a recording may use it. */
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
    struct buffer *arrivals; /* where slices are joined: a 0 for each tile that may have some */
    struct gpu_program *finish_program;
    struct gpu_kernel finish[PRODUCTS], bias_update;
};

/* Makes the methods that `gemm` allows, and compiles what they need: the driver's library by its
 * name, "own" for our kernels with the tile that is fastest, one tile by its name, or NULL or
 * "auto" for the fastest of all. Ended by products_free, whatever is returned; NULL is fine there.
 */
enum status products_create(
    struct gpu *gpu, const char *gemm, struct products **products, struct error *error);
void products_free(struct products *products);

/* Adds a product by one of the methods to a list; NULL: enqueues it. */
enum status products_compute(struct products *products, struct gpu_commands *to, size_t method,
    enum product product, const struct product_views *views, struct error *error);

#endif
