/* What the cpu device computes besides gemms, on rows that belong to one thread. The same text
 * (kernels.c) is compiled once for each instruction set, to a table of functions. The device picks
 * the table of the best set when it opens. */
#ifndef DEVICE_CPU_KERNELS_H
#define DEVICE_CPU_KERNELS_H

#include "device/cpu/gemm.h"
#include "trainer/device.h"

/* What device_dropout draws. */
struct dropout {
    uint64_t seed;
    uint32_t pass, first, layer;
    double share;
};

struct cpu_kernels {
    gemm_function *gemm; /* (gemm.h) */

    /* y[rows, columns] = activation(y + bias[columns]). The absolute error of a sigmoid is less
     * than 1e-7, and that of a tanh less than 2e-7. */
    void (*bias_activate)(
        float *y, const float *bias, size_t rows, size_t columns, enum activation activation);

    /* d[count] *= the activation's derivative, which is computed from the activation's
     * value[count]. */
    void (*multiply_slope)(float *d, const float *value, size_t count, enum activation activation);

    /* sum[column] += scale * the sum of that column of d[rows, columns], for first <= column < end.
     */
    void (*add_column_sums)(float *sum, const float *d, size_t rows, size_t columns, size_t first,
        size_t end, float scale);

    /* A step of an optimiser, as device_optimize says, for so many parameters. `states` has as many
     * pointers as the optimiser has states. */
    void (*take_step)(enum optimizer optimizer, const float *rates, const float *gradient,
        float *parameters, float *const states[OPTIMIZER_STATES_MAX], size_t count);

    /* As device_softmax_cross_entropy, for `rows` samples. The error of exp is less than 2 units in
     * the last place. */
    void (*softmax_cross_entropy)(float *logits, const uint32_t *labels, size_t rows,
        size_t classes, float scale, float smoothing, float *score);

    /* As device_dropout, for `rows` samples. */
    void (*dropout)(const float *source, float *destination, size_t rows, size_t columns,
        const struct dropout *dropout);

    /* Reverses each of image[lines, width]. */
    void (*reverse)(float *image, size_t lines, size_t width);

    /* The sum of the squares of values[count], and values[count] *= factor. */
    float (*square_sum)(const float *values, size_t count);
    void (*multiply)(float *values, size_t count, float factor);

    /* Turns pixels[rows, channels * plane] into numbers, as device_upload_pixels says. destination
     * is [rows, plane] where channels are mixed, else [rows, channels * plane]. */
    void (*convert_pixels)(
        float *destination, const uint8_t *pixels, size_t rows, const struct pixel_format *format);
};

#endif
