#include "device_suite.h"
#include "trainer/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { GUARD = 37 }; /* odd: operands are not aligned */

static struct error error;

/* --- Random numbers --- */

uint64_t seed = 20261122;
uint32_t drawn;

uint32_t draw(void) {
    uint32_t bits[4];
    random_bits(seed, RANDOM_CHECK, 1000, drawn++, bits);
    return bits[0];
}

/* Around vector widths and tile sizes, 1, and anything. */
size_t draw_side(void) {
    static const size_t sides[] = {1, 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64, 65, 200};
    const uint32_t value = draw();
    const size_t count = sizeof sides / sizeof *sides, side = sides[value / 4 % count];
    return value % 4 && side <= side_max ? side : 1 + value / 4 % side_max;
}

void draw_values(float *values, size_t count) {
    random_uniform(seed, RANDOM_CHECK, drawn++, values, count);
}

double sum_tolerance(size_t depth) {
    return TOLERANCE + 4e-7 * sqrt((double)depth);
}

/* --- Making --- */

const float some_rates[OPTIMIZERS][OPTIMIZER_RATES_MAX] = {
    {0.3f}, {-0.05f, 0.1f, 0.9f, 0.75f, 0.5f}, {0.9f, -0.1f, 1.5f, 0.3f, 0.01f, 0.2f}};

/* NaN before it and a huge number after it, so that reading outside shows in the result, and so
 * does writing what was made of it. */
struct operand make_operand(size_t rows, size_t columns, const void *content) {
    const size_t bytes = rows * columns * sizeof(uint32_t);
    struct operand operand = {rows, columns, rows * columns + 2 * GUARD, NULL, NULL, NULL};
    const float before = NAN, after = 1e30f;
    operand.start = malloc(operand.elements * sizeof *operand.start);
    operand.expected = malloc(bytes);
    for (size_t i = 0; i < operand.elements; i++)
        memcpy(&operand.start[i], i < GUARD ? &before : &after, sizeof before);
    memcpy(operand.start + GUARD, content, bytes);
    memcpy(operand.expected, content, bytes);
    assert_ok(device_allocate(tested, operand.elements, &operand.buffer, &error));
    assert_ok(device_upload(
        tested, device_view(operand.buffer, 1, operand.elements), operand.start, &error));
    return operand;
}

struct operand spread_operand(size_t rows, size_t columns, float spread) {
    float *values = malloc(rows * columns * sizeof *values);
    draw_values(values, rows * columns);
    for (size_t i = 0; i < rows * columns; i++)
        values[i] *= spread;
    const struct operand operand = make_operand(rows, columns, values);
    free(values);
    return operand;
}

struct operand random_operand(size_t rows, size_t columns) {
    return spread_operand(rows, columns, 1.0f);
}

struct operand random_indices(size_t rows, uint32_t bound) {
    uint32_t *values = malloc(rows * sizeof *values);
    for (size_t i = 0; i < rows; i++)
        values[i] = draw() % bound;
    const struct operand operand = make_operand(rows, 1, values);
    free(values);
    return operand;
}

struct view view_of(const struct operand *operand) {
    return (struct view){operand->buffer, GUARD, operand->rows, operand->columns};
}

/* --- Comparing --- */

/* All that is on the device now. The caller frees it. */
static uint32_t *download(const struct operand *operand) {
    uint32_t *found = malloc(operand->elements * sizeof *found);
    assert_ok(
        device_download(tested, device_view(operand->buffer, 1, operand->elements), found, &error));
    return found;
}

void assert_untouched(const struct operand *operand) {
    uint32_t *found = download(operand);
    assert_memory_equal(found, operand->start, operand->elements * sizeof *found);
    free(found);
}

void free_operand(struct operand *operand) {
    buffer_free(operand->buffer);
    free(operand->start);
    free(operand->expected);
}

void finish_read(struct operand *operand) {
    assert_untouched(operand);
    free_operand(operand);
}

void finish_written(const char *name, struct operand *operand, double tolerance) {
    finish_computed(name, operand, tolerance, 1e-30);
}

void finish_computed(const char *name, struct operand *operand, double tolerance, double least) {
    const size_t count = operand->rows * operand->columns, after = GUARD + count;
    uint32_t *found = download(operand);
    assert_memory_equal(found, operand->start, GUARD * sizeof *found);
    assert_memory_equal(found + after, operand->start + after, GUARD * sizeof *found);
    const double size = support_root_mean_square(operand->expected, count);
    support_assert_within(name, (const float *)found + GUARD, operand->expected, count,
        tolerance * (size > least ? size : least));
    free(found);
    free_operand(operand);
}
