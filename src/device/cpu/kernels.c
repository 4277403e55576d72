/* Plain loops, which gcc and clang turn into vector code. This file is compiled once for each
 * instruction set. */
#include "device/cpu/kernels.h"

#include "device/cpu/random_vector.h"
#include "device/instruction_set.h"
#include "system/strict_math.h"
#include "trainer/random.h"

#include <math.h>
#include <string.h>

/* e^x for -87 <= x <= 88. An x beyond these limits is taken as the limit; NaN stays NaN.
 * We write x = n ln 2 + r with a whole n and |r| <= ln(2) / 2. Then e^x = 2^n e^r. For e^r we take
 * its Taylor series up to r^7, whose absolute error is less than 6e-9. */
static inline float exponential(float x) {
    const float low = -87.0f, high = 88.0f;
    const float log2_e = 1.44269504088896341f;
    const float ln2_high = 0.693359375f, ln2_low = -2.12194440054690583e-4f; /* sum: ln 2 */
    const float round = 12582912.0f; /* 1.5 * 2^23: adding it rounds to a whole number */
    x = x < low ? low : x;
    x = x > high ? high : x;
    const float shifted = x * log2_e + round;
    const float n = shifted - round;
    const float r = (x - n * ln2_high) - n * ln2_low;
    float e = 1.0f / 5040;
    e = e * r + 1.0f / 720;
    e = e * r + 1.0f / 120;
    e = e * r + 1.0f / 24;
    e = e * r + 1.0f / 6;
    e = e * r + 0.5f;
    e = e * r + 1.0f;
    e = e * r + 1.0f;
    uint32_t bits, power; /* n sits in the low bits of `shifted`: move it to 2^n's exponent */
    memcpy(&bits, &shifted, sizeof bits);
    power = (bits + 127) << 23;
    float two_to_n;
    memcpy(&two_to_n, &power, sizeof two_to_n);
    return e * two_to_n;
}

static inline float sigmoid(float z) {
    return 1.0f / (1.0f + exponential(-z));
}

static inline float hyperbolic_tangent(float z) {
    return 1.0f - 2.0f / (1.0f + exponential(2.0f * z));
}

static inline float rectify(float z) {
    return z < 0.0f ? 0.0f : z; /* NaN stays NaN */
}

static void bias_activate(
    float *y, const float *bias, size_t rows, size_t columns, enum activation activation) {
    for (size_t i = 0; i < rows; i++) {
        float *restrict row = y + i * columns;
        const float *restrict add = bias;
        switch (activation) {
        case ACTIVATION_NONE:
            for (size_t j = 0; j < columns; j++)
                row[j] += add[j];
            break;
        case ACTIVATION_SIGMOID:
            for (size_t j = 0; j < columns; j++)
                row[j] = sigmoid(row[j] + add[j]);
            break;
        case ACTIVATION_TANH:
            for (size_t j = 0; j < columns; j++)
                row[j] = hyperbolic_tangent(row[j] + add[j]);
            break;
        case ACTIVATION_RELU:
            for (size_t j = 0; j < columns; j++)
                row[j] = rectify(row[j] + add[j]);
            break;
        }
    }
}

static void multiply_slope(
    float *restrict d, const float *restrict value, size_t count, enum activation activation) {
    switch (activation) {
    case ACTIVATION_NONE:
        break;
    case ACTIVATION_SIGMOID:
        for (size_t i = 0; i < count; i++)
            d[i] *= value[i] * (1.0f - value[i]);
        break;
    case ACTIVATION_TANH:
        for (size_t i = 0; i < count; i++)
            d[i] *= 1.0f - value[i] * value[i];
        break;
    case ACTIVATION_RELU:
        for (size_t i = 0; i < count; i++)
            d[i] *= value[i] > 0.0f ? 1.0f : 0.0f;
        break;
    }
}

enum { COLUMN_TILE = 32 };

static void add_column_sums(float *restrict sum, const float *restrict d, size_t rows,
    size_t columns, size_t first, size_t end, float scale) {
    for (; first < end; first += COLUMN_TILE) {
        const size_t width = end - first < COLUMN_TILE ? end - first : COLUMN_TILE;
        float partial[COLUMN_TILE] = {0};
        if (width == COLUMN_TILE)
            for (size_t i = 0; i < rows; i++)
                for (size_t j = 0; j < COLUMN_TILE; j++)
                    partial[j] += d[i * columns + first + j];
        else
            for (size_t i = 0; i < rows; i++)
                for (size_t j = 0; j < width; j++)
                    partial[j] += d[i * columns + first + j];
        for (size_t j = 0; j < width; j++)
            sum[first + j] += scale * partial[j];
    }
}

