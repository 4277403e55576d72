/* The cpu device's vector kernels, for every instruction set that this machine has: each stated
 * error, over all the floats that matter, and the same bits however the numbers are divided. */
#include "device/cpu/kernels.h"
#include "device/instruction_set.h"
#include "support.h"
#include "trainer/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 4096 };

/* Walks floats from -limit to limit in steps of their bit patterns, and gives the largest absolute
 * error of activation(x) against `exact`. */
static double largest_error(const struct cpu_kernels *kernels, enum activation activation,
    double (*exact)(double), float limit) {
    enum { STEP = 211 }; /* a prime: about 10 million floats */
    float x[BLOCK], y[BLOCK];
    static const float zeros[BLOCK] = {0};
    double largest = 0.0;
    uint32_t last, bits = 0;
    memcpy(&last, &limit, sizeof last);
    while (bits < last) {
        size_t count = 0;
        for (; count < BLOCK && bits < last; bits += STEP) {
            memcpy(&x[count], &bits, sizeof bits);
            x[count + 1] = -x[count];
            count += 2;
        }
        memcpy(y, x, sizeof y);
        kernels->bias_activate(y, zeros, 1, count, activation);
        for (size_t i = 0; i < count; i++) {
            const double error = fabs((double)y[i] - exact((double)x[i]));
            if (!(error <= 1e-6)) /* NaN is wrong, too */
                fail_msg("%g gives %g", (double)x[i], (double)y[i]);
            largest = error > largest ? error : largest;
        }
    }
    return largest;
}

static double exact_sigmoid(double x) {
    return 1.0 / (1.0 + exp(-x));
}

static void check_activations(const struct cpu_kernels *kernels) {
    const double sigmoid = largest_error(kernels, ACTIVATION_SIGMOID, exact_sigmoid, 1000.0f);
    const double tanh_ = largest_error(kernels, ACTIVATION_TANH, tanh, 1000.0f);
    print_message("sigmoid errs by %.3g, tanh by %.3g\n", sigmoid, tanh_);
    assert_true(sigmoid < 1e-7);
    assert_true(tanh_ < 2e-7);
}

/* exp(-x), as softmax has it: of logits (0, -x), p of the second divided by p of the first. */
static void check_exponential(const struct cpu_kernels *kernels) {
    double largest = 0.0;
    const uint32_t label = 0;
    for (float x = 0.0f; x < 87.0f; x += 0.0003f) {
        float logits[2] = {0.0f, -x}, score[2];
        kernels->softmax_cross_entropy(logits, &label, 1, 2, 1.0f, 0.0f, score);
        /* gradient: (p0 - 1, p1); p1 = e / (1 + e) */
        const double e = exp(-(double)x), expected = e / (1.0 + e);
        const double error = fabs((double)logits[1] - expected) / expected;
        assert_true(error <= 1e-6); /* not NaN */
        largest = error > largest ? error : largest;
    }
    print_message("softmax's p errs by %.3g of it\n", largest);
    assert_true(largest < 2.5e-7); /* exp, a sum and a quotient; 3e-7 with a term less of exp */
}

static void check_special(const struct cpu_kernels *kernels) {
    static const enum activation all[] = {
        ACTIVATION_NONE, ACTIVATION_SIGMOID, ACTIVATION_TANH, ACTIVATION_RELU};
    const float zeros[19] = {0};
    for (size_t a = 0; a < 4; a++) {
        float y[19];
        for (int i = 0; i < 19; i++)
            y[i] = NAN;
        kernels->bias_activate(y, zeros, 1, 19, all[a]);
        for (int i = 0; i < 19; i++)
            assert_true(isnan(y[i]));
    }
    float ends[4] = {INFINITY, -INFINITY, 1e30f, -1e30f};
    kernels->bias_activate(ends, zeros, 1, 4, ACTIVATION_SIGMOID);
    assert_true(ends[0] == 1.0f && ends[1] < 1e-37f && ends[2] == 1.0f && ends[3] < 1e-37f);
    float tanh_ends[4] = {INFINITY, -INFINITY, 1e30f, -1e30f};
    kernels->bias_activate(tanh_ends, zeros, 1, 4, ACTIVATION_TANH);
    assert_true(tanh_ends[0] == 1.0f && tanh_ends[1] == -1.0f && tanh_ends[2] == 1.0f &&
                tanh_ends[3] == -1.0f);
}

/* --- Divided --- */

