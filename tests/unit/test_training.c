/* The epoch loop: tails, shuffling, divergence, memory that is too small, and that the same run
 * gives the same bits. (What a run should come to, tests/golden says.)
 *
 *   test_training SPEC */
#include "device/device_type.h"
#include "support.h"
#include "trainer/training.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *spec;
static struct device *device;
static struct dataset *dataset; /* 130 synthetic samples */
static struct error error;

enum { SAMPLES = 130 };

static const struct network_shape shape = {2, {CIFAR10_PLANE, 8, 10}, ACTIVATION_TANH};

struct told {
    size_t batches, epochs;
};

static void on_batch(void *context, size_t epoch, size_t batch, size_t batches) {
    struct told *told = context;
    assert_int_equal(epoch, told->epochs);
    assert_in_range(batch, 1, batches);
    told->batches++;
}

static void on_epoch(void *context, size_t epoch, const struct training_result *result) {
    struct told *told = context;
    assert_int_equal(epoch, told->epochs++);
    assert_int_equal(result->reached.epochs_done, told->epochs);
    assert_true(isfinite(result->reached.epochs[epoch].score.loss));
}

/* Trains from the first parameters of seed 9; the last ones go to `parameters`, unless NULL. */
static enum status train(
    const struct training_plan *plan, struct training_result *result, float *parameters) {
    const size_t length = network_parameters_length(&shape);
    float *first = malloc(length * sizeof *first);
    network_first_parameters(&shape, 9, first);
    struct network *network;
    struct told told = {0};
    const struct training_observer observer = {&told, on_batch, on_epoch};
    assert_ok(network_create(device, &shape, plan->batch_size, &network, &error));
    assert_ok(network_upload(network, first, &error));
    const enum status status =
        training_run(network, dataset, plan, NULL, &observer, result, &error);
    assert_int_equal(told.epochs, result->reached.epochs_done);
    if (status == STATUS_OK)
        assert_int_equal(
            told.batches, device_info(device)->synchronous ? plan->epochs * result->batches : 0);
    if (parameters)
        assert_int_equal(network_download(network, parameters, NULL), STATUS_OK);
    network_free(network);
    free(first);
    return status;
}

static const struct training_plan basic = {
    .epochs = 3, .batch_size = 50, .learning_rate = 0.01, .seed = 4};

static void test_tails(void **state) {
    (void)state;
    static const struct {
        enum tail tail;
        size_t batch_size, batches, samples;
    } cases[] = {{TAIL_WRAP, 50, 3, 150}, {TAIL_SHORT, 50, 3, 130}, {TAIL_DROP, 50, 2, 100},
        {TAIL_WRAP, 65, 2, 130}, {TAIL_SHORT, 130, 1, 130}, {TAIL_DROP, 1, 130, 130},
        {TAIL_WRAP, 300, 1, 300}, {TAIL_SHORT, 300, 1, 130}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++)
        for (int shuffle = 0; shuffle < 2; shuffle++) {
            struct training_plan plan = basic;
            plan.tail = cases[c].tail;
            plan.batch_size = cases[c].batch_size;
            plan.shuffle = shuffle;
            struct training_result result;
            assert_ok(train(&plan, &result, NULL));
            assert_int_equal(result.batches, cases[c].batches);
            assert_int_equal(result.samples, cases[c].samples);
            assert_int_equal(result.reached.epochs_done, 3);
            assert_true(result.tested);
            training_result_free(&result);
        }
    struct training_plan plan = basic;
    plan.tail = TAIL_DROP;
    plan.batch_size = 131;
    struct training_result result;
    assert_fails(train(&plan, &result, NULL), STATUS_USAGE, "no batch is left");
    training_result_free(&result);
    plan.batch_size = 0;
    struct network *network; /* a network for such batches there can't be */
    assert_ok(network_create(device, &shape, 1, &network, &error));
    assert_fails(training_run(network, dataset, &plan, NULL, NULL, &result, &error), STATUS_USAGE,
        "batches of 0");
    training_result_free(&result);
    network_free(network);
}

static void test_too_few_classes(void **state) {
    (void)state;
    const struct network_shape two = {1, {CIFAR10_PLANE, 2}, ACTIVATION_NONE};
    struct network *network;
    struct training_result result;
    assert_ok(network_create(device, &two, basic.batch_size, &network, &error));
    assert_fails(training_run(network, dataset, &basic, NULL, NULL, &result, &error), STATUS_USAGE,
        "the network has 2 classes, the data set 10");
    training_result_free(&result);
    network_free(network);
}

