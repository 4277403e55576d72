#include "plain.h"

#include "trainer/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

double plain_activate(enum activation activation, double z) {
    return activation == ACTIVATION_SIGMOID ? 1.0 / (1.0 + exp(-z))
           : activation == ACTIVATION_TANH  ? tanh(z)
           : activation == ACTIVATION_RELU  ? fmax(z, 0.0)
                                            : z;
}

static double slope(enum activation activation, double y) {
    return activation == ACTIVATION_SIGMOID ? y * (1.0 - y)
           : activation == ACTIVATION_TANH  ? 1.0 - y * y
           : activation == ACTIVATION_RELU  ? (y > 0.0 ? 1.0 : 0.0)
                                            : 1.0;
}

void plain_dense_forward(size_t batch, size_t in, size_t out, const float *x, const float *weights,
    const float *bias, enum activation activation, float *y) {
    double *z = malloc(out * sizeof *z);
    for (size_t i = 0; i < batch; i++) {
        for (size_t j = 0; j < out; j++)
            z[j] = bias[j];
        for (size_t k = 0; k < in; k++)
            for (size_t j = 0; j < out; j++)
                z[j] += (double)x[i * in + k] * weights[k * out + j];
        for (size_t j = 0; j < out; j++)
            y[i * out + j] = (float)plain_activate(activation, z[j]);
    }
    free(z);
}

void plain_dense_backward(size_t batch, size_t in, size_t out, const float *d_y,
    const float *weights, const float *x, enum activation activation, float *d_x) {
    for (size_t i = 0; i < batch; i++)
        for (size_t k = 0; k < in; k++) {
            double sum = 0.0;
            for (size_t j = 0; j < out; j++)
                sum += (double)d_y[i * out + j] * weights[k * out + j];
            d_x[i * in + k] = (float)(sum * slope(activation, x[i * in + k]));
        }
}

void plain_dense_update(size_t batch, size_t in, size_t out, const float *x, const float *d_y,
    double scale, float *weights, float *bias) {
    double *gradient = malloc(out * sizeof *gradient);
    for (size_t k = 0; k <= in; k++) { /* the bias is the weights of an input that is always 1 */
        float *row = k < in ? weights + k * out : bias;
        for (size_t j = 0; j < out; j++)
            gradient[j] = 0.0;
        for (size_t i = 0; i < batch; i++)
            for (size_t j = 0; j < out; j++)
                gradient[j] += (k < in ? (double)x[i * in + k] : 1.0) * d_y[i * out + j];
        for (size_t j = 0; j < out; j++)
            row[j] = (float)(row[j] + scale * gradient[j]);
    }
    free(gradient);
}

void plain_dense_gradient(size_t batch, size_t in, size_t out, const float *x, const float *d_y,
    float *d_weights, float *d_bias) {
    for (size_t e = 0; e < in * out; e++)
        d_weights[e] = 0.0f;
    for (size_t j = 0; j < out; j++)
        d_bias[j] = 0.0f;
    plain_dense_update(batch, in, out, x, d_y, 1.0, d_weights, d_bias);
}

void plain_optimize(size_t count, enum optimizer optimizer, const float *gradient,
    const float *rates, float *parameters, float *first, float *second) {
    for (size_t i = 0; i < count; i++) {
        double g = gradient[i], p = parameters[i], step = 0.0;
        if (optimizer == OPTIMIZER_GRADIENT_DESCENT)
            step = g;
        if (optimizer == OPTIMIZER_MOMENTUM) {
            g += (double)rates[1] * p;
            const double velocity = (double)rates[2] * first[i] + g;
            first[i] = (float)velocity;
            step = (double)rates[3] * g + (double)rates[4] * velocity;
        }
        if (optimizer == OPTIMIZER_ADAMW) {
            const double mean = (1.0 - (double)rates[3]) * first[i] + (double)rates[3] * g;
            const double square = (1.0 - (double)rates[4]) * second[i] + (double)rates[4] * g * g;
            first[i] = (float)mean;
            second[i] = (float)square;
            step = mean / ((double)rates[2] * sqrt(square) + (double)rates[5]);
        }
        parameters[i] =
            (float)(optimizer == OPTIMIZER_ADAMW ? (double)rates[0] * p + (double)rates[1] * step
                                                 : p + (double)rates[0] * step);
    }
}

