/* The operations of the cpu device: what one thread of the team does of each, and which rows of its
 * operands the thread meets. */
#include "device/cpu/cpu.h"

#include "system/strict_math.h"
#include "trainer/random.h"

#include <math.h>
#include <string.h>

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

static void upload(const struct share *share) {
    const struct operation *operation = &share->entry->operation;
    const struct view to = operation->upload.destination;
    const size_t row = to.columns * sizeof(float);
    const struct slice slice = slice_rows(to.rows, share->entry->division, share->part);
    memcpy((char *)host_floats(to) + slice.first * row,
        (const char *)operation->host + slice.first * row, (slice.end - slice.first) * row);
}

static void upload_pixels(const struct share *share) {
    const struct operation *operation = &share->entry->operation;
    const struct view to = operation->upload_pixels.destination;
    const struct slice slice = slice_rows(to.rows, share->entry->division, share->part);
    const struct pixel_format *format = &operation->pixels;
    const uint8_t *pixels = operation->host;
    share->cpu->kernels->convert_pixels(host_floats(to) + slice.first * to.columns,
        pixels + slice.first * format->channels * format->plane, slice.end - slice.first, format);
}

static void gather_rows(const struct share *share) {
    const struct operation *operation = &share->entry->operation;
    const struct view to = operation->gather_rows.destination;
    const struct slice slice = slice_rows(to.rows, share->entry->division, share->part);
    const float *source = host_floats(operation->gather_rows.source);
    const bool ordered = operation->gather_rows.index.buffer; /* else it is a copy */
    const uint32_t *index = ordered ? host_integers(operation->gather_rows.index) : NULL;
    float *destination = host_floats(to);
    for (size_t i = slice.first; i < slice.end; i++)
        memcpy(destination + i * to.columns, source + (ordered ? index[i] : i) * to.columns,
            to.columns * sizeof(float));
}

/* --- Products --- */

static void multiply(const struct share *share, struct gemm *gemm) {
    gemm->b_version = share->section; /* who changes b, does it in another section */
    if (gemm->m == 0 || gemm->n == 0)
        return;
    if (share->entry->algorithm->kernels)
        share->entry->algorithm->kernels->gemm(gemm, &share->cpu->scratch[share->thread].gemm);
    else
        openblas_multiply(&share->cpu->openblas, gemm);
}

/* The part of an operation's result that falls to a thread: some of the rows and all columns, or
 * the other way round. */
struct part {
    struct slice rows, columns;
};

static struct part part_of(const struct share *share, struct view result) {
    const struct slice all_rows = {0, result.rows}, all_columns = {0, result.columns};
    return share->entry->by_columns
               ? (struct part){all_rows,
                     slice_columns(result.columns, share->entry->division, share->part)}
               : (struct part){
                     slice_rows(result.rows, share->entry->division, share->part), all_columns};
}

/* Where the rows of x from `first` on are, or their order. */
static const float *rows_of_x(
    const struct share *share, struct view x, size_t first, const uint32_t **order) {
    *order = share->entry->order.buffer ? host_integers(share->entry->order) + first : NULL;
    return host_floats(x) + (*order ? 0 : first * x.columns);
}

static void dense_forward(const struct share *share) {
    const struct operation *operation = &share->entry->operation;
    const struct view to = operation->dense_forward.y;
    const size_t in = operation->dense_forward.x.columns, out = to.columns;
    const struct part own = part_of(share, to);
    const size_t rows = own.rows.end - own.rows.first, first = own.columns.first;
    const size_t columns = own.columns.end - first;
    float *y = host_floats(to) + own.rows.first * out + first; /* (rows, columns) of (B, out) */
    const float *bias = host_floats(operation->dense_forward.bias) + first;
    struct gemm gemm = {.m = rows,
        .n = columns,
        .k = in,
        .a_row = in,
        .b = host_floats(operation->dense_forward.weights) + first, /* (in, columns) */
        .b_row = out,
        .c = y,
        .c_row = out,
        .scale = 1.0f};
    gemm.a = rows_of_x(share, operation->dense_forward.x, own.rows.first, &gemm.order);
    multiply(share, &gemm);
    const size_t at_once = columns == out ? rows : 1;
    for (size_t i = 0; i < rows; i += at_once)
        share->cpu->kernels->bias_activate(
            y + i * out, bias, at_once, columns, operation->activation);
}

