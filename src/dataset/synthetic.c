/* The synthetic set, as include/trainer/dataset.h defines it. Each class has a prototype, which is
 * a coarse pattern of colours. Each image is the prototype of its class, dimmed to a random
 * contrast, under noise. A dense net learns the classes, but not at once and not perfectly. The
 * images are dark for a reason: with brighter ones, the default learning rate is so close to
 * instability that roundings grow, and the results of devices would differ after some epochs. */
#include "dataset/origin.h"
#include "system/team.h"
#include "trainer/random.h"

enum { CELL = 8, CELLS = CIFAR10_SIDE / CELL }; /* a prototype is CELLS x CELLS smooth patches */

/* Gives block number `block` of a stream as 16 random bytes. */
static void random_bytes(
    uint64_t seed, enum random_stream stream, uint32_t part, uint64_t block, uint8_t bytes[16]) {
    uint32_t bits[4];
    random_bits(seed, stream, part, block, bits);
    for (int i = 0; i < 16; i++)
        bytes[i] = (uint8_t)(bits[i / 4] >> (8 * (i % 4)));
}

/* prototype[3072] = colours from -128 to 127, interpolated bilinearly between random corners. */
static void make_prototype(uint64_t seed, uint32_t class, int16_t prototype[CIFAR10_PIXELS]) {
    enum { CORNERS = CELLS + 1, CORNER_BLOCKS = (CORNERS * CORNERS + 15) / 16 };
    for (int plane = 0; plane < 3; plane++) {
        uint8_t corners[CORNER_BLOCKS * 16];
        for (int block = 0; block < CORNER_BLOCKS; block++)
            random_bytes(seed, RANDOM_PROTOTYPES, class, (uint64_t)(plane * CORNER_BLOCKS + block),
                corners + block * 16);
        for (int y = 0; y < CIFAR10_SIDE; y++)
            for (int x = 0; x < CIFAR10_SIDE; x++) {
                const uint8_t *corner = corners + y / CELL * CORNERS + x / CELL;
                const int right = x % CELL, left = CELL - right;
                const int below = y % CELL, above = CELL - below;
                const int sum = above * (left * corner[0] + right * corner[1]) +
                                below * (left * corner[CORNERS] + right * corner[CORNERS + 1]);
                prototype[plane * CIFAR10_PLANE + y * CIFAR10_SIDE + x] =
                    (int16_t)(sum / (CELL * CELL) - 128);
            }
    }
}

void synthetic_fill(uint64_t seed, uint32_t part, int threads, struct images *images) {
    enum { BLOCKS = 1 + CIFAR10_PIXELS / 16 }; /* blocks of random bytes for an image */
    int16_t prototypes[CIFAR10_CLASSES][CIFAR10_PIXELS];
    for (uint32_t class = 0; class < CIFAR10_CLASSES; class ++)
        make_prototype(seed, class, prototypes[class]);
#pragma omp parallel for num_threads(team_whole(threads))
    for (size_t i = 0; i < images->count; i++) {
        uint8_t bytes[16];
        random_bytes(seed, RANDOM_NOISE, part, i * BLOCKS, bytes);
        const int class = bytes[0] % CIFAR10_CLASSES;
        const int contrast = 16 + bytes[1] % 48; /* out of 128 */
        const int16_t *prototype = prototypes[class];
        uint8_t *pixels = images->pixels + i * CIFAR10_PIXELS;
        images->labels[i] = (uint8_t)class;
        for (int j = 0; j < CIFAR10_PIXELS; j++) {
            if (j % 16 == 0)
                random_bytes(seed, RANDOM_NOISE, part, i * BLOCKS + 1 + (uint64_t)j / 16, bytes);
            const int value = 64 + (contrast * prototype[j] + 64 * (bytes[j % 16] - 128)) / 128;
            pixels[j] = (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
        }
    }
}
