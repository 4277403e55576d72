#include "training/evaluation.h"

#include "training/budget.h"
#include "training/loader.h"
#include "training/observer.h"
#include "training/plan.h"
#include "training/score.h"

#include <stdlib.h>

/* The loader of the images, and their scores. */
struct evaluation {
    struct loader loader;
    struct view device_scores; /* [images, 2] */
    float *scores;             /* [images, 2] */
};

static enum status make_ready(struct evaluation *evaluation, struct device *device,
    const struct images *images, const struct training_plan *plan, struct error *error) {
    const struct budget_row scores = budget_scores(images->count);
    const struct loader_options options = plan_test_loader(plan, images);
    struct buffer *buffer = NULL;
    evaluation->scores = malloc(budget_bytes(&scores, 1, 0));
    if (!evaluation->scores)
        return error_memory(error, "test scores", budget_bytes(&scores, 1, 0));
    enum status status = loader_create(device, &options, &evaluation->loader, error);
    if (status == STATUS_OK)
        status = device_allocate(device, budget_elements(&scores, 0), &buffer, error);
    evaluation->device_scores = device_view(buffer, images->count, 2);
    return status;
}

static void free_all(struct evaluation *evaluation) {
    buffer_free(evaluation->device_scores.buffer);
    loader_free(&evaluation->loader);
    free(evaluation->scores);
}

/* Enqueues one batch after another. Before each it asks the observer whether to stop. */
static enum status evaluate_batches(struct evaluation *evaluation, struct network *network,
    size_t batch_size, const struct training_observer *observer, struct error *error) {
    const size_t samples = evaluation->device_scores.rows;
    enum status status = STATUS_OK;
    for (size_t first = 0; first < samples && status == STATUS_OK; first += batch_size) {
        if (observer_stops(observer))
            return error_set(error, STATUS_INTERRUPTED,
                "interrupted in the test set, after sample %zu of %zu", first, samples);
        const size_t left = samples - first, count = left < batch_size ? left : batch_size;
        struct batch batch;
        status = loader_take(&evaluation->loader, first, count, &batch, error);
        if (status == STATUS_OK)
            status = network_evaluate(network, batch.x, batch.labels,
                view_rows(evaluation->device_scores, first, count), error);
    }
    return status;
}

enum status evaluation_run(struct network *network, const struct images *images,
    const struct training_plan *plan, const struct training_observer *observer, struct score *score,
    struct error *error) {
    struct device *device = network_device(network);
    struct evaluation evaluation = {0};
    enum status status = make_ready(&evaluation, device, images, plan, error);
    if (status == STATUS_OK)
        status = evaluate_batches(&evaluation, network, plan->batch_size, observer, error);
    if (status == STATUS_OK)
        status = device_download(device, evaluation.device_scores, evaluation.scores, error);
    size_t sample;
    if (status == STATUS_OK && !score_average(evaluation.scores, images->count, score, &sample))
        status = error_set(error, STATUS_DIVERGED,
            "training diverged: the loss of test sample %zu is %s; try a smaller --learning-rate "
            "than %g",
            sample, score_not_finite(evaluation.scores[2 * sample]), plan->learning_rate);
    free_all(&evaluation);
    return status;
}
