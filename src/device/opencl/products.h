/* The three products of a dense layer on an OpenCL device, by our own kernels or by CLBlast. */
#ifndef DEVICE_OPENCL_PRODUCTS_H
#define DEVICE_OPENCL_PRODUCTS_H

#include "device/opencl/commands.h"
#include "device/product_tile.h"

extern const char *const opencl_gemms[]; /* the names for device_options.gemm, the last NULL */

enum product { PRODUCT_FORWARD, PRODUCT_BACKWARD, PRODUCT_UPDATE, PRODUCTS };
extern const char *const product_names[PRODUCTS]; /* of their operations and kernels */

/* A product of a layer x [batch, in], weights [in, out]. */
struct product_shape {
    size_t product, batch, in, out;
};

/* One way to compute the products: our kernels for a tile, or CLBlast. */
struct product_method {
    const char *name;
    bool library;             /* CLBlast */
    struct product_tile tile; /* else */
    cl_program program;
    struct opencl_kernel kernels[PRODUCTS];
};

/* Which method takes the products of a shape. (choice.h) */
struct product_choice {
    struct product_shape shape;
    size_t method;
};

/* Memory for slices, and for CLBlast's copies. A recording may refer to what has become too small,
 * so it lives on. */
struct product_scratch {
    struct product_scratch *older;
    struct buffer *buffer;
};

enum { PRODUCT_METHODS_MAX = 5 };

struct products {
    struct opencl *opencl;
    struct product_method methods[PRODUCT_METHODS_MAX];
    size_t methods_count;
    struct product_choice *choices;
    size_t choices_count;
    struct product_scratch *scratch; /* the newest, which is the largest */
    cl_program finish_program;
    struct opencl_kernel finish[PRODUCTS], bias_update;
};

/* What a product is given. `result` and, in an update, `bias` are written. */
struct product_views {
    struct view left, right, bias, result, x;
    enum activation activation;
    float scale;
};

/* Compiles what `gemm` (one of the names; NULL or "auto" for the fastest) needs. Ended by
 * products_free, whatever is returned. */
enum status products_create(
    struct opencl *opencl, const char *gemm, struct products *products, struct error *error);
void products_free(struct products *products);

struct product_shape product_shape_of(enum product product, const struct product_views *views);

/* Enqueues a product by one of the methods. */
enum status products_compute(struct products *products, size_t method, enum product product,
    const struct product_views *views, struct error *error);

/* The operations of struct device_type. The first time that a shape occurs, the methods there are
 * for it are timed, and the fastest is taken from then on; with one method there is no choice. */
enum status products_forward(struct products *products, struct view x, struct view weights,
    struct view bias, enum activation activation, struct view y, struct error *error);
enum status products_backward(struct products *products, struct view d_y, struct view weights,
    struct view x, enum activation activation, struct view d_x, struct error *error);
enum status products_update(struct products *products, struct view x, struct view d_y, float scale,
    struct view weights, struct view bias, struct error *error);

#endif
