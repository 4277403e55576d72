/* Which optimiser a plan asks of a device, with which numbers, and how the learning rate changes.
 * (What comes of them in a training is known from golden values.) */
#include "support.h"
#include "trainer/optimizer.h"

#include <math.h>

static const struct optimizer_plan plain = {METHOD_SGD}, nesterov = {METHOD_SGD, 0.25, 0.875, true},
                                   momentum = {METHOD_SGD, 0.25, 0.875, false},
                                   adamw = {METHOD_ADAMW, 0.25, .beta1 = 0.75, .beta2 = 0.9375,
                                       .epsilon = 0.0009765625};

static void test_optimizers(void **state) {
    (void)state;
    const struct optimizer_plan decayed = {METHOD_SGD, 0.25};
    assert_int_equal(optimizer_of(&plain), OPTIMIZER_GRADIENT_DESCENT);
    assert_int_equal(optimizer_of(&decayed), OPTIMIZER_MOMENTUM);
    assert_int_equal(optimizer_of(&momentum), OPTIMIZER_MOMENTUM);
    assert_int_equal(optimizer_of(&adamw), OPTIMIZER_ADAMW);
    for (size_t o = 0; o < OPTIMIZERS; o++) {
        assert_in_range(optimizer_states[o], 0, OPTIMIZER_STATES_MAX);
        assert_in_range(optimizer_rates[o], 1, OPTIMIZER_RATES_MAX);
    }
}

/* Numbers of few bits, so that each result is exact. */
static void test_rates(void **state) {
    (void)state;
    const struct {
        const struct optimizer_plan *plan;
        size_t step, count;
        float rates[OPTIMIZER_RATES_MAX];
    } cases[] = {{&plain, 7, 1, {-0.5f}}, {&momentum, 7, 5, {-0.5f, 0.25f, 0.875f, 0.0f, 1.0f}},
        {&nesterov, 7, 5, {-0.5f, 0.25f, 0.875f, 1.0f, 0.875f}},
        /* 1 - 0.75 and 1 / sqrt(1 - 0.9375); then 1 - 0.75^2 and 1 - 0.9375^2 */
        {&adamw, 1, 6, {0.875f, -2.0f, 4.0f, 0.25f, 0.0625f, 0.0009765625f}},
        {&adamw, 2, 6,
            {0.875f, (float)(-0.5 / 0.4375), (float)(1.0 / sqrt(0.12109375)), 0.25f, 0.0625f,
                0.0009765625f}}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        float rates[OPTIMIZER_RATES_MAX];
        assert_int_equal(optimizer_rates[optimizer_of(cases[c].plan)], cases[c].count);
        optimizer_fill_rates(cases[c].plan, 0.5, cases[c].step, rates);
        assert_memory_equal(rates, cases[c].rates, cases[c].count * sizeof *rates);
    }
}

/* Factors of the first, some of the others, and the last of 4 steps of warm-up and 8 after them. */
static void test_schedules(void **state) {
    (void)state;
    static const size_t steps[] = {0, 3, 4, 6, 8, 10, 11};
    static const double factors[][7] = {[SCHEDULE_CONSTANT] = {0.25, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0},
        [SCHEDULE_STEP] = {0.25, 1.0, 1.0, 1.0, 0.1, 0.01, 0.01},
        [SCHEDULE_COSINE] = {0.25, 1.0, 1.0, 0.85355339059327376, 0.5, 0.14644660940672624,
            0.038060233744356631},
        [SCHEDULE_LINEAR] = {0.25, 1.0, 1.0, 0.75, 0.5, 0.25, 0.125}};
    for (int schedule = 0; schedule_names[schedule]; schedule++) {
        for (int s = 0; s < 7; s++) {
            const double found = schedule_factor((enum schedule)schedule, 4, 12, steps[s]);
            assert_true(fabs(found - factors[schedule][s]) < 1e-15);
        }
        /* without a warm-up, and all of it one */
        assert_true(schedule_factor((enum schedule)schedule, 0, 1, 0) == 1.0);
        assert_true(schedule_factor((enum schedule)schedule, 3, 3, 2) == 1.0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_optimizers),
        cmocka_unit_test(test_rates),
        cmocka_unit_test(test_schedules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
