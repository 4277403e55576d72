/* The `reference` device: plain C loops and no library. It computes sums in double precision, and
 * does each operation before its call returns. The results of other devices are compared with its
 * results. In a comparison of devices it is the row for C without libraries. */
#include "device/host_device.h"
#include "device/matrix.h"
#include "system/strict_math.h"
#include "system/team.h"
#include "trainer/random.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* --- Finding and opening --- */

static void reference_list(device_visitor *visit, void *context) {
    struct device_entry entry = {.spec = "reference", .available = true};
    host_device_describe("reference", 1, &entry.info);
    visit(context, &entry);
}

static enum status reference_find(
    const char *rest, bool automatic, const char **shortly, struct error *error) {
    (void)automatic, (void)shortly;
    return rest ? error_set(
                      error, STATUS_DEVICE, "reference: there is only one; ':%s' is too much", rest)
                : STATUS_OK;
}

static enum status reference_open(const char *rest, const struct device_options *options,
    struct device **device, struct error *error) {
    int threads;
    enum status status = reference_find(rest, false, NULL, error);
    if (status == STATUS_OK)
        status = host_team_size("reference", options->threads, 1, INT_MAX, NULL, &threads, error);
    if (status != STATUS_OK)
        return status;
    struct host_device *opened = calloc(1, sizeof *opened);
    if (!opened)
        return error_memory(error, "the reference device", sizeof *opened);
    host_device_describe("reference", threads, &opened->base.info);
    host_device_begin(opened, options);
    opened->base.info.synchronous = true;
    *device = &opened->base;
    return STATUS_OK;
}

static void reference_close(struct device *device) {
    host_device_end((struct host_device *)device);
    free(device);
}

/* --- Memory --- */

static enum status reference_download(
    struct device *device, struct view source, void *host, struct error *error) {
    (void)device, (void)error;
    memcpy(host, host_floats(source), source.rows * source.columns * sizeof(float));
    return STATUS_OK;
}

static enum status reference_synchronise(struct device *device, struct error *error) {
    (void)device, (void)error;
    return STATUS_OK;
}

/* --- Operations --- */

enum { TILE = 16 };

/* sums[j] = sum over k < depth of a(i, k) * b(k, first + j), for j < TILE and within b's columns */
static void gemm_tile(struct matrix a, struct matrix b, size_t i, size_t first, size_t columns,
    size_t depth, double sums[TILE]) {
    const size_t width = columns - first < TILE ? columns - first : TILE;
    for (size_t j = 0; j < TILE; j++)
        sums[j] = 0.0;
    for (size_t k = 0; k < depth; k++) {
        const double value = matrix_at(a, i, k);
        const float *row = b.data + k * b.row + first * b.column;
        if (width == TILE && b.column == 1)
            for (size_t j = 0; j < TILE; j++)
                sums[j] += value * row[j];
        else
            for (size_t j = 0; j < width; j++)
                sums[j] += value * row[j * b.column];
    }
}

static double activate(enum activation activation, double z) {
    switch (activation) {
    case ACTIVATION_SIGMOID:
        return 1.0 / (1.0 + exp(-z));
    case ACTIVATION_TANH:
        return tanh(z);
    case ACTIVATION_RELU:
        return z < 0.0 ? 0.0 : z; /* NaN stays NaN */
    case ACTIVATION_NONE:
        break;
    }
    return z;
}

/* The activation's derivative, from its value. */
static double slope(enum activation activation, double value) {
    switch (activation) {
    case ACTIVATION_SIGMOID:
        return value * (1.0 - value);
    case ACTIVATION_TANH:
        return 1.0 - value * value;
    case ACTIVATION_RELU:
        return value > 0.0;
    case ACTIVATION_NONE:
        break;
    }
    return 1.0;
}

/* A function that does an operation of one kind, with a team of `threads` threads. */
typedef void operate(const struct operation *operation, int threads);

static void upload(const struct operation *operation, int threads) {
    (void)threads;
    const struct view to = operation->upload.destination;
    memcpy(host_floats(to), operation->host, to.rows * to.columns * sizeof(float));
}

/* Where an image has fewer than 3 channels, the missing ones are the first channel with weight
 * 0. */
