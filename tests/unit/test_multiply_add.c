/* Multiply-adds by each instruction set, against plain loops. */
#include "device/instruction_set.h"
#include "device/multiply_add.h"
#include "support.h"

#include <stdint.h>
#include <string.h>

/* What the header says of `run`, word for word. */
static void run_plainly(
    const struct multiply_add *multiply_add, float *values, float factor, size_t rounds) {
    const size_t lanes = multiply_add->lanes, vectors = multiply_add->vectors;
    for (size_t r = 0; r < rounds; r++)
        for (size_t v = vectors; v-- > 0;)
            for (size_t l = 0; l < lanes; l++)
                values[v * lanes + l] += factor * values[(v > 0 ? v - 1 : vectors - 1) * lanes + l];
}

/* Whole numbers, which float32 holds, so that every sum is exact. */
static void test_set(void **state) {
    const struct instruction_set *set = *state;
    if (!set->usable())
        skip();
    const struct multiply_add *multiply_add = set->multiply_add;
    const size_t count = multiply_add->vectors * multiply_add->lanes;
    assert_in_range(count, 1, MULTIPLY_ADD_VALUES_MAX);
    for (size_t rounds = 0; rounds < 5; rounds++) {
        float found[MULTIPLY_ADD_VALUES_MAX + 1], expected[MULTIPLY_ADD_VALUES_MAX + 1];
        for (size_t i = 0; i <= MULTIPLY_ADD_VALUES_MAX; i++)
            found[i] = (float)(i * i % 101);
        memcpy(expected, found, sizeof found);
        multiply_add->run(found, 3.0f, rounds);
        run_plainly(multiply_add, expected, 3.0f, rounds);
        support_assert_within(set->name, found, expected, MULTIPLY_ADD_VALUES_MAX + 1, 0.0);
    }
}

int main(void) {
    enum { SETS_MAX = 8 };
    struct CMUnitTest tests[SETS_MAX] = {{0}};
    size_t sets = 0;
    for (; sets < SETS_MAX && instruction_sets[sets].name; sets++)
        tests[sets] = (struct CMUnitTest){instruction_sets[sets].name, test_set, NULL, NULL,
            (void *)(uintptr_t)&instruction_sets[sets]};
    return _cmocka_run_group_tests("multiply_add", tests, sets, NULL, NULL);
}
