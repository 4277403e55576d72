#include "trainer/random.h"

#include <math.h>

void random_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t output[4]) {
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        const uint64_t product0 = (uint64_t)0xD2511F53u * c0;
        const uint64_t product1 = (uint64_t)0xCD9E8D57u * c2;
        c0 = (uint32_t)(product1 >> 32) ^ c1 ^ k0;
        c2 = (uint32_t)(product0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)product1;
        c3 = (uint32_t)product0;
        k0 += 0x9E3779B9u; /* the golden ratio */
        k1 += 0xBB67AE85u; /* the square root of 3, less 1 */
    }
    output[0] = c0;
    output[1] = c1;
    output[2] = c2;
    output[3] = c3;
}

void random_bits(
    uint64_t seed, enum random_stream stream, uint32_t part, uint64_t block, uint32_t bits[4]) {
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    const uint32_t counter[4] = {(uint32_t)block, (uint32_t)(block >> 32), part, (uint32_t)stream};
    random_philox(counter, key, bits);
}

void random_uniform(
    uint64_t seed, enum random_stream stream, uint32_t part, float *values, size_t count) {
    uint32_t bits[4];
    for (size_t i = 0; i < count; i++) {
        if (i % 4 == 0)
            random_bits(seed, stream, part, i / 4, bits);
        values[i] = (float)((int32_t)bits[i % 4] >> 8) * 0x1p-23f; /* 24 bits: exact */
    }
}

void random_normal(uint64_t seed, enum random_stream stream, uint32_t part, double deviation,
    float *values, size_t count) {
    const double turn = 6.28318530717958647692;
    for (size_t i = 0; i < count; i += 2) {
        uint32_t bits[4];
        random_bits(seed, stream, part, i / 2, bits);
        const uint64_t high = (uint64_t)bits[0] << 32 | bits[1];
        const uint64_t low = (uint64_t)bits[2] << 32 | bits[3];
        const double u = (double)((high >> 11) + 1) * 0x1p-53; /* (0, 1]: its log is finite */
        const double v = (double)(low >> 11) * 0x1p-53;        /* [0, 1) */
        const double radius = deviation * sqrt(-2.0 * log(u));
        values[i] = (float)(radius * cos(turn * v));
        if (i + 1 < count)
            values[i + 1] = (float)(radius * sin(turn * v));
    }
}

/* A position in a stream, for an algorithm that does not know how many values it needs. */
struct cursor {
    uint64_t seed;
    enum random_stream stream;
    uint32_t part;
    uint64_t next;
    uint32_t bits[4];
};

static uint32_t cursor_next(struct cursor *cursor) {
    if (cursor->next % 4 == 0)
        random_bits(cursor->seed, cursor->stream, cursor->part, cursor->next / 4, cursor->bits);
    return cursor->bits[cursor->next++ % 4];
}

/* Uniform in [0, bound), without bias: Lemire, "Fast random integer generation in an interval",
 * ACM TOMACS 29 (2019). */
static uint32_t cursor_below(struct cursor *cursor, uint32_t bound) {
    uint64_t product = (uint64_t)cursor_next(cursor) * bound;
    if ((uint32_t)product < bound) {
        const uint32_t threshold = -bound % bound;
        while ((uint32_t)product < threshold)
            product = (uint64_t)cursor_next(cursor) * bound;
    }
    return (uint32_t)(product >> 32);
}

void random_permutation(
    uint64_t seed, enum random_stream stream, uint32_t part, uint32_t *order, size_t count) {
    struct cursor cursor = {.seed = seed, .stream = stream, .part = part};
    for (size_t i = 0; i < count; i++)
        order[i] = (uint32_t)i;
    for (size_t i = count; i > 1; i--) {
        const uint32_t j = cursor_below(&cursor, (uint32_t)i);
        const uint32_t swapped = order[i - 1];
        order[i - 1] = order[j];
        order[j] = swapped;
    }
}