static void upload_pixels(const struct operation *operation, int threads) {
    const struct view destination = operation->upload_pixels.destination;
    const struct pixel_format *format = &operation->pixels;
    const size_t channels = format->channels, plane = format->plane, columns = destination.columns;
    const double *weights = format->weights;
    const double second = channels > 1 ? weights[1] : 0.0, third = channels > 2 ? weights[2] : 0.0;
    const uint8_t *pixels = operation->host;
#pragma omp parallel for num_threads(team_whole(threads))
    for (size_t i = 0; i < destination.rows; i++) {
        const uint8_t *red = pixels + i * channels * plane; /* (channels, plane) */
        const uint8_t *green = channels > 1 ? red + plane : red;
        const uint8_t *blue = channels > 2 ? red + 2 * plane : red;
        float *row = host_floats(destination) + i * columns;
        for (size_t j = 0; j < columns; j++) {
            const double value =
                (format->mixed ? weights[0] * red[j] + second * green[j] + third * blue[j]
                               : red[j]) /
                255.0;
            const size_t channel = j / plane;
            row[j] = (float)(format->normalized
                                 ? (value - format->means[channel]) / format->deviations[channel]
                                 : value);
        }
    }
}

static void gather_rows(const struct operation *operation, int threads) {
    (void)threads;
    const struct view to = operation->gather_rows.destination;
    const float *source = host_floats(operation->gather_rows.source);
    const uint32_t *index = host_integers(operation->gather_rows.index);
    for (size_t i = 0; i < to.rows; i++)
        memcpy(host_floats(to) + i * to.columns, source + index[i] * to.columns,
            to.columns * sizeof(float));
}

static void dense_forward(const struct operation *operation, int threads) {
    const struct view x = operation->dense_forward.x, y = operation->dense_forward.y;
    const size_t batch = x.rows, in = x.columns, out = y.columns;
    const struct matrix a = {host_floats(x), in, 1};
    const struct matrix b = {host_floats(operation->dense_forward.weights), out, 1};
    const float *bias = host_floats(operation->dense_forward.bias);
    float *result = host_floats(y);
#pragma omp parallel for num_threads(team_whole(threads))
    for (size_t i = 0; i < batch; i++)
        for (size_t first = 0; first < out; first += TILE) {
            double sums[TILE];
            gemm_tile(a, b, i, first, out, in, sums);
            for (size_t j = first; j < out && j < first + TILE; j++)
                result[i * out + j] =
                    (float)activate(operation->activation, sums[j - first] + bias[j]);
        }
}

static void dense_backward(const struct operation *operation, int threads) {
    const struct view d_y = operation->dense_backward.d_y, d_x = operation->dense_backward.d_x;
    const size_t batch = d_x.rows, in = d_x.columns, out = d_y.columns;
    const struct matrix a = {host_floats(d_y), out, 1};
    const struct matrix b = {host_floats(operation->dense_backward.weights), 1, out};
    const float *value = host_floats(operation->dense_backward.x);
    float *result = host_floats(d_x);
#pragma omp parallel for num_threads(team_whole(threads))
    for (size_t i = 0; i < batch; i++)
        for (size_t first = 0; first < in; first += TILE) {
            double sums[TILE];
            gemm_tile(a, b, i, first, in, out, sums);
            for (size_t j = first; j < in && j < first + TILE; j++)
                result[i * in + j] =
                    (float)(sums[j - first] * slope(operation->activation, value[i * in + j]));
        }
}

/* Takes a step of an optimiser: changes element `at` of the parameters and of the states by that
 * element of their gradient. */
static void take_step(enum optimizer optimizer, const float *rates, double gradient,
    float *parameters, float *const states[OPTIMIZER_STATES_MAX], size_t at) {
    const double parameter = parameters[at];
    double state[OPTIMIZER_STATES_MAX] = {0};
    for (size_t s = 0; s < optimizer_states[optimizer]; s++)
        state[s] = states[s][at];
    switch (optimizer) {
    case OPTIMIZER_MOMENTUM:
        gradient += rates[1] * parameter;
        state[0] = rates[2] * state[0] + gradient;
        parameters[at] =
            (float)(parameter + rates[0] * (rates[3] * gradient + rates[4] * state[0]));
        break;
    case OPTIMIZER_ADAMW:
        state[0] += rates[3] * (gradient - state[0]);
        state[1] += rates[4] * (gradient * gradient - state[1]);
        parameters[at] = (float)(rates[0] * parameter +
                                 rates[1] * state[0] / (rates[2] * sqrt(state[1]) + rates[5]));
        break;
    default:
        parameters[at] += (float)(rates[0] * gradient);
    }
    for (size_t s = 0; s < optimizer_states[optimizer]; s++)
        states[s][at] = (float)state[s];
}