/* With a learning rate of 0 an epoch sees each sample once, in whatever order: the same loss. */
static void test_shuffle_sees_all(void **state) {
    (void)state;
    struct training_plan plan = basic;
    plan.learning_rate = 0.0;
    plan.tail = TAIL_SHORT;
    struct training_result ordered, shuffled;
    assert_ok(train(&plan, &ordered, NULL));
    plan.shuffle = true;
    assert_ok(train(&plan, &shuffled, NULL));
    for (size_t e = 0; e < 3; e++) {
        assert_true(fabs(ordered.reached.epochs[e].score.loss -
                         shuffled.reached.epochs[e].score.loss) < 1e-6);
        assert_true(fabs(ordered.reached.epochs[e].score.accuracy -
                         shuffled.reached.epochs[e].score.accuracy) < 1e-9);
    }
    training_result_free(&ordered);
    training_result_free(&shuffled);
}

/* Each epoch has an order of its own: what is dropped at its end differs. */
static void test_shuffle_each_epoch(void **state) {
    (void)state;
    struct training_plan plan = basic;
    plan.learning_rate = 0.0;
    plan.tail = TAIL_DROP;
    plan.shuffle = true;
    struct training_result result;
    assert_ok(train(&plan, &result, NULL));
    assert_true(
        fabs(result.reached.epochs[0].score.loss - result.reached.epochs[1].score.loss) > 1e-5);
    assert_true(
        fabs(result.reached.epochs[1].score.loss - result.reached.epochs[2].score.loss) > 1e-5);
    training_result_free(&result);
}

/* Bit for bit, again and again, after a warm-up, too; and another seed of the order gives others.
 */
static void test_same_bits(void **state) {
    (void)state;
    const size_t length = network_parameters_length(&shape);
    float *first = malloc(length * sizeof *first), *again = malloc(length * sizeof *again);
    struct training_plan plan = basic;
    plan.shuffle = true;
    struct training_result result;
    assert_ok(train(&plan, &result, first));
    training_result_free(&result);
    for (int n = 0; n < 5; n++) {
        plan.warm_up = n % 2 ? 0.01 : 0.0;
        assert_ok(train(&plan, &result, again));
        assert_true(plan.warm_up > 0.0 ? result.warm_up >= plan.warm_up : result.warm_up == 0.0);
        training_result_free(&result);
        assert_memory_equal(first, again, length * sizeof *first);
    }
    plan.seed++;
    assert_ok(train(&plan, &result, again));
    training_result_free(&result);
    assert_memory_not_equal(first, again, length * sizeof *first);
    free(first);
    free(again);
}

/* Wherever the batches are, it is the same training. */
static void test_streamed(void **state) {
    (void)state;
    const size_t length = network_parameters_length(&shape);
    float *first = malloc(length * sizeof *first), *again = malloc(length * sizeof *again);
    for (int n = 0; n < 4; n++) {
        struct training_plan plan = basic;
        plan.shuffle = n % 2;
        plan.tail = n < 2 ? TAIL_WRAP : TAIL_SHORT;
        plan.batch_size = n < 2 ? 300 : 50; /* the data more than twice over; not once */
        struct training_result resident, streamed;
        plan.batches = BATCHES_RESIDENT;
        assert_ok(train(&plan, &resident, first));
        plan.batches = BATCHES_STREAMED;
        assert_ok(train(&plan, &streamed, again));
        assert_false(resident.streamed);
        assert_true(streamed.streamed);
        assert_memory_equal(first, again, length * sizeof *first);
        assert_memory_equal(&resident.test, &streamed.test, sizeof resident.test);
        training_result_free(&resident);
        training_result_free(&streamed);
    }
    free(first);
    free(again);
}

/* --- A device whose memory is small --- */

static struct device_memory small_memory;

static struct device_memory get_small_memory(const struct device *of) {
    (void)of;
    return small_memory;
}

/* The device says that it has this much; what it really has is not asked for. */
static const struct device_type *shrink(size_t free_bytes, size_t buffer_bytes) {
    static struct device_type shrunk;
    const struct device_type *type = device->type;
    shrunk = *type;
    shrunk.memory = get_small_memory;
    small_memory = (struct device_memory){free_bytes, buffer_bytes, SIZE_MAX, NULL};
    device->type = &shrunk;
    return type;
}

