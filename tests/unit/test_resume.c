/* A training that is interrupted after any of its batches and continued, ends as if it had not
 * been, to the bit.
 *
 *   test_resume SPEC */
#include "support.h"
#include "trainer/training.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct device *device;
static struct dataset *dataset; /* 130 synthetic samples */
static struct error error;

/* Its optimiser is that of the plan which is tried. */
static struct network_shape shape = {2, {CIFAR10_PLANE, 8, 10}, ACTIVATION_TANH};

enum { EPOCHS = 3 };

/* What is asked whether to stop. */
struct asked {
    size_t times, stop_at; /* from this time on it says yes; 0: never */
};

static bool is_to_stop(void *context) {
    struct asked *asked = context;
    asked->times++;
    return asked->stop_at > 0 && asked->times >= asked->stop_at;
}

/* Trains from `parameters`, which become the last ones. */
static enum status train(const struct training_plan *plan, float *parameters,
    const struct training_position *start, size_t stop_at, struct training_result *result) {
    struct network *network;
    struct asked asked = {.stop_at = stop_at};
    const struct training_observer observer = {.context = &asked, .stop = is_to_stop};
    assert_ok(network_create(device, &shape, plan->batch_size, &network, &error));
    assert_ok(network_upload(network, parameters, &error));
    const enum status status =
        training_run(network, dataset, plan, start, &observer, result, &error);
    assert_int_equal(network_download(network, parameters, NULL), STATUS_OK);
    network_free(network);
    return status;
}

static void assert_same(const struct training_result *found, const struct training_result *whole) {
    assert_int_equal(found->reached.epochs_done, EPOCHS);
    for (size_t e = 0; e < EPOCHS; e++)
        assert_memory_equal(
            &found->reached.epochs[e].score, &whole->reached.epochs[e].score, sizeof(struct score));
    assert_true(found->tested);
    assert_memory_equal(&found->test, &whole->test, sizeof found->test);
}

/* Interrupts the plan whenever it asks, and goes on from there, itself interrupted once more. What
 * was streamed goes on with resident batches, which a device may have recorded an epoch of. */
static void interrupt_everywhere(const struct training_plan *plan) {
    struct training_plan next = *plan;
    next.batches = BATCHES_AUTO;
    shape.optimizer = optimizer_of(&plan->optimizer);
    const size_t bytes = network_length(&shape) * sizeof(float);
    float *first = malloc(bytes), *last = malloc(bytes), *parameters = malloc(bytes);
    struct training_result whole;
    network_first_parameters(&shape, 9, first);
    memcpy(last, first, bytes);
    assert_ok(train(plan, last, NULL, 0, &whole));
    size_t interrupted = 0;
    for (size_t stop_at = 1;; stop_at++) {
        struct training_result begun, continued, ended;
        memcpy(parameters, first, bytes);
        const enum status status = train(plan, parameters, NULL, stop_at, &begun);
        if (status == STATUS_OK) {
            training_result_free(&begun);
            break;
        }
        assert_int_equal(status, STATUS_INTERRUPTED);
        assert_non_null(strstr(error.message, "interrupted in "));
        assert_false(begun.tested);
        interrupted++;
        const enum status again =
            train(&next, parameters, &begun.reached, 2 * stop_at % 5 + 1, &continued);
        if (again == STATUS_OK) {
            assert_same(&continued, &whole);
        } else {
            assert_int_equal(again, STATUS_INTERRUPTED);
            assert_ok(train(&next, parameters, &continued.reached, 0, &ended));
            assert_same(&ended, &whole);
            training_result_free(&ended);
        }
        assert_memory_equal(parameters, last, bytes);
        training_result_free(&begun);
        training_result_free(&continued);
    }
    assert_true(interrupted > EPOCHS);
    training_result_free(&whole);
    free(first);
    free(last);
    free(parameters);
}

static void test_interruption(void **state) {
    (void)state;
    const struct training_plan plans[] = {
        {.epochs = EPOCHS, .batch_size = 32, .learning_rate = 0.05},
        {.epochs = EPOCHS,
            .batch_size = 32,
            .learning_rate = 0.05,
            .tail = TAIL_SHORT,
            .shuffle = true,
            .seed = 4},
        {.epochs = EPOCHS,
            .batch_size = 32,
            .learning_rate = 0.05,
            .tail = TAIL_DROP,
            .batches = BATCHES_STREAMED},
        {.epochs = EPOCHS,
            .batch_size = 50,
            .learning_rate = 0.05,
            .shuffle = true,
            .batches = BATCHES_STREAMED,
            .seed = 5},
        {.epochs = EPOCHS,
            .batch_size = 50,
            .learning_rate = 0.05,
            .optimizer = {METHOD_SGD, 0.01, 0.9, true},
            .schedule = SCHEDULE_LINEAR,
            .tail = TAIL_SHORT,
            .shuffle = true},
        {.epochs = EPOCHS,
            .batch_size = 50,
            .learning_rate = 0.005,
            .optimizer = {METHOD_ADAMW, 0.1, .beta1 = 0.9, .beta2 = 0.99, .epsilon = 1e-8},
            .schedule = SCHEDULE_COSINE,
            .warm_up_epochs = 1,
            .batches = BATCHES_STREAMED}};
    for (size_t p = 0; p < sizeof plans / sizeof *plans; p++)
        interrupt_everywhere(&plans[p]);
    shape.dropout = 0.3;
    shape.clip_norm = 0.5;
    for (size_t b = BATCHES_RESIDENT; b <= BATCHES_STREAMED; b++)
        interrupt_everywhere(&(struct training_plan){.epochs = EPOCHS,
            .batch_size = 50,
            .learning_rate = 0.05,
            .batches = b,
            .normalize = true,
            .flip = true,
            .seed = 6});
    shape.dropout = shape.clip_norm = 0.0;
}

/* Positions that are none of the plan, which has 5 batches. */
static void test_bad_positions(void **state) {
    (void)state;
    const struct training_plan plan = {.epochs = EPOCHS, .batch_size = 32, .learning_rate = 0.05};
    struct training_epoch epochs[EPOCHS + 1] = {{0}};
    float scores[2 * 160] = {0};
    const struct training_position positions[] = {{EPOCHS + 1, epochs, 0, 0, NULL, 0.0},
        {1, epochs, 5, 160, scores, 0.0}, {1, epochs, 1, 31, scores, 0.0},
        {1, epochs, 0, 32, scores, 0.0}, {EPOCHS, epochs, 1, 32, scores, 0.0}};
    shape.optimizer = OPTIMIZER_GRADIENT_DESCENT;
    float *parameters = malloc(network_length(&shape) * sizeof *parameters);
    network_first_parameters(&shape, 9, parameters);
    for (size_t p = 0; p < sizeof positions / sizeof *positions; p++) {
        struct training_result result;
        assert_fails(train(&plan, parameters, &positions[p], 0, &result), STATUS_USAGE,
            "are no position in 3 epochs of 5 batches of 32");
        training_result_free(&result);
    }
    free(parameters);
}

int main(int argc, char **argv) {
    const int closed = support_open(argc > 1 ? argv[1] : "reference", NULL, 3, &device);
    if (closed)
        return closed;
    const struct dataset_options options = {
        .data = "synthetic", .samples = 130, .seed = 2, .threads = 1};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_interruption),
        cmocka_unit_test(test_bad_positions),
    };
    int failed = dataset_load(&options, &dataset, &error) != STATUS_OK;
    if (!failed)
        failed = cmocka_run_group_tests_name("resume", tests, NULL, NULL);
    dataset_free(dataset);
    device_close(device);
    return failed;
}
