#include "trainer/training.h"

#include "system/clock.h"
#include "training/source.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct training {
    struct network *network;
    struct device *device;
    const struct training_plan *plan;
    const struct training_observer *observer;
    struct training_result *result;
    struct source source;        /* of the batches of an epoch */
    struct buffer *scores;       /* [samples of an epoch, 2] */
    struct recording *recording; /* of the steps of an epoch */
    bool recording_now;          /* nobody is told or asked then */
    size_t batch;                /* the next one that is enqueued */
};

const char *const tail_names[] = {
    [TAIL_WRAP] = "wrap", [TAIL_SHORT] = "short", [TAIL_DROP] = "drop", NULL};
const char *const batches_names[] = {[BATCHES_AUTO] = "auto",
    [BATCHES_RESIDENT] = "resident",
    [BATCHES_STREAMED] = "streamed",
    NULL};

size_t training_batches(const struct training_plan *plan, size_t samples) {
    const size_t full = samples / plan->batch_size;
    return plan->tail == TAIL_DROP ? full : full + (samples % plan->batch_size > 0);
}

/* --- Planning --- */

/* Samples of an epoch over `count` of them. */
static size_t samples_of_epoch(const struct training_plan *plan, size_t count) {
    const size_t whole = training_batches(plan, count) * plan->batch_size;
    return plan->tail == TAIL_SHORT && whole > count ? count : whole;
}

/* How an epoch is divided, and the host memory that it needs: nothing is allocated inside one. */
static enum status plan_epochs(struct training *training, size_t count, struct error *error) {
    const struct training_plan *plan = training->plan;
    const struct network_shape *shape = network_shape(training->network);
    struct training_result *result = training->result;
    if (shape->widths[shape->layers] < CIFAR10_CLASSES)
        return error_set(error, STATUS_USAGE, "the network has %zu classes, the data set %d",
            shape->widths[shape->layers], CIFAR10_CLASSES);
    result->batches = plan->batch_size > 0 ? training_batches(plan, count) : 0;
    if (result->batches == 0)
        return error_set(error, STATUS_USAGE,
            "no batch is left: %zu samples, batches of %zu, tail: %s", count, plan->batch_size,
            tail_names[plan->tail]);
    result->samples = samples_of_epoch(plan, count);
    return STATUS_OK;
}

enum status training_check_position(const struct training_plan *plan, size_t samples,
    const struct training_position *position, struct error *error) {
    const size_t batches = training_batches(plan, samples);
    const bool within = position->epochs_done < plan->epochs
                            ? position->batches_done < batches
                            : position->epochs_done == plan->epochs && position->batches_done == 0;
    return within && position->samples_done == position->batches_done * plan->batch_size
               ? STATUS_OK
               : error_set(error, STATUS_USAGE,
                     "%zu epochs and %zu batches with %zu samples are no position in %zu epochs of "
                     "%zu batches of %zu",
                     position->epochs_done, position->batches_done, position->samples_done,
                     plan->epochs, batches, plan->batch_size);
}

/* Takes over the position that the run starts at, which is one of the plan. */
static enum status begin_at(
    struct training *training, const struct training_position *start, struct error *error) {
    const size_t epochs = training->plan->epochs;
    struct training_result *result = training->result;
    struct training_position *reached = &result->reached;
    reached->epochs = calloc(epochs + 1, sizeof *reached->epochs);
    reached->scores = malloc(result->samples * 2 * sizeof *reached->scores);
    if (!reached->epochs || !reached->scores)
        return error_memory(error, "the scores of the epochs",
            epochs * sizeof *reached->epochs + result->samples * 2 * sizeof *reached->scores);
    if (!start)
        return STATUS_OK;
    if (start->epochs_done > 0)
        memcpy(reached->epochs, start->epochs, start->epochs_done * sizeof *start->epochs);
    if (start->samples_done > 0)
        memcpy(reached->scores, start->scores, start->samples_done * 2 * sizeof *start->scores);
    reached->epochs_done = start->epochs_done;
    reached->batches_done = start->batches_done;
    reached->samples_done = start->samples_done;
    reached->seconds = start->seconds;
    return STATUS_OK;
}

/* The source of the batches of an epoch, and that of the test set. */
static struct source_options source_of_epoch(
    const struct training_plan *plan, const struct images *images, size_t samples) {
    return (struct source_options){.images = images,
        .color = plan->color,
        .samples = samples,
        .batch_size = plan->batch_size,
        .batches = plan->batches,
        .shuffle = plan->shuffle,
        .seed = plan->seed};
}

