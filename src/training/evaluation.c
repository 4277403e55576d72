#include "training/evaluation.h"

#include "training/budget.h"
#include "training/observer.h"
#include "training/plan.h"
#include "training/score.h"
#include "training/share.h"

#include <stdlib.h>
#include <string.h>

static size_t classes_of(const struct evaluation *evaluation) {
    const struct network_shape *shape = network_shape(evaluation->network);
    return shape->widths[shape->layers];
}

/* Where the outputs of these images are kept, if they are. */
static struct view outputs_of(const struct evaluation *evaluation, size_t first, size_t count) {
    return evaluation->outputs ? view_rows(evaluation->device_outputs, first, count)
                               : (struct view){0};
}

/* Whether the observer wants an end before the batch that begins with this sample. Ranks agree on
 * it, for which others wait until what is enqueued is done. */
static enum status ask_to_stop(
    const struct evaluation *evaluation, size_t first, struct error *error) {
    const bool synchronous = device_info(network_device(evaluation->network))->synchronous;
    bool stop = false;
    if (!evaluation->observer || (evaluation->plan->communicator && !synchronous))
        return STATUS_OK;
    const enum status status = share_stop(evaluation->plan, evaluation->observer, &stop, error);
    return status == STATUS_OK && stop ? error_set(error, STATUS_INTERRUPTED,
                                             "interrupted in the %s set, after sample %zu of %zu",
                                             evaluation->what, first, evaluation->images->count)
                                       : status;
}

/* Enqueues the rank's samples of a batch. */
static enum status enqueue_batch(
    struct evaluation *evaluation, struct span batch, struct error *error) {
    const struct span own = share_planned(evaluation->plan, batch);
    struct batch taken;
    if (own.count == 0)
        return STATUS_OK;
    const enum status status =
        loader_take(&evaluation->loader, own.first, own.count, &taken, error);
    return status == STATUS_OK
               ? network_evaluate(evaluation->network, taken.x, taken.labels,
                     outputs_of(evaluation, own.first, own.count),
                     view_rows(evaluation->device_scores, own.first, own.count), error)
               : status;
}

/* A device_enqueue: one batch after another. Before each the observer is asked whether to stop. */
static enum status enqueue_batches(void *context, struct error *error) {
    struct evaluation *evaluation = context;
    const size_t samples = evaluation->device_scores.rows, most = evaluation->plan->batch_size;
    enum status status = STATUS_OK;
    for (size_t first = 0; first < samples && status == STATUS_OK; first += most) {
        const size_t left = samples - first, count = left < most ? left : most;
        status = ask_to_stop(evaluation, first, error);
        if (status == STATUS_OK)
            status = enqueue_batch(evaluation, (struct span){first, count}, error);
    }
    return status;
}

/* Makes room for the outputs, on the host and on the device. */
static enum status make_outputs(struct evaluation *evaluation, struct error *error) {
    const struct budget_row row = budget_outputs(evaluation->images->count, classes_of(evaluation));
    struct buffer *buffer;
    evaluation->outputs = malloc(budget_bytes(&row, 1, 0));
    if (!evaluation->outputs)
        return error_memory(error, "the outputs of images", budget_bytes(&row, 1, 0));
    const enum status status = device_allocate(
        network_device(evaluation->network), budget_elements(&row, 0), &buffer, error);
    if (status == STATUS_OK)
        evaluation->device_outputs =
            device_view(buffer, evaluation->images->count, classes_of(evaluation));
    return status;
}

enum status evaluation_create(struct evaluation *evaluation, struct network *network,
    const struct images *images, const struct image_scaling *scaling,
    const struct training_plan *plan, const char *what, bool again, struct error *error) {
    struct device *device = network_device(network);
    const struct budget_row scores = budget_scores(images->count);
    struct loader_options options = plan_test_loader(plan, images);
    options.scaling = *scaling;
    struct buffer *buffer = NULL;
    *evaluation =
        (struct evaluation){.network = network, .plan = plan, .what = what, .images = images};
    evaluation->scores = malloc(budget_bytes(&scores, 1, 0));
    if (!evaluation->scores)
        return error_memory(error, "the scores of images", budget_bytes(&scores, 1, 0));
    enum status status = loader_create(device, &options, &evaluation->loader, error);
    if (status == STATUS_OK)
        status = device_allocate(device, budget_elements(&scores, 0), &buffer, error);
    evaluation->device_scores = device_view(buffer, images->count, 2);
    if (status == STATUS_OK && !again)
        status = make_outputs(evaluation, error);
    if (status == STATUS_OK && again && !evaluation->loader.streamed)
        status = device_record(device, enqueue_batches, evaluation, &evaluation->recording, error);
    return status;
}

enum status evaluation_score(struct evaluation *evaluation,
    const struct training_observer *observer, struct score *score, struct error *error) {
    struct device *device = network_device(evaluation->network);
    evaluation->observer = observer;
    enum status status = evaluation->recording ? device_run(device, evaluation->recording,
                                                     enqueue_batches, evaluation, error)
                                               : enqueue_batches(evaluation, error);
    if (status == STATUS_OK)
        status = device_download(device, evaluation->device_scores, evaluation->scores, error);
    if (status == STATUS_OK && evaluation->outputs)
        status = device_download(device, evaluation->device_outputs, evaluation->outputs, error);
    const struct span all = {0, evaluation->images->count};
    if (status == STATUS_OK)
        status = share_results(evaluation->plan, all, 2, evaluation->scores, error);
    if (status == STATUS_OK && evaluation->outputs)
        status = share_results(
            evaluation->plan, all, classes_of(evaluation), evaluation->outputs, error);
    size_t sample;
    if (status == STATUS_OK &&
        !score_average(evaluation->scores, evaluation->device_scores.rows, score, &sample))
        status = error_set(error, STATUS_DIVERGED,
            "training diverged: the loss of %s sample %zu is %s; try a smaller --learning-rate "
            "than %g",
            evaluation->what, sample, score_not_finite(evaluation->scores[2 * sample]),
            evaluation->plan->learning_rate);
    return status;
}

/* What an image is taken for. Where it is not its label, it is the first of the largest of the
 * others, whose gradients are their probabilities; the label's is less than 0. */
static size_t prediction_of(const struct evaluation *evaluation, size_t image) {
    const size_t classes = classes_of(evaluation), label = evaluation->images->labels[image];
    const float *outputs = evaluation->outputs + image * classes;
    if (evaluation->scores[2 * image + 1] == 1.0f)
        return label;
    size_t best = 0;
    for (size_t c = 1; c < classes; c++)
        best = outputs[c] > outputs[best] ? c : best;
    return best;
}

void evaluation_confusion(const struct evaluation *evaluation, uint32_t *confusion) {
    const size_t classes = classes_of(evaluation);
    memset(confusion, 0, classes * classes * sizeof *confusion);
    for (size_t i = 0; i < evaluation->images->count; i++)
        confusion[evaluation->images->labels[i] * classes + prediction_of(evaluation, i)]++;
}

void evaluation_free(struct evaluation *evaluation) {
    if (evaluation->recording)
        recording_free(network_device(evaluation->network), evaluation->recording);
    buffer_free(evaluation->device_scores.buffer);
    loader_free(&evaluation->loader);
    buffer_free(evaluation->device_outputs.buffer);
    free(evaluation->scores);
    free(evaluation->outputs);
}
