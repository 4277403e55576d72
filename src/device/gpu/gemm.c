#include "device/gpu/gemm.h"

#include "device/gpu/program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Sizes of groups in kernels/epilogue.cl. Where each item computes one element, a group has FLAT
 * items. In bias_update a group has BIAS_ROWS items for each of BIAS_COLUMNS columns. */
enum { FLAT = 64, BIAS_COLUMNS = 8, BIAS_ROWS = 8 };

/* A gradient and an update are done by the same kernel, which is told whether to store its sums. */
static const char *const kernel_names[GEMM_KINDS] = {
    "dense_forward", "dense_backward", "dense_update", "dense_update"};
static const char *const epilogue_names[GEMM_KINDS] = {"dense_forward_epilogue",
    "dense_backward_epilogue", "dense_update_epilogue", "dense_update_epilogue"};

/* --- Algorithms --- */

static bool is_cpu(const struct gpu *gpu) {
    return strcmp(gpu->base.info.type, "cpu") == 0;
}

/* Whether the device can run groups of this tile. */
static bool fits(const struct gpu *gpu, const struct gemm_tile *tile) {
    return gemm_tile_items(tile) <= gpu->largest_group &&
           gemm_tile_shared_bytes(tile) <= gpu->group_bytes;
}

/* Whether a tile is tried. By its own name it always is. With "own" or "auto", a CPU tries the
 * tiles with vectors, and any other device those without. */
static bool is_wanted(const struct gpu *gpu, const struct gemm_tile *tile, const char *gemm) {
    if (strcmp(gemm, tile->name) == 0)
        return true;
    return (strcmp(gemm, "own") == 0 || strcmp(gemm, "auto") == 0) && tile->vectors == is_cpu(gpu);
}

static enum status add_own(struct gemms *gemms, const struct gemm_tile *tile, struct error *error) {
    struct gpu *gpu = gemms->gpu;
    struct gemm_algorithm *algorithm = &gemms->algorithms[gemms->algorithms_count++];
    *algorithm = (struct gemm_algorithm){.name = tile->name, .tile = *tile};
    char shape[GEMM_TILE_OPTIONS_SIZE], options[sizeof shape + 32];
    gemm_tile_options(tile, shape);
    snprintf(options, sizeof options, "%s%s", shape,
        gpu->driver->fused_reduction ? " -DFUSED_REDUCTION" : "");
    enum status status = gpu_program_create(gpu, GEMM_KERNELS, options, &algorithm->program, error);
    for (int kind = 0; kind < GEMM_KINDS && status == STATUS_OK; kind++)
        status = gpu_kernel_create(
            gpu, algorithm->program, kernel_names[kind], &algorithm->kernels[kind], error);
    return status;
}

static enum status add_algorithms(struct gemms *gemms, const char *gemm, struct error *error) {
    struct gpu *gpu = gemms->gpu;
    const char *library = gpu->driver->library;
    enum status status = STATUS_OK;
    for (size_t t = 0; t < gemm_tiles_count && status == STATUS_OK; t++) {
        const struct gemm_tile tile = gemm_tile_widened(&gemm_tiles[t], gpu->vector_width);
        if (is_wanted(gpu, &gemm_tiles[t], gemm) && fits(gpu, &tile))
            status = add_own(gemms, &tile, error);
    }
    const bool by_library = strcmp(gemm, library) == 0 || strcmp(gemm, "auto") == 0;
    if (by_library && gpu->largest_group >= FLAT)
        gemms->algorithms[gemms->algorithms_count++] =
            (struct gemm_algorithm){.name = library, .library = true};
    /* If none of the usual tiles fits the hardware, the first one that fits is taken. */
    const bool any = strcmp(gemm, "own") == 0 || strcmp(gemm, "auto") == 0;
    for (size_t t = 0; t < gemm_tiles_count && any && gemms->algorithms_count == 0; t++) {
        const struct gemm_tile tile = gemm_tile_widened(&gemm_tiles[t], gpu->vector_width);
        if (status == STATUS_OK && fits(gpu, &tile))
            status = add_own(gemms, &tile, error);
    }
    if (status == STATUS_OK && gemms->algorithms_count == 0)
        status = error_set(error, STATUS_DEVICE,
            "%s: --gemm %s needs more than '%s' has: groups of %zu items at most, %zu bytes of "
            "local memory",
            gpu->base.info.kind, gemm, gpu->base.info.name, gpu->largest_group, gpu->group_bytes);
    return status;
}

/* Makes the counts by which the groups of a split gemm find out which of them is the last. They
 * begin as 0, and each gemm leaves them as 0. */
