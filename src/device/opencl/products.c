#include "device/opencl/products.h"

#include "device/opencl/choice.h"
#include "device/opencl/platforms.h"
#include "device/opencl/program.h"
#include "device/opencl/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char library_name[] = "clblast";

const char *const opencl_gemms[] = {
    library_name, "own", "own-host", "own-small", "own-medium", NULL};

/* Items of the groups of kernels/finish.cl: FLAT of the kernels that do an element an item, and
 * BIAS_SIDE x BIAS_SIDE of bias_update. */
enum { FLAT = 64, BIAS_SIDE = 8 };

const char *const product_names[PRODUCTS] = {"dense_forward", "dense_backward", "dense_update"};

/* --- Methods --- */

/* Whether the device can run groups like this. */
static bool fits(const struct opencl *opencl, const struct product_tile *tile) {
    return product_tile_items(tile) <= opencl->largest_group &&
           product_tile_shared_bytes(tile) <= opencl->local_bytes;
}

/* Whether a tile is tried: on a CPU those with vectors, on anything else those without; and by its
 * own name in any case. */
static bool is_wanted(
    const struct opencl *opencl, const struct product_tile *tile, const char *gemm) {
    if (strcmp(gemm, tile->name) == 0)
        return true;
    return (strcmp(gemm, "own") == 0 || strcmp(gemm, "auto") == 0) &&
           tile->vectors == opencl_is_cpu(opencl);
}

static enum status add_own(
    struct products *products, const struct product_tile *tile, struct error *error) {
    struct product_method *method = &products->methods[products->methods_count++];
    *method = (struct product_method){.name = tile->name, .tile = *tile};
    char options[256];
    product_tile_options(tile, options, sizeof options);
    enum status status =
        opencl_program(products->opencl, "product.cl", options, &method->program, error);
    for (int p = 0; p < PRODUCTS && status == STATUS_OK; p++)
        status =
            opencl_kernel_create(method->program, product_names[p], &method->kernels[p], error);
    return status;
}

static enum status add_methods(struct products *products, const char *gemm, struct error *error) {
    struct opencl *opencl = products->opencl;
    cl_uint width = 1;
    enum status status = opencl_device_info(
        opencl->id, CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT, &width, sizeof width, error);
    for (size_t t = 0; t < product_tiles_count && status == STATUS_OK; t++) {
        const struct product_tile tile = product_tile_widened(&product_tiles[t], width);
        if (is_wanted(opencl, &product_tiles[t], gemm) && fits(opencl, &tile))
            status = add_own(products, &tile, error);
    }
    const bool by_library = strcmp(gemm, library_name) == 0 || strcmp(gemm, "auto") == 0;
    if (by_library && opencl->largest_group >= FLAT)
        products->methods[products->methods_count++] =
            (struct product_method){.name = library_name, .library = true};
    /* Hardware that its usual tiles don't fit takes any. */
    const bool any = strcmp(gemm, "own") == 0 || strcmp(gemm, "auto") == 0;
    for (size_t t = 0; t < product_tiles_count && any && products->methods_count == 0; t++) {
        const struct product_tile tile = product_tile_widened(&product_tiles[t], width);
        if (status == STATUS_OK && fits(opencl, &tile))
            status = add_own(products, &tile, error);
    }
    if (status == STATUS_OK && products->methods_count == 0)
        status = error_set(error, STATUS_DEVICE,
            "opencl: --gemm %s needs more than '%s' has: groups of %zu items at most, %zu bytes of "
            "local memory",
            gemm, opencl->base.info.name, opencl->largest_group, opencl->local_bytes);
    return status;
}

