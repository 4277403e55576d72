/* What chance does to samples: trainer/device.h says which numbers are drawn. */
#include "dialect.h"
#include "random.h"

#define STREAM_DROPOUT 6 /* of enum random_stream */
#define STREAM_FLIP 7

/* destination[rows, columns] = source[rows, columns], of which an element is 0 where its word is
 * below `limit`, else it is multiplied by `factor`. Both may be the same. Each item does four
 * elements of a row, which one block decides on. Rows are short, so a group may have several. There
 * are fewer than 2^32 items: enough for 64 GiB of numbers. */
KERNEL(dropout)
(GLOBAL const float *source, ulong source_at, GLOBAL const uint *pass, ulong pass_at,
    GLOBAL float *destination, ulong destination_at, uint rows, uint columns, uint seed_low,
    uint seed_high, uint first, uint layer, uint limit, float factor) {
    const uint item = get_global_id(0), blocks = (columns + 3) / 4;
    const uint row = item / blocks, block = item % blocks;
    uint words[4];
    if (row >= rows)
        return;
    random_bits(words, seed_low, seed_high, STREAM_DROPOUT, pass[pass_at], layer << 16 | block,
        first + row);
    const ulong at = (ulong)row * columns;
    UNROLL
    for (uint k = 0; k < 4; k++) {
        const uint j = 4 * block + k;
        if (j < columns)
            destination[destination_at + at + j] =
                words[k] < limit ? 0.0f : source[source_at + at + j] * factor;
    }
}

/* Reverses the lines of `width` elements of some of images[B, columns]. Each item exchanges two
 * elements. The launch has a row of groups for each image. */
KERNEL(flip)
(GLOBAL const uint *pass, ulong pass_at, GLOBAL float *images, ulong images_at, uint columns,
    uint width, uint seed_low, uint seed_high, uint first) {
    const uint pair = get_global_id(0), row = get_global_id(1), pairs = width / 2;
    uint words[4];
    random_bits(words, seed_low, seed_high, STREAM_FLIP, pass[pass_at], first + row, 0);
    if (pair >= columns / width * pairs || words[0] >> 31 == 0)
        return;
    GLOBAL float *line = images + images_at + (ulong)row * columns + pair / pairs * width;
    const uint left = pair % pairs, right = width - 1 - left;
    const float kept = line[left];
    line[left] = line[right];
    line[right] = kept;
}