static enum status create_arrivals(struct gemms *gemms, struct error *error) {
    struct gpu *gpu = gemms->gpu;
    if (!gpu->driver->fused_reduction)
        return STATUS_OK;
    const size_t count = gemm_tiles_split(gpu);
    uint32_t *zeros = calloc(count, sizeof *zeros);
    if (!zeros)
        return error_memory(error, "the slices of products", count * sizeof *zeros);
    enum status status = device_allocate(&gpu->base, count, &gemms->arrivals, error);
    if (status == STATUS_OK) {
        status = device_upload(&gpu->base, device_view(gemms->arrivals, 1, count), zeros, error);
        const enum status waited =
            device_synchronise(&gpu->base, status == STATUS_OK ? error : NULL);
        status = status == STATUS_OK ? waited : status;
    }
    free(zeros);
    return status;
}

void gemms_epilogue_options(char text[EPILOGUE_OPTIONS_SIZE]) {
    snprintf(
        text, EPILOGUE_OPTIONS_SIZE, "-DBIAS_COLUMNS=%d -DBIAS_ROWS=%d", BIAS_COLUMNS, BIAS_ROWS);
}

enum status gemms_create(
    struct gpu *gpu, const char *gemm, struct gemms **created, struct error *error) {
    char options[EPILOGUE_OPTIONS_SIZE];
    gemms_epilogue_options(options);
    struct gemms *gemms = *created = calloc(1, sizeof *gemms);
    if (!gemms)
        return error_memory(error, "the products", sizeof *gemms);
    gemms->gpu = gpu;
    enum status status = add_algorithms(gemms, gemm ? gemm : "auto", error);
    bool library = false;
    for (size_t a = 0; a < gemms->algorithms_count; a++)
        library = library || gemms->algorithms[a].library;
    if (!library)
        gpu->base.info.library[0] = '\0';
    if (status == STATUS_OK)
        status = create_arrivals(gemms, error);
    if (status == STATUS_OK)
        status =
            gpu_program_create(gpu, EPILOGUE_KERNELS, options, &gemms->epilogue_program, error);
    for (int kind = 0; kind < GEMM_KINDS && status == STATUS_OK; kind++)
        status = gpu_kernel_create(
            gpu, gemms->epilogue_program, epilogue_names[kind], &gemms->epilogues[kind], error);
    if (status == STATUS_OK)
        status = gpu_kernel_create(
            gpu, gemms->epilogue_program, "bias_update", &gemms->bias_update, error);
    return status;
}

void gemms_free(struct gemms *gemms) {
    if (!gemms)
        return;
    struct gpu *gpu = gemms->gpu;
    for (size_t a = 0; a < gemms->algorithms_count; a++) {
        if (gemms->algorithms[a].library && gpu->driver->free_library)
            gpu->driver->free_library(gpu);
        for (int kind = 0; kind < GEMM_KINDS; kind++)
            gpu_kernel_free(gpu, &gemms->algorithms[a].kernels[kind]);
        gpu_program_free(gpu, gemms->algorithms[a].program);
    }
    for (int kind = 0; kind < GEMM_KINDS; kind++)
        gpu_kernel_free(gpu, &gemms->epilogues[kind]);
    gpu_kernel_free(gpu, &gemms->bias_update);
    gpu_program_free(gpu, gemms->epilogue_program);
    while (gemms->workspace) {
        struct gemm_workspace *older = gemms->workspace->older;
        buffer_free(gemms->workspace->buffer);
        free(gemms->workspace);
        gemms->workspace = older;
    }
    buffer_free(gemms->arrivals);
    free(gemms);
}

/* --- Computing --- */

/* Gives a view of `elements` elements of workspace. It is allocated first where the present one is
 * too small. */
static enum status get_workspace(
    struct gemms *gemms, size_t elements, struct view *view, struct error *error) {
    if (!gemms->workspace || gemms->workspace->buffer->elements < elements) {
        struct gemm_workspace *newer = calloc(1, sizeof *newer);
        if (!newer)
            return error_memory(error, "the slices of products", sizeof *newer);
        const enum status status =
            device_allocate(&gemms->gpu->base, elements, &newer->buffer, error);
        if (status != STATUS_OK) {
            free(newer);
            return status;
        }
        newer->older = gemms->workspace;
        gemms->workspace = newer;
    }
    *view = device_view(gemms->workspace->buffer, 1, elements);
    return STATUS_OK;
}

static struct gpu_grid flat_grid(const struct gpu *gpu, size_t elements) {
    const size_t items = gpu->largest_group < FLAT ? gpu->largest_group : FLAT;
    return (struct gpu_grid){{(elements + items - 1) / items, 1, 1}, {items, 1, 1}};
}