static struct source_options source_of_test(
    const struct training_plan *plan, const struct images *images) {
    struct source_options options = source_of_epoch(plan, images, images->count);
    options.shuffle = false;
    return options;
}

/* Everything that the epochs use, on the device. */
static enum status make_ready(
    struct training *training, const struct images *images, struct error *error) {
    struct training_result *result = training->result;
    const double start = clock_seconds();
    const struct source_options options = source_of_epoch(training->plan, images, result->samples);
    enum status status = source_create(training->device, &options, &training->source, error);
    if (status == STATUS_OK)
        status = device_allocate(training->device, result->samples * 2, &training->scores, error);
    result->streamed = training->source.streamed;
    result->batching = clock_seconds() - start;
    return status;
}

/* --- Epochs --- */

static bool is_stopped(const struct training *training) {
    const struct training_observer *observer = training->observer;
    return observer && observer->stop && observer->stop(observer->context);
}

static enum status enqueue_batch(struct training *training, size_t b, struct error *error) {
    const struct training_plan *plan = training->plan;
    const size_t samples = training->result->samples;
    const size_t first = b * plan->batch_size, left = samples - first;
    const size_t count = left < plan->batch_size ? left : plan->batch_size;
    const struct view scores = device_view(training->scores, samples, 2);
    struct batch batch;
    const enum status status = source_take(&training->source, first, count, &batch, error);
    return status == STATUS_OK
               ? network_train(training->network, batch.x, batch.labels, (float)plan->learning_rate,
                     view_rows(scores, first, count), error)
               : status;
}

/* Enqueues the steps of an epoch from training->batch on: all of them, unless it is told to stop.
 */
static enum status enqueue_epoch(void *context, struct error *error) {
    struct training *training = context;
    const struct training_observer *observer = training->observer;
    const size_t batches = training->result->batches;
    const bool observed = observer && observer->batch && device_info(training->device)->synchronous;
    while (training->batch < batches) {
        const enum status status = enqueue_batch(training, training->batch, error);
        if (status != STATUS_OK)
            return status;
        training->batch++;
        if (training->recording_now)
            continue;
        if (observed)
            observer->batch(
                observer->context, training->result->reached.epochs_done, training->batch, batches);
        if (is_stopped(training))
            break;
    }
    return STATUS_OK;
}

/* What a device needs once, so that it does not fall into the first epoch. Sending batches can't be
 * recorded. */
static enum status record_epoch(struct training *training, struct error *error) {
    if (training->source.streamed)
        return STATUS_OK;
    const double start = clock_seconds();
    training->recording_now = true;
    const enum status status =
        device_record(training->device, enqueue_epoch, training, &training->recording, error);
    training->recording_now = false;
    training->result->recording = clock_seconds() - start;
    return status;
}

/* Sums the scores of `samples` samples; false, with its index, at the first loss not finite. */
static bool sum_scores(
    const float *scores, size_t samples, struct score *score, size_t *not_finite) {
    double loss = 0.0, correct = 0.0;
    for (size_t i = 0; i < samples; i++) {
        loss += scores[2 * i];
        correct += scores[2 * i + 1];
    }
    *score = (struct score){loss / (double)samples, correct / (double)samples};
    if (isfinite(loss))
        return true;
    for (*not_finite = 0; *not_finite + 1 < samples; ++*not_finite)
        if (!isfinite(scores[2 * *not_finite]))
            break;
    return false;
}

/* "nan" has no sign, whatever the C library thinks. */
static const char *not_finite_text(float loss) {
    return isnan(loss) ? "not a number" : "infinite";
}

/* Fetches the scores of the batches that were enqueued from `first` on. */
static enum status fetch_scores(struct training *training, size_t first, struct error *error) {
    const size_t samples = training->result->samples, size = training->plan->batch_size;
    const size_t from = first * size, end = training->batch * size;
    const size_t count = (end < samples ? end : samples) - from;
    return device_download(training->device,
        view_rows(device_view(training->scores, samples, 2), from, count),
        training->result->reached.scores + 2 * from, error);
}

