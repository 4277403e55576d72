/* The operations of the cpu device: what one thread of the team does of each, and which rows of its
 * operands the thread meets. */
#include "device/cpu/cpu.h"

#include <string.h>

static void upload(
    const struct cpu *cpu, const struct operation *operation, int thread, int threads) {
    (void)cpu;
    const struct view to = operation->upload.destination;
    const size_t row = to.columns * sizeof(float);
    const struct slice slice = slice_rows(to.rows, thread, threads);
    memcpy((char *)host_floats(to) + slice.first * row,
        (const char *)operation->host + slice.first * row, (slice.end - slice.first) * row);
}

static void upload_pixels(
    const struct cpu *cpu, const struct operation *operation, int thread, int threads) {
    const struct view to = operation->upload_pixels.destination;
    const struct slice slice = slice_rows(to.rows, thread, threads);
    const struct pixel_format *format = &operation->pixels;
    const uint8_t *pixels = operation->host;
    cpu->kernels->convert_pixels(host_floats(to) + slice.first * to.columns,
        pixels + slice.first * format->channels * format->plane, slice.end - slice.first, format);
}

static void gather_rows(
    const struct cpu *cpu, const struct operation *operation, int thread, int threads) {
    (void)cpu;
    const struct view to = operation->gather_rows.destination;
    const struct slice slice = slice_rows(to.rows, thread, threads);
    const float *source = host_floats(operation->gather_rows.source);
    const uint32_t *index = host_integers(operation->gather_rows.index);
    float *destination = host_floats(to);
    for (size_t i = slice.first; i < slice.end; i++)
        memcpy(destination + i * to.columns, source + index[i] * to.columns,
            to.columns * sizeof(float));
}

static void dense_forward(
    const struct cpu *cpu, const struct operation *operation, int thread, int threads) {
    const struct view to = operation->dense_forward.y;
    const size_t in = operation->dense_forward.x.columns, out = to.columns;
    const struct slice slice = slice_rows(to.rows, thread, threads);
    const size_t rows = slice.end - slice.first;
    if (rows == 0)
        return;
    const float *x = host_floats(operation->dense_forward.x) + slice.first * in; /* (rows, in) */
    const float *weights = host_floats(operation->dense_forward.weights);        /* (in, out) */
    float *y = host_floats(to) + slice.first * out;                              /* (rows, out) */
    cpu->openblas.sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (blasint)rows, (blasint)out,
        (blasint)in, 1.0f, x, (blasint)in, weights, (blasint)out, 0.0f, y, (blasint)out);
    cpu->kernels->bias_activate(
        y, host_floats(operation->dense_forward.bias), rows, out, operation->activation);
}

static void dense_backward(
    const struct cpu *cpu, const struct operation *operation, int thread, int threads) {
    const struct view from = operation->dense_backward.d_y;
    const size_t in = operation->dense_backward.d_x.columns, out = from.columns;
    const struct slice slice = slice_rows(from.rows, thread, threads);
    const size_t rows = slice.end - slice.first;
    if (rows == 0)
        return;
    const float *d_y = host_floats(from) + slice.first * out;                     /* (rows, out) */
    const float *weights = host_floats(operation->dense_backward.weights);        /* (in, out) */
    const float *x = host_floats(operation->dense_backward.x) + slice.first * in; /* (rows, in) */
    float *d_x = host_floats(operation->dense_backward.d_x) + slice.first * in;   /* (rows, in) */
    cpu->openblas.sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (blasint)rows, (blasint)in,
        (blasint)out, 1.0f, d_y, (blasint)out, weights, (blasint)out, 0.0f, d_x, (blasint)in);
    cpu->kernels->multiply_slope(d_x, x, rows * in, operation->activation);
}

/* Parameters = beta * parameters + alpha * their gradient, where beta is 0 or 1. The gradient of
 * the weights is x^T * d_y, and that of the bias is the sums of d_y's columns. Each thread does its
 * slice of the weights' rows and its slice of the bias's columns. */
