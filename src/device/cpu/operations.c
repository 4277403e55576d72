/* The operations of the cpu device: what one thread of the team does of each, and which rows of its
 * operands the thread meets. */
#include "device/cpu/cpu.h"

#include <string.h>

static void upload(
    const struct cpu *cpu, const struct queue_entry *entry, int thread, int threads) {
    const struct operation *operation = &entry->operation;
    (void)cpu;
    const struct view to = operation->upload.destination;
    const size_t row = to.columns * sizeof(float);
    const struct slice slice = slice_rows(to.rows, thread, threads);
    memcpy((char *)host_floats(to) + slice.first * row,
        (const char *)operation->host + slice.first * row, (slice.end - slice.first) * row);
}

static void upload_pixels(
    const struct cpu *cpu, const struct queue_entry *entry, int thread, int threads) {
    const struct operation *operation = &entry->operation;
    const struct view to = operation->upload_pixels.destination;
    const struct slice slice = slice_rows(to.rows, thread, threads);
    const struct pixel_format *format = &operation->pixels;
    const uint8_t *pixels = operation->host;
    cpu->kernels->convert_pixels(host_floats(to) + slice.first * to.columns,
        pixels + slice.first * format->channels * format->plane, slice.end - slice.first, format);
}

static void gather_rows(
    const struct cpu *cpu, const struct queue_entry *entry, int thread, int threads) {
    const struct operation *operation = &entry->operation;
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

/* --- Products --- */

static void multiply(
    const struct cpu *cpu, const struct queue_entry *entry, int thread, const struct gemm *gemm) {
    if (gemm->m == 0 || gemm->n == 0)
        return;
    if (entry->algorithm->kernels)
        entry->algorithm->kernels->gemm(gemm, &cpu->scratch[thread]);
    else
        openblas_multiply(&cpu->openblas, gemm);
}

static void dense_forward(
    const struct cpu *cpu, const struct queue_entry *entry, int thread, int threads) {
    const struct operation *operation = &entry->operation;
    const struct view to = operation->dense_forward.y;
    const size_t in = operation->dense_forward.x.columns, out = to.columns;
    const struct slice slice = slice_rows(to.rows, thread, threads);
    const size_t rows = slice.end - slice.first;
    float *y = host_floats(to) + slice.first * out; /* (rows, out) */
    const struct gemm gemm = {.m = rows,
        .n = out,
        .k = in,
        .a = host_floats(operation->dense_forward.x) + slice.first * in,
        .a_row = in,
        .b = host_floats(operation->dense_forward.weights),
        .b_row = out,
        .c = y,
        .c_row = out,
        .scale = 1.0f};
    multiply(cpu, entry, thread, &gemm);
    cpu->kernels->bias_activate(
        y, host_floats(operation->dense_forward.bias), rows, out, operation->activation);
}

static void dense_backward(
    const struct cpu *cpu, const struct queue_entry *entry, int thread, int threads) {
    const struct operation *operation = &entry->operation;
    const struct view from = operation->dense_backward.d_y;
    const size_t in = operation->dense_backward.d_x.columns, out = from.columns;
    const struct slice slice = slice_rows(from.rows, thread, threads);
    const size_t rows = slice.end - slice.first;
    const float *x = host_floats(operation->dense_backward.x) + slice.first * in; /* (rows, in) */
    float *d_x = host_floats(operation->dense_backward.d_x) + slice.first * in;   /* (rows, in) */
    const struct gemm gemm = {.m = rows,
        .n = in,
        .k = out,
        .transpose_b = true,
        .a = host_floats(from) + slice.first * out,
        .a_row = out,
        .b = host_floats(operation->dense_backward.weights),
        .b_row = out,
        .c = d_x,
        .c_row = in,
        .scale = 1.0f};
    multiply(cpu, entry, thread, &gemm);
    cpu->kernels->multiply_slope(d_x, x, rows * in, operation->activation);
}

/* Parameters = (add ? parameters : 0) + scale * their gradient. The gradient of the weights is
 * x^T * d_y, and that of the bias is the sums of d_y's columns. Each thread does its slice of the
 * weights' rows and its slice of the bias's columns. */
static void add_gradient(const struct cpu *cpu, const struct queue_entry *entry, int thread,
    int threads, struct view x, struct view d_y, float scale, bool add, struct view weights,
    struct view bias) {
    const size_t batch = d_y.rows, in = x.columns, out = d_y.columns;
    const struct slice slice = slice_rows(in, thread, threads);
    const struct gemm gemm = {.m = slice.end - slice.first,
        .n = out,
        .k = batch,
        .transpose_a = true,
        .a = host_floats(x) + slice.first,
        .a_row = in,
        .b = host_floats(d_y),
        .b_row = out,
        .c = host_floats(weights) + slice.first * out,
        .c_row = out,
        .scale = scale,
        .add = add};
    multiply(cpu, entry, thread, &gemm);
    const struct slice columns = slice_rows(out, thread, threads);
    float *sums = host_floats(bias);
    if (!add)
        memset(sums + columns.first, 0, (columns.end - columns.first) * sizeof *sums);
    cpu->kernels->add_column_sums(
        sums, host_floats(d_y), batch, out, columns.first, columns.end, scale);
}

static void dense_gradient(
    const struct cpu *cpu, const struct queue_entry *entry, int thread, int threads) {
    const struct operation *operation = &entry->operation;
    add_gradient(cpu, entry, thread, threads, operation->dense_gradient.x,
        operation->dense_gradient.d_y, 1.0f, false, operation->dense_gradient.d_weights,
        operation->dense_gradient.d_bias);
}

static void optimize(
    const struct cpu *cpu, const struct queue_entry *entry, int thread, int threads) {
    const struct operation *operation = &entry->operation;
    const struct view of = operation->optimize.parameters;
    const struct slice slice = slice_rows(of.rows, thread, threads);
    const size_t first = slice.first * of.columns, end = slice.end * of.columns;
    cpu->kernels->add_scaled(host_floats(of) + first,
        host_floats(operation->optimize.gradient) + first, end - first,
        *host_floats(operation->optimize.scale));
}

static void dense_update(
    const struct cpu *cpu, const struct queue_entry *entry, int thread, int threads) {
    const struct operation *operation = &entry->operation;
    add_gradient(cpu, entry, thread, threads, operation->dense_update.x,
        operation->dense_update.d_y, *host_floats(operation->dense_update.scale), true,
        operation->dense_update.weights, operation->dense_update.bias);
}

static void softmax_cross_entropy(
    const struct cpu *cpu, const struct queue_entry *entry, int thread, int threads) {
    const struct operation *operation = &entry->operation;
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