enum status products_create(
    struct opencl *opencl, const char *gemm, struct products *products, struct error *error) {
    static const char *const finish_names[PRODUCTS] = {
        "dense_forward_finish", "dense_backward_finish", "dense_update_finish"};
    *products = (struct products){.opencl = opencl};
    enum status status = add_methods(products, gemm ? gemm : "auto", error);
    bool library = false;
    for (size_t m = 0; m < products->methods_count; m++)
        library = library || products->methods[m].library;
    if (!library)
        opencl->base.info.library[0] = '\0';
    if (status == STATUS_OK)
        status = opencl_program(opencl, "finish.cl", "", &products->finish_program, error);
    for (int p = 0; p < PRODUCTS && status == STATUS_OK; p++)
        status = opencl_kernel_create(
            products->finish_program, finish_names[p], &products->finish[p], error);
    if (status == STATUS_OK)
        status = opencl_kernel_create(
            products->finish_program, "bias_update", &products->bias_update, error);
    return status;
}

void products_free(struct products *products) {
    for (size_t m = 0; m < products->methods_count; m++) {
        if (products->methods[m].library)
            CLBlastClearCache(); /* which holds on to the context; others compile again */
        for (int p = 0; p < PRODUCTS; p++)
            opencl_kernel_free(&products->methods[m].kernels[p]);
        if (products->methods[m].program)
            clReleaseProgram(products->methods[m].program);
    }
    for (int p = 0; p < PRODUCTS; p++)
        opencl_kernel_free(&products->finish[p]);
    opencl_kernel_free(&products->bias_update);
    if (products->finish_program)
        clReleaseProgram(products->finish_program);
    while (products->scratch) {
        struct product_scratch *older = products->scratch->older;
        device_release(products->scratch->buffer);
        free(products->scratch);
        products->scratch = older;
    }
    free(products->choices);
}

/* --- Slices --- */

/* How a product of our own is divided: terms for each of `count` slices. */
struct slices {
    size_t count, terms_each;
};

enum { SLICE_TERMS = 128 }; /* fewer are not worth the launch that adds up slices */

/* So many slices that each compute unit has some groups to do, but not so short ones that adding
 * them up costs more than it gains. */
static struct slices divide(const struct opencl *opencl, const struct product_tile *tile,
    size_t rows, size_t columns, size_t terms) {
    const size_t tile_rows = product_tile_rows(tile), tile_columns = product_tile_columns(tile);
    const size_t groups =
        ((rows + tile_rows - 1) / tile_rows) * ((columns + tile_columns - 1) / tile_columns);
    const size_t wanted = (size_t)opencl->base.info.units * (tile->vectors ? 1 : 4);
    const size_t least = tile->tile_k < SLICE_TERMS / 2 ? SLICE_TERMS : 2 * tile->tile_k;
    const size_t most = terms / least;
    size_t count = wanted / groups < most ? wanted / groups : most;
    if (count <= 1)
        return (struct slices){1, terms};
    const size_t steps = (terms + tile->tile_k - 1) / tile->tile_k; /* each slice whole ones */
    const size_t terms_each = (steps + count - 1) / count * tile->tile_k;
    return (struct slices){(terms + terms_each - 1) / terms_each, terms_each};
}

/* A view of `elements` of scratch memory. */
static enum status get_scratch(
    struct products *products, size_t elements, struct view *view, struct error *error) {
    if (!products->scratch || products->scratch->buffer->elements < elements) {
        struct product_scratch *newer = calloc(1, sizeof *newer);
        if (!newer)
            return error_memory(error, "the slices of products", sizeof *newer);
        const enum status status =
            device_allocate(&products->opencl->base, elements, &newer->buffer, error);
        if (status != STATUS_OK) {
            free(newer);
            return status;
        }
        newer->older = products->scratch;
        products->scratch = newer;
    }
    *view = device_view(products->scratch->buffer, 1, elements);
    return STATUS_OK;
}

/* --- Computing --- */

static struct opencl_grid flat_grid(const struct opencl *opencl, size_t elements) {
    const size_t items = opencl->largest_group < FLAT ? opencl->largest_group : FLAT;
    return (struct opencl_grid){{(elements + items - 1) / items, 1, 1}, {items, 1, 1}};
}