static void dense_backward(const struct share *share) {
    const struct operation *operation = &share->entry->operation;
    const struct view to = operation->dense_backward.d_x;
    const size_t in = to.columns, out = operation->dense_backward.d_y.columns;
    const struct part own = part_of(share, to);
    const size_t rows = own.rows.end - own.rows.first, first = own.columns.first;
    const size_t columns = own.columns.end - first;
    const size_t offset = own.rows.first * in + first;
    const float *x = host_floats(operation->dense_backward.x) + offset; /* (rows, columns) */
    float *d_x = host_floats(to) + offset;                              /* (rows, columns) */
    struct gemm gemm = {.m = rows,
        .n = columns,
        .k = out,
        .transpose_b = true,
        .a = host_floats(operation->dense_backward.d_y) + own.rows.first * out,
        .a_row = out,
        .b = host_floats(operation->dense_backward.weights) + first * out, /* (columns, out) */
        .b_row = out,
        .c = d_x,
        .c_row = in,
        .scale = 1.0f};
    multiply(share, &gemm);
    const size_t at_once = columns == in ? rows : 1;
    for (size_t i = 0; i < rows; i += at_once)
        share->cpu->kernels->multiply_slope(
            d_x + i * in, x + i * in, at_once * columns, operation->activation);
}

/* The gradient of a layer's parameters: that of the weights is x^T * d_y, and that of the bias is
 * the sums of d_y's columns. */
struct gradient {
    struct view x, d_y;
    float scale; /* it is multiplied by that, */
    bool add;    /* and added to what is there; else it replaces that */
};

/* c[rows, columns] of the weights' gradient */
static void put_weights(const struct share *share, const struct gradient *gradient,
    struct slice rows, struct slice columns, float *c, size_t c_row) {
    struct gemm gemm = {.m = rows.end - rows.first,
        .n = columns.end - columns.first,
        .k = gradient->d_y.rows,
        .transpose_a = true,
        .a_row = gradient->x.columns,
        .b = host_floats(gradient->d_y) + columns.first,
        .b_row = gradient->d_y.columns,
        .c = c,
        .c_row = c_row,
        .scale = gradient->scale,
        .add = gradient->add};
    gemm.a = rows_of_x(share, gradient->x, 0, &gemm.order) + rows.first;
    multiply(share, &gemm);
}

/* sums[columns] of the bias's gradient */
static void put_bias(
    const struct share *share, const struct gradient *gradient, struct slice columns, float *sums) {
    const struct view d_y = gradient->d_y;
    if (!gradient->add)
        memset(sums, 0, (columns.end - columns.first) * sizeof *sums);
    for (size_t first = 0, rows; first < d_y.rows; first += rows) { /* in the gemm's own blocks */
        rows =
            d_y.rows - first < gemm_block_terms(true) ? d_y.rows - first : gemm_block_terms(true);
        share->cpu->kernels->add_column_sums(sums,
            host_floats(d_y) + first * d_y.columns + columns.first, rows, d_y.columns, 0,
            columns.end - columns.first, gradient->scale);
    }
}

/* Each thread does its slice of the weights' rows and its slice of the bias's columns. */
static void put_gradient(const struct share *share, const struct gradient *gradient,
    struct view weights, struct view bias) {
    const size_t out = weights.columns;
    const struct slice rows = slice_rows(weights.rows, share->entry->division, share->part);
    const struct slice columns = slice_columns(out, share->entry->division, share->part);
    put_weights(share, gradient, rows, (struct slice){0, out},
        host_floats(weights) + rows.first * out, out);
    put_bias(share, gradient, columns, host_floats(bias) + columns.first);
}

static void dense_gradient(const struct share *share) {
    const struct operation *operation = &share->entry->operation;
    put_gradient(share,
        &(struct gradient){operation->dense_gradient.x, operation->dense_gradient.d_y, 1.0f, false},
        operation->dense_gradient.d_weights, operation->dense_gradient.d_bias);
}

static void optimize(const struct share *share) {
    const struct operation *operation = &share->entry->operation;
    const struct view of = operation->optimize.parameters;
    const struct slice slice = slice_rows(of.rows, share->entry->division, share->part);
    const size_t first = slice.first * of.columns, end = slice.end * of.columns;
    float *states[OPTIMIZER_STATES_MAX];
    for (size_t s = 0; s < optimizer_states[operation->optimizer]; s++)
        states[s] = host_floats(operation->optimize.states[s]) + first;
    share->cpu->kernels->take_step(operation->optimizer, host_floats(operation->optimize.rates),
        host_floats(operation->optimize.gradient) + first, host_floats(of) + first, states,
        end - first);
}

