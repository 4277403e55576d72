#include "training/evaluation.h"

#include "training/budget.h"
#include "training/observer.h"
#include "training/plan.h"
#include "training/score.h"

#include <stdlib.h>

/* A device_enqueue: one batch after another. Before each the observer is asked whether to stop. */
static enum status enqueue_batches(void *context, struct error *error) {
    struct evaluation *evaluation = context;
    const size_t samples = evaluation->device_scores.rows, most = evaluation->plan->batch_size;
    enum status status = STATUS_OK;
    for (size_t first = 0; first < samples && status == STATUS_OK; first += most) {
        if (observer_stops(evaluation->observer))
            return error_set(error, STATUS_INTERRUPTED,
                "interrupted in the %s set, after sample %zu of %zu", evaluation->what, first,
                samples);
        const size_t left = samples - first, count = left < most ? left : most;
        struct batch batch;
        status = loader_take(&evaluation->loader, first, count, &batch, error);
        if (status == STATUS_OK)
            status = network_evaluate(evaluation->network, batch.x, batch.labels,
                view_rows(evaluation->device_scores, first, count), error);
    }
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
    *evaluation = (struct evaluation){.network = network, .plan = plan, .what = what};
    evaluation->scores = malloc(budget_bytes(&scores, 1, 0));
    if (!evaluation->scores)
        return error_memory(error, "the scores of images", budget_bytes(&scores, 1, 0));
    enum status status = loader_create(device, &options, &evaluation->loader, error);
    if (status == STATUS_OK)
        status = device_allocate(device, budget_elements(&scores, 0), &buffer, error);
    evaluation->device_scores = device_view(buffer, images->count, 2);
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

void evaluation_free(struct evaluation *evaluation) {
    if (evaluation->recording)
        recording_free(network_device(evaluation->network), evaluation->recording);
    buffer_free(evaluation->device_scores.buffer);
    loader_free(&evaluation->loader);
    free(evaluation->scores);
}