/* What a whole epoch came to. */
static void end_epoch(struct training_position *reached, double seconds, struct score score) {
    reached->epochs[reached->epochs_done++] = (struct training_epoch){seconds, score};
    reached->batches_done = reached->samples_done = 0;
    reached->seconds = 0.0;
}

/* What is left of an epoch. Its steps are done in one submission where they were recorded, which is
 * of all of them. */
static enum status run_epoch(struct training *training, struct error *error) {
    struct training_result *result = training->result;
    struct training_position *reached = &result->reached;
    const size_t first = reached->batches_done;
    const double start = clock_seconds();
    enum status status = source_begin(&training->source, reached->epochs_done, error);
    training->batch = first;
    if (status == STATUS_OK)
        status = device_run(training->device, first == 0 ? training->recording : NULL,
            enqueue_epoch, training, error);
    if (status == STATUS_OK && first == 0 && training->recording)
        training->batch = result->batches;
    if (status == STATUS_OK)
        status = fetch_scores(training, first, error);
    const double seconds = clock_seconds() - start;
    result->unfinished += seconds;
    if (status != STATUS_OK)
        return status;
    const size_t end = training->batch * training->plan->batch_size;
    const size_t samples = end < result->samples ? end : result->samples;
    struct score score;
    size_t sample;
    if (!sum_scores(reached->scores, samples, &score, &sample))
        return error_set(error, STATUS_DIVERGED,
            "training diverged: epoch %zu, batch %zu of %zu: the loss is %s; try a smaller "
            "--learning-rate than %g",
            reached->epochs_done + 1, sample / training->plan->batch_size + 1, result->batches,
            not_finite_text(reached->scores[2 * sample]), training->plan->learning_rate);
    reached->seconds += seconds;
    reached->batches_done = training->batch;
    reached->samples_done = samples;
    if (training->batch == result->batches) {
        end_epoch(reached, reached->seconds, score);
        result->unfinished = 0.0;
    }
    return STATUS_OK;
}

static enum status run_epochs(struct training *training, struct error *error) {
    struct training_position *reached = &training->result->reached;
    const struct training_observer *observer = training->observer;
    const size_t epochs = training->plan->epochs;
    while (reached->epochs_done < epochs && !is_stopped(training)) {
        const size_t epoch = reached->epochs_done;
        const enum status status = run_epoch(training, error);
        if (status != STATUS_OK)
            return status;
        if (reached->epochs_done > epoch && observer && observer->epoch)
            observer->epoch(observer->context, epoch, training->result);
    }
    return reached->epochs_done == epochs
               ? STATUS_OK
               : error_set(error, STATUS_INTERRUPTED,
                     "interrupted in epoch %zu of %zu, after batch %zu of %zu",
                     reached->epochs_done + 1, epochs, reached->batches_done,
                     training->result->batches);
}

/* --- The test set --- */

static enum status evaluate(
    struct training *training, const struct images *images, struct error *error) {
    const size_t samples = images->count, batch_size = training->plan->batch_size;
    const struct source_options options = source_of_test(training->plan, images);
    const double start = clock_seconds();
    struct source source = {0};
    struct buffer *device_scores = NULL;
    float *scores = malloc(samples * 2 * sizeof *scores);
    enum status status = scores ? source_create(training->device, &options, &source, error)
                                : error_memory(error, "test scores", samples * 2 * sizeof *scores);
    if (status == STATUS_OK)
        status = device_allocate(training->device, samples * 2, &device_scores, error);
    const struct view scored = device_view(device_scores, samples, 2);
    for (size_t first = 0; first < samples && status == STATUS_OK; first += batch_size) {
        if (is_stopped(training)) {
            status = error_set(error, STATUS_INTERRUPTED,
                "interrupted in the test set, after sample %zu of %zu", first, samples);
            break;
        }
        const size_t left = samples - first, count = left < batch_size ? left : batch_size;
        struct batch batch;
        status = source_take(&source, first, count, &batch, error);
        if (status == STATUS_OK)
            status = network_evaluate(
                training->network, batch.x, batch.labels, view_rows(scored, first, count), error);
    }
    if (status == STATUS_OK)
        status = device_download(training->device, scored, scores, error);
    size_t sample;
    if (status == STATUS_OK && !sum_scores(scores, samples, &training->result->test, &sample))
        status = error_set(error, STATUS_DIVERGED,
            "training diverged: the loss of test sample %zu is %s; try a smaller --learning-rate "
            "than %g",
            sample, not_finite_text(scores[2 * sample]), training->plan->learning_rate);
    training->result->tested = status == STATUS_OK;
    device_release(device_scores);
    source_free(&source);
    free(scores);
    training->result->evaluate = clock_seconds() - start;
    return status;
}