/* Takes the steps of weights[rows, columns], whose gradient is in scratch memory. */
static void step_weights(
    const struct share *share, struct slice rows, struct slice columns, const float *gradient) {
    const struct operation *operation = &share->entry->operation;
    const struct view weights = operation->dense_update.weights;
    const size_t width = columns.end - columns.first, height = rows.end - rows.first;
    const size_t at_once = width == weights.columns ? height : 1;
    float *states[OPTIMIZER_STATES_MAX];
    for (size_t i = 0; i < height; i += at_once) {
        const size_t at = (rows.first + i) * weights.columns + columns.first;
        for (size_t s = 0; s < optimizer_states[operation->optimizer]; s++)
            states[s] = host_floats(operation->dense_update.states[s].weights) + at;
        share->cpu->kernels->take_step(operation->optimizer,
            host_floats(operation->dense_update.rates), gradient + i * width,
            host_floats(weights) + at, states, at_once * width);
    }
}

static void step_bias(
    const struct share *share, const struct gradient *gradient, struct slice columns) {
    const struct operation *operation = &share->entry->operation;
    float *sums = share->cpu->scratch[share->thread].gradient, *states[OPTIMIZER_STATES_MAX];
    for (struct slice few = columns; few.first < columns.end; few.first = few.end) {
        few.end = least(columns.end, few.first + CPU_GRADIENT_COLUMNS);
        put_bias(share, gradient, few, sums);
        for (size_t s = 0; s < optimizer_states[operation->optimizer]; s++)
            states[s] = host_floats(operation->dense_update.states[s].bias) + few.first;
        share->cpu->kernels->take_step(operation->optimizer,
            host_floats(operation->dense_update.rates), sums,
            host_floats(operation->dense_update.bias) + few.first, states, few.end - few.first);
    }
}

/* Gradient descent is a sum, and adds the gradient's terms to the parameters. Any other optimiser
 * needs the whole gradient of a parameter: some rows and columns at a time are computed to scratch
 * memory, where they are still in a cache when their step is taken. */
static void dense_update(const struct share *share) {
    const struct operation *operation = &share->entry->operation;
    const struct view weights = operation->dense_update.weights;
    struct gradient gradient = {
        operation->dense_update.x, operation->dense_update.d_y, 1.0f, false};
    if (operation->optimizer == OPTIMIZER_GRADIENT_DESCENT) {
        gradient.scale = *host_floats(operation->dense_update.rates);
        gradient.add = true;
        put_gradient(share, &gradient, weights, operation->dense_update.bias);
        return;
    }
    const struct slice own = slice_rows(weights.rows, share->entry->division, share->part);
    float *scratch = share->cpu->scratch[share->thread].gradient;
    for (struct slice columns = {0, 0}; columns.first < weights.columns;
        columns.first = columns.end) {
        const size_t width = least(weights.columns - columns.first, CPU_GRADIENT_COLUMNS);
        const size_t height = CPU_GRADIENT / width / GEMM_BLOCK_M * GEMM_BLOCK_M;
        columns.end = columns.first + width;
        for (struct slice rows = own; rows.first < own.end; rows.first = rows.end) {
            rows.end = least(own.end, rows.first + height);
            put_weights(share, &gradient, rows, columns, scratch, width);
            step_weights(share, rows, columns, scratch);
        }
    }
    step_bias(
        share, &gradient, slice_columns(weights.columns, share->entry->division, share->part));
}

static void softmax_cross_entropy(const struct share *share) {
    const struct operation *operation = &share->entry->operation;
    const struct view logits = operation->softmax_cross_entropy.logits;
    const struct slice slice = slice_rows(logits.rows, share->entry->division, share->part);
    share->cpu->kernels->softmax_cross_entropy(host_floats(logits) + slice.first * logits.columns,
        host_integers(operation->softmax_cross_entropy.labels) + slice.first,
        slice.end - slice.first, logits.columns, operation->scale, operation->smoothing,
        host_floats(operation->softmax_cross_entropy.score) + slice.first * 2);
}

static void dropout(const struct share *share) {
    const struct operation *operation = &share->entry->operation;
    const struct view to = operation->dropout.destination;
    const struct slice slice = slice_rows(to.rows, share->entry->division, share->part);
    share->cpu->kernels->dropout(host_floats(operation->dropout.source) + slice.first * to.columns,
        host_floats(to) + slice.first * to.columns, slice.end - slice.first, to.columns,
        &(struct dropout){.seed = operation->drawn.seed,
            .pass = *host_integers(operation->dropout.pass),
            .first = operation->drawn.first + (uint32_t)slice.first,
            .layer = operation->drawn.layer,
            .share = operation->drawn.share});
}