static void test_too_large_data(void **state) {
    (void)state;
    const size_t images = SAMPLES * CIFAR10_PLANE * sizeof(float), plenty = 100 * images;
    const struct {
        size_t free_bytes, buffer_bytes;
        bool streamed;
    } cases[] = {{plenty, plenty, false}, {plenty, 2 * images, false}, {plenty, images - 1, true},
        {images + 1000, plenty, true}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        const struct device_type *type = shrink(cases[c].free_bytes, cases[c].buffer_bytes);
        struct training_plan plan = basic;
        plan.tail = TAIL_SHORT;
        plan.batch_size = 10; /* for which there is room */
        struct training_result result;
        assert_ok(train(&plan, &result, NULL));
        assert_int_equal(result.streamed, cases[c].streamed);
        training_result_free(&result);
        device->type = type;
    }
}

/* What `batch` needs, and *has, as the message says that refuses it. */
static size_t refused_need(size_t batch, size_t *has) {
    struct network *network;
    assert_fails(network_create(device, &shape, batch, &network, &error), STATUS_DEVICE,
        "out of memory: this network with batches of ");
    const char *needs = strstr(error.message, " needs "), *is_free = strstr(error.message, " has ");
    assert_true(needs && is_free);
    *has = strtoul(is_free + strlen(" has "), NULL, 10);
    return strtoul(needs + strlen(" needs "), NULL, 10);
}

/* The batch size that the message names fits, and the next one does not. */
static void test_too_large_batch(void **state) {
    (void)state;
    static const size_t limits[][2] = {{2000000, 2000000}, {2000000, 100000}, {100000, 50000}};
    struct network *network;
    for (size_t l = 0; l < 3; l++) {
        const struct device_type *type = shrink(limits[l][0], limits[l][1]);
        assert_fails(network_create(device, &shape, 5000, &network, &error), STATUS_DEVICE,
            "out of memory: this network with batches of 5000 needs");
        assert_null(network);
        const char *named = strstr(error.message, "--batch-size that fits is ");
        assert_non_null(named);
        const size_t most = strtoul(named + strlen("--batch-size that fits is "), NULL, 10);
        print_message("%zu bytes, %zu in a buffer: %zu\n", limits[l][0], limits[l][1], most);
        assert_true(most * 3 * (1024 + 8) * sizeof(float) < limits[l][0]); /* the self-check's */
        assert_ok(network_create(device, &shape, most, &network, &error));
        network_free(network);
        size_t has;
        const size_t more = refused_need(most + 1, &has),
                     sample = refused_need(most + 2, &has) - more;
        assert_true(more - sample <= has);
        device->type = type;
    }
    const struct device_type *type = shrink(100000, 30000);
    assert_fails(network_create(device, &shape, 1, &network, &error), STATUS_DEVICE,
        "no batch fits: use narrower --layers");
    device->type = type;
}

/* --- What is checked before it is trained --- */

static const struct device_type *watched;
static size_t seen[8], seen_count; /* rows of the gemms forward, with those out of a layer */

static enum status watch(
    struct device *of, const struct operation *operation, struct error *problem) {
    const struct view x = operation->dense_forward.x;
    if (operation->kind == OPERATION_DENSE_FORWARD &&
        (x.columns == shape.widths[0] || x.rows == x.columns))
        seen[seen_count++ % 8] = x.rows;
    return watched->enqueue(of, operation, problem);
}

/* Every size of batch that there will be, each once, and large gemms where they are suspect. */
static void test_check(void **state) {
    (void)state;
    enum { TESTS = 120 };
    static const struct {
        enum tail tail;
        size_t batch_size, suspect_side, expected[4];
    } cases[] = {
        {TAIL_WRAP, 50, 0, {50, TESTS % 50}}, /* the test set's tail is short in any case */
        {TAIL_SHORT, 40, 0, {40, SAMPLES % 40}},
        {TAIL_DROP, 60, 200, {60}},
        {TAIL_SHORT, 300, 201, {300, SAMPLES, TESTS}},
    };
    struct dataset fewer = *dataset;
    fewer.test.count = TESTS;
    struct device_type watching = *device->type;
    watching.enqueue = watch;
    watched = device->type;
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        struct training_plan plan = basic;
        plan.tail = cases[c].tail;
        plan.batch_size = cases[c].batch_size;
        device->type = &watching;
        device->info.suspect_side = cases[c].suspect_side;
        seen_count = 0;
        assert_ok(training_check(device, &shape, &fewer, &plan, &error));
        device->type = watched;
        size_t expected = 0;
        for (; cases[c].expected[expected] > 0; expected++)
            assert_int_equal(seen[expected], cases[c].expected[expected]);
        const size_t suspect_side =
            device->info.suspect_side; /* a device that chooses knows better */
        if (suspect_side > 0)
            assert_int_equal(seen[expected++], suspect_side);
        assert_int_equal(seen_count, expected);
    }
    device->info.suspect_side = 0;
}

