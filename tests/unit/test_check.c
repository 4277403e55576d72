/* The self-check, on devices that compute wrong results on purpose. */
#include "device/device_type.h"
#include "support.h"
#include "trainer/training.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct device *device;
static struct device_type wrong; /* the reference device's, but for one product */
static const struct device_type *right;
static struct error error;

static enum { FORWARD, BACKWARD, UPDATE } product;
static void (*spoil)(float *values, size_t rows, size_t columns);
static size_t only_rows, only_columns; /* of results that are spoilt; 0: of any */

static void spoil_view(struct view view) {
    if ((only_rows > 0 && view.rows != only_rows) ||
        (only_columns > 0 && view.columns != only_columns))
        return;
    float *values = malloc(view.rows * view.columns * sizeof *values);
    assert_non_null(values);
    assert_ok(device_download(device, view, values, &error));
    spoil(values, view.rows, view.columns);
    assert_ok(device_upload(device, view, values, &error));
    free(values);
}

static enum status forward(struct device *self, struct view x, struct view weights,
    struct view bias, enum activation activation, struct view y, struct error *problem) {
    const enum status status = right->dense_forward(self, x, weights, bias, activation, y, problem);
    if (product == FORWARD)
        spoil_view(y);
    return status;
}

static enum status backward(struct device *self, struct view d_y, struct view weights,
    struct view x, enum activation activation, struct view d_x, struct error *problem) {
    const enum status status =
        right->dense_backward(self, d_y, weights, x, activation, d_x, problem);
    if (product == BACKWARD)
        spoil_view(d_x);
    return status;
}

static enum status update(struct device *self, struct view x, struct view d_y, float scale,
    struct view weights, struct view bias, struct error *problem) {
    const enum status status = right->dense_update(self, x, d_y, scale, weights, bias, problem);
    if (product == UPDATE)
        spoil_view(weights);
    return status;
}

static void leave(float *values, size_t rows, size_t columns) {
    (void)values, (void)rows, (void)columns;
}

static void spoil_last(float *values, size_t rows, size_t columns) {
    values[rows * columns - 1] += 0.01f;
}

static void spoil_to_nan(float *values, size_t rows, size_t columns) {
    (void)rows;
    values[columns / 2] = NAN;
}

/* As if the factors had been rounded to TF32, with 10 bits of fraction. */
static void spoil_digits(float *values, size_t rows, size_t columns) {
    for (size_t i = 0; i < rows * columns; i++) {
        uint32_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        bits &= 0xffffe000u;
        memcpy(&values[i], &bits, sizeof bits);
    }
}

static void test_right(void **state) {
    (void)state;
    spoil = leave;
    assert_ok(device_check(device, 30, 20, 10, &error));
}

static void test_wrong(void **state) {
    (void)state;
    static const char *const names[] = {"forward product", "backward product", "update product"};
    static void (*const spoils[])(float *, size_t, size_t) = {
        spoil_last, spoil_to_nan, spoil_digits};
    for (size_t s = 0; s < 3; s++)
        for (int p = FORWARD; p <= UPDATE; p++) {
            product = p;
            spoil = spoils[s];
            assert_fails(device_check(device, 30, 20, 10, &error), STATUS_DEVICE, names[p]);
            assert_fails(
                device_check(device, 30, 20, 10, &error), STATUS_DEVICE, "fails its self-check");
        }
}

/* Of a large product some rows are checked, and the last is one of them. */
static void test_large(void **state) {
    (void)state;
    spoil = leave;
    assert_ok(device_check(device, 64, 1024, 1024, &error));
    spoil = spoil_last;
    for (int p = FORWARD; p <= UPDATE; p++) {
        product = p;
        assert_fails(
            device_check(device, 64, 1024, 1024, &error), STATUS_DEVICE, "fails its self-check");
    }
}

/* Of a network and its training each shape is checked that comes up, and what a device doubts
 * itself. */
static void test_all_shapes(void **state) {
    (void)state;
    enum { DOUBTFUL = 48 };
    const struct network_shape shape = {4, {20, 10, 20, 7, 10}, ACTIVATION_SIGMOID};
    const struct dataset dataset = {.train = {.count = 77}, .test = {.count = 50}};
    const struct training_plan plan = {.epochs = 1, .batch_size = 30, .tail = TAIL_SHORT};
    struct device_peak peak;
    static const size_t wrong_sizes[][2] = {/* rows, columns */
        {30, 10}, {30, 20}, {30, 7}, {17, 0}, {20, 0}, {DOUBTFUL, DOUBTFUL}};
    device->info.doubtful = DOUBTFUL;
    product = FORWARD;
    spoil = leave;
    assert_ok(training_check(device, &shape, &dataset, &plan, &error));
    spoil = spoil_last;
    for (size_t w = 0; w < sizeof wrong_sizes / sizeof *wrong_sizes; w++) {
        only_rows = wrong_sizes[w][0];
        only_columns = wrong_sizes[w][1];
        assert_fails(training_check(device, &shape, &dataset, &plan, &error), STATUS_DEVICE,
            "fails its self-check: forward product");
    }
    assert_fails(device_measure_peak(device, &peak, &error), STATUS_DEVICE, "fails its self-check");
    only_rows = only_columns = device->info.doubtful = 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_right),
        cmocka_unit_test(test_wrong),
        cmocka_unit_test(test_large),
        cmocka_unit_test(test_all_shapes),
    };
    const struct device_options options = {.threads = 1};
    if (device_open("reference", &options, &device, &error) != STATUS_OK)
        return 1;
    right = device->type;
    wrong = *right;
    wrong.dense_forward = forward;
    wrong.dense_backward = backward;
    wrong.dense_update = update;
    device->type = &wrong;
    const int failed = cmocka_run_group_tests_name("check", tests, NULL, NULL);
    device_close(device);
    return failed;
}