enum { ROWS = 37, COLUMNS = 83, COUNT = ROWS * COLUMNS };

/* What a kernel makes of a part of some numbers: of those from `first` to `end`, of COUNT, or where
 * it goes by rows or columns, of these. */
typedef void part_function(
    const struct cpu_kernels *kernels, float *values, size_t first, size_t end);

static float other[COUNT]; /* what else the kernels read */
static enum activation activation;

static void activate(const struct cpu_kernels *kernels, float *values, size_t first, size_t end) {
    for (size_t i = 0; i < ROWS; i++)
        kernels->bias_activate(
            values + i * COLUMNS + first, other + first, 1, end - first, activation);
}

static void slope(const struct cpu_kernels *kernels, float *values, size_t first, size_t end) {
    kernels->multiply_slope(values + first, other + first, end - first, activation);
}

static void sum_columns(
    const struct cpu_kernels *kernels, float *values, size_t first, size_t end) {
    kernels->add_column_sums(values, other, ROWS, COLUMNS, first, end, 0.7f);
}

static enum optimizer optimizer;

/* Thirds of the values are the parameters and their states. */
static void take_step(const struct cpu_kernels *kernels, float *values, size_t first, size_t end) {
    static const float rates[OPTIMIZERS][OPTIMIZER_RATES_MAX] = {
        {0.7f}, {-0.7f, 0.1f, 0.9f, 0.75f, 0.5f}, {0.9f, -0.7f, 1.5f, 0.3f, 1.0f, 0.1f}};
    float *const states[] = {values + COUNT / 3 + first, values + 2 * (COUNT / 3) + first};
    kernels->take_step(
        optimizer, rates[optimizer], other + first, values + first, states, end - first);
}

static void softmax(const struct cpu_kernels *kernels, float *values, size_t first, size_t end) {
    uint32_t labels[ROWS];
    float score[2 * ROWS];
    for (uint32_t i = 0; i < ROWS; i++)
        labels[i] = i;
    kernels->softmax_cross_entropy(
        values + first * COLUMNS, labels + first, end - first, COLUMNS, 0.7f, 0.2f, score);
}

/* The same bits by parts as of the whole, wherever they begin. */
static void check_parts(
    const struct cpu_kernels *kernels, part_function *compute_part, size_t count) {
    static float values[COUNT], whole[COUNT], found[COUNT];
    random_uniform(7, RANDOM_CHECK, 1, values, COUNT);
    random_uniform(7, RANDOM_CHECK, 2, other, COUNT);
    memcpy(whole, values, sizeof whole);
    compute_part(kernels, whole, 0, count);
    assert_memory_not_equal(whole, values, sizeof whole);
    for (size_t length = 1; length < count && length < 40; length++) {
        memcpy(found, values, sizeof found);
        for (size_t first = 0; first < count; first += length)
            compute_part(kernels, found, first, first + length < count ? first + length : count);
        assert_memory_equal(found, whole, sizeof found);
    }
}

static void check_all_parts(const struct cpu_kernels *kernels) {
    static const enum activation activations[] = {
        ACTIVATION_SIGMOID, ACTIVATION_TANH, ACTIVATION_RELU};
    for (size_t a = 0; a < sizeof activations / sizeof *activations; a++) {
        activation = activations[a];
        check_parts(kernels, activate, COLUMNS);
        check_parts(kernels, slope, COUNT);
    }
    check_parts(kernels, sum_columns, COLUMNS);
    for (int o = 0; o < OPTIMIZERS; o++) {
        optimizer = (enum optimizer)o;
        check_parts(kernels, take_step, COUNT / 3);
    }
    check_parts(kernels, softmax, ROWS);
}

static void test_set(void **state) {
    const struct instruction_set *set = *state;
    if (!set->usable())
        skip();
    check_activations(set->kernels);
    check_exponential(set->kernels);
    check_special(set->kernels);
    check_all_parts(set->kernels);
}

int main(void) {
    enum { SETS_MAX = 8 };
    struct CMUnitTest tests[SETS_MAX] = {{0}};
    size_t sets = 0;
    for (; sets < SETS_MAX && instruction_sets[sets].name; sets++)
        tests[sets] = (struct CMUnitTest){instruction_sets[sets].name, test_set, NULL, NULL,
            (void *)(uintptr_t)&instruction_sets[sets]};
    return _cmocka_run_group_tests("kernels", tests, sets, NULL, NULL);
}