/* A run keeps its epochs twice, at its start and as far as it has come. */
static void test_foretold_epochs(void **state) {
    (void)state;
    struct training_plan plan = basic;
    plan.epochs = 1000000; /* which outweigh the check of a layer */
    const size_t few = training_memory(device, &shape, dataset, &plan).host;
    plan.epochs += 1000000;
    assert_int_equal(training_memory(device, &shape, dataset, &plan).host - few,
        2 * 1000000 * sizeof(struct training_epoch));
    plan.validation = 1;
    assert_int_equal(training_memory(device, &shape, dataset, &plan).host - few,
        2 * 1000000 * sizeof(struct training_epoch) +
            2 * 2000000 * sizeof(struct training_validation));
}

static const struct device_type *counted;
static size_t now_bytes, most_bytes; /* of all buffers: at this moment, and at their height */

static enum status count_allocated(
    struct device *of, size_t elements, struct buffer **buffer, struct error *problem) {
    const enum status status = counted->allocate(of, elements, buffer, problem);
    now_bytes += status == STATUS_OK ? elements * sizeof(float) : 0;
    most_bytes = now_bytes > most_bytes ? now_bytes : most_bytes;
    return status;
}

static void count_released(struct buffer *buffer) {
    now_bytes -= buffer->elements * sizeof(float);
    counted->free_buffer(buffer);
}

/* What is foretold of the device's memory is what is allocated there, to the byte. */
static void test_foretold_is_allocated(void **state) {
    (void)state;
    if (device->type->gpu) /* takes memory for itself, too */
        skip();
    struct device_type counting = *device->type;
    counting.allocate = count_allocated;
    counting.free_buffer = count_released;
    counted = device->type;
    struct dataset *const whole = dataset, held = *dataset;
    dataset_hold_back(&held, 30);
    for (int n = 0; n < 24; n++) {
        struct training_plan plan = basic;
        plan.validation = n < 12 ? 0 : 30;
        dataset = n < 12 ? whole : &held;
        plan.batch_size = 10; /* whose self-check is smaller, at least than all samples */
        plan.tail = n % 2 ? TAIL_SHORT : TAIL_WRAP;
        plan.shuffle = n / 2 % 2;
        plan.batches = (enum batches)(n / 4 % 3);
        const struct training_memory foretold = training_memory(device, &shape, dataset, &plan);
        struct training_result result;
        now_bytes = most_bytes = 0;
        device->type = &counting;
        assert_ok(train(&plan, &result, NULL));
        device->type = counted;
        assert_int_equal(foretold.streamed, result.streamed);
        if (!result.streamed || foretold.device != network_check_bytes(&shape, plan.batch_size))
            assert_int_equal(most_bytes, foretold.device);
        assert_int_equal(now_bytes, 0);
        training_result_free(&result);
    }
    dataset = whole;
}

/* The self-check, too, takes what is foretold, but for what a device times gemms with. */
static void test_foretold_is_checked(void **state) {
    (void)state;
    if (device->type->gpu)
        skip();
    struct device_type counting = *device->type;
    counting.allocate = count_allocated;
    counting.free_buffer = count_released;
    counted = device->type;
    const size_t in = shape.widths[0], out = shape.widths[1], timed = in * out + out;
    now_bytes = most_bytes = 0;
    device->type = &counting;
    assert_ok(network_check(device, &shape, 50, &error));
    device->type = counted;
    assert_int_equal(
        most_bytes, network_check_bytes(&shape, 50) - (timed + 50 * (in + out)) * sizeof(float));
    assert_int_equal(now_bytes, 0);
}

/* --- What comes of it --- */

static void test_divergence(void **state) {
    (void)state;
    static const struct {
        double rate;
        const char *said;
    } cases[] = {{1e38, "epoch 1, batch "},
        /* The first batch has the first weights, and leaves what is no number to the second. */
        {(double)NAN, "epoch 1, batch 2 of 3: the loss is not a number"}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        struct training_plan plan = basic;
        plan.learning_rate = cases[c].rate;
        struct training_result result;
        assert_fails(train(&plan, &result, NULL), STATUS_DIVERGED, cases[c].said);
        assert_int_equal(result.reached.epochs_done, 0);
        assert_false(result.tested);
        training_result_free(&result);
    }
}

static void test_no_epochs(void **state) {
    (void)state;
    struct training_plan plan = basic;
    plan.epochs = 0;
    struct training_result result;
    assert_ok(train(&plan, &result, NULL));
    assert_int_equal(result.reached.epochs_done, 0);
    assert_true(result.tested);
    assert_true(fabs(result.test.loss - 2.3) < 0.2);
    training_result_free(&result);
}