void plain_softmax_cross_entropy(size_t batch, size_t classes, float *logits,
    const uint32_t *labels, double scale, double smoothing, float *score) {
    for (size_t i = 0; i < batch; i++) {
        float *z = logits + i * classes;
        size_t first = 0; /* of the largest */
        double sum = 0.0;
        for (size_t j = 1; j < classes; j++)
            if (z[j] > z[first])
                first = j;
        const double largest = z[first], of_label = z[labels[i]];
        for (size_t j = 0; j < classes; j++)
            sum += exp(z[j] - largest);
        score[2 * i] = (float)(log(sum) + largest - of_label);
        score[2 * i + 1] = first == labels[i];
        for (size_t j = 0; j < classes; j++)
            z[j] = (float)(scale * (exp(z[j] - largest) / sum - smoothing / (double)classes -
                                       (j == labels[i] ? 1.0 - smoothing : 0.0)));
    }
}

/* Word `word` of a block of a stream. */
static uint32_t draw_word(
    uint64_t seed, enum random_stream stream, uint32_t pass, uint64_t block, size_t word) {
    const uint32_t key[2] = {(uint32_t)(seed % 0x100000000), (uint32_t)(seed / 0x100000000)};
    const uint32_t counter[4] = {
        (uint32_t)(block % 0x100000000), (uint32_t)(block / 0x100000000), pass, (uint32_t)stream};
    uint32_t words[4];
    random_philox(counter, key, words);
    return words[word];
}

void plain_dropout(size_t rows, size_t columns, const float *from, uint32_t pass, uint64_t seed,
    size_t first, uint32_t layer, double share, float *to) {
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j++) {
            const uint64_t block = (first + i) * 0x100000000 + layer * 0x10000 + j / 4;
            const uint32_t word = draw_word(seed, RANDOM_DROPOUT, pass, block, j % 4);
            const bool dropped = word < floor(share * 4294967296.0);
            to[i * columns + j] = dropped ? 0.0f : (float)(from[i * columns + j] / (1.0 - share));
        }
}

void plain_flip(size_t rows, size_t columns, uint32_t pass, uint64_t seed, size_t first,
    size_t width, float *images) {
    for (size_t i = 0; i < rows; i++) {
        float line[1 << 10];
        if (draw_word(seed, RANDOM_FLIP, pass, first + i, 0) < 0x80000000)
            continue;
        for (size_t l = 0; l < columns; l += width) {
            memcpy(line, images + i * columns + l, width * sizeof *line);
            for (size_t j = 0; j < width; j++)
                images[i * columns + l + j] = line[width - 1 - j];
        }
    }
}

void plain_square_sums(size_t rows, size_t columns, const float *values, float *sums) {
    for (size_t k = 0; k < SQUARE_SUMS; k++) {
        double sum = 0.0;
        for (size_t r = k * rows / SQUARE_SUMS; r < (k + 1) * rows / SQUARE_SUMS; r++)
            for (size_t j = 0; j < columns; j++)
                sum += pow(values[r * columns + j], 2.0);
        sums[k] = (float)sum;
    }
}

void plain_clip(size_t count, const float *sums, double largest, float *values) {
    double sum = 0.0;
    for (size_t k = 0; k < SQUARE_SUMS; k++)
        sum += sums[k];
    for (size_t i = 0; i < count; i++)
        values[i] = (float)(values[i] * fmin(1.0, largest / (sqrt(sum) + 1e-6)));
}

void plain_gather_rows(
    size_t rows, size_t columns, const float *source, const uint32_t *index, float *destination) {
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j++)
            destination[i * columns + j] = source[index[i] * columns + j];
}

void plain_upload_pixels(
    size_t rows, const uint8_t *pixels, const struct pixel_format *format, float *destination) {
    const size_t plane = format->plane, bytes = format->channels * plane;
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < (format->mixed ? plane : bytes); j++) {
            double value = 0.0;
            for (size_t c = 0; c < format->channels && format->mixed; c++)
                value += format->weights[c] * pixels[i * bytes + c * plane + j];
            if (!format->mixed)
                value = pixels[i * bytes + j];
            const size_t channel = j / plane;
            value /= 255.0;
            if (format->normalized)
                value = (value - format->means[channel]) / format->deviations[channel];
            *destination++ = (float)value;
        }
}
