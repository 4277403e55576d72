/* The operations of trainer/device.h once more, as plain loops in double precision over arrays of
 * the host: what every device is held against. They share no code with any. */
#ifndef PLAIN_H
#define PLAIN_H

#include "trainer/device.h"

double plain_activate(enum activation activation, double z);

/* y[batch, out] */
void plain_dense_forward(size_t batch, size_t in, size_t out, const float *x, const float *weights,
    const float *bias, enum activation activation, float *y);

/* d_x[batch, in] */
void plain_dense_backward(size_t batch, size_t in, size_t out, const float *d_y,
    const float *weights, const float *x, enum activation activation, float *d_x);

/* weights[in, out] and bias[out] */
void plain_dense_update(size_t batch, size_t in, size_t out, const float *x, const float *d_y,
    double scale, float *weights, float *bias);

/* d_weights[in, out] and d_bias[out] */
void plain_dense_gradient(size_t batch, size_t in, size_t out, const float *x, const float *d_y,
    float *d_weights, float *d_bias);

/* parameters[count], and as many states: first[count], second[count] */
void plain_optimize(size_t count, enum optimizer optimizer, const float *gradient,
    const float *rates, float *parameters, float *first, float *second);

/* score[batch, 2], and logits[batch, classes] become the gradient */
void plain_softmax_cross_entropy(size_t batch, size_t classes, float *logits,
    const uint32_t *labels, double scale, double smoothing, float *score);

/* to[rows, columns] of from[rows, columns], by what is drawn for `pass` */
void plain_dropout(size_t rows, size_t columns, const float *from, uint32_t pass, uint64_t seed,
    size_t first, uint32_t layer, double share, float *to);
/* images[rows, columns] */
void plain_flip(size_t rows, size_t columns, uint32_t pass, uint64_t seed, size_t first,
    size_t width, float *images);

/* sums[SQUARE_SUMS] of values[rows, columns]; and values by such sums */
void plain_square_sums(size_t rows, size_t columns, const float *values, float *sums);
void plain_clip(size_t count, const float *sums, double largest, float *values);

/* destination[rows, columns] */
void plain_gather_rows(
    size_t rows, size_t columns, const float *source, const uint32_t *index, float *destination);

/* destination[rows, 1024 or 3072] of pixels[rows, 3072] */
void plain_upload_pixels(
    size_t rows, const uint8_t *pixels, const struct pixel_format *format, float *destination);

#endif