/* What each test image is taken for, from the parameters, in double precision. */
static void test_confusion(void **state) {
    (void)state;
    enum { CLASSES = 10, HIDDEN = 8 };
    const struct image_format *format = dataset->test.format;
    struct training_plan plan = basic;
    plan.epochs = 41;
    plan.learning_rate = 0.02;
    struct training_result result;
    float *parameters = malloc(network_parameters_length(&shape) * sizeof *parameters);
    uint32_t expected[CLASSES * CLASSES] = {0}, right = 0, closest = 0;
    assert_ok(train(&plan, &result, parameters));
    for (size_t i = 0; i < dataset->test.count; i++) {
        const uint8_t *pixels = dataset->test.pixels + i * image_bytes(format);
        double hidden[HIDDEN], outputs[CLASSES];
        for (size_t j = 0; j < HIDDEN; j++) {
            double sum = parameters[network_bias_offset(&shape, 0) + j];
            for (size_t k = 0; k < CIFAR10_PLANE; k++)
                sum += parameters[k * HIDDEN + j] *
                       (format->grey[0] * pixels[k] + format->grey[1] * pixels[CIFAR10_PLANE + k] +
                           format->grey[2] * pixels[2 * CIFAR10_PLANE + k]) /
                       255.0;
            hidden[j] = tanh(sum);
        }
        size_t best = 0;
        for (size_t j = 0; j < CLASSES; j++) {
            outputs[j] = parameters[network_bias_offset(&shape, 1) + j];
            for (size_t k = 0; k < HIDDEN; k++)
                outputs[j] +=
                    parameters[network_weights_offset(&shape, 1) + k * CLASSES + j] * hidden[k];
            best = outputs[j] > outputs[best] ? j : best;
        }
        for (size_t j = 0; j < CLASSES; j++) /* none is so close that rounding decides */
            closest += j != best && outputs[best] - outputs[j] < 1e-5;
        expected[dataset->test.labels[i] * CLASSES + best]++;
    }
    assert_int_equal(closest, 0);
    assert_memory_equal(result.confusion, expected, sizeof expected);
    for (size_t c = 0; c < CLASSES; c++)
        right += result.confusion[c * CLASSES + c];
    assert_true(fabs((double)right / (double)dataset->test.count - result.test.accuracy) < 1e-9);
    assert_true(right > dataset->test.count / 4 && right < dataset->test.count);
    free(parameters);
    training_result_free(&result);
}

/* What a run says of the synthetic set: it is learnt. */
static void test_learning(void **state) {
    (void)state;
    struct training_plan plan = basic;
    plan.epochs = 150;
    plan.batch_size = 10;
    plan.learning_rate = 0.02;
    struct training_result result;
    assert_ok(train(&plan, &result, NULL));
    print_message("loss %.4f, accuracy %.4f\n", result.reached.epochs[149].score.loss,
        result.reached.epochs[149].score.accuracy);
    assert_true(result.reached.epochs[0].score.loss > 2.0);
    assert_true(result.reached.epochs[149].score.loss < 1.0);
    assert_true(result.reached.epochs[149].score.accuracy > 0.8);
    training_result_free(&result);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tails),
        cmocka_unit_test(test_too_few_classes),
        cmocka_unit_test(test_shuffle_sees_all),
        cmocka_unit_test(test_shuffle_each_epoch),
        cmocka_unit_test(test_same_bits),
        cmocka_unit_test(test_streamed),
        cmocka_unit_test(test_too_large_data),
        cmocka_unit_test(test_too_large_batch),
        cmocka_unit_test(test_check),
        cmocka_unit_test(test_foretold_epochs),
        cmocka_unit_test(test_foretold_is_allocated),
        cmocka_unit_test(test_foretold_is_checked),
        cmocka_unit_test(test_divergence),
        cmocka_unit_test(test_no_epochs),
        cmocka_unit_test(test_confusion),
        cmocka_unit_test(test_learning),
    };
    spec = argc > 1 ? argv[1] : "reference";
    const struct dataset_options data = {
        .data = "synthetic", .samples = SAMPLES, .seed = 3, .threads = 2};
    const int missing = support_open(spec, NULL, 2, &device);
    if (missing)
        return missing;
    if (dataset_load(&data, &dataset, &error) != STATUS_OK)
        return 1;
    const int failed = cmocka_run_group_tests_name(spec, tests, NULL, NULL);
    dataset_free(dataset);
    device_close(device);
    return failed;
}
