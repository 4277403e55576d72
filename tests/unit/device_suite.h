/* What the parts of the conformance suite (test_device.c) share: the device that it is about,
 * random numbers, and operands between guards. */
#ifndef DEVICE_SUITE_H
#define DEVICE_SUITE_H

#include "plain.h"
#include "support.h"

extern struct device *tested;
extern const char *spec, *gemm; /* of the command line; NULL: not given */
extern int cases;               /* of each operation */
extern uint32_t side_max;       /* of random matrices */
extern size_t large_side; /* of large ones: beyond every library's path for small matrices; wrong
                           * results from 1152 on have been seen */

/* --- Random numbers: each call takes new ones of the seed --- */

extern uint64_t seed;
extern uint32_t drawn; /* numbers of the seed that are used up */
uint32_t draw(void);
size_t draw_side(void);                        /* of a matrix, from 1 to side_max */
void draw_values(float *values, size_t count); /* in [-1, 1) */

/* --- An operand: a matrix between guards on the device, and what it should be --- */

struct operand {
    size_t rows, columns, elements; /* elements: with both guards */
    uint32_t *start;                /* what was uploaded */
    void *expected;                 /* [rows, columns]: the same, until plain loops change it */
    struct buffer *buffer;
};

/* Rates of optimisers, each as far from the others as can be. */
extern const float some_rates[OPTIMIZERS][OPTIMIZER_RATES_MAX];
struct operand make_operand(size_t rows, size_t columns, const void *content);
struct operand spread_operand(size_t rows, size_t columns, float spread); /* [-spread, spread) */
struct operand random_operand(size_t rows, size_t columns);               /* [-1, 1) */
struct operand random_indices(size_t rows, uint32_t bound); /* whole numbers below `bound` */
struct view view_of(const struct operand *operand);         /* on the device */

/* Fails if anything of it has changed on the device. */
void assert_untouched(const struct operand *operand);

/* Compares it with what it should be, guards included, and releases it. Up to `tolerance`, relative
 * to the root mean square; or, where it was only read, to the bit. */
void finish_written(const char *name, struct operand *operand, double tolerance);
/* The same, relative to `least` where it is smaller than that: sums that come to little have lost
 * digits of their terms. */
void finish_computed(const char *name, struct operand *operand, double tolerance, double least);
void finish_read(struct operand *operand);
void free_operand(struct operand *operand); /* without comparing */

/* Of elements that are computed one by one, and of sums of `depth` products in single precision. A
 * term that is missing is off by 1 / sqrt(depth), a gemm in half the digits (TF32) by 5e-4. */
#define TOLERANCE 1e-6
double sum_tolerance(size_t depth);

/* A layer's values, of random operands, against plain loops. */
void check_forward(size_t batch, size_t in, size_t out, enum activation activation);

/* --- The tests: device_operations.c --- */

void test_operations(void **state);
void test_long_gemms(void **state);
void test_several_tiles(void **state);
void test_usual_gemms(void **state);
void test_large_gemms(void **state);
void test_draws(void **state);
void test_clip(void **state);
void test_softmax_cross_entropy(void **state);
void test_softmax_ties(void **state);
void test_softmax_not_finite(void **state);
void test_activations_not_finite(void **state);
void test_slope_at_zero(void **state);
void test_upload_pixels(void **state);

/* --- device_steps.c --- */

void test_steps(void **state);
extern bool steps_only; /* nothing else is tested */
void test_steps_together(void **state);
void test_steps_separate(void **state);
void test_steps_same_bits(void **state);
void test_steps_unfit(void **state);

/* --- device_recordings.c --- */

void test_record(void **state);
void test_record_before_larger(void **state);
void test_record_pixels(void **state);
void test_run(void **state);
void test_other_scale(void **state);
void test_run_failing(void **state);

#endif
