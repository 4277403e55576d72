/* Random numbers that do not depend on the machine, the device or the number of threads.
 *
 * The generator is Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as
 * 1, 2, 3", SC 2011): a keyed bijection of a 128-bit counter. It has no state, so any thread can
 * compute value number `index` of a stream directly, in any order. No function here fails, and none
 * keeps anything between calls. */
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

/* What numbers are used for. The streams of one seed are independent of each other. */
enum random_stream {
    /* First parameters; `part` is 2 * layer for weights, 2 * layer + 1 for biases. */
    RANDOM_PARAMETERS = 1,
    RANDOM_ORDER = 2,      /* the order of the samples; `part` is the epoch, from 0 */
    RANDOM_PROTOTYPES = 3, /* the synthetic set's classes; `part` is the class */
    RANDOM_NOISE = 4,      /* the synthetic set's noise; `part` is 0 for training, 1 for test */
    RANDOM_CHECK = 5,      /* matrices of the self-check; `part` is the number of the matrix */
    RANDOM_DROPOUT = 6,    /* which values are dropped; `part` is the epoch (device_dropout) */
    RANDOM_FLIP = 7,       /* which images are turned; `part` is the epoch (device_flip) */
};

/* bits[4] = block number `block` of the stream: random_philox of the counter (block's low word, its
 * high word, part, stream) with the key (seed's low word, its high word). */
void random_bits(
    uint64_t seed, enum random_stream stream, uint32_t part, uint64_t block, uint32_t bits[4]);

/* values[i] = number i of the stream, uniform in [-1, 1), for i < count. Number i comes from word
 * i, four words a block: its upper 24 bits as a signed integer, divided by 2^23. */
void random_uniform(
    uint64_t seed, enum random_stream stream, uint32_t part, float *values, size_t count);

/* values[i] = number i of the stream, normal(0, deviation), for i < count. The method is Box and
 * Muller's, in double precision and rounded once. Block n gives the values 2n and 2n + 1:
 *     deviation * sqrt(-2 log u) * cos(2 pi v) and deviation * sqrt(-2 log u) * sin(2 pi v).
 * Words 0 and 1 are a 64-bit number, of which word 0 is the upper half: u = (its upper 53 bits + 1)
 * / 2^53. Words 2 and 3 are another: v = its upper 53 bits / 2^53. */
void random_normal(uint64_t seed, enum random_stream stream, uint32_t part, double deviation,
    float *values, size_t count);

/* order[count] = a permutation of 0 .. count-1, each equally likely; count is below 2^32. The
 * method is Fisher and Yates's: start with 0, 1, 2 and so on; then for each place from the last to
 * the second, exchange its element with a random one of the first i elements, where i counts the
 * place itself and all before it. The random index is Lemire's: the upper 32 bits of the product of
 * i and a random word. Where the product's lower 32 bits are less than 2^32 modulo i, the next word
 * is taken instead. Words are taken one after another, block after block. */
void random_permutation(
    uint64_t seed, enum random_stream stream, uint32_t part, uint32_t *order, size_t count);

#ifdef __cplusplus
}
#endif
#endif