static void add_gradient(const struct cpu *cpu, struct view all_x, struct view all_d_y, float alpha,
    float beta, struct view all_weights, struct view all_bias, int thread, int threads) {
    const size_t batch = all_x.rows, in = all_x.columns, out = all_d_y.columns;
    const struct slice slice = slice_rows(in, thread, threads);
    const size_t rows = slice.end - slice.first;
    const float *x = host_floats(all_x) + slice.first;             /* (batch, rows) of (batch, in)
                                                                    */
    const float *d_y = host_floats(all_d_y);                       /* (batch, out) */
    float *weights = host_floats(all_weights) + slice.first * out; /* (rows, out) */
    if (rows > 0)
        cpu->openblas.sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (blasint)rows, (blasint)out,
            (blasint)batch, alpha, x, (blasint)in, d_y, (blasint)out, beta, weights, (blasint)out);
    const struct slice columns = slice_rows(out, thread, threads);
    float *bias = host_floats(all_bias);
    if (beta == 0.0f)
        memset(bias + columns.first, 0, (columns.end - columns.first) * sizeof *bias);
    cpu->kernels->add_column_sums(bias, d_y, batch, out, columns.first, columns.end, alpha);
}

static void dense_gradient(
    const struct cpu *cpu, const struct operation *operation, int thread, int threads) {
    add_gradient(cpu, operation->dense_gradient.x, operation->dense_gradient.d_y, 1.0f, 0.0f,
        operation->dense_gradient.d_weights, operation->dense_gradient.d_bias, thread, threads);
}

static void optimize(
    const struct cpu *cpu, const struct operation *operation, int thread, int threads) {
    const struct view of = operation->optimize.parameters;
    const struct slice slice = slice_rows(of.rows, thread, threads);
    const size_t first = slice.first * of.columns, end = slice.end * of.columns;
    cpu->kernels->add_scaled(host_floats(of) + first,
        host_floats(operation->optimize.gradient) + first, end - first,
        *host_floats(operation->optimize.scale));
}

static void dense_update(
    const struct cpu *cpu, const struct operation *operation, int thread, int threads) {
    add_gradient(cpu, operation->dense_update.x, operation->dense_update.d_y,
        *host_floats(operation->dense_update.scale), 1.0f, operation->dense_update.weights,
        operation->dense_update.bias, thread, threads);
}

static void softmax_cross_entropy(
    const struct cpu *cpu, const struct operation *operation, int thread, int threads) {
    const struct view logits = operation->softmax_cross_entropy.logits;
    const struct slice slice = slice_rows(logits.rows, thread, threads);
    cpu->kernels->softmax_cross_entropy(host_floats(logits) + slice.first * logits.columns,
        host_integers(operation->softmax_cross_entropy.labels) + slice.first,
        slice.end - slice.first, logits.columns, operation->scale,
        host_floats(operation->softmax_cross_entropy.score) + slice.first * 2);
}

/* How each kind of operation is done. For each operand, in the order of struct operation, it is
 * true where a thread meets only its own rows. */
const struct cpu_operation cpu_operations[OPERATION_KINDS] = {
    [OPERATION_UPLOAD] = {upload, {true}},
    [OPERATION_UPLOAD_PIXELS] = {upload_pixels, {true}},
    [OPERATION_GATHER_ROWS] = {gather_rows, {false, true, true}},
    [OPERATION_DENSE_FORWARD] = {dense_forward, {true, false, false, true}},
    [OPERATION_DENSE_BACKWARD] = {dense_backward, {true, false, true, true}},
    [OPERATION_DENSE_GRADIENT] = {dense_gradient, {false, false, true, false}},
    [OPERATION_OPTIMIZE] = {optimize, {true, false, true}},
    [OPERATION_DENSE_UPDATE] = {dense_update, {false, false, false, true, false}},
    [OPERATION_SOFTMAX_CROSS_ENTROPY] = {softmax_cross_entropy, {true, true, true}},
};
