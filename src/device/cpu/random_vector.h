/* Random numbers by vectors: many blocks of random_philox at once. Only kernels.c includes it, for
 * one instruction set at a time.
 *
 * A word of the generator is the lower half of a 64-bit lane, since that is how processors multiply
 * 32 bits to 64; what the upper half holds meanwhile does not matter. No compiler finds those
 * instructions in plain C, so each instruction set's is named here. */
#ifndef DEVICE_CPU_RANDOM_VECTOR_H
#define DEVICE_CPU_RANDOM_VECTOR_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined __AVX512F__ || defined __AVX2__ || defined __SSE2__
#include <immintrin.h>
#elif defined __aarch64__
#include <arm_neon.h>
#endif

/* Lanes of a vector, and the lanes of two vectors in turn, as two vectors. */
#if defined __AVX512F__
enum { WORDS = 8 };
#define FIRST_IN_TURN 0, 8, 1, 9, 2, 10, 3, 11
#define LAST_IN_TURN 4, 12, 5, 13, 6, 14, 7, 15
#elif defined __AVX2__
enum { WORDS = 4 };
#define FIRST_IN_TURN 0, 4, 1, 5
#define LAST_IN_TURN 2, 6, 3, 7
#else
enum { WORDS = 2 };
#define FIRST_IN_TURN 0, 2
#define LAST_IN_TURN 1, 3
#endif
typedef uint64_t words __attribute__((vector_size(WORDS * sizeof(uint64_t))));

/* The products of the lower halves of lanes. */
static inline words multiply_words(words a, words b) {
#if defined __AVX512F__
    return (words)_mm512_mul_epu32((__m512i)a, (__m512i)b);
#elif defined __AVX2__
    return (words)_mm256_mul_epu32((__m256i)a, (__m256i)b);
#elif defined __SSE2__
    return (words)_mm_mul_epu32((__m128i)a, (__m128i)b);
#elif defined __aarch64__
    return (words)vmull_u32(vmovn_u64((uint64x2_t)a), vmovn_u64((uint64x2_t)b));
#else
    return (a & UINT32_MAX) * (b & UINT32_MAX);
#endif
}

/* Lanes of two words each. */
static inline words join_words(words lower, words upper) {
    return (lower & UINT32_MAX) | upper << 32;
}

/* Blocks that random_blocks computes: the multipliers are busy, and a narrow layer wastes few. */
enum { BLOCKS = 16 };

/* bits[4 * b] .. bits[4 * b + 3] = random_philox of the counter with counter[0] + b, for
 * b < BLOCKS. */
static inline void random_blocks(
    const uint32_t counter[4], const uint32_t key[2], uint32_t bits[4 * BLOCKS]) {
    for (size_t v = 0; v < BLOCKS / WORDS; v++) {
        words w0, w1 = {0}, w2 = {0}, w3 = {0};
        for (size_t l = 0; l < WORDS; l++)
            w0[l] = counter[0] + (uint32_t)(v * WORDS + l);
        w1 += counter[1];
        w2 += counter[2];
        w3 += counter[3];
        uint32_t k0 = key[0], k1 = key[1];
        for (int round = 0; round < 10; round++) {
            const words product0 = multiply_words(w0, (words){0} + 0xD2511F53u);
            const words product1 = multiply_words(w2, (words){0} + 0xCD9E8D57u);
            w0 = product1 >> 32 ^ w1 ^ k0;
            w2 = product0 >> 32 ^ w3 ^ k1;
            w1 = product1;
            w3 = product0;
            k0 += 0x9E3779B9u;
            k1 += 0xBB67AE85u;
        }
        const words first = join_words(w0, w1), second = join_words(w2, w3);
        const words pairs[2] = {__builtin_shufflevector(first, second, FIRST_IN_TURN),
            __builtin_shufflevector(first, second, LAST_IN_TURN)};
        memcpy(bits + v * 4 * WORDS, pairs, sizeof pairs);
    }
}

#endif
