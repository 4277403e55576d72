/* Images that are held back: what is said of them after each epoch, what a training comes to its
 * end by, and the best weights.
 *
 *   test_validation SPEC */
#include "support.h"
#include "trainer/training.h"

#include <stdlib.h>
#include <string.h>

static const char *spec;
static struct device *device;
static struct dataset *dataset; /* 130 synthetic samples, of which 30 are held back */
static struct error error;

enum { SAMPLES = 130, HELD = 30, EPOCHS = 8 };

static const struct network_shape shape = {2, {CIFAR10_PLANE, 8, 10}, ACTIVATION_TANH};
static const struct training_plan basic = {
    .epochs = EPOCHS, .batch_size = 20, .learning_rate = 0.05, .seed = 4, .validation = HELD};

static size_t length(void) {
    return network_length(&shape);
}

/* Trains from the first parameters of seed 9; the last ones go to `parameters`. */
static enum status train(const struct dataset *with, const struct training_plan *plan,
    struct training_result *result, float *parameters) {
    struct network *network;
    network_first_parameters(&shape, 9, parameters);
    assert_ok(network_create(device, &shape, plan->batch_size, &network, &error));
    assert_ok(network_upload(network, parameters, &error));
    const enum status status = training_run(network, with, plan, NULL, NULL, result, &error);
    assert_int_equal(network_download(network, parameters, NULL), STATUS_OK);
    network_free(network);
    return status;
}

/* What a training of so many epochs, with nothing held back, says of the images that are held back
 * elsewhere, which are its test set; and its parameters. */
static struct score train_and_test(
    const struct training_plan *plan, size_t epochs, float *parameters) {
    struct dataset fewer = *dataset;
    fewer.test = dataset->validation;
    fewer.validation.count = 0;
    struct training_plan alone = *plan;
    alone.epochs = epochs;
    alone.validation = 0;
    alone.keep_best = false;
    alone.target_accuracy = 0.0;
    alone.patience = 0;
    struct training_result result;
    assert_ok(train(&fewer, &alone, &result, parameters));
    const struct score score = result.test;
    training_result_free(&result);
    return score;
}

static void test_hold_back(void **state) {
    (void)state;
    struct dataset *whole;
    const struct dataset_options options = {
        .data = "synthetic", .samples = SAMPLES, .seed = 3, .threads = 2};
    assert_ok(dataset_load(&options, &whole, &error));
    const uint64_t fingerprint = dataset_fingerprint(whole);
    const size_t bytes = dataset_bytes(whole), image = image_bytes(whole->train.format);
    dataset_hold_back(whole, HELD);
    assert_int_equal(whole->train.count, SAMPLES - HELD);
    assert_int_equal(whole->validation.count, HELD);
    assert_ptr_equal(whole->validation.pixels, whole->train.pixels + (SAMPLES - HELD) * image);
    assert_ptr_equal(whole->validation.labels, whole->train.labels + (SAMPLES - HELD));
    assert_ptr_equal(whole->validation.format, whole->train.format);
    assert_true(dataset_fingerprint(whole) == fingerprint);
    assert_int_equal(dataset_bytes(whole), bytes);
    dataset_free(whole);
    assert_ok(dataset_plan(&options, &whole, &error));
    dataset_hold_back(whole, HELD);
    assert_int_equal(whole->train.count, SAMPLES - HELD);
    assert_null(whole->validation.pixels);
    assert_int_equal(dataset_bytes(whole), bytes);
    dataset_free(whole);
}

/* The score after each epoch is that of a training which ends there, to the bit. The steps know
 * nothing of it. */
static void test_scores(void **state) {
    (void)state;
    float *last = malloc(length() * sizeof *last), *alone = malloc(length() * sizeof *alone);
    for (int n = 0; n < 4; n++) {
        struct training_plan plan = basic;
        plan.batches = n % 2 ? BATCHES_STREAMED : BATCHES_AUTO;
        plan.shuffle = n / 2;
        struct training_result result;
        assert_ok(train(dataset, &plan, &result, last));
        assert_int_equal(result.ended, ENDED_EPOCHS);
        assert_int_equal(result.reached.validated, EPOCHS);
        assert_true(result.validate > 0.0);
        for (size_t e = 0; e < EPOCHS; e += 3) {
            const struct score expected = train_and_test(&plan, e + 1, alone);
            assert_memory_equal(&result.reached.validations[e].score, &expected, sizeof expected);
            assert_true(result.reached.validations[e].seconds > 0.0);
        }
        (void)train_and_test(&plan, EPOCHS, alone);
        assert_memory_equal(last, alone, length() * sizeof *last);
        training_result_free(&result);
    }
    free(last);
    free(alone);
}

/* The test is of the best weights, which stay beside the last ones. Gives whether these differ. */
static bool check_best(double learning_rate) {
    float *last = malloc(length() * sizeof *last), *best = malloc(length() * sizeof *best);
    struct training_plan plan = basic;
    plan.keep_best = true;
    plan.learning_rate = learning_rate;
    struct training_result result, until;
    assert_ok(train(dataset, &plan, &result, last));
    const size_t epoch = training_best_epoch(&result.reached);
    for (size_t e = 0; e < EPOCHS; e++) {
        const double accuracy = result.reached.validations[e].score.accuracy,
                     most = result.reached.validations[epoch].score.accuracy;
        assert_true(e < epoch ? accuracy < most : accuracy <= most);
    }
    print_message("learning rate %g: the best epoch is %zu\n", learning_rate, epoch + 1);
    plan.epochs = epoch + 1;
    plan.keep_best = false;
    assert_ok(train(dataset, &plan, &until, best));
    assert_memory_equal(
        result.reached.best, best, network_parameters_length(&shape) * sizeof *best);
    assert_memory_equal(&result.test, &until.test, sizeof until.test);
    assert_null(until.reached.best);
    training_result_free(&until);
    plan.epochs = EPOCHS;
    assert_ok(train(dataset, &plan, &until, best));
    assert_memory_equal(last, best, length() * sizeof *last);
    training_result_free(&until);
    training_result_free(&result);
    free(last);
    free(best);
    return epoch + 1 < EPOCHS;
}

