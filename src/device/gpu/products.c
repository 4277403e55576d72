#include "device/gpu/products.h"

#include "device/gpu/choice.h"
#include "device/gpu/product_tile.h"
#include "device/gpu/program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Items of the groups of kernels/finish.cl: FLAT of the kernels that do an element an item, and
 * BIAS_SIDE x BIAS_SIDE of bias_update. */
enum { FLAT = 64, BIAS_SIDE = 8 };

const char *const product_names[PRODUCTS] = {
    "dense_forward", "dense_backward", "dense_gradient", "dense_update"};

/* A gradient and an update by it are one kernel. */
static const char *const kernel_names[PRODUCTS] = {
    "dense_forward", "dense_backward", "dense_update", "dense_update"};
static const char *const finish_names[PRODUCTS] = {
    "dense_forward_finish", "dense_backward_finish", "dense_update_finish", "dense_update_finish"};

bool product_sums_batch(enum product product) {
    return product == PRODUCT_GRADIENT || product == PRODUCT_UPDATE;
}

/* Groups of sliced products that a compute unit gets. */
enum { UNIT_GROUPS = 4 };

/* --- Methods --- */

static bool is_cpu(const struct gpu *gpu) {
    return strcmp(gpu->base.info.type, "cpu") == 0;
}

/* Whether the device can run groups like this. */
static bool fits(const struct gpu *gpu, const struct product_tile *tile) {
    return product_tile_items(tile) <= gpu->largest_group &&
           product_tile_shared_bytes(tile) <= gpu->group_bytes;
}

/* Whether a tile is tried: on a CPU those with vectors, on anything else those without; and by its
 * own name in any case. */
static bool is_wanted(const struct gpu *gpu, const struct product_tile *tile, const char *gemm) {
    if (strcmp(gemm, tile->name) == 0)
        return true;
    return (strcmp(gemm, "own") == 0 || strcmp(gemm, "auto") == 0) && tile->vectors == is_cpu(gpu);
}

static enum status add_own(
    struct products *products, const struct product_tile *tile, struct error *error) {
    struct gpu *gpu = products->gpu;
    struct product_method *method = &products->methods[products->methods_count++];
    *method = (struct product_method){.name = tile->name, .tile = *tile};
    char shape[PRODUCT_TILE_OPTIONS_SIZE], options[sizeof shape + 16];
    product_tile_options(tile, shape);
    snprintf(options, sizeof options, "%s%s", shape, gpu->driver->joins ? " -DJOINS" : "");
    enum status status = gpu_program_create(gpu, "product.cl", options, &method->program, error);
    for (int p = 0; p < PRODUCTS && status == STATUS_OK; p++)
        status =
            gpu_kernel_create(gpu, method->program, kernel_names[p], &method->kernels[p], error);
    return status;
}

static enum status add_methods(struct products *products, const char *gemm, struct error *error) {
    struct gpu *gpu = products->gpu;
    const char *library = gpu->driver->library;
    enum status status = STATUS_OK;
    for (size_t t = 0; t < product_tiles_count && status == STATUS_OK; t++) {
        const struct product_tile tile = product_tile_widened(&product_tiles[t], gpu->vector_width);
        if (is_wanted(gpu, &product_tiles[t], gemm) && fits(gpu, &tile))
            status = add_own(products, &tile, error);
    }
    const bool by_library = strcmp(gemm, library) == 0 || strcmp(gemm, "auto") == 0;
    if (by_library && gpu->largest_group >= FLAT)
        products->methods[products->methods_count++] =
            (struct product_method){.name = library, .library = true};
    /* Hardware that its usual tiles don't fit takes any. */
    const bool any = strcmp(gemm, "own") == 0 || strcmp(gemm, "auto") == 0;
    for (size_t t = 0; t < product_tiles_count && any && products->methods_count == 0; t++) {
        const struct product_tile tile = product_tile_widened(&product_tiles[t], gpu->vector_width);
        if (status == STATUS_OK && fits(gpu, &tile))
            status = add_own(products, &tile, error);
    }
    if (status == STATUS_OK && products->methods_count == 0)
        status = error_set(error, STATUS_DEVICE,
            "%s: --gemm %s needs more than '%s' has: groups of %zu items at most, %zu bytes of "
            "local memory",
            gpu->base.info.kind, gemm, gpu->base.info.name, gpu->largest_group, gpu->group_bytes);
    return status;
}

