/* The cpu device's operations, done by threads that take turns: whoever of them is late, the
 * results are the same. */
#include "support.h"
#include "trainer/random.h"
#include "turns.h"

#include <math.h>
#include <string.h>

static struct device *device;
static struct error error;

/* --- Random operations on a few matrices, which meet each other in all roles --- */

enum { SIDE = 32, ELEMENTS = SIDE * SIDE, MATRICES = 6, OPERATIONS = 8, PROGRAMS = 2000 };

/* Each index has numbers below SIDE. */
enum { INDICES = 3 };
static struct buffer *matrices[MATRICES], *indices[INDICES];
static uint32_t numbers[INDICES][SIDE]; /* what the indices begin with */

static struct view index_view(uint32_t number) {
    return device_view(indices[number % INDICES], SIDE, 1);
}

/* Takes the next random numbers of a program. */
struct dice {
    uint32_t program;
    uint64_t used;
};

static uint32_t draw(struct dice *dice, uint32_t bound) {
    uint32_t bits[4];
    random_bits(20261128, RANDOM_CHECK, dice->program, dice->used++, bits);
    return bits[0] % bound;
}

/* The next random numbers for the entries of the program that is run: some are divided by columns,
 * and some take their rows in an order. The device does neither with matrices as small as these. */
static struct dice planned;

void __wrap_queue_append(struct queue *queue, const struct queue_entry *entry);
void __real_queue_append(struct queue *queue, const struct queue_entry *entry);

void __wrap_queue_append(struct queue *queue, const struct queue_entry *entry) {
    struct queue_entry planned_entry = *entry;
    const enum operation_kind kind = entry->operation.kind;
    const bool forward = kind == OPERATION_DENSE_FORWARD;
    if (forward || kind == OPERATION_DENSE_BACKWARD)
        planned_entry.by_columns = draw(&planned, 2) == 1;
    const bool may_have_order =
        forward || kind == OPERATION_DENSE_UPDATE || kind == OPERATION_DENSE_GRADIENT;
    if (may_have_order && draw(&planned, 2) == 1)
        planned_entry.order = index_view(draw(&planned, INDICES));
    __real_queue_append(queue, &planned_entry);
}

/* Small values, so that products of products stay finite. */
static const float *values_of(uint32_t number) {
    static float values[8][ELEMENTS];
    float *found = values[number % 8]; /* until the device has waited */
    random_uniform(number, RANDOM_CHECK, 0, found, ELEMENTS);
    for (size_t i = 0; i < ELEMENTS; i++)
        found[i] *= 0.1f;
    return found;
}

/* One operation of different matrices. Of the third one it has all, one of the first rows as the
 * biases, or the start as the scores; pixels go to all of one as if it were an image. */
