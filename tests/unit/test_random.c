/* The generator: its published vectors, and what is made of it. */
#include "support.h"
#include "trainer/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Random123's kat_vectors, the lines "philox4x32 10": of the generator, and of all that its key and
 * counter are made of, to the last bit. */
static void test_published_vectors(void **state) {
    (void)state;
    static const struct {
        uint32_t counter[4], key[2], output[4];
    } vectors[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff},
            {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0},
            {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t v = 0; v < sizeof vectors / sizeof *vectors; v++) {
        uint32_t output[4];
        random_philox(vectors[v].counter, vectors[v].key, output);
        assert_memory_equal(output, vectors[v].output, sizeof output);
        const uint32_t *counter = vectors[v].counter, *key = vectors[v].key;
        random_bits((uint64_t)key[1] << 32 | key[0], (enum random_stream)counter[3], counter[2],
            (uint64_t)counter[1] << 32 | counter[0], output);
        assert_memory_equal(output, vectors[v].output, sizeof output);
    }
}

/* Mean, deviation and the share beyond two deviations, of 200,000 values: 4.5 standard errors. */
static void test_normal_moments(void **state) {
    (void)state;
    enum { COUNT = 200001 }; /* odd: the last pair is cut */
    float *values = malloc(COUNT * sizeof *values);
    random_normal(7, RANDOM_PARAMETERS, 0, 0.1, values, COUNT);
    double sum = 0.0, square = 0.0, beyond = 0.0;
    for (size_t i = 0; i < COUNT; i++) {
        sum += values[i];
        square += (double)values[i] * values[i];
        beyond += fabs((double)values[i]) > 0.2;
    }
    assert_true(fabs(sum / COUNT) < 0.001);
    assert_true(fabs(sqrt(square / COUNT) - 0.1) < 0.00072);
    assert_true(fabs(beyond / COUNT - 0.0455) < 0.0021);
    free(values);
}

/* A shorter request is the start of a longer one; seeds, streams and parts differ. */
static void test_streams(void **state) {
    (void)state;
    float a[101], b[101];
    random_uniform(1, RANDOM_CHECK, 0, a, 101);
    random_uniform(1, RANDOM_CHECK, 0, b, 50);
    assert_memory_equal(a, b, 50 * sizeof *a);
    random_uniform(2, RANDOM_CHECK, 0, b, 101);
    assert_memory_not_equal(a, b, sizeof a);
    random_uniform(1, RANDOM_NOISE, 0, b, 101);
    assert_memory_not_equal(a, b, sizeof a);
    random_uniform(1, RANDOM_CHECK, 1, b, 101);
    assert_memory_not_equal(a, b, sizeof a);
    for (int i = 0; i < 101; i++)
        assert_true(a[i] >= -1.0f && a[i] < 1.0f);
}

/* Every element once; and over all permutations of 4, each of the 24 about equally often. */
static void test_permutation(void **state) {
    (void)state;
    enum { COUNT = 50000, ROUNDS = 24000 };
    uint32_t *order = malloc(COUNT * sizeof *order);
    unsigned char *seen = calloc(COUNT, 1);
    random_permutation(3, RANDOM_ORDER, 0, order, COUNT);
    size_t at_home = 0;
    for (size_t i = 0; i < COUNT; i++) {
        assert_true(order[i] < COUNT);
        assert_int_equal(seen[order[i]]++, 0);
        at_home += order[i] == i;
    }
    assert_true(at_home < 10); /* one is expected */
    free(seen);
    free(order);
    int counts[256] = {0};
    for (uint32_t part = 0; part < ROUNDS; part++) {
        uint32_t four[4];
        random_permutation(3, RANDOM_ORDER, part, four, 4);
        counts[four[0] | four[1] << 2 | four[2] << 4 | four[3] << 6]++;
    }
    int kinds = 0;
    for (int i = 0; i < 256; i++)
        if (counts[i]) {
            kinds++;
            assert_in_range(counts[i], 1000 - 150, 1000 + 150); /* 4.8 deviations */
        }
    assert_int_equal(kinds, 24);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published_vectors),
        cmocka_unit_test(test_normal_moments),
        cmocka_unit_test(test_streams),
        cmocka_unit_test(test_permutation),
    };
    return cmocka_run_group_tests_name("random", tests, NULL, NULL);
}