/* Where the groups of a sliced product count themselves; each count ends as the 0 it began as. */
static enum status create_arrivals(struct products *products, struct error *error) {
    struct gpu *gpu = products->gpu;
    if (!gpu->driver->joins)
        return STATUS_OK;
    const size_t count = (size_t)gpu->base.info.units * UNIT_GROUPS;
    uint32_t *zeros = calloc(count, sizeof *zeros);
    if (!zeros)
        return error_memory(error, "the slices of products", count * sizeof *zeros);
    enum status status = device_allocate(&gpu->base, count, &products->arrivals, error);
    if (status == STATUS_OK) {
        status = device_upload(&gpu->base, device_view(products->arrivals, 1, count), zeros, error);
        const enum status waited =
            device_synchronise(&gpu->base, status == STATUS_OK ? error : NULL);
        status = status == STATUS_OK ? waited : status;
    }
    free(zeros);
    return status;
}

enum status products_create(
    struct gpu *gpu, const char *gemm, struct products **created, struct error *error) {
    struct products *products = *created = calloc(1, sizeof *products);
    if (!products)
        return error_memory(error, "the products", sizeof *products);
    products->gpu = gpu;
    enum status status = add_methods(products, gemm ? gemm : "auto", error);
    bool library = false;
    for (size_t m = 0; m < products->methods_count; m++)
        library = library || products->methods[m].library;
    if (!library)
        gpu->base.info.library[0] = '\0';
    if (status == STATUS_OK)
        status = create_arrivals(products, error);
    if (status == STATUS_OK)
        status = gpu_program_create(gpu, "finish.cl", "", &products->finish_program, error);
    for (int p = 0; p < PRODUCTS && status == STATUS_OK; p++)
        status = gpu_kernel_create(
            gpu, products->finish_program, finish_names[p], &products->finish[p], error);
    if (status == STATUS_OK)
        status = gpu_kernel_create(
            gpu, products->finish_program, "bias_update", &products->bias_update, error);
    return status;
}

void products_free(struct products *products) {
    if (!products)
        return;
    struct gpu *gpu = products->gpu;
    for (size_t m = 0; m < products->methods_count; m++) {
        if (products->methods[m].library && gpu->driver->forget_library)
            gpu->driver->forget_library(gpu);
        for (int p = 0; p < PRODUCTS; p++)
            gpu_kernel_free(gpu, &products->methods[m].kernels[p]);
        gpu_program_free(gpu, products->methods[m].program);
    }
    for (int p = 0; p < PRODUCTS; p++)
        gpu_kernel_free(gpu, &products->finish[p]);
    gpu_kernel_free(gpu, &products->bias_update);
    gpu_program_free(gpu, products->finish_program);
    while (products->scratch) {
        struct product_scratch *older = products->scratch->older;
        device_release(products->scratch->buffer);
        free(products->scratch);
        products->scratch = older;
    }
    device_release(products->arrivals);
    free(products->choices);
    free(products);
}

/* --- Slices --- */

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