/* What follows a product: `count` slices in `slices`, which may be the result itself. */
static enum status finish(struct products *products, enum product product,
    const struct product_views *views, struct view slices, size_t count, struct error *error) {
    struct opencl *opencl = products->opencl;
    const struct opencl_kernel *kernel = &products->finish[product];
    const struct view result = views->result;
    const size_t elements = result.rows * result.columns;
    switch (product) {
    case PRODUCT_FORWARD:
        return OPENCL_LAUNCH(opencl, kernel, flat_grid(opencl, elements), error,
            ARGUMENT_VIEW(slices), ARGUMENT_NUMBER(count), ARGUMENT_VIEW(views->bias),
            ARGUMENT_VIEW(result), ARGUMENT_NUMBER(result.rows), ARGUMENT_NUMBER(result.columns),
            ARGUMENT_NUMBER(views->activation));
    case PRODUCT_BACKWARD:
        return OPENCL_LAUNCH(opencl, kernel, flat_grid(opencl, elements), error,
            ARGUMENT_VIEW(slices), ARGUMENT_NUMBER(count), ARGUMENT_VIEW(views->x),
            ARGUMENT_VIEW(result), ARGUMENT_NUMBER(result.rows), ARGUMENT_NUMBER(result.columns),
            ARGUMENT_NUMBER(views->activation));
    default:
        return OPENCL_LAUNCH(opencl, kernel, flat_grid(opencl, elements + result.columns), error,
            ARGUMENT_MEMORY(slices), ARGUMENT_NUMBER(count), ARGUMENT_VIEW(result),
            ARGUMENT_VIEW(views->bias), ARGUMENT_NUMBER(result.rows),
            ARGUMENT_NUMBER(result.columns), ARGUMENT_REAL(views->scale));
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

static enum status compute_own(struct products *products, const struct product_method *method,
    enum product product, const struct product_views *views, struct error *error) {
    struct opencl *opencl = products->opencl;
    const struct product_tile *tile = &method->tile;
    const struct view result = views->result;
    const struct product_shape shape = product_shape_of(product, views);
    const size_t terms = product == PRODUCT_FORWARD    ? shape.in
                         : product == PRODUCT_BACKWARD ? shape.out
                                                       : shape.batch;
    const struct slices slices = divide(opencl, tile, result.rows, result.columns, terms);
    struct view scratch = result; /* not used with one slice */
    if (slices.count > 1) {
        const size_t rows = result.rows + (product == PRODUCT_UPDATE); /* the bias's sums */
        const enum status status =
            get_scratch(products, slices.count * rows * result.columns, &scratch, error);
        if (status != STATUS_OK)
            return status;
    }
    const size_t tile_rows = product_tile_rows(tile), tile_columns = product_tile_columns(tile);
    const struct opencl_grid grid = {{(result.columns + tile_columns - 1) / tile_columns,
                                         (result.rows + tile_rows - 1) / tile_rows, slices.count},
        {tile->group_n, tile->group_m, 1}};
    const struct opencl_kernel *kernel = &method->kernels[product];
#define SIZES                                                                                      \
    ARGUMENT_MEMORY(scratch), ARGUMENT_NUMBER(shape.batch), ARGUMENT_NUMBER(shape.in),             \
        ARGUMENT_NUMBER(shape.out), ARGUMENT_NUMBER(slices.terms_each)
    const enum status status =
        product == PRODUCT_FORWARD
            ? OPENCL_LAUNCH(opencl, kernel, grid, error, ARGUMENT_VIEW(views->left),
                  ARGUMENT_VIEW(views->right), ARGUMENT_VIEW(views->bias), ARGUMENT_VIEW(result),
                  SIZES, ARGUMENT_NUMBER(views->activation))
        : product == PRODUCT_BACKWARD
            ? OPENCL_LAUNCH(opencl, kernel, grid, error, ARGUMENT_VIEW(views->left),
                  ARGUMENT_VIEW(views->right), ARGUMENT_VIEW(views->x), ARGUMENT_VIEW(result),
                  SIZES, ARGUMENT_NUMBER(views->activation))
            : OPENCL_LAUNCH(opencl, kernel, grid, error, ARGUMENT_VIEW(views->left),
                  ARGUMENT_VIEW(views->right), ARGUMENT_VIEW(result), ARGUMENT_VIEW(views->bias),
                  SIZES, ARGUMENT_REAL(views->scale));
#undef SIZES
    return status == STATUS_OK && slices.count > 1
               ? finish(products, product, views, scratch, slices.count, error)
               : status;
}

static enum status compute_by_library(struct products *products, enum product product,
    const struct product_views *views, struct error *error) {
    struct opencl *opencl = products->opencl;
    const struct view result = views->result;
    struct opencl_gemm gemm = {
        .a = views->left,
        .b = views->right,
        .c = result,
        .transpose_a = product == PRODUCT_UPDATE,
        .transpose_b = product == PRODUCT_BACKWARD,
        .m = result.rows,
        .n = result.columns,
        .k = product == PRODUCT_UPDATE ? views->left.rows : views->left.columns,
        .alpha = product == PRODUCT_UPDATE ? views->scale : 1.0f,
        .beta = product == PRODUCT_UPDATE ? 1.0f : 0.0f,
    };
    size_t work;
    enum status status = opencl_gemm_work(opencl, &gemm, &work, error);
    if (status == STATUS_OK)
        status = get_scratch(products, work, &gemm.work, error);
    if (status == STATUS_OK)
        status = opencl_gemm(opencl, &gemm, error);
    if (status != STATUS_OK)
        return status;
    if (product != PRODUCT_UPDATE)
        return finish(products, product, views, result, 1, error);
    const size_t columns = views->bias.columns;
    const struct opencl_grid grid = {
        {(columns + BIAS_SIDE - 1) / BIAS_SIDE, 1, 1}, {BIAS_SIDE, BIAS_SIDE, 1}};
    return OPENCL_LAUNCH(opencl, &products->bias_update, grid, error, ARGUMENT_VIEW(views->right),
        ARGUMENT_VIEW(views->bias), ARGUMENT_NUMBER(views->right.rows), ARGUMENT_NUMBER(columns),
        ARGUMENT_REAL(views->scale));
}

enum status products_compute(struct products *products, size_t method, enum product product,
    const struct product_views *views, struct error *error) {
    return products->methods[method].library
               ? compute_by_library(products, product, views, error)
               : compute_own(products, &products->methods[method], product, views, error);
}

/* --- The operations --- */

static enum status compute(struct products *products, enum product product,
    const struct product_views *views, struct error *error) {
    size_t method;
    const enum status status = product_choose(products, product, views, &method, error);
    return status == STATUS_OK ? products_compute(products, method, product, views, error) : status;
}

enum status products_forward(struct products *products, struct view x, struct view weights,
    struct view bias, enum activation activation, struct view y, struct error *error) {
    const struct product_views views = {
        .left = x, .right = weights, .bias = bias, .result = y, .activation = activation};
    return compute(products, PRODUCT_FORWARD, &views, error);
}

enum status products_backward(struct products *products, struct view d_y, struct view weights,
    struct view x, enum activation activation, struct view d_x, struct error *error) {
    const struct product_views views = {
        .left = d_y, .right = weights, .x = x, .result = d_x, .activation = activation};
    return compute(products, PRODUCT_BACKWARD, &views, error);
}

enum status products_update(struct products *products, struct view x, struct view d_y, float scale,
    struct view weights, struct view bias, struct error *error) {
    const struct product_views views = {
        .left = x, .right = d_y, .bias = bias, .result = weights, .scale = scale};
    return compute(products, PRODUCT_UPDATE, &views, error);
}