/* What becomes of a gradient: it is stored, or a step is taken with it. */
struct put {
    enum optimizer optimizer;
    const float *rates; /* NULL: it is stored */
    float *to, *states[OPTIMIZER_STATES_MAX];
};

static void put_gradient(const struct put *put, size_t at, double sum) {
    if (put->rates)
        take_step(put->optimizer, put->rates, sum, put->to, put->states, at);
    else
        put->to[at] = (float)sum;
}

/* Puts x[B, in]^T * d_y[B, out] to weights[in, out], and the sums of the columns of d_y to
 * bias[out]. */
static void put_gradients(struct view x, struct view d_y, const struct put *weights,
    const struct put *bias, int threads) {
    const size_t batch = x.rows, in = x.columns, out = d_y.columns;
    const struct matrix a = {host_floats(x), 1, in}, b = {host_floats(d_y), out, 1};
#pragma omp parallel for num_threads(team_whole(threads))
    for (size_t i = 0; i < in; i++)
        for (size_t first = 0; first < out; first += TILE) {
            double sums[TILE];
            gemm_tile(a, b, i, first, out, batch, sums);
            for (size_t j = first; j < out && j < first + TILE; j++)
                put_gradient(weights, i * out + j, sums[j - first]);
        }
    for (size_t j = 0; j < out; j++) {
        double column = 0.0;
        for (size_t i = 0; i < batch; i++)
            column += b.data[i * out + j];
        put_gradient(bias, j, column);
    }
}

static void dense_gradient(const struct operation *operation, int threads) {
    put_gradients(operation->dense_gradient.x, operation->dense_gradient.d_y,
        &(struct put){.to = host_floats(operation->dense_gradient.d_weights)},
        &(struct put){.to = host_floats(operation->dense_gradient.d_bias)}, threads);
}

static void optimize(const struct operation *operation, int threads) {
    (void)threads;
    const struct view of = operation->optimize.parameters;
    const float *gradient = host_floats(operation->optimize.gradient);
    float *states[OPTIMIZER_STATES_MAX] = {NULL};
    for (size_t s = 0; s < optimizer_states[operation->optimizer]; s++)
        states[s] = host_floats(operation->optimize.states[s]);
    for (size_t i = 0; i < of.rows * of.columns; i++)
        take_step(operation->optimizer, host_floats(operation->optimize.rates), gradient[i],
            host_floats(of), states, i);
}

static void dense_update(const struct operation *operation, int threads) {
    const float *rates = host_floats(operation->dense_update.rates);
    struct put weights = {
        operation->optimizer, rates, host_floats(operation->dense_update.weights)};
    struct put bias = {operation->optimizer, rates, host_floats(operation->dense_update.bias)};
    for (size_t s = 0; s < optimizer_states[operation->optimizer]; s++) {
        weights.states[s] = host_floats(operation->dense_update.states[s].weights);
        bias.states[s] = host_floats(operation->dense_update.states[s].bias);
    }
    put_gradients(operation->dense_update.x, operation->dense_update.d_y, &weights, &bias, threads);
}

static void softmax_cross_entropy(const struct operation *operation, int threads) {
    const struct view logits = operation->softmax_cross_entropy.logits;
    const size_t classes = logits.columns;
    const double off = (double)operation->smoothing / (double)classes;
    const double on = 1.0 - (double)operation->smoothing + off;
    const uint32_t *labels = host_integers(operation->softmax_cross_entropy.labels);
    float *score = host_floats(operation->softmax_cross_entropy.score);
#pragma omp parallel for num_threads(team_whole(threads))
    for (size_t i = 0; i < logits.rows; i++) {
        float *z = host_floats(logits) + i * classes;
        const size_t label = labels[i];
        size_t best = 0;
        for (size_t j = 1; j < classes; j++)
            if (z[j] > z[best])
                best = j;
        const double largest = z[best], of_label = z[label];
        double sum = 0.0;
        for (size_t j = 0; j < classes; j++)
            sum += exp(z[j] - largest);
        score[2 * i] = (float)(log(sum) - (of_label - largest));
        score[2 * i + 1] = best == label;
        for (size_t j = 0; j < classes; j++)
            z[j] =
                (float)(operation->scale * (exp(z[j] - largest) / sum - (j == label ? on : off)));
    }
}