/* A view of `elements` of scratch memory. */
static enum status get_scratch(
    struct products *products, size_t elements, struct view *view, struct error *error) {
    if (!products->scratch || products->scratch->buffer->elements < elements) {
        struct product_scratch *newer = calloc(1, sizeof *newer);
        if (!newer)
            return error_memory(error, "the slices of products", sizeof *newer);
        const enum status status =
            device_allocate(&products->gpu->base, elements, &newer->buffer, error);
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

static struct gpu_grid flat_grid(const struct gpu *gpu, size_t elements) {
    const size_t items = gpu->largest_group < FLAT ? gpu->largest_group : FLAT;
    return (struct gpu_grid){{(elements + items - 1) / items, 1, 1}, {items, 1, 1}};
}

/* A kernel's scale, and whether it has none: anything is given in its place then. */
#define ARGUMENTS_SCALE(product, views)                                                            \
    ARGUMENT_VIEW((product) == PRODUCT_UPDATE ? (views)->scale : (views)->result),                 \
        ARGUMENT_NUMBER((product) == PRODUCT_GRADIENT)

/* What follows a product: `count` slices in `slices`, which may be the result itself. */
static enum status finish(struct products *products, struct gpu_commands *to, enum product product,
    const struct product_views *views, struct view slices, size_t count, struct error *error) {
    struct gpu *gpu = products->gpu;
    const struct gpu_kernel *kernel = &products->finish[product];
    const struct view result = views->result;
    const size_t elements = result.rows * result.columns;
    switch (product) {
    case PRODUCT_FORWARD:
        return GPU_LAUNCH(gpu, to, kernel, flat_grid(gpu, elements), error, ARGUMENT_VIEW(slices),
            ARGUMENT_NUMBER(count), ARGUMENT_VIEW(views->bias), ARGUMENT_VIEW(result),
            ARGUMENT_NUMBER(result.rows), ARGUMENT_NUMBER(result.columns),
            ARGUMENT_NUMBER(views->activation));
    case PRODUCT_BACKWARD:
        return GPU_LAUNCH(gpu, to, kernel, flat_grid(gpu, elements), error, ARGUMENT_VIEW(slices),
            ARGUMENT_NUMBER(count), ARGUMENT_VIEW(views->x), ARGUMENT_VIEW(result),
            ARGUMENT_NUMBER(result.rows), ARGUMENT_NUMBER(result.columns),
            ARGUMENT_NUMBER(views->activation));
    default:
        return GPU_LAUNCH(gpu, to, kernel, flat_grid(gpu, elements + result.columns), error,
            ARGUMENT_BUFFER(slices.buffer), ARGUMENT_NUMBER(count), ARGUMENT_VIEW(result),
            ARGUMENT_VIEW(views->bias), ARGUMENT_NUMBER(result.rows),
            ARGUMENT_NUMBER(result.columns), ARGUMENTS_SCALE(product, views));
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

static enum status compute_own(struct products *products, struct gpu_commands *to,
    const struct product_method *method, enum product product, const struct product_views *views,
    struct error *error) {
    struct gpu *gpu = products->gpu;
    const struct product_tile *tile = &method->tile;
    const struct view result = views->result;
    const struct product_shape shape = product_shape_of(product, views);
    const bool batch = product_sums_batch(product);
    const size_t terms = batch ? shape.batch : product == PRODUCT_BACKWARD ? shape.out : shape.in;
    const struct slices slices = divide(gpu, tile, result.rows, result.columns, terms);
    struct view scratch = result; /* not used with one slice */
    if (slices.count > 1) {
        const size_t rows = result.rows + batch; /* the bias's sums */
        const enum status status =
            get_scratch(products, slices.count * rows * result.columns, &scratch, error);
        if (status != STATUS_OK)
            return status;
    }
    const size_t tile_rows = product_tile_rows(tile), tile_columns = product_tile_columns(tile);
    const struct gpu_grid grid = {{(result.columns + tile_columns - 1) / tile_columns,
                                      (result.rows + tile_rows - 1) / tile_rows, slices.count},
        {tile->group_n, tile->group_m, 1}};
    const bool joins = gpu->driver->joins;
    const struct view third = batch ? result : product == PRODUCT_FORWARD ? views->bias : views->x;
    const struct view fourth = batch ? views->bias : result;
    struct gpu_argument arguments[GPU_ARGUMENTS_MAX] = {ARGUMENT_VIEW(views->left),
        ARGUMENT_VIEW(views->right), ARGUMENT_VIEW(third), ARGUMENT_VIEW(fourth),
        ARGUMENT_BUFFER(scratch.buffer), ARGUMENT_NUMBER(shape.batch), ARGUMENT_NUMBER(shape.in),
        ARGUMENT_NUMBER(shape.out), ARGUMENT_NUMBER(slices.terms_each)};
    size_t count = 13;
    const struct gpu_argument scale[] = {ARGUMENTS_SCALE(product, views)};
    for (size_t a = 0; batch && a < sizeof scale / sizeof *scale; a++)
        arguments[count++] = scale[a];
    if (!batch)
        arguments[count++] = (struct gpu_argument)ARGUMENT_NUMBER(views->activation);
    if (joins)
        arguments[count++] = (struct gpu_argument)ARGUMENT_BUFFER(products->arrivals);
    const enum status status =
        gpu_launch(gpu, to, &method->kernels[product], grid, arguments, count, error);
    return status == STATUS_OK && slices.count > 1 && !joins
               ? finish(products, to, product, views, scratch, slices.count, error)
               : status;
}

/* The sums of d_y's columns, for the bias. */
static enum status sum_columns(struct products *products, struct gpu_commands *to,
    enum product product, const struct product_views *views, struct error *error) {
    const size_t columns = views->bias.columns;
    const struct gpu_grid grid = {
        {(columns + BIAS_SIDE - 1) / BIAS_SIDE, 1, 1}, {BIAS_SIDE, BIAS_SIDE, 1}};
    return GPU_LAUNCH(products->gpu, to, &products->bias_update, grid, error,
        ARGUMENT_VIEW(views->right), ARGUMENT_VIEW(views->bias), ARGUMENT_NUMBER(views->right.rows),
        ARGUMENT_NUMBER(columns), ARGUMENTS_SCALE(product, views));
}

/* A library that can't read a scale from memory gives the gradient, and the step is ours. */
static enum status compute_by_library(struct products *products, struct gpu_commands *to,
    enum product product, const struct product_views *views, struct error *error) {
    struct gpu *gpu = products->gpu;
    const struct view result = views->result;
    const bool batch = product_sums_batch(product);
    const bool apart = product == PRODUCT_UPDATE && !gpu->driver->library_scales;
    const size_t gradient = apart ? result.rows * result.columns : 0;
    struct gpu_gemm gemm = {
        .a = views->left,
        .b = views->right,
        .c = result,
        .transpose_a = batch,
        .transpose_b = product == PRODUCT_BACKWARD,
        .m = result.rows,
        .n = result.columns,
        .k = batch ? views->left.rows : views->left.columns,
    };
    if (product == PRODUCT_UPDATE && !apart)
        gemm.scale = views->scale;
    size_t work;
    enum status status = gpu->driver->gemm_work(gpu, &gemm, &work, error);
    if (status == STATUS_OK && work + gradient > 0)
        status = get_scratch(products, work + gradient, &gemm.work, error);
    if (apart)
        gemm.c = (struct view){gemm.work.buffer, work, result.rows, result.columns};
    if (status == STATUS_OK)
        status = gpu_gemm(gpu, to, &gemm, error);
    if (status == STATUS_OK && apart)
        status = gpu_descend(gpu, to, gemm.c, views->scale, result, error);
    if (status != STATUS_OK)
        return status;
    return batch ? sum_columns(products, to, product, views, error)
                 : finish(products, to, product, views, result, 1, error);
}

enum status products_compute(struct products *products, struct gpu_commands *to, size_t method,
    enum product product, const struct product_views *views, struct error *error) {
    return products->methods[method].library
               ? compute_by_library(products, to, product, views, error)
               : compute_own(products, to, &products->methods[method], product, views, error);
}

/* --- The operations --- */

/* The product that an operation is, and its views. */
static enum product product_of(const struct operation *operation, struct product_views *views) {
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

enum status products_operate(struct gpu *gpu, struct gpu_commands *to,
    const struct operation *operation, struct error *error) {
    struct product_views views;
    const enum product product = product_of(operation, &views);
    size_t method;
    const enum status status = product_choose(gpu->products, product, &views, &method, error);
    return status == STATUS_OK ? products_compute(gpu->products, to, method, product, &views, error)
                               : status;
}
