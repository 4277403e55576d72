#include "trainer/training.h"

#include "system/clock.h"
#include "training/source.h"

#include <math.h>
#include <stdlib.h>

struct training {
    struct network *network;
    struct device *device;
    const struct training_plan *plan;
    const struct training_observer *observer;
    struct training_result *result;
    struct source source;        /* of the batches of an epoch */
    struct buffer *scores;       /* [samples of an epoch, 2] */
    float *host_scores;          /* the same */
    struct recording *recording; /* of the steps of an epoch */
    size_t epoch;                /* the current one */
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
    const size_t whole = result->batches * plan->batch_size;
    result->samples = plan->tail == TAIL_SHORT && whole > count ? count : whole;
    result->epochs = calloc(plan->epochs + 1, sizeof *result->epochs);
    training->host_scores = malloc(result->samples * 2 * sizeof *training->host_scores);
    return result->epochs && training->host_scores
               ? STATUS_OK
               : error_memory(error, "the scores of the epochs",
                     plan->epochs * sizeof *result->epochs + result->samples * 2 * sizeof(float));
}

/* Everything that the epochs use, on the device. */
static enum status make_ready(
    struct training *training, const struct images *images, struct error *error) {
    const struct training_plan *plan = training->plan;
    struct training_result *result = training->result;
    const double start = clock_seconds();
    const struct source_options options = {
        .images = images,
        .color = plan->color,
        .samples = result->samples,
        .batch_size = plan->batch_size,
        .batches = plan->batches,
        .shuffle = plan->shuffle,
        .seed = plan->seed,
    };
    enum status status = source_create(training->device, &options, &training->source, error);
    if (status == STATUS_OK)
        status = device_allocate(training->device, result->samples * 2, &training->scores, error);
    result->streamed = training->source.streamed;
    result->batching = clock_seconds() - start;
    return status;
}

/* --- Epochs --- */

/* Enqueues every step of an epoch. */
static enum status enqueue_epoch(void *context, struct error *error) {
    struct training *training = context;
    const struct training_plan *plan = training->plan;
    const struct training_observer *observer = training->observer;
    const size_t samples = training->result->samples;
    const struct view scores = device_view(training->scores, samples, 2);
    const bool observed = observer && observer->batch && device_info(training->device)->synchronous;
    enum status status = STATUS_OK;
    for (size_t b = 0; b < training->result->batches && status == STATUS_OK; b++) {
        const size_t first = b * plan->batch_size, left = samples - first;
        const size_t count = left < plan->batch_size ? left : plan->batch_size;
        struct batch batch;
        status = source_take(&training->source, first, count, &batch, error);
        if (status == STATUS_OK)
            status = network_train(training->network, batch.x, batch.labels,
                (float)plan->learning_rate, view_rows(scores, first, count), error);
        if (status == STATUS_OK && observed)
            observer->batch(observer->context, training->epoch, b + 1, training->result->batches);
    }
    return status;
}

/* What a device needs once, so that it does not fall into the first epoch. Sending batches can't be
 * recorded. */
static enum status record_epoch(struct training *training, struct error *error) {
    if (training->source.streamed)
        return STATUS_OK;
    const double start = clock_seconds();
    const enum status status =
        device_record(training->device, enqueue_epoch, training, &training->recording, error);
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

static enum status run_epoch(
    struct training *training, struct training_epoch *epoch, struct error *error) {
    const double start = clock_seconds();
    enum status status = source_begin(&training->source, training->epoch, error);
    if (status == STATUS_OK)
        status = device_run(training->device, training->recording, enqueue_epoch, training, error);
    if (status == STATUS_OK)
        status = device_download(training->device,
            device_view(training->scores, training->result->samples, 2), training->host_scores,
            error);
    if (status != STATUS_OK)
        return status;
    size_t sample;
    const bool finite =
        sum_scores(training->host_scores, training->result->samples, &epoch->score, &sample);
    epoch->seconds = clock_seconds() - start;
    if (!finite)
        return error_set(error, STATUS_DIVERGED,
            "training diverged: epoch %zu, batch %zu of %zu: the loss is %s; try a smaller "
            "--learning-rate than %g",
            training->epoch + 1, sample / training->plan->batch_size + 1, training->result->batches,
            not_finite_text(training->host_scores[2 * sample]), training->plan->learning_rate);
    return STATUS_OK;
}

static enum status run_epochs(struct training *training, struct error *error) {
    struct training_result *result = training->result;
    const struct training_observer *observer = training->observer;
    for (training->epoch = 0; training->epoch < training->plan->epochs; training->epoch++) {
        struct training_epoch *epoch = &result->epochs[training->epoch];
        const enum status status = run_epoch(training, epoch, error);
        if (status != STATUS_OK)
            return status;
        result->epochs_done++;
        if (observer && observer->epoch)
            observer->epoch(observer->context, training->epoch, epoch);
    }
    return STATUS_OK;
}

/* --- The test set --- */

static enum status evaluate(
    struct training *training, const struct images *images, struct error *error) {
    const size_t samples = images->count, batch_size = training->plan->batch_size;
    const struct source_options options = {
        .images = images,
        .color = training->plan->color,
        .samples = samples,
        .batch_size = batch_size,
        .batches = training->plan->batches,
    };
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

enum status training_check(struct device *device, const struct network_shape *shape,
    const struct dataset *dataset, const struct training_plan *plan, struct error *error) {
    const size_t batch = plan->batch_size;
    if (batch == 0)
        return error_set(error, STATUS_USAGE, "batches of 0 samples");
    const size_t sizes[] = {batch, plan->tail == TAIL_SHORT ? dataset->train.count % batch : 0,
        dataset->test.count % batch};
    const size_t scored = dataset->train.count + batch; /* at most, with their order */
    enum status status =
        network_check_room(device, shape, batch, 3 * scored * sizeof(float), error);
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

enum status training_run(struct network *network, const struct dataset *dataset,
    const struct training_plan *plan, const struct training_observer *observer,
    struct training_result *result, struct error *error) {
    *result = (struct training_result){0};
    struct training training = {.network = network,
        .device = network_device(network),
        .plan = plan,
        .observer = observer,
        .result = result};
    enum status status = plan_epochs(&training, dataset->train.count, error);
    if (status == STATUS_OK)
        status = make_ready(&training, &dataset->train, error);
    if (status == STATUS_OK && plan->epochs > 0)
        status = record_epoch(&training, error);
    if (status == STATUS_OK)
        status = run_epochs(&training, error);
    /* The test set takes the training set's place. */
    const double start = clock_seconds();
    device_forget(training.device, training.recording);
    device_release(training.scores);
    source_free(&training.source);
    result->release = clock_seconds() - start;
    if (status == STATUS_OK)
        status = evaluate(&training, &dataset->test, error);
    free(training.host_scores);
    return status;
}

void training_result_free(struct training_result *result) {
    free(result->epochs);
    result->epochs = NULL;
}
