#include "trainer/training.h"

#include "system/clock.h"
#include "trainer/random.h"

#include <math.h>
#include <stdlib.h>

/* Samples as a device has them. */
struct batches {
    struct view x;      /* [samples, inputs] */
    struct view labels; /* [samples, 1] */
};

struct training {
    struct network *network;
    struct device *device;
    const struct training_plan *plan;
    const struct training_observer *observer;
    struct training_result *result;
    struct batches train; /* every batch, one after another; with shuffling: each sample */
    struct view scores;   /* [samples of an epoch, 2] */
    struct view order;    /* with shuffling: [samples, 1], which one comes when */
    struct batches batch; /* with shuffling: one batch, gathered */
    uint32_t *host_order; /* with shuffling: [samples, or all of the data where that is more] */
    float *host_scores;   /* [samples, 2] */
    struct recording *recording; /* of the steps of an epoch */
    size_t epoch;                /* the current one */
};

const char *const tail_names[] = {
    [TAIL_WRAP] = "wrap", [TAIL_SHORT] = "short", [TAIL_DROP] = "drop", NULL};

size_t training_batches(const struct training_plan *plan, size_t samples) {
    const size_t full = samples / plan->batch_size;
    return plan->tail == TAIL_DROP ? full : full + (samples % plan->batch_size > 0);
}

/* --- Batching --- */

static enum status allocate_view(
    struct device *device, size_t rows, size_t columns, struct view *view, struct error *error) {
    struct buffer *buffer;
    const enum status status = device_allocate(device, rows * columns, &buffer, error);
    if (status == STATUS_OK)
        *view = device_view(buffer, rows, columns);
    return status;
}

static void release_batches(struct batches *batches) {
    device_release(batches->x.buffer);
    device_release(batches->labels.buffer);
    *batches = (struct batches){0};
}

static enum status allocate_batches(struct device *device, size_t samples, size_t inputs,
    struct batches *batches, struct error *error) {
    const enum status status = allocate_view(device, samples, inputs, &batches->x, error);
    return status == STATUS_OK ? allocate_view(device, samples, 1, &batches->labels, error)
                               : status;
}

/* Decoded images -> `samples` samples on the device, from the first image on, and from the first
 * again when they run out. Waits until they are there. */
static enum status make_batches(struct device *device, const struct images *images,
    enum color color, size_t samples, struct batches *batches, struct error *error) {
    const size_t inputs = color == COLOR_GREY ? CIFAR10_PLANE : CIFAR10_PIXELS;
    uint32_t *labels = malloc(samples * sizeof *labels);
    if (!labels)
        return error_memory(error, "labels", samples * sizeof *labels);
    for (size_t i = 0; i < samples; i++)
        labels[i] = images->labels[i % images->count];
    enum status status = allocate_batches(device, samples, inputs, batches, error);
    if (status == STATUS_OK)
        status = device_upload(device, batches->labels, labels, error);
    for (size_t done = 0; done < samples && status == STATUS_OK; done += images->count) {
        const size_t left = samples - done, count = left < images->count ? left : images->count;
        status = device_upload_pixels(
            device, images->pixels, color, view_rows(batches->x, done, count), error);
    }
    struct error ignored;
    const enum status waited = device_synchronise(device, status == STATUS_OK ? error : &ignored);
    free(labels);
    return status == STATUS_OK ? waited : status;
}

static struct batches batch_of(const struct batches *all, size_t first, size_t count) {
    return (struct batches){view_rows(all->x, first, count), view_rows(all->labels, first, count)};
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
    const size_t whole = result->batches * plan->batch_size;
    result->samples = plan->tail == TAIL_SHORT && whole > count ? count : whole;
    const size_t ordered = !plan->shuffle ? 0 : count > result->samples ? count : result->samples;
    result->epochs = calloc(plan->epochs + 1, sizeof *result->epochs);
    training->host_scores = malloc(result->samples * 2 * sizeof *training->host_scores);
    training->host_order = malloc((ordered + 1) * sizeof *training->host_order);
    return result->epochs && training->host_scores && training->host_order
               ? STATUS_OK
               : error_memory(error, "the scores of the epochs",
                     plan->epochs * sizeof *result->epochs + (result->samples * 2 + ordered) * 4);
}

/* Everything that the epochs use, on the device. */
static enum status make_ready(
    struct training *training, const struct images *images, struct error *error) {
    const struct training_plan *plan = training->plan;
    const size_t samples = training->result->samples;
    const double start = clock_seconds();
    /* A shuffled epoch chooses from all samples, also where it drops or doubles some. */
    enum status status = make_batches(training->device, images, plan->color,
        plan->shuffle ? images->count : samples, &training->train, error);
    if (status == STATUS_OK)
        status = allocate_view(training->device, samples, 2, &training->scores, error);
    if (status == STATUS_OK && plan->shuffle)
        status = allocate_view(training->device, samples, 1, &training->order, error);
    if (status == STATUS_OK && plan->shuffle)
        status = allocate_batches(
            training->device, plan->batch_size, training->train.x.columns, &training->batch, error);
    training->result->batching = clock_seconds() - start;
    return status;
}