/* What kernels/optimizer.h calls STORE_GRADIENT. */
enum { STORE_GRADIENT = OPTIMIZERS };
_Static_assert(STORE_GRADIENT == 3, "optimizer.h has the number of each optimiser, and this one");

/* Appends the arguments that say how parameters take a step with their gradient: the rates, which
 * optimiser, and its states for the weights and for the bias. A gradient that is to be stored has
 * neither rates nor states; any view is given in their place. */
static void add_step(struct gpu_argument *arguments, size_t *count, enum gemm_kind kind,
    const struct gemm_views *views, bool of_weights) {
    const bool store = kind == GEMM_GRADIENT;
    const struct view rates = store ? views->result : views->rates;
    struct view weights[OPTIMIZER_STATES_MAX], bias[OPTIMIZER_STATES_MAX];
    for (size_t s = 0; s < OPTIMIZER_STATES_MAX; s++) {
        weights[s] = views->states[s].weights;
        bias[s] = views->states[s].bias;
    }
    arguments[(*count)++] = (struct gpu_argument)ARGUMENT_BUFFER(rates.buffer);
    arguments[(*count)++] = (struct gpu_argument)ARGUMENT_OFFSET(rates.offset);
    arguments[(*count)++] =
        (struct gpu_argument)ARGUMENT_NUMBER(store ? STORE_GRADIENT : (int)views->optimizer);
    if (of_weights)
        gpu_add_states(arguments, count, views->optimizer, weights, views->result);
    gpu_add_states(arguments, count, views->optimizer, bias, views->result);
}

/* Adds the epilogue of a gemm to the list `to`. If that is NULL, it is enqueued. The gemm's sums
 * are `count` splits in `splits`, which may be the result itself. */
static enum status enqueue_epilogue(struct gemms *gemms, struct gpu_commands *to,
    enum gemm_kind kind, const struct gemm_views *views, struct view splits, size_t count,
    struct error *error) {
    struct gpu *gpu = gemms->gpu;
    const struct gpu_kernel *kernel = &gemms->epilogues[kind];
    const struct view result = views->result;
    const size_t elements = result.rows * result.columns;
    switch (kind) {
    case GEMM_FORWARD:
        return GPU_LAUNCH(gpu, to, kernel, flat_grid(gpu, elements), error, ARGUMENT_VIEW(splits),
            ARGUMENT_NUMBER(count), ARGUMENT_VIEW(views->bias), ARGUMENT_VIEW(result),
            ARGUMENT_NUMBER(result.rows), ARGUMENT_NUMBER(result.columns),
            ARGUMENT_NUMBER(views->activation));
    case GEMM_BACKWARD:
        return GPU_LAUNCH(gpu, to, kernel, flat_grid(gpu, elements), error, ARGUMENT_VIEW(splits),
            ARGUMENT_NUMBER(count), ARGUMENT_VIEW(views->x), ARGUMENT_VIEW(result),
            ARGUMENT_NUMBER(result.rows), ARGUMENT_NUMBER(result.columns),
            ARGUMENT_NUMBER(views->activation));
    default: {
        struct gpu_argument arguments[GPU_ARGUMENTS_MAX] = {ARGUMENT_BUFFER(splits.buffer),
            ARGUMENT_NUMBER(count), ARGUMENT_VIEW(result), ARGUMENT_VIEW(views->bias),
            ARGUMENT_NUMBER(result.rows), ARGUMENT_NUMBER(result.columns)};
        size_t arguments_count = 8;
        add_step(arguments, &arguments_count, kind, views, true);
        return gpu_launch(gpu, to, kernel, flat_grid(gpu, elements + result.columns), arguments,
            arguments_count, error);
    }
    }
}