/* At rates at which the accuracy goes up and down. */
static void test_best(void **state) {
    (void)state;
    size_t differ = 0;
    for (double rate = 0.2; rate < 2.0; rate += 0.3)
        differ += check_best(rate);
    assert_true(differ > 0); /* else this would show nothing */
}

/* The first epoch that has the target is the last one. */
static void test_target(void **state) {
    (void)state;
    float *parameters = malloc(length() * sizeof *parameters);
    struct training_plan plan = basic;
    struct training_result all, result;
    assert_ok(train(dataset, &plan, &all, parameters));
    const size_t best = training_best_epoch(&all.reached);
    const double accuracies[] = {all.reached.validations[0].score.accuracy,
        all.reached.validations[best].score.accuracy,
        all.reached.validations[best].score.accuracy + 1.0 / HELD};
    const size_t epochs[] = {1, best + 1, EPOCHS};
    for (int t = 0; t < 3; t++) {
        plan.target_accuracy = accuracies[t];
        assert_ok(train(dataset, &plan, &result, parameters));
        assert_int_equal(result.reached.epochs_done, epochs[t]);
        assert_int_equal(result.ended, t < 2 ? ENDED_TARGET : ENDED_EPOCHS);
        assert_int_equal(
            training_target_epoch(&plan, &result.reached), t < 2 ? epochs[t] - 1 : EPOCHS);
        assert_true(result.tested);
        training_result_free(&result);
    }
    training_result_free(&all);
    free(parameters);
}

/* A rate of 0 makes nothing better. */
static void test_patience(void **state) {
    (void)state;
    float *parameters = malloc(length() * sizeof *parameters);
    for (size_t patience = 1; patience <= EPOCHS; patience++) {
        struct training_plan plan = basic;
        struct training_result result;
        plan.learning_rate = 0.0;
        plan.patience = patience;
        assert_ok(train(dataset, &plan, &result, parameters));
        const size_t epochs = patience + 1 < EPOCHS ? patience + 1 : EPOCHS;
        assert_int_equal(result.reached.epochs_done, epochs);
        assert_int_equal(result.ended, patience < EPOCHS ? ENDED_PATIENCE : ENDED_EPOCHS);
        training_result_free(&result);
    }
    free(parameters);
}

/* A validation whose loss is not finite ends the training; the epoch before it stays. */
static void test_divergence(void **state) {
    (void)state;
    float *parameters = malloc(length() * sizeof *parameters);
    struct training_plan plan = basic;
    struct training_result result;
    plan.learning_rate = 3e38;        /* so that weights become infinite */
    plan.batch_size = SAMPLES - HELD; /* one step, after which all is lost */
    assert_fails(train(dataset, &plan, &result, parameters), STATUS_DIVERGED,
        "the loss of validation sample");
    assert_int_equal(result.reached.epochs_done, 1);
    assert_int_equal(result.reached.validated, 0);
    assert_false(result.tested);
    training_result_free(&result);
    free(parameters);
}

/* Positions without the validations that there must have been, or with too many. */
static void test_bad_positions(void **state) {
    (void)state;
    struct training_epoch epochs[2] = {{0}};
    struct training_validation validations[2] = {{0}};
    struct training_plan plan = basic;
    struct training_position position = {
        .epochs_done = 2, .epochs = epochs, .validated = 2, .validations = validations};
    assert_ok(training_check_position(&plan, SAMPLES - HELD, &position, &error));
    plan.keep_best = true;
    assert_fails(training_check_position(&plan, SAMPLES - HELD, &position, &error), STATUS_USAGE,
        "have a score of");
    plan.keep_best = false;
    position.validated = 1;
    assert_fails(training_check_position(&plan, SAMPLES - HELD, &position, &error), STATUS_USAGE,
        "have a score of");
    plan.validation = 0;
    assert_fails(training_check_position(&plan, SAMPLES - HELD, &position, &error), STATUS_USAGE,
        "have a score of");
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hold_back),
        cmocka_unit_test(test_scores),
        cmocka_unit_test(test_best),
        cmocka_unit_test(test_target),
        cmocka_unit_test(test_patience),
        cmocka_unit_test(test_divergence),
        cmocka_unit_test(test_bad_positions),
    };
    spec = argc > 1 ? argv[1] : "reference";
    const struct dataset_options data = {
        .data = "synthetic", .samples = SAMPLES, .seed = 3, .threads = 2};
    const int missing = support_open(spec, NULL, 2, &device);
    if (missing)
        return missing;
    if (dataset_load(&data, &dataset, &error) != STATUS_OK)
        return 1;
    dataset_hold_back(dataset, HELD);
    const int failed = cmocka_run_group_tests_name(spec, tests, NULL, NULL);
    dataset_free(dataset);
    device_close(device);
    return failed;
}
