/* What the cpu device computes besides gemms, on rows that one thread owns. The same
 * text is compiled once for each instruction set; the device picks a table when it opens. */
#ifndef DEVICE_CPU_KERNELS_H
#define DEVICE_CPU_KERNELS_H

#include "trainer/device.h"

struct cpu_kernels {
    const char *name; /* of the instruction set */

    /* y[rows, columns] = activation(y + bias[columns]).
     * Sigmoid errs by less than 1e-7, tanh by less than 2e-7, both absolutely. */
    void (*bias_activate)(
        float *y, const float *bias, size_t rows, size_t columns, enum activation activation);

    /* d[count] *= the activation's derivative, from its value[count]. */
    void (*multiply_slope)(float *d, const float *value, size_t count, enum activation activation);

    /* sum[column] += scale * the sum of d[rows, columns]'s column, for first <= column < end. */
    void (*add_column_sums)(float *sum, const float *d, size_t rows, size_t columns, size_t first,
        size_t end, float scale);

    /* sum[count] += scale * d[count] */
    void (*add_scaled)(float *sum, const float *d, size_t count, float scale);

    /* See device_softmax_cross_entropy. exp errs by less than 2 units in the last place. */
    void (*softmax_cross_entropy)(float *logits, const uint32_t *labels, size_t rows,
        size_t classes, float scale, float *score);

    /* destination[rows, plane or channels * plane] = pixels[rows, channels * plane], as
     * device_upload_pixels says. */
    void (*convert_pixels)(
        float *destination, const uint8_t *pixels, size_t rows, const struct pixel_format *format);
};

extern const struct cpu_kernels cpu_kernels_baseline; /* what the compiler's target has */
#ifdef TRAINER_HAS_AVX2
extern const struct cpu_kernels cpu_kernels_avx2;
#endif

#endif