static void descend(
    const float *rates, const float *restrict gradient, float *restrict parameters, size_t count) {
    const float scale = rates[0];
    for (size_t i = 0; i < count; i++)
        parameters[i] += scale * gradient[i];
}

static void step_with_momentum(const float *rates, const float *restrict gradient,
    float *restrict parameters, float *restrict velocity, size_t count) {
    const float scale = rates[0], decay = rates[1], momentum = rates[2];
    const float of_gradient = rates[3], of_velocity = rates[4];
    for (size_t i = 0; i < count; i++) {
        const float g = gradient[i] + decay * parameters[i];
        velocity[i] = momentum * velocity[i] + g;
        parameters[i] += scale * (of_gradient * g + of_velocity * velocity[i]);
    }
}

static void step_of_adamw(const float *rates, const float *restrict gradient,
    float *restrict parameters, float *restrict mean, float *restrict square, size_t count) {
    const float keep = rates[0], scale = rates[1], correction = rates[2];
    const float to_mean = rates[3], to_square = rates[4], epsilon = rates[5];
    for (size_t i = 0; i < count; i++) {
        const float g = gradient[i];
        mean[i] += to_mean * (g - mean[i]);
        square[i] += to_square * (g * g - square[i]);
        parameters[i] =
            keep * parameters[i] + scale * mean[i] / (correction * sqrtf(square[i]) + epsilon);
    }
}

static void take_step(enum optimizer optimizer, const float *rates, const float *gradient,
    float *parameters, float *const states[OPTIMIZER_STATES_MAX], size_t count) {
    switch (optimizer) {
    case OPTIMIZER_MOMENTUM:
        step_with_momentum(rates, gradient, parameters, states[0], count);
        break;
    case OPTIMIZER_ADAMW:
        step_of_adamw(rates, gradient, parameters, states[0], states[1], count);
        break;
    default:
        descend(rates, gradient, parameters, count);
    }
}

static void softmax_cross_entropy(float *restrict logits, const uint32_t *restrict labels,
    size_t rows, size_t classes, float scale, float smoothing, float *restrict score) {
    const float off = scale * smoothing / (float)classes, on = scale * (1.0f - smoothing);
    for (size_t i = 0; i < rows; i++) {
        float *z = logits + i * classes;
        size_t best = 0;
        for (size_t j = 1; j < classes; j++)
            best = z[j] > z[best] ? j : best;
        const float largest = z[best];
        for (size_t j = 0; j < classes; j++)
            z[j] -= largest;
        score[2 * i] = z[labels[i]];
        score[2 * i + 1] = best == labels[i] ? 1.0f : 0.0f;
    }
    for (size_t i = 0; i < rows * classes; i++) /* all rows at once, so that vectors are full */
        logits[i] = exponential(logits[i]);
    for (size_t i = 0; i < rows; i++) {
        float *e = logits + i * classes;
        float sum = 0.0f;
        for (size_t j = 0; j < classes; j++)
            sum += e[j];
        score[2 * i] = logf(sum) - score[2 * i];
        const float factor = scale / sum;
        for (size_t j = 0; j < classes; j++)
            e[j] = e[j] * factor - off;
        e[labels[i]] -= on;
    }
}

enum { DRAWN = 4 * BLOCKS }; /* values that random numbers are drawn for at a time */

/* destination[count] of source[count], which may be the same. */
static inline void drop(const float *source, float *destination, size_t count,
    const uint32_t bits[DRAWN], uint32_t limit, float factor) {
    float values[DRAWN];
    memcpy(values, source, count * sizeof *values);
    for (size_t j = 0; j < count; j++)
        values[j] = bits[j] >= limit ? values[j] * factor : 0.0f;
    memcpy(destination, values, count * sizeof *values);
}

static void dropout(const float *source, float *destination, size_t rows, size_t columns,
    const struct dropout *dropout) {
    const uint32_t key[2] = {(uint32_t)dropout->seed, (uint32_t)(dropout->seed >> 32)};
    const uint32_t limit = (uint32_t)(dropout->share * 0x1p32);
    const float factor = (float)(1.0 / (1.0 - dropout->share));
    for (size_t i = 0; i < rows; i++, source += columns, destination += columns)
        for (size_t first = 0; first < columns; first += DRAWN) {
            const uint32_t counter[4] = {dropout->layer << 16 | (uint32_t)(first / 4),
                dropout->first + (uint32_t)i, dropout->pass, RANDOM_DROPOUT};
            uint32_t bits[DRAWN];
            random_blocks(counter, key, bits);
            if (columns - first >= DRAWN) /* the usual count is a constant */
                drop(source + first, destination + first, DRAWN, bits, limit, factor);
            else
                drop(source + first, destination + first, columns - first, bits, limit, factor);
        }
}

