/* What is done sample by sample. */
#include "dialect.h"

/* With p = softmax of each row of logits[batch, classes]: score[batch, 2] = (-log p[label], 1 if
 * the first largest p is the label's, else 0), then logits = scale * (p - one-hot(label)). An item
 * does a row. */
KERNEL(softmax_cross_entropy)
(GLOBAL float *logits, ulong logits_at, GLOBAL const uint *labels, ulong labels_at,
    GLOBAL float *score, ulong score_at, uint batch, uint classes, float scale) {
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
        z[j] = scale * (exp(z[j] - largest) / sum - (j == label ? 1.0f : 0.0f));
}

/* destination[rows, columns] = row index[i] of source[N, columns], for row i. An item does an
 * element. */
KERNEL(gather_rows)
(GLOBAL const uint *source, ulong source_at, GLOBAL const uint *index, ulong index_at,
    GLOBAL uint *destination, ulong destination_at, uint rows, uint columns) {
    const uint column = get_global_id(0), row = get_global_id(1);
    if (row < rows && column < columns)
        destination[destination_at + (ulong)row * columns + column] =
            source[source_at + (ulong)index[index_at + row] * columns + column];
}

/* Images of `channels` planes of bytes, one image after another, as numbers from 0 to 1. With `mixed`:
 * destination[rows, columns] = (first * the bytes of the first channel + second * those of the second
 * + third * those of the third) / 255, where columns is a plane, and the weights of channels that are
 * not there are 0. Else destination[rows, columns] = pixels / 255, where columns is an image. An item
 * does an element of the destination, and the items are exactly those: groups must divide columns.
 * (A test of each would keep some compilers from using vectors, and cost half as much time again.) */
KERNEL(convert_pixels)
(GLOBAL const uchar *pixels, GLOBAL float *destination, ulong destination_at, uint columns,
    uint channels, uint mixed, float first, float second, float third) {
    const ulong j = get_global_id(0), row = get_global_id(1);
    GLOBAL float *to = destination + destination_at + row * columns;
    if (mixed) {
        GLOBAL const uchar *red = pixels + row * channels * columns;
        GLOBAL const uchar *green = channels > 1 ? red + columns : red;
        GLOBAL const uchar *blue = channels > 2 ? green + columns : red;
        to[j] = (first * red[j] + second * green[j] + third * blue[j]) / 255.0f;
    } else {
        to[j] = pixels[row * columns + j] / 255.0f;
    }
}