static enum status enqueue_one(struct dice *dice) {
    static const struct pixel_format format = {3, ELEMENTS, true, {0.299, 0.587, 0.114}};
    static const uint8_t pixels[3 * ELEMENTS] = {9, 99, 199};
    uint32_t chosen[MATRICES];
    random_permutation(dice->program, RANDOM_ORDER, draw(dice, 1 << 30), chosen, MATRICES);
    struct view of[5];
    for (int n = 0; n < 5; n++)
        of[n] = device_view(matrices[chosen[n]], SIDE, SIDE);
    const struct view row = view_rows(of[2], draw(dice, 3), 1);
    const struct view start = device_view(of[2].buffer, SIDE, 2);
    const struct view scale = {of[4].buffer, draw(dice, 2), 1, 1};
    const uint32_t number = draw(dice, INDICES);
    const struct view index = index_view(number);
    const enum activation activation = (enum activation)draw(dice, 4);
    const struct draws draws = {1, draw(dice, 9), view_rows(index, draw(dice, 3), 1)};
    switch (draw(dice, 16)) {
    case 0:
        return device_dense_forward(device, of[0], of[1], row, activation, of[3], &error);
    case 1:
        return device_dense_backward(device, of[0], of[1], of[2], activation, of[3], &error);
    case 2:
        return device_dense_update(device, of[0], of[1], scale, of[3], row, &error);
    case 7:
        return device_upload(device, scale, values_of(6 + draw(dice, 2)), &error);
    case 8:
        return device_dense_gradient(device, of[0], of[1], of[3], row, &error);
    case 9:
        return device_optimize(
            device, OPTIMIZER_GRADIENT_DESCENT, of[0], scale, of[1], NULL, &error);
    case 3:
        return device_softmax_cross_entropy(device, of[0], index, 0.1f, 0.0f, start, &error);
    case 4:
        return device_gather_rows(device, of[0], index, of[1], &error);
    case 10: /* another order */
        return device_gather_rows(
            device, index, index_view(number + 1), index_view(number + 2), &error);
    case 11:
        return device_upload(device, index, numbers[draw(dice, INDICES)], &error);
    case 5:
        return device_upload(device, of[0], values_of(6 + draw(dice, 2)), &error);
    case 6:
        return device_upload(device, row, values_of(6 + draw(dice, 2)), &error);
    case 12:
        return device_dropout(
            device, of[0], &draws, 1, 0.25, draw(dice, 2) ? of[1] : of[0], &error);
    case 13:
        return device_flip(device, of[0], &draws, SIDE / 2, &error);
    case 14: { /* other sums might have no root */
        const struct view sums = device_view(of[1].buffer, 1, SQUARE_SUMS);
        const enum status status = device_square_sums(device, of[0], sums, &error);
        return status == STATUS_OK ? device_clip(device, sums, 1.0f, of[2], &error) : status;
    }
    default:
        return device_upload_pixels(
            device, pixels, &format, device_view(of[0].buffer, 1, ELEMENTS), &error);
    }
}

/* What a program makes of the matrices. */
static void run_program(uint32_t program, float results[MATRICES][ELEMENTS]) {
    struct dice dice = {program, 0};
    planned = (struct dice){PROGRAMS + program, 0};
    for (uint32_t n = 0; n < INDICES; n++)
        assert_ok(device_upload(device, index_view(n), numbers[n], &error));
    for (uint32_t m = 0; m < MATRICES; m++)
        assert_ok(
            device_upload(device, device_view(matrices[m], SIDE, SIDE), values_of(m), &error));
    assert_ok(device_synchronise(device, &error));
    for (int n = 0; n < OPERATIONS; n++)
        assert_ok(enqueue_one(&dice));
    for (int m = 0; m < MATRICES; m++) {
        assert_ok(
            device_download(device, device_view(matrices[m], SIDE, SIDE), results[m], &error));
        for (size_t i = 0; i < ELEMENTS; i++)
            assert_true(isfinite(results[m][i]));
    }
}

static void test_turns(void **state) {
    (void)state;
    static float expected[MATRICES][ELEMENTS], found[MATRICES][ELEMENTS];
    for (uint32_t n = 0; n < INDICES; n++) {
        assert_ok(device_allocate(device, SIDE, &indices[n], &error));
        for (uint32_t i = 0; i < SIDE; i++)
            numbers[n][i] = (7 * i + 3 + n) % SIDE / (n + 1);
    }
    for (int m = 0; m < MATRICES; m++)
        assert_ok(device_allocate(device, ELEMENTS, &matrices[m], &error));
    for (uint32_t program = 0; program < PROGRAMS; program++) {
        turns = TOGETHER;
        run_program(program, expected);
        for (turns = FIRST_AHEAD; turns <= LAST_AHEAD; turns++) {
            run_program(program, found);
            if (memcmp(expected, found, sizeof found) != 0)
                fail_msg("program %u is wrong where %s", program, turns_text());
        }
    }
    assert_true(turns_seen.unheld > PROGRAMS); /* not each entry waits */
    assert_true(turns_seen.by_columns > PROGRAMS && turns_seen.ordered > PROGRAMS);
    for (int m = 0; m < MATRICES; m++)
        buffer_free(matrices[m]);
    for (int n = 0; n < INDICES; n++)
        buffer_free(indices[n]);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_turns)};
    const int missing = support_open("cpu", "own", 3, &device);
    if (missing)
        return missing;
    const int result = cmocka_run_group_tests_name("turns", tests, NULL, NULL);
    device_close(device);
    return result;
}