enum { LINE_END = 16 }; /* values of an end of a line, which are whole vectors */

static inline void reverse_end(float *values) {
    float reversed[LINE_END];
    for (size_t j = 0; j < LINE_END; j++)
        reversed[j] = values[LINE_END - 1 - j];
    memcpy(values, reversed, sizeof reversed);
}

/* Exchanges the ends of each line, and of what is between them, and so on; the last ones value by
 * value. */
static void reverse(float *image, size_t lines, size_t width) {
    for (size_t l = 0; l < lines; l++, image += width) {
        size_t left = 0, right = width; /* what is between them is not reversed yet */
        for (; right - left >= 2 * LINE_END; left += LINE_END, right -= LINE_END) {
            float first[LINE_END], last[LINE_END];
            memcpy(first, image + left, sizeof first);
            memcpy(last, image + right - LINE_END, sizeof last);
            reverse_end(first);
            reverse_end(last);
            memcpy(image + left, last, sizeof last);
            memcpy(image + right - LINE_END, first, sizeof first);
        }
        for (; right - left >= 2; left++, right--) {
            const float kept = image[left];
            image[left] = image[right - 1];
            image[right - 1] = kept;
        }
    }
}

static float square_sum(const float *values, size_t count) {
    float sums[COLUMN_TILE] = {0}, sum = 0.0f;
    size_t i = 0;
    for (; i + COLUMN_TILE <= count; i += COLUMN_TILE)
        for (size_t j = 0; j < COLUMN_TILE; j++)
            sums[j] += values[i + j] * values[i + j];
    for (; i < count; i++)
        sum += values[i] * values[i];
    for (size_t j = 0; j < COLUMN_TILE; j++)
        sum += sums[j];
    return sum;
}

static void multiply(float *values, size_t count, float factor) {
    for (size_t i = 0; i < count; i++)
        values[i] *= factor;
}

/* Mixes the channels of an image. Compilers make good vector code of a single pass over three
 * channels. For a channel that an image lacks, the first channel is read, and counts 0 times. */
static void mix_channels(
    float *restrict values, const uint8_t *restrict pixels, const struct pixel_format *format) {
    const size_t channels = format->channels, plane = format->plane;
    float weights[PIXELS_CHANNELS_MAX] = {0};
    for (size_t c = 0; c < channels; c++)
        weights[c] = (float)format->weights[c] / 255;
    const float first = weights[0], second = weights[1], third = weights[2];
    const uint8_t *green = channels > 1 ? pixels + plane : pixels;
    const uint8_t *blue = channels > 2 ? pixels + 2 * plane : pixels;
    for (size_t j = 0; j < plane; j++)
        values[j] = first * (float)pixels[j] + second * (float)green[j] + third * (float)blue[j];
}

static void normalize(float *values, size_t channels, const struct pixel_format *format) {
    for (size_t c = 0; c < channels; c++, values += format->plane) {
        const float factor = (float)(1.0 / format->deviations[c]);
        const float less = (float)(format->means[c] / format->deviations[c]);
        for (size_t j = 0; j < format->plane; j++)
            values[j] = values[j] * factor - less;
    }
}

/* An image after another, which is still in the smallest cache when it is normalized. */
static void convert_pixels(float *restrict destination, const uint8_t *restrict pixels, size_t rows,
    const struct pixel_format *format) {
    const size_t channels = format->mixed ? 1 : format->channels,
                 columns = channels * format->plane;
    for (size_t i = 0; i < rows; i++, destination += columns) {
        if (format->mixed)
            mix_channels(destination, pixels, format);
        else
            for (size_t j = 0; j < columns; j++)
                destination[j] = (float)pixels[j] * (1.0f / 255);
        if (format->normalized)
            normalize(destination, channels, format);
        pixels += format->channels * format->plane;
    }
}

gemm_function OF_SET(gemm);

const struct cpu_kernels OF_SET(cpu_kernels) = {
    .gemm = OF_SET(gemm),
    .bias_activate = bias_activate,
    .multiply_slope = multiply_slope,
    .add_column_sums = add_column_sums,
    .take_step = take_step,
    .softmax_cross_entropy = softmax_cross_entropy,
    .dropout = dropout,
    .reverse = reverse,
    .square_sum = square_sum,
    .multiply = multiply,
    .convert_pixels = convert_pixels,
};
