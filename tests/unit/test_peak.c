/* A device's peak, on a device that does nothing, and takes its time for it by a clock of the
 * test's own: only when somebody waits. */
#include "device/device_type.h"
#include "support.h"
#include "system/clock.h"

#include <math.h>
#include <stdint.h>

static double now, due; /* seconds; of work that was enqueued */
static struct device *device;
static const struct device_type *real;
static struct error error;

double clock_seconds(void) {
    return now;
}

/* Three repetitions at the least, of which the second is the fastest; and before them a first time
 * that does not count, however short it is. */
static double slowed(double seconds, int *times) {
    static const double by[] = {0.01, 1.5, 1.0, 2.0};
    const int time = (*times)++;
    return seconds * by[time < 4 ? time : 3];
}

/* The gemms that are measured. The second is the fastest, and the third takes long enough. */
enum { GEMMS = 3 };
static const size_t sides[GEMMS] = {256, 512, 1024};
static const double gemm_seconds[GEMMS] = {0.0625, 0.0625, 1.0};

static int gemms[GEMMS], copies, smallest;

static enum status enqueue(
    struct device *of, const struct operation *operation, struct error *problem) {
    const size_t rows = operation->views[0].rows;
    if (operation->kind == OPERATION_GATHER_ROWS && rows == 1) {
        due += slowed(0.25, &smallest) / 1000; /* after the first four, each in twice the time */
        return STATUS_OK;
    }
    if (operation->kind == OPERATION_GATHER_ROWS) {
        due += slowed(0.5, &copies);
        return STATUS_OK;
    }
    if (operation->kind != OPERATION_DENSE_FORWARD || rows < sides[0]) /* the self-check */
        return real->enqueue(of, operation, problem);
    for (int p = 0; p < GEMMS; p++)
        if (rows == sides[p])
            due += slowed(gemm_seconds[p], &gemms[p]);
    return STATUS_OK;
}

static enum status synchronise(struct device *of, struct error *problem) {
    now += due;
    due = 0.0;
    return real->synchronise(of, problem);
}

/* Room for a copy of 8 MiB, as a quarter is taken of what is free, for two of them. */
static struct device_memory memory(const struct device *of) {
    struct device_memory all = real->memory(of);
    all.free_bytes = all.buffer_bytes = (size_t)64 << 20;
    return all;
}

static enum status arithmetic_status;

/* It comes when nothing is left to do. */
static enum status measure_arithmetic(
    struct device *of, struct device_peak *peak, struct error *problem) {
    (void)of;
    assert_true(due == 0.0);
    peak->arithmetic[0] = (struct arithmetic_peak){"some", 3.0};
    return arithmetic_status == STATUS_OK ? STATUS_OK
                                          : error_set(problem, arithmetic_status, "no arithmetic");
}

static void test_peak(void **state) {
    (void)state;
    struct device_peak peak;
    assert_ok(device_measure_peak(device, &peak, &error));
    /* a second: 2 * 256^3 * 16 = 2^29, 2 * 512^3 * 16 = 2^32, 2 * 1024^3 = 2^31 */
    assert_int_equal(peak.side, 512);
    assert_true(peak.flops == 4294967296.0);
    /* 8 MiB are read, and 8 MiB written, in 1/2 s */
    assert_int_equal(peak.bytes, 8 << 20);
    assert_true(peak.bandwidth == 33554432.0);
    assert_true(fabs(peak.operation / 0.0005 - 1.0) < 1e-9);
    assert_string_equal(peak.arithmetic[0].name, "some");
    assert_true(peak.arithmetic[0].flops == 3.0);
    assert_null(peak.arithmetic[1].name);
}

static void test_failing_arithmetic(void **state) {
    (void)state;
    struct device_peak peak;
    arithmetic_status = STATUS_DEVICE;
    assert_fails(device_measure_peak(device, &peak, &error), STATUS_DEVICE, "no arithmetic");
    arithmetic_status = STATUS_OK;
}

/* A device whose kind can't measure it. */
static void test_no_arithmetic(void **state) {
    (void)state;
    struct device_type other = *device->type;
    const struct device_type *type = device->type;
    struct device_peak peak;
    other.measure_arithmetic = NULL;
    device->type = &other;
    const enum status status = device_measure_peak(device, &peak, &error);
    device->type = type;
    assert_ok(status);
    assert_null(peak.arithmetic[0].name);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_peak),
        cmocka_unit_test(test_failing_arithmetic), cmocka_unit_test(test_no_arithmetic)};
    const struct device_options options = {.threads = 1};
    if (device_open("reference", &options, &device, &error) != STATUS_OK)
        return 1;
    real = device->type;
    struct device_type slow = *real;
    slow.enqueue = enqueue;
    slow.synchronise = synchronise;
    slow.memory = memory;
    slow.measure_arithmetic = measure_arithmetic;
    device->type = &slow;
    device->info.suspect_side = 16; /* so that the self-check is short */
    const int failed = cmocka_run_group_tests_name("peak", tests, NULL, NULL);
    device->type = real;
    device_close(device);
    return failed;
}