/* --- Epochs --- */

static enum status gather(
    struct training *training, size_t first, size_t count, struct error *error) {
    const struct view order = view_rows(training->order, first, count);
    const struct batches *from = &training->train;
    const struct batches to = batch_of(&training->batch, 0, count);
    const enum status status = device_gather_rows(training->device, from->x, order, to.x, error);
    return status == STATUS_OK
               ? device_gather_rows(training->device, from->labels, order, to.labels, error)
               : status;
}

/* Enqueues every step of an epoch. */
static enum status enqueue_epoch(void *context, struct error *error) {
    struct training *training = context;
    const struct training_plan *plan = training->plan;
    const struct training_observer *observer = training->observer;
    const size_t samples = training->result->samples;
    const bool observed = observer && observer->batch && device_info(training->device)->synchronous;
    enum status status = STATUS_OK;
    for (size_t b = 0; b < training->result->batches && status == STATUS_OK; b++) {
        const size_t first = b * plan->batch_size, left = samples - first;
        const size_t count = left < plan->batch_size ? left : plan->batch_size;
        if (plan->shuffle)
            status = gather(training, first, count, error);
        const struct batches batch = plan->shuffle ? batch_of(&training->batch, 0, count)
                                                   : batch_of(&training->train, first, count);
        if (status == STATUS_OK)
            status = network_train(training->network, batch.x, batch.labels,
                (float)plan->learning_rate, view_rows(training->scores, first, count), error);
        if (status == STATUS_OK && observed)
            observer->batch(observer->context, training->epoch, b + 1, training->result->batches);
    }
    return status;
}

/* What a device needs once, so that it does not fall into the first epoch. */
static enum status record_epoch(struct training *training, struct error *error) {
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

/* A new order of the samples, completed from its own start, to the device. */
static enum status shuffle(struct training *training, size_t count, struct error *error) {
    uint32_t *order = training->host_order;
    random_permutation(training->plan->seed, RANDOM_ORDER, (uint32_t)training->epoch, order, count);
    for (size_t i = count; i < training->result->samples; i++)
        order[i] = order[i - count];
    return device_upload(training->device, training->order, order, error);
}

static enum status run_epoch(
    struct training *training, size_t count, struct training_epoch *epoch, struct error *error) {
    const double start = clock_seconds();
    enum status status = STATUS_OK;
    if (training->plan->shuffle)
        status = shuffle(training, count, error);
    if (status == STATUS_OK)
        status = device_run(training->device, training->recording, enqueue_epoch, training, error);
    if (status == STATUS_OK)
        status = device_download(training->device, training->scores, training->host_scores, error);
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

static enum status run_epochs(struct training *training, size_t count, struct error *error) {
    struct training_result *result = training->result;
    const struct training_observer *observer = training->observer;
    for (training->epoch = 0; training->epoch < training->plan->epochs; training->epoch++) {
        struct training_epoch *epoch = &result->epochs[training->epoch];
        const enum status status = run_epoch(training, count, epoch, error);
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
    const double start = clock_seconds();
    struct batches test = {0};
    struct view test_scores = {0};
    float *scores = malloc(samples * 2 * sizeof *scores);
    enum status status = scores ? make_batches(training->device, images, training->plan->color,
                                      samples, &test, error)
                                : error_memory(error, "test scores", samples * 2 * sizeof *scores);
    if (status == STATUS_OK)
        status = allocate_view(training->device, samples, 2, &test_scores, error);
    for (size_t first = 0; first < samples && status == STATUS_OK; first += batch_size) {
        const size_t left = samples - first, count = left < batch_size ? left : batch_size;
        const struct batches batch = batch_of(&test, first, count);
        status = network_evaluate(
            training->network, batch.x, batch.labels, view_rows(test_scores, first, count), error);
    }
    if (status == STATUS_OK)
        status = device_download(training->device, test_scores, scores, error);
    size_t sample;
    if (status == STATUS_OK && !sum_scores(scores, samples, &training->result->test, &sample))
        status = error_set(error, STATUS_DIVERGED,
            "training diverged: the loss of test sample %zu is %s; try a smaller --learning-rate "
            "than %g",
            sample, not_finite_text(scores[2 * sample]), training->plan->learning_rate);
    training->result->tested = status == STATUS_OK;
    release_batches(&test);
    device_release(test_scores.buffer);
    free(scores);
    training->result->evaluate = clock_seconds() - start;
    return status;
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
        status = run_epochs(&training, dataset->train.count, error);
    if (status == STATUS_OK)
        status = evaluate(&training, &dataset->test, error);
    device_forget(training.device, training.recording);
    release_batches(&training.train);
    release_batches(&training.batch);
    device_release(training.scores.buffer);
    device_release(training.order.buffer);
    free(training.host_order);
    free(training.host_scores);
    return status;
}

void training_result_free(struct training_result *result) {
    free(result->epochs);
    result->epochs = NULL;
}