enum status training_check_room(struct device *device, const struct network_shape *shape,
    const struct dataset *dataset, const struct training_plan *plan, struct error *error) {
    const size_t scored = dataset->train.count + plan->batch_size; /* at most, with their order */
    return network_check_room(device, shape, plan->batch_size, 3 * scored * sizeof(float), error);
}

enum status training_check(struct device *device, const struct network_shape *shape,
    const struct dataset *dataset, const struct training_plan *plan, struct error *error) {
    const size_t batch = plan->batch_size;
    if (batch == 0)
        return error_set(error, STATUS_USAGE, "batches of 0 samples");
    const size_t sizes[] = {batch, plan->tail == TAIL_SHORT ? dataset->train.count % batch : 0,
        dataset->test.count % batch};
    enum status status = training_check_room(device, shape, dataset, plan, error);
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes && status == STATUS_OK; s++) {
        bool checked = sizes[s] == 0;
        for (size_t e = 0; e < s; e++)
            checked = checked || sizes[e] == sizes[s];
        if (!checked)
            status = network_check(device, shape, sizes[s], error);
    }
    const size_t side = device_info(device)->doubtful;
    return status == STATUS_OK && side > 0 ? device_check(device, side, side, side, error) : status;
}

static size_t larger(size_t a, size_t b) {
    return a > b ? a : b;
}

struct training_memory training_memory(struct device *device, const struct network_shape *shape,
    const struct dataset *dataset, const struct training_plan *plan) {
    const size_t batch = plan->batch_size, score = 2 * sizeof(float);
    const size_t samples = samples_of_epoch(plan, dataset->train.count);
    const struct source_options epoch = source_of_epoch(plan, &dataset->train, samples);
    const struct source_options test = source_of_test(plan, &dataset->test);
    const size_t network = network_bytes(shape, batch), check = network_check_bytes(shape, batch);
    const size_t parameters = network_parameters_length(shape) * sizeof(float);
    struct training_memory memory = {.streamed = source_is_streamed(device, &epoch, network)};
    const bool test_streamed = source_is_streamed(device, &test, network);
    const size_t position = plan->epochs * sizeof(struct training_epoch) + samples * score;
    memory.device =
        network + larger(source_device_bytes(&epoch, memory.streamed) + samples * score,
                      source_device_bytes(&test, test_streamed) + dataset->test.count * score);
    memory.device = larger(memory.device, check);
    /* A checkpoint has the weights once more; a run that goes on, its start. A check of a layer is
     * done by then. */
    memory.host =
        dataset_bytes(dataset) + parameters +
        larger(check, 2 * position + source_host_bytes(&epoch, memory.streamed) + parameters);
    return memory;
}

enum status training_run(struct network *network, const struct dataset *dataset,
    const struct training_plan *plan, const struct training_position *start,
    const struct training_observer *observer, struct training_result *result, struct error *error) {
    *result = (struct training_result){0};
    struct training training = {.network = network,
        .device = network_device(network),
        .plan = plan,
        .observer = observer,
        .result = result};
    enum status status = plan_epochs(&training, dataset->train.count, error);
    if (status == STATUS_OK && start)
        status = training_check_position(plan, dataset->train.count, start, error);
    if (status == STATUS_OK)
        status = begin_at(&training, start, error);
    if (status == STATUS_OK)
        status = make_ready(&training, &dataset->train, error);
    if (status == STATUS_OK && plan->epochs > result->reached.epochs_done)
        status = record_epoch(&training, error);
    if (status == STATUS_OK)
        status = run_epochs(&training, error);
    /* The test set takes the training set's place. */
    const double released = clock_seconds();
    device_forget(training.device, training.recording);
    device_release(training.scores);
    source_free(&training.source);
    result->release = clock_seconds() - released;
    if (status == STATUS_OK)
        status = evaluate(&training, &dataset->test, error);
    return status;
}

void training_position_free(struct training_position *position) {
    free(position->epochs);
    free(position->scores);
    *position = (struct training_position){0};
}

void training_result_free(struct training_result *result) {
    training_position_free(&result->reached);
}