static void dropout(const struct operation *operation, int threads) {
    const struct view to = operation->dropout.destination;
    const uint32_t pass = *host_integers(operation->dropout.pass);
    const uint32_t layer = operation->drawn.layer;
    const uint64_t seed = operation->drawn.seed;
    const double share = operation->drawn.share, limit = share * 0x1p32;
#pragma omp parallel for num_threads(team_whole(threads))
    for (size_t i = 0; i < to.rows; i++) {
        const float *source = host_floats(operation->dropout.source) + i * to.columns;
        float *destination = host_floats(to) + i * to.columns;
        const uint64_t sample = operation->drawn.first + i;
        uint32_t bits[4];
        for (size_t j = 0; j < to.columns; j++) {
            if (j % 4 == 0)
                random_bits(seed, RANDOM_DROPOUT, pass, sample << 32 | layer << 16 | j / 4, bits);
            destination[j] = (float)(bits[j % 4] < (uint32_t)limit ? 0.0 : source[j] / (1 - share));
        }
    }
}

static void flip(const struct operation *operation, int threads) {
    const struct view images = operation->flip.images;
    const uint32_t pass = *host_integers(operation->flip.pass);
    const size_t width = operation->width;
    (void)threads;
    for (size_t i = 0; i < images.rows; i++) {
        float *image = host_floats(images) + i * images.columns;
        uint32_t bits[4];
        random_bits(
            operation->drawn.seed, RANDOM_FLIP, pass, operation->drawn.first + (uint64_t)i, bits);
        for (size_t line = 0; bits[0] >> 31 && line < images.columns; line += width)
            for (size_t left = line, right = line + width - 1; left < right; left++, right--) {
                const float kept = image[left];
                image[left] = image[right];
                image[right] = kept;
            }
    }
}

static void square_sums(const struct operation *operation, int threads) {
    const struct view values = operation->square_sums.values;
    const float *from = host_floats(values);
    float *sums = host_floats(operation->square_sums.sums);
#pragma omp parallel for num_threads(team_whole(threads))
    for (size_t k = 0; k < SQUARE_SUMS; k++) {
        const size_t end = (k + 1) * values.rows / SQUARE_SUMS * values.columns;
        double sum = 0.0;
        for (size_t i = k * values.rows / SQUARE_SUMS * values.columns; i < end; i++)
            sum += (double)from[i] * from[i];
        sums[k] = (float)sum;
    }
}

static void clip(const struct operation *operation, int threads) {
    const struct view values = operation->clip.values;
    const float *sums = host_floats(operation->clip.sums);
    double sum = 0.0;
    (void)threads;
    for (size_t k = 0; k < SQUARE_SUMS; k++)
        sum += sums[k];
    const double factor = operation->largest / (sqrt(sum) + 1e-6);
    for (size_t i = 0; i < values.rows * values.columns; i++)
        host_floats(values)[i] *= (float)(factor > 1.0 ? 1.0 : factor);
}

static operate *const operations[OPERATION_KINDS] = {
    [OPERATION_UPLOAD] = upload,
    [OPERATION_UPLOAD_PIXELS] = upload_pixels,
    [OPERATION_GATHER_ROWS] = gather_rows,
    [OPERATION_DENSE_FORWARD] = dense_forward,
    [OPERATION_DENSE_BACKWARD] = dense_backward,
    [OPERATION_DENSE_GRADIENT] = dense_gradient,
    [OPERATION_OPTIMIZE] = optimize,
    [OPERATION_DENSE_UPDATE] = dense_update,
    [OPERATION_SOFTMAX_CROSS_ENTROPY] = softmax_cross_entropy,
    [OPERATION_DROPOUT] = dropout,
    [OPERATION_FLIP] = flip,
    [OPERATION_SQUARE_SUMS] = square_sums,
    [OPERATION_CLIP] = clip,
};

static enum status reference_enqueue(
    struct device *device, const struct operation *operation, struct error *error) {
    if (operation->kind == OPERATION_ALL_REDUCE)
        return host_all_reduce(device, operation, error);
    operations[operation->kind](operation, device->info.threads);
    return STATUS_OK;
}

const struct device_type reference_device_type = {
    .kind = "reference",
    .automatic = true, /* "auto" takes it as the last resort, because it always opens */
    .list = reference_list,
    .find = reference_find,
    .open = reference_open,
    .close = reference_close,
    .join = host_device_join,
    .exchanges = host_exchanges,
    .allocate = host_buffer_allocate,
    .allocate_exchanged = host_buffer_allocate_exchanged,
    .memory = host_device_memory,
    .free_buffer = host_buffer_free,
    .download = reference_download,
    .synchronise = reference_synchronise,
    .measure_arithmetic = host_device_measure_arithmetic,
    .enqueue = reference_enqueue,
};
