/* Kernels that treat each sample by itself: its image, or its row of logits. */
#include "dialect.h"

/* With p = the softmax of a row of logits[batch, classes], and label = that row's entry of
 * labels[batch]: the row of score[batch, 2] becomes -log p[label], and 1 if the first largest p is
 * the label's, else 0. Then the row of logits becomes scale * (p - target), where the target is `on`
 * for the label and `off` for other classes. Each item does one row. */
KERNEL(softmax_cross_entropy)
(GLOBAL float *logits, ulong logits_at, GLOBAL const uint *labels, ulong labels_at,
    GLOBAL float *score, ulong score_at, uint batch, uint classes, float scale,
    float on, float off) {
    const uint i = get_global_id(0);
    if (i >= batch)
        return;
    GLOBAL float *z = logits + logits_at + (ulong)i * classes;
    const uint label = labels[labels_at + i];
    uint best = 0;
    for (uint j = 1; j < classes; j++)
        if (z[j] > z[best])
            best = j;
    const float largest = z[best], of_label = z[label];
    float sum = 0.0f;
    for (uint j = 0; j < classes; j++)
        sum += exp(z[j] - largest);
    score[score_at + 2 * (ulong)i] = log(sum) - (of_label - largest);
    score[score_at + 2 * (ulong)i + 1] = best == label ? 1.0f : 0.0f;
    for (uint j = 0; j < classes; j++)
        z[j] = scale * (exp(z[j] - largest) / sum - (j == label ? on : off));
}

/* Row i of destination[rows, columns] = row index[i] of source[N, columns]. Each item copies one
 * element. Its 4 bytes are copied as they are, whatever they mean. */
KERNEL(gather_rows)
(GLOBAL const uint *source, ulong source_at, GLOBAL const uint *index, ulong index_at,
    GLOBAL uint *destination, ulong destination_at, uint rows, uint columns) {
    const uint column = get_global_id(0), row = get_global_id(1);
    if (row < rows && column < columns)
        destination[destination_at + (ulong)row * columns + column] =
            source[source_at + (ulong)index[index_at + row] * columns + column];
}

/* Turns the bytes of images into numbers from 0 to 1. An image is `channels` planes of bytes, one
 * after another, and becomes a row of destination[rows, columns]. Without `mixed`, destination =
 * pixels / 255, and `columns` is the size of an image. With `mixed`, the planes of an image become
 * one, and `columns` is the size of a plane: destination = (first * the first channel + second *
 * the second + third * the third) / 255. The weight of a channel that an image lacks is 0. A
 * number of channel c is then multiplied by factor c, and less c is taken off it; 1 and 0 leave it as
 * it is. Each
 * item computes one element. No item tests whether it is inside: with such a test some compilers
 * use no vectors, and the kernel takes half as long again. So the host must launch exactly one item
 * for each element, in groups whose size divides `columns`. */
KERNEL(convert_pixels)
(GLOBAL const uchar *pixels, GLOBAL float *destination, ulong destination_at, uint columns,
    uint channels, uint mixed, float first, float second, float third, float factor0,
    float factor1, float factor2, float less0, float less1, float less2) {
    const ulong j = get_global_id(0), row = get_global_id(1);
    GLOBAL float *to = destination + destination_at + row * columns;
    if (mixed) {
        GLOBAL const uchar *red = pixels + row * channels * columns;
        GLOBAL const uchar *green = channels > 1 ? red + columns : red;
        GLOBAL const uchar *blue = channels > 2 ? green + columns : red;
        to[j] = (first * red[j] + second * green[j] + third * blue[j]) / 255.0f * factor0 - less0;
    } else {
        const uint plane = columns / channels, c = (uint)j / plane;
        to[j] = pixels[row * columns + j] / 255.0f * (c == 0 ? factor0 : c == 1 ? factor1 : factor2) -
                (c == 0 ? less0 : c == 1 ? less1 : less2);
    }
}
