/* Vectors of the compiler's own. This file is compiled once for each instruction set. */
#include "device/multiply_add.h"

#include "device/instruction_set.h"

#include <string.h>

/* As many vectors as registers hold beside the factor, and a product where there is no instruction
 * that adds it as well. A processor has 8 to 16 multiply-adds under way at a time. */
#if defined __AVX512F__
enum { LANES = 16, VECTORS = 24 }; /* of 32 registers */
#elif defined __AVX2__
enum { LANES = 8, VECTORS = 14 }; /* of 16 */
#elif defined __aarch64__
enum { LANES = 4, VECTORS = 24 }; /* of 32 */
#elif defined __x86_64__
enum { LANES = 4, VECTORS = 14 }; /* of 16 */
#else
enum { LANES = 1, VECTORS = 14 }; /* whether it has vectors is not known */
#endif
_Static_assert(VECTORS *LANES <= MULTIPLY_ADD_VALUES_MAX, "the values have room");

typedef float vector __attribute__((vector_size(LANES * sizeof(float))));

static void run(float *values, float factor, size_t rounds) {
    vector x[VECTORS];
    const vector by = (vector){0} + factor;
    memcpy(x, values, sizeof x);
    for (size_t r = 0; r < rounds; r++) {
        UNROLL
        for (int v = VECTORS - 1; v >= 0; v--)
            x[v] += by * x[(v + VECTORS - 1) % VECTORS];
    }
    memcpy(values, x, sizeof x);
}

const struct multiply_add OF_SET(multiply_add) = {VECTORS, LANES, run};
