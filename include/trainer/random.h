/* Random numbers that are the same on every machine, device and number of threads.
 *
 * The generator is Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy
 * as 1, 2, 3", SC 2011): a keyed bijection of a 128-bit counter. There is no state to carry, so
 * value number `index` of a stream can be had at once, in any order, by any thread. Nothing here
 * fails, and nothing is kept between calls.
 */
#ifndef TRAINER_RANDOM_H
#define TRAINER_RANDOM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* output[4] = ten rounds of Philox4x32 over counter[4] with key[2]. The published test vectors
 * (Random123, kat_vectors) hold for this function. */
void random_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t output[4]);

/* What a number is used for. Streams of one seed are independent of each other. */
enum random_stream {
    RANDOM_PARAMETERS = 1, /* first parameters; `part` is 2 layer for weights, + 1 for biases */
    RANDOM_ORDER = 2,      /* the order of the samples; `part` is the epoch, from 0 */
    RANDOM_PROTOTYPES = 3, /* the synthetic set's classes; `part` is the class */
    RANDOM_NOISE = 4,      /* the synthetic set's noise; `part` is 0 for training, 1 for test */
    RANDOM_CHECK = 5,      /* matrices of the self-check; `part` tells them apart */
};

/* bits[4] = block number `block` of the stream: random_philox of the counter (block's low word, its
 * high word, part, stream) with the key (seed's low word, its high word). */
void random_bits(
    uint64_t seed, enum random_stream stream, uint32_t part, uint64_t block, uint32_t bits[4]);

/* values[i] = number i of the stream, uniform in [-1, 1), for i < count: of word i, four a block,
 * the upper 24 bits as a signed number, / 2^23. */
void random_uniform(
    uint64_t seed, enum random_stream stream, uint32_t part, float *values, size_t count);

/* values[i] = number i of the stream, normal(0, deviation), for i < count (Box and Muller, in
 * double precision, rounded once). Block n gives values 2n and 2n + 1: with u = (the upper 53 bits
 * of words 0 and 1, + 1) / 2^53 and v = (those of words 2 and 3) / 2^53, the first word of each two
 * being the upper one, they are deviation sqrt(-2 log u) times cos(2 pi v) and sin(2 pi v). */
void random_normal(uint64_t seed, enum random_stream stream, uint32_t part, double deviation,
    float *values, size_t count);

/* order[count] = a permutation of 0 .. count-1, every one equally likely; count is below 2^32.
 * Fisher and Yates: 0, 1, 2 and so on, of which, from the last place to the second, each changes
 * places with one of those up to it, itself among them. Which one is Lemire's: of a word times
 * their number, the upper 32 bits; where the lower 32 are less than 2^32 modulo their number, the
 * next word is taken instead. Words are taken in turn, block after block. */
void random_permutation(
    uint64_t seed, enum random_stream stream, uint32_t part, uint32_t *order, size_t count);

#ifdef __cplusplus
}
#endif
#endif
