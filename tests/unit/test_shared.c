/* Sums in memory that ranks share: here they are threads, each of which sees its own bytes and
 * those of the others. */
#include "communicator/shared.h"
#include "support.h"
#include "trainer/random.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { RANKS_MAX = 5, ELEMENTS = 2000, ROUNDS = 50, GUARD = 64 };

static const uint64_t seed = 20261130;

/* A rank's numbers in a round, of which sums are rounded. */
static float value_of(int rank, int round, size_t i) {
    uint32_t bits[4];
    random_bits(seed, RANDOM_CHECK, (uint64_t)rank * ROUNDS + (uint64_t)round, (uint32_t)i, bits);
    return (float)bits[0] / 3e9f - 0.5f;
}

static atomic_uint rests;

static void rest(void) {
    atomic_fetch_add(&rests, 1);
}

struct rank {
    struct shared *shared;
    int rank, ranks;
    size_t first, count; /* what is added up */
    int wrong;
};

/* In the order of the ranks, to the bit; what is beside stays. */
static void *take_part(void *context) {
    struct rank *own = context;
    float *all = shared_values(own->shared), *sums = shared_sums(own->shared);
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < ELEMENTS; i++)
            all[i] = value_of(own->rank, round, i);
        shared_sum(own->shared, all + own->first, sums + own->first, own->count);
        for (size_t i = 0; i < ELEMENTS; i++) {
            const bool inside = i >= own->first && i < own->first + own->count;
            float expected = inside ? value_of(0, round, i) : 0.0f;
            for (int r = 1; r < own->ranks && inside; r++)
                expected += value_of(r, round, i);
            own->wrong += !(sums[i] == expected) || !(all[i] == value_of(own->rank, round, i));
        }
    }
    return NULL;
}

static void check_sums(int ranks, size_t first, size_t count) {
    struct rank all[RANKS_MAX];
    void *addresses[RANKS_MAX], *guarded[RANKS_MAX];
    pthread_t threads[RANKS_MAX];
    const size_t bytes = shared_bytes(ELEMENTS);
    for (int r = 0; r < ranks; r++) { /* at places that are aligned differently */
        guarded[r] = malloc(bytes + 2 * GUARD);
        assert_non_null(guarded[r]);
        memset(guarded[r], 0xa5, bytes + 2 * GUARD);
        addresses[r] = (char *)guarded[r] + GUARD;
        memset(addresses[r], 0, bytes);
    }
    for (int r = 0; r < ranks; r++) {
        all[r] = (struct rank){
            shared_create(addresses, r, ranks, ELEMENTS, rest), r, ranks, first, count, 0};
        assert_non_null(all[r].shared);
        assert_int_equal(pthread_create(&threads[r], NULL, take_part, &all[r]), 0);
    }
    for (int r = 0; r < ranks; r++) {
        assert_int_equal(pthread_join(threads[r], NULL), 0);
        assert_int_equal(all[r].wrong, 0);
        shared_free(all[r].shared);
    }
    for (int r = 0; r < ranks; r++) {
        for (size_t i = 0; i < GUARD; i++) {
            assert_int_equal(((unsigned char *)guarded[r])[i], 0xa5);
            assert_int_equal(((unsigned char *)addresses[r])[bytes + i], 0xa5);
        }
        free(guarded[r]);
    }
}

static void test_sums(void **state) {
    (void)state;
    print_message("seed %llu\n", (unsigned long long)seed);
    for (int ranks = 2; ranks <= RANKS_MAX; ranks++)
        check_sums(ranks, 0, ELEMENTS);
    static const size_t few[] = {1, 31, 32, 33, 100, 257};
    for (size_t f = 0; f < sizeof few / sizeof *few; f++) /* fewer than a part for each, too */
        for (int ranks = 2; ranks <= 3; ranks++)
            check_sums(ranks, ELEMENTS - few[f], few[f]);
}

/* One that waits lets MPI do something until the other comes. */
static void *come_first(void *context) {
    struct shared *shared = context;
    shared_sum(shared, shared_values(shared), shared_sums(shared), 10);
    return NULL;
}

static void test_rest(void **state) {
    (void)state;
    void *addresses[2] = {calloc(1, shared_bytes(10)), calloc(1, shared_bytes(10))};
    struct shared *first = shared_create(addresses, 0, 2, 10, rest);
    struct shared *second = shared_create(addresses, 1, 2, 10, NULL);
    pthread_t thread;
    assert_true(first && second);
    atomic_store(&rests, 0);
    assert_int_equal(pthread_create(&thread, NULL, come_first, first), 0);
    while (atomic_load(&rests) < 2)
        ;
    shared_sum(second, shared_values(second), shared_sums(second), 10);
    assert_int_equal(pthread_join(thread, NULL), 0);
    shared_free(first);
    shared_free(second);
    free(addresses[0]);
    free(addresses[1]);
}

static void test_what_is_there(void **state) {
    (void)state;
    void *memory = calloc(1, shared_bytes(10));
    assert_non_null(memory);
    struct shared *shared = shared_create(&memory, 0, 1, 10, NULL);
    assert_non_null(shared);
    float *own = shared_values(shared), *sums = shared_sums(shared), other[10];
    assert_true(shared_has(shared, own, sums, 10));
    assert_true(shared_has(shared, own + 3, sums + 3, 7));
    assert_false(shared_has(shared, own + 3, sums, 8));
    assert_false(shared_has(shared, own, sums + 3, 8));
    assert_false(shared_has(shared, other, sums, 10));
    assert_false(shared_has(shared, own, other, 10));
    shared_free(shared);
    free(memory);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sums),
        cmocka_unit_test(test_rest),
        cmocka_unit_test(test_what_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
