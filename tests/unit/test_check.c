/* The self-check, on devices that compute wrong results on purpose. */
#include "device/device_type.h"
#include "support.h"
#include "trainer/training.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct device *device;
static struct device_type wrong; /* the reference device's, but for one gemm */
static const struct device_type *right;
static struct error error;

static enum operation_kind kind = OPERATION_DENSE_FORWARD; /* it */
static void (*spoil)(float *values, size_t rows, size_t columns);
static size_t only_rows, only_columns; /* of results that are spoilt; 0: of any */

/* What is checked: the gemms that a network is trained with. */
static const char *const names[OPERATION_KINDS] = {[OPERATION_DENSE_FORWARD] = "forward product",
    [OPERATION_DENSE_BACKWARD] = "backward product",
    [OPERATION_DENSE_UPDATE] = "update product"};

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

static enum status enqueue(
    struct device *self, const struct operation *operation, struct error *problem) {
    const enum status status = right->enqueue(self, operation, problem);
    const struct operation_type *type = &operation_types[operation->kind];
    if (operation->kind != kind)
        return status;
    for (size_t v = 0; v < operation_operands(operation); v++)
        if (type->operands[v].use != OPERAND_READ && operation->views[v].rows > 1) /* no bias */
            spoil_view(operation->views[v]);
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
    static void (*const spoils[])(float *, size_t, size_t) = {
        spoil_last, spoil_to_nan, spoil_digits};
    for (size_t s = 0; s < 3; s++)
        for (int p = 0; p < OPERATION_KINDS; p++) {
            if (!names[p])
                continue;
            kind = (enum operation_kind)p;
            spoil = spoils[s];
            assert_fails(device_check(device, 30, 20, 10, &error), STATUS_DEVICE, names[p]);
            assert_fails(
                device_check(device, 30, 20, 10, &error), STATUS_DEVICE, "fails its self-check");
        }
}

/* Of a large gemm some rows are checked, and the last is one of them. */
static void test_large(void **state) {
    (void)state;
    spoil = leave;
    assert_ok(device_check(device, 64, 1024, 1024, &error));
    spoil = spoil_last;
    for (int p = 0; p < OPERATION_KINDS; p++) {
        if (!names[p])
            continue;
        kind = (enum operation_kind)p;
        assert_fails(
            device_check(device, 64, 1024, 1024, &error), STATUS_DEVICE, "fails its self-check");
    }
}

/* Of a network and its training each shape is checked that comes up, and the side that a device
 * suspects itself. */
static void test_all_shapes(void **state) {
    (void)state;
    enum { SUSPECT_SIDE = 48 };
    const struct network_shape shape = {4, {20, 10, 20, 7, 10}, ACTIVATION_SIGMOID};
    const struct dataset dataset = {.train = {.count = 77, .format = &cifar10_format},
        .test = {.count = 50, .format = &cifar10_format}};
    const struct training_plan plan = {.epochs = 1, .batch_size = 30, .tail = TAIL_SHORT};
    struct device_peak peak;
    static const size_t wrong_sizes[][2] = {/* rows, columns */
        {30, 10}, {30, 20}, {30, 7}, {17, 0}, {20, 0}, {SUSPECT_SIDE, SUSPECT_SIDE}};
    device->info.suspect_side = SUSPECT_SIDE;
    kind = OPERATION_DENSE_FORWARD;
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
    only_rows = only_columns = device->info.suspect_side = 0;
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
    wrong.enqueue = enqueue;
    device->type = &wrong;
    const int failed = cmocka_run_group_tests_name("check", tests, NULL, NULL);
    device_close(device);
    return failed;
}
