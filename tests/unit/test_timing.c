/* That what a run says of its time is true, on a device that does nothing while it is called: its
 * operations are done when somebody waits, and no sooner than 10 or 50 ms after one another.
 * Whatever a phase has enqueued, that phase must have waited for. (Only lower bounds are asserted,
 * which hold on the busiest machine: sleep does not end early.) */
#include "device/device_type.h"
#include "support.h"
#include "trainer/training.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SAMPLES = 130, TEST_SAMPLES = 70, BATCH = 50, EPOCHS = 3 };
enum { BATCHES = 3, TEST_BATCHES = 2 }; /* of them */

/* What a step's last operation takes, and each one that moves data, in seconds. */
#define STEP 0.05
#define MOVE 0.01
#define ROUNDING 1e-6 /* of the sums below */

static const struct network_shape shape = {2, {CIFAR10_PLANE, 8, 10}, ACTIVATION_TANH};

static struct device *device;
static const struct device_type *real;
static struct dataset *dataset;
static struct error error;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

/* --- A slow device: `reference`, later --- */

struct recording {
    size_t count;
    struct operation operations[500];
};

static struct recording queue;
static double due;      /* when all that is in the queue is done */
static double enqueued; /* seconds of work that the device was ever given */

static void append(struct recording *to, const struct operation *operation) {
    assert_true(to->count < sizeof to->operations / sizeof *to->operations);
    to->operations[to->count++] = *operation;
}

static enum status slow_enqueue(
    struct device *of, const struct operation *operation, struct error *problem) {
    (void)of, (void)problem;
    const enum operation_kind kind = operation->kind;
    const bool moves = kind == OPERATION_GATHER_ROWS || operation_types[kind].sends;
    const double seconds = kind == OPERATION_SOFTMAX_CROSS_ENTROPY ? STEP : moves ? MOVE : 0;
    append(&queue, operation);
    due = (due > now() ? due : now()) + seconds;
    enqueued += seconds;
    return STATUS_OK;
}

static enum status slow_synchronise(struct device *of, struct error *problem) {
    (void)of;
    for (double left; (left = due - now()) > 0;)
        nanosleep(&(struct timespec){(time_t)left, (long)(fmod(left, 1.0) * 1e9) + 1}, NULL);
    enum status status = STATUS_OK;
    for (size_t o = 0; o < queue.count && status == STATUS_OK; o++)
        status = real->enqueue(device, &queue.operations[o], problem);
    queue.count = 0;
    return status;
}

static enum status slow_download(
    struct device *of, struct view source, void *host, struct error *problem) {
    const enum status status = slow_synchronise(of, problem);
    return status == STATUS_OK ? real->download(of, source, host, problem) : status;
}

static void slow_free_buffer(struct buffer *buffer) {
    assert_int_equal(slow_synchronise(device, &error), STATUS_OK);
    real->free_buffer(buffer);
}

static enum status slow_compile(struct device *of, const struct operation *operations, size_t count,
    struct recording **recording, struct error *problem) {
    (void)of, (void)problem;
    *recording = calloc(1, sizeof **recording);
    assert_non_null(*recording);
    for (size_t o = 0; o < count; o++)
        append(*recording, &operations[o]);
    return STATUS_OK;
}

static enum status slow_run(struct device *of, struct recording *recording, struct error *problem) {
    enum status status = STATUS_OK;
    for (size_t o = 0; o < recording->count && status == STATUS_OK; o++)
        status = slow_enqueue(of, &recording->operations[o], problem);
    return status;
}

static void slow_free_recording(struct device *of, struct recording *recording) {
    (void)of;
    free(recording);
}

/* Makes the open device a slow one. */
static void slow_down(bool records) {
    static struct device_type slow;
    slow = *real;
    slow.free_buffer = slow_free_buffer;
    slow.download = slow_download;
    slow.synchronise = slow_synchronise;
    slow.enqueue = slow_enqueue;
    slow.longest = records ? SIZE_MAX : 0;
    slow.compile = records ? slow_compile : NULL;
    slow.run = records ? slow_run : NULL;
    slow.free_recording = records ? slow_free_recording : NULL;
    device->type = &slow;
    device->info.synchronous = false;
}

static void make_real(void) {
    device->type = real;
    device->info.synchronous = true;
}

/* --- What is said of it --- */

static double enqueued_until[EPOCHS]; /* when each epoch was told of */