static enum status compute_own(struct gemms *gemms, struct gpu_commands *to,
    const struct gemm_algorithm *algorithm, enum gemm_kind kind, const struct gemm_views *views,
    struct error *error) {
    struct gpu *gpu = gemms->gpu;
    const struct gemm_shape shape = views->shape;
    const struct gemm_plan plan = gemm_plan_of(gpu, &algorithm->tile, kind, views);
    const bool batch = gemm_sums_batch(kind), fused_reduction = gpu->driver->fused_reduction;
    const struct view result = views->result;
    struct view splits = result; /* any view: one split needs none */
    if (plan.splits > 1) {
        const enum status status = get_workspace(gemms, plan.elements, &splits, error);
        if (status != STATUS_OK)
            return status;
    }
    const struct view third = batch ? result : kind == GEMM_FORWARD ? views->bias : views->x;
    const struct view fourth = batch ? views->bias : result;
    struct gpu_argument arguments[GPU_ARGUMENTS_MAX] = {ARGUMENT_VIEW(views->left),
        ARGUMENT_VIEW(views->right), ARGUMENT_VIEW(third), ARGUMENT_VIEW(fourth),
        ARGUMENT_BUFFER(splits.buffer), ARGUMENT_NUMBER(shape.batch), ARGUMENT_NUMBER(shape.in),
        ARGUMENT_NUMBER(shape.out), ARGUMENT_NUMBER(plan.terms_each)};
    size_t count = 13;
    if (batch)
        add_step(arguments, &count, kind, views, true);
    else
        arguments[count++] = (struct gpu_argument)ARGUMENT_NUMBER(views->activation);
    if (fused_reduction)
        arguments[count++] = (struct gpu_argument)ARGUMENT_BUFFER(gemms->arrivals);
    const enum status status =
        gpu_launch(gpu, to, &algorithm->kernels[kind], plan.grid, arguments, count, error);
    return status == STATUS_OK && plan.splits > 1 && !fused_reduction
               ? enqueue_epilogue(gemms, to, kind, views, splits, plan.splits, error)
               : status;
}

/* Adds up d_y's columns: they become the bias's gradient, or its step. */
static enum status sum_columns(struct gemms *gemms, struct gpu_commands *to, enum gemm_kind kind,
    const struct gemm_views *views, struct error *error) {
    const size_t columns = views->bias.columns;
    const struct gpu_grid grid = {
        {(columns + BIAS_COLUMNS - 1) / BIAS_COLUMNS, 1, 1}, {BIAS_COLUMNS, BIAS_ROWS, 1}};
    struct gpu_argument arguments[GPU_ARGUMENTS_MAX] = {ARGUMENT_VIEW(views->right),
        ARGUMENT_VIEW(views->bias), ARGUMENT_NUMBER(views->right.rows), ARGUMENT_NUMBER(columns)};
    size_t count = 6;
    add_step(arguments, &count, kind, views, false);
    return gpu_launch(gemms->gpu, to, &gemms->bias_update, grid, arguments, count, error);
}

/* Computes a gemm by the driver's library. Where the library can't read a scale from the device's
 * memory, and where the step is not plain gradient descent's, it computes the gradient of an update
 * to workspace, and our kernel takes the step. */
static enum status compute_by_library(struct gemms *gemms, struct gpu_commands *to,
    enum gemm_kind kind, const struct gemm_views *views, struct error *error) {
    struct gpu *gpu = gemms->gpu;
    const struct view result = views->result;
    const bool batch = gemm_sums_batch(kind);
    const bool apart = kind == GEMM_UPDATE && (!gpu->driver->library_scales ||
                                                  views->optimizer != OPTIMIZER_GRADIENT_DESCENT);
    const size_t gradient = apart ? result.rows * result.columns : 0;
    struct gpu_gemm gemm = {
        .a = views->left,
        .b = views->right,
        .c = result,
        .transpose_a = batch,
        .transpose_b = kind == GEMM_BACKWARD,
        .m = result.rows,
        .n = result.columns,
        .k = batch ? views->left.rows : views->left.columns,
    };
    if (kind == GEMM_UPDATE && !apart)
        gemm.scale = views->rates;
    const struct view states[OPTIMIZER_STATES_MAX] = {
        views->states[0].weights, views->states[1].weights};
    size_t elements;
    enum status status = gpu->driver->gemm_workspace(gpu, &gemm, &elements, error);
    if (status == STATUS_OK && elements + gradient > 0)
        status = get_workspace(gemms, elements + gradient, &gemm.workspace, error);
    if (apart)
        gemm.c = (struct view){gemm.workspace.buffer, elements, result.rows, result.columns};
    if (status == STATUS_OK)
        status = gpu_gemm(gpu, to, &gemm, error);
    if (status == STATUS_OK && apart)
        status =
            gpu_take_step(gpu, to, views->optimizer, gemm.c, views->rates, result, states, error);
    if (status != STATUS_OK)
        return status;
    return batch ? sum_columns(gemms, to, kind, views, error)
                 : enqueue_epilogue(gemms, to, kind, views, result, 1, error);
}

enum status gemms_compute(struct gemms *gemms, struct gpu_commands *to, size_t algorithm,
    const struct operation *operation, struct error *error) {
    struct gemm_views views;
    const enum gemm_kind kind = gemm_kind_of(operation, &views);
    return gemms->algorithms[algorithm].library
               ? compute_by_library(gemms, to, kind, &views, error)
               : compute_own(gemms, to, &gemms->algorithms[algorithm], kind, &views, error);
}
