#include "trainer/training.h"

#include "strict_math.h"
#include "system/clock.h"
#include "training/plan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct training {
    struct network *network;
    struct device *device;
    const struct training_plan *plan;
    const struct training_observer *observer;
    struct training_result *result;
    struct loader loader;        /* of the batches of an epoch */
    struct buffer *scores;       /* [samples of an epoch, 2] */
    struct recording *recording; /* of the steps of an epoch */
    bool recording_now;          /* nobody is told or asked then */
    size_t batch;                /* the next one that is enqueued */
};

/* --- Planning --- */

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
    result->samples = plan_samples(plan, count);
    return STATUS_OK;
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

/* Everything that the epochs use, on the device. */
static enum status make_ready(
    struct training *training, const struct images *images, struct error *error) {
    struct training_result *result = training->result;
    const double start = clock_seconds();
    const struct loader_options options = plan_epoch_loader(training->plan, training->device,
        network_shape(training->network), images, result->samples);
    enum status status = loader_create(training->device, &options, &training->loader, error);
    if (status == STATUS_OK)
        status = device_allocate(training->device, result->samples * 2, &training->scores, error);
    result->streamed = training->loader.streamed;
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
    const enum status status = loader_take(&training->loader, first, count, &batch, error);
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
    if (training->loader.streamed)
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
    enum status status = loader_begin(&training->loader, reached->epochs_done, error);
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
    const struct loader_options options = plan_test_loader(training->plan, images);
    const double start = clock_seconds();
    struct loader loader = {0};
    struct buffer *device_scores = NULL;
    float *scores = malloc(samples * 2 * sizeof *scores);
    enum status status = scores ? loader_create(training->device, &options, &loader, error)
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
        status = loader_take(&loader, first, count, &batch, error);
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
    loader_free(&loader);
    free(scores);
    training->result->evaluate = clock_seconds() - start;
    return status;
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
    loader_free(&training.loader);
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