static void on_epoch(void *context, size_t epoch, const struct training_result *result) {
    (void)context, (void)result;
    assert_int_equal(queue.count, 0);
    assert_true(now() >= due);
    enqueued_until[epoch] = enqueued;
}

/* Trains from the same first parameters; gives what it took, seen from outside. */
static double train(const struct training_plan *plan, struct training_result *result) {
    const struct training_observer observer = {.epoch = on_epoch};
    float *first = malloc(network_parameters_length(&shape) * sizeof *first);
    struct network *network;
    network_first_parameters(&shape, 9, first);
    assert_ok(network_create(device, &shape, plan->batch_size, &network, &error));
    assert_ok(network_upload(network, first, &error));
    enqueued = 0.0;
    const double start = now();
    assert_ok(training_run(network, dataset, plan, NULL, &observer, result, &error));
    const double seconds = now() - start;
    network_free(network);
    free(first);
    return seconds;
}

static void assert_at_least(const char *what, double seconds, double expected) {
    print_message("%s: %.3f s, of which %.3f s can't be less\n", what, seconds, expected);
    if (!(seconds >= expected - ROUNDING))
        fail_msg("%s: said to take %.6f s, but took %.6f s at least", what, seconds, expected);
}

static void check_times(const struct training_plan *plan) {
    const bool streamed = plan->batches == BATCHES_STREAMED;
    const double sent = 2 * MOVE; /* at least, of a set or a batch: pixels and labels */
    const double gathered = plan->shuffle && !streamed ? MOVE + BATCHES * 2 * MOVE : 0.0;
    struct training_result result;
    const double wall = train(plan, &result);
    assert_int_equal(result.batches, BATCHES);
    assert_int_equal(result.reached.epochs_done, EPOCHS);
    assert_int_equal(result.streamed, streamed);
    assert_at_least("batching", result.batching, streamed ? 0.0 : sent);
    double told = result.batching + result.recording + result.release + result.evaluate;
    for (size_t e = 0; e < EPOCHS; e++) {
        const double seconds = result.reached.epochs[e].seconds;
        assert_at_least("epoch", seconds, BATCHES * (STEP + (streamed ? sent : 0.0)) + gathered);
        if (e > 0)
            assert_at_least(
                "the same, counted", seconds, enqueued_until[e] - enqueued_until[e - 1]);
        told += seconds;
    }
    assert_at_least("evaluate", result.evaluate,
        TEST_BATCHES * (STEP + (streamed ? sent : 0.0)) + (streamed ? 0.0 : sent));
    assert_at_least("evaluate, counted", result.evaluate, enqueued - enqueued_until[EPOCHS - 1]);
    assert_at_least("all phases", told, enqueued);
    assert_at_least("all phases, seen from outside", wall, told);

    /* And it was the same work as that of a device that does it at once. */
    struct training_result expected;
    make_real();
    train(plan, &expected);
    for (size_t e = 0; e < EPOCHS; e++)
        assert_memory_equal(&result.reached.epochs[e].score, &expected.reached.epochs[e].score,
            sizeof expected.test);
    assert_memory_equal(&result.test, &expected.test, sizeof expected.test);
    training_result_free(&result);
    training_result_free(&expected);
}

static void check_plans(bool records) {
    for (int n = 0; n < 4; n++) {
        const struct training_plan plan = {.epochs = EPOCHS,
            .batch_size = BATCH,
            .learning_rate = 0.01,
            .seed = 4,
            .batches = n / 2 ? BATCHES_STREAMED : BATCHES_RESIDENT,
            .shuffle = n % 2};
        print_message("-- %s%s\n", batches_names[plan.batches], plan.shuffle ? ", shuffled" : "");
        slow_down(records);
        check_times(&plan);
    }
}

static void test_calls(void **state) {
    (void)state;
    check_plans(false);
}

static void test_recordings(void **state) {
    (void)state;
    check_plans(true);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls),
        cmocka_unit_test(test_recordings),
    };
    const struct dataset_options data = {
        .data = "synthetic", .samples = SAMPLES, .seed = 3, .threads = 1};
    if (device_open("reference", &(struct device_options){0}, &device, &error) != STATUS_OK ||
        dataset_load(&data, &dataset, &error) != STATUS_OK) {
        print_message("%s\n", error.message);
        return 1;
    }
    dataset->test.count = TEST_SAMPLES;
    real = device->type;
    const int failed = cmocka_run_group_tests_name("timing", tests, NULL, NULL);
    make_real();
    dataset_free(dataset);
    device_close(device);
    return failed;
}