static void flip(const struct share *share) {
    const struct operation *operation = &share->entry->operation;
    const struct view images = operation->flip.images;
    const struct slice slice = slice_rows(images.rows, share->entry->division, share->part);
    for (size_t i = slice.first; i < slice.end; i++) {
        uint32_t bits[4];
        random_bits(operation->drawn.seed, RANDOM_FLIP, *host_integers(operation->flip.pass),
            operation->drawn.first + (uint64_t)i, bits);
        if (bits[0] >> 31)
            share->cpu->kernels->reverse(host_floats(images) + i * images.columns,
                images.columns / operation->width, operation->width);
    }
}

static void square_sums(const struct share *share) {
    const struct view values = share->entry->operation.square_sums.values;
    const struct slice slice = slice_rows(SQUARE_SUMS, share->entry->division, share->part);
    float *sums = host_floats(share->entry->operation.square_sums.sums);
    for (size_t k = slice.first; k < slice.end; k++) {
        const size_t first = k * values.rows / SQUARE_SUMS * values.columns;
        const size_t end = (k + 1) * values.rows / SQUARE_SUMS * values.columns;
        sums[k] = share->cpu->kernels->square_sum(host_floats(values) + first, end - first);
    }
}

static void clip(const struct share *share) {
    const struct operation *operation = &share->entry->operation;
    const struct view values = operation->clip.values;
    const struct slice slice = slice_rows(values.rows, share->entry->division, share->part);
    const float *sums = host_floats(operation->clip.sums);
    double sum = 0.0;
    for (size_t k = 0; k < SQUARE_SUMS; k++)
        sum += sums[k];
    const float factor = (float)((double)operation->largest / (sqrt(sum) + 1e-6));
    if (!(factor >= 1.0f))
        share->cpu->kernels->multiply(host_floats(values) + slice.first * values.columns,
            (slice.end - slice.first) * values.columns, factor);
}

/* By one thread, while the others wait at the barrier after it. */
static void all_reduce(const struct share *share) {
    struct cpu_failure *failure = share->cpu->failure;
    if (failure->status == STATUS_OK)
        failure->status =
            host_all_reduce(&share->cpu->host.base, &share->entry->operation, &failure->error);
}

/* How each kind of operation is done, and what a thread meets of each operand, in the order of
 * struct operation. */
const struct cpu_operation cpu_operations[OPERATION_KINDS] = {
    [OPERATION_UPLOAD] = {upload, {MET_ROWS}},
    [OPERATION_UPLOAD_PIXELS] = {upload_pixels, {MET_ROWS}},
    [OPERATION_GATHER_ROWS] = {gather_rows, {MET_ANY, MET_ROWS, MET_ROWS}},
    [OPERATION_DENSE_FORWARD] = {dense_forward, {MET_ROWS, MET_ANY, MET_ANY, MET_ROWS},
        {MET_ANY, MET_COLUMNS, MET_COLUMNS, MET_COLUMNS}},
    [OPERATION_DENSE_BACKWARD] = {dense_backward, {MET_ROWS, MET_ANY, MET_ROWS, MET_ROWS},
        {MET_ANY, MET_ANY, MET_COLUMNS, MET_COLUMNS}},
    [OPERATION_DENSE_GRADIENT] = {dense_gradient, {MET_ANY, MET_ANY, MET_ROWS, MET_ANY}},
    [OPERATION_OPTIMIZE] = {optimize, {MET_ROWS, MET_ANY, MET_ROWS, MET_ROWS, MET_ROWS}},
    [OPERATION_DENSE_UPDATE] = {dense_update,
        {MET_ANY, MET_ANY, MET_ANY, MET_ROWS, MET_ANY, MET_ROWS, MET_ANY, MET_ROWS, MET_ANY}},
    [OPERATION_SOFTMAX_CROSS_ENTROPY] = {softmax_cross_entropy, {MET_ROWS, MET_ROWS, MET_ROWS}},
    [OPERATION_DROPOUT] = {dropout, {MET_ROWS, MET_ANY, MET_ROWS}},
    [OPERATION_FLIP] = {flip, {MET_ANY, MET_ROWS}},
    [OPERATION_SQUARE_SUMS] = {square_sums, {MET_ANY, MET_ANY}},
    [OPERATION_CLIP] = {clip, {MET_ANY, MET_ROWS}},
    [OPERATION_ALL_REDUCE] = {all_reduce, {MET_ANY, MET_ANY}},
};
