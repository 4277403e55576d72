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

struct operation {
    enum { UPLOAD, PIXELS, GATHER, FORWARD, BACKWARD, UPDATE, SOFTMAX } kind;
    struct view views[4];
    const void *host;
    enum activation activation;
    enum color color;
    float scale;
};

struct recording {
    size_t count;
    struct operation operations[500];
};

static struct recording queue, *recording; /* `recording`: where operations are kept, not done */
static double due;                         /* when all that is in the queue is done */
static double enqueued;                    /* seconds of work that the device was ever given */

static void enqueue(const struct operation *operation) {
    struct recording *to = recording ? recording : &queue;
    assert_true(to->count < sizeof to->operations / sizeof *to->operations);
    to->operations[to->count++] = *operation;
    const double seconds = operation->kind == SOFTMAX ? STEP : operation->kind <= GATHER ? MOVE : 0;
    if (!recording) {
        due = (due > now() ? due : now()) + seconds;
        enqueued += seconds;
    }
}

static enum status work(struct operation *o, struct error *problem) {
    struct view *v = o->views;
    switch (o->kind) {
    case UPLOAD:
        return real->upload(device, v[0], o->host, problem);
    case PIXELS:
        return real->upload_pixels(device, o->host, o->color, v[0], problem);
    case GATHER:
        return real->gather_rows(device, v[0], v[1], v[2], problem);
    case FORWARD:
        return real->dense_forward(device, v[0], v[1], v[2], o->activation, v[3], problem);
    case BACKWARD:
        return real->dense_backward(device, v[0], v[1], v[2], o->activation, v[3], problem);
    case UPDATE:
        return real->dense_update(device, v[0], v[1], o->scale, v[2], v[3], problem);
    case SOFTMAX:
        break;
    }
    return real->softmax_cross_entropy(device, v[0], v[1], o->scale, v[2], problem);
}

static enum status slow_synchronise(struct device *of, struct error *problem) {
    (void)of;
    assert_null(recording);
    for (double left; (left = due - now()) > 0;)
        nanosleep(&(struct timespec){(time_t)left, (long)(fmod(left, 1.0) * 1e9) + 1}, NULL);
    enum status status = STATUS_OK;
    for (size_t o = 0; o < queue.count && status == STATUS_OK; o++)
        status = work(&queue.operations[o], problem);
    queue.count = 0;
    return status;
}

static enum status slow_download(
    struct device *of, struct view source, void *host, struct error *problem) {
    const enum status status = slow_synchronise(of, problem);
    return status == STATUS_OK ? real->download(of, source, host, problem) : status;
}

static void slow_release(struct buffer *buffer) {
    assert_int_equal(slow_synchronise(device, &error), STATUS_OK);
    real->release(buffer);
}

static enum status slow_upload(
    struct device *of, struct view destination, const void *host, struct error *problem) {
    (void)of, (void)problem;
    enqueue(&(struct operation){UPLOAD, {destination}, .host = host});
    return STATUS_OK;
}

static enum status slow_upload_pixels(struct device *of, const uint8_t *host, enum color color,
    struct view destination, struct error *problem) {
    (void)of, (void)problem;
    enqueue(&(struct operation){PIXELS, {destination}, .host = host, .color = color});
    return STATUS_OK;
}

static enum status slow_gather_rows(struct device *of, struct view source, struct view index,
    struct view destination, struct error *problem) {
    (void)of, (void)problem;
    enqueue(&(struct operation){GATHER, {source, index, destination}});
    return STATUS_OK;
}

static enum status slow_dense_forward(struct device *of, struct view x, struct view weights,
    struct view bias, enum activation activation, struct view y, struct error *problem) {
    (void)of, (void)problem;
    enqueue(&(struct operation){FORWARD, {x, weights, bias, y}, .activation = activation});
    return STATUS_OK;
}

static enum status slow_dense_backward(struct device *of, struct view d_y, struct view weights,
    struct view x, enum activation activation, struct view d_x, struct error *problem) {
    (void)of, (void)problem;
    enqueue(&(struct operation){BACKWARD, {d_y, weights, x, d_x}, .activation = activation});
    return STATUS_OK;
}

static enum status slow_dense_update(struct device *of, struct view x, struct view d_y, float scale,
    struct view weights, struct view bias, struct error *problem) {
    (void)of, (void)problem;
    enqueue(&(struct operation){UPDATE, {x, d_y, weights, bias}, .scale = scale});
    return STATUS_OK;
}

static enum status slow_softmax_cross_entropy(struct device *of, struct view logits,
    struct view labels, float scale, struct view score, struct error *problem) {
    (void)of, (void)problem;
    enqueue(&(struct operation){SOFTMAX, {logits, labels, score}, .scale = scale});
    return STATUS_OK;
}

static enum status slow_record_begin(struct device *of, struct error *problem) {
    (void)of, (void)problem;
    recording = calloc(1, sizeof *recording);
    assert_non_null(recording);
    return STATUS_OK;
}

static enum status slow_record_end(
    struct device *of, struct recording **ended, struct error *problem) {
    (void)of, (void)problem;
    *ended = recording;
    recording = NULL;
    return STATUS_OK;
}

static enum status slow_replay(
    struct device *of, struct recording *recorded, struct error *problem) {
    (void)of, (void)problem;
    for (size_t o = 0; o < recorded->count; o++)
        enqueue(&recorded->operations[o]);
    return STATUS_OK;
}

static void slow_forget(struct device *of, struct recording *recorded) {
    (void)of;
    free(recorded);
}

/* Makes the open device a slow one. */
static void slow_down(bool records) {
    static struct device_type slow;
    slow = *real;
    slow.release = slow_release;
    slow.upload = slow_upload;
    slow.download = slow_download;
    slow.synchronise = slow_synchronise;
    slow.record_begin = records ? slow_record_begin : NULL;
    slow.record_end = records ? slow_record_end : NULL;
    slow.replay = records ? slow_replay : NULL;
    slow.forget = records ? slow_forget : NULL;
    slow.dense_forward = slow_dense_forward;
    slow.dense_backward = slow_dense_backward;
    slow.dense_update = slow_dense_update;
    slow.softmax_cross_entropy = slow_softmax_cross_entropy;
    slow.gather_rows = slow_gather_rows;
    slow.upload_pixels = slow_upload_pixels;
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
