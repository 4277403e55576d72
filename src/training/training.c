#include "trainer/training.h"

#include "system/clock.h"
#include "system/memory.h"
#include "trainer/host.h"
#include "training/budget.h"
#include "training/epochs.h"
#include "training/evaluation.h"
#include "training/plan.h"
#include "training/share.h"

#include <stdlib.h>
#include <string.h>

/* --- Before a training --- */

enum status training_check(struct device *device, const struct network_shape *shape,
    const struct dataset *dataset, const struct training_plan *plan, struct error *error) {
    const size_t batch = plan->batch_size;
    if (batch == 0)
        return error_set(error, STATUS_USAGE, "batches of 0 samples");
    const size_t batches[] = {batch, plan->tail == TAIL_SHORT ? dataset->train.count % batch : 0,
        dataset->test.count % batch, dataset->validation.count % batch};
    size_t sizes[sizeof batches / sizeof *batches]; /* the rank's part of each */
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        sizes[s] = share_planned(plan, (struct span){0, batches[s]}).count;
    enum status status = plan_check(plan, shape, &dataset->train, error);
    if (status == STATUS_OK)
        status = budget_check(device, shape, dataset, plan, error);
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes && status == STATUS_OK; s++) {
        bool checked = sizes[s] == 0;
        for (size_t e = 0; e < s; e++)
            checked = checked || sizes[e] == sizes[s];
        if (!checked)
            status = network_check(device, shape, sizes[s], error);
    }
    const size_t side = device_info(device)->suspect_side;
    return status == STATUS_OK && side > 0 ? device_check(device, side, side, side, error) : status;
}

/* --- Its position --- */

/* Makes result->reached a copy of the position at which the run starts (NULL: the first batch of
 * all). This takes the host memory for all epochs, because nothing is allocated within an epoch. */
static enum status begin_at(const struct training_plan *plan, const struct network_shape *shape,
    const struct training_position *start, struct training_result *result, struct error *error) {
    struct training_position *reached = &result->reached;
    const struct budget_row arrays[] = {budget_epochs(plan), budget_scores(result->samples),
        budget_validations(plan), budget_best(plan, shape)};
    reached->epochs = memory_allocate(budget_bytes(&arrays[0], 1, 0));
    reached->scores = memory_allocate(budget_bytes(&arrays[1], 1, 0));
    reached->validations = memory_allocate(budget_bytes(&arrays[2], 1, 0));
    reached->best = plan->keep_best ? memory_allocate(budget_bytes(&arrays[3], 1, 0)) : NULL;
    if (!reached->epochs || !reached->scores || !reached->validations ||
        (plan->keep_best && !reached->best))
        return error_memory(error, "the scores of the epochs", budget_bytes(arrays, 4, 0));
    if (!start)
        return STATUS_OK;
    if (start->epochs_done > 0)
        memcpy(reached->epochs, start->epochs, start->epochs_done * sizeof *start->epochs);
    if (start->samples_done > 0)
        memcpy(reached->scores, start->scores, start->samples_done * 2 * sizeof *start->scores);
    if (start->validated > 0)
        memcpy(reached->validations, start->validations,
            start->validated * sizeof *start->validations);
    if (reached->best && start->best)
        memcpy(reached->best, start->best, network_length(shape) * sizeof *start->best);
    reached->validated = start->validated;
    reached->epochs_done = start->epochs_done;
    reached->batches_done = start->batches_done;
    reached->samples_done = start->samples_done;
    reached->seconds = start->seconds;
    return STATUS_OK;
}

void training_position_free(struct training_position *position) {
    free(position->epochs);
    free(position->scores);
    free(position->validations);
    free(position->best);
    *position = (struct training_position){0};
}

/* --- A training --- */

/* Makes the images that are held back ready to be scored; its time belongs to the batching. */
static enum status prepare_validation(struct epochs *epochs, struct evaluation *validation,
    const struct images *images, struct error *error) {
    if (images->count == 0)
        return STATUS_OK;
    const double start = clock_seconds();
    const enum status status = evaluation_create(validation, epochs->network, images,
        &epochs->result->scaling, epochs->plan, "validation", true, error);
    epochs->validation = validation;
    epochs->result->batching += clock_seconds() - start;
    return status;
}

/* Gathers how long each rank has computed and exchanged, where a training with this status has come
 * to an end that all ranks know of. Gives the status. */
static enum status measure_ranks(
    const struct epochs *epochs, enum status status, struct error *error) {
    struct training_result *result = epochs->result;
    if (!epochs->plan->communicator ||
        (status != STATUS_OK && status != STATUS_INTERRUPTED && status != STATUS_DIVERGED))
        return status;
    struct error problem;
    const double start = clock_seconds();
    enum status gathered =
        share_spread(epochs->plan, epochs->computed, &result->computing, &problem);
    if (gathered == STATUS_OK)
        gathered = share_spread(epochs->plan, epochs->exchanged, &result->exchanging, &problem);
    result->meet += clock_seconds() - start;
    return gathered == STATUS_OK ? status : error_set(error, gathered, "%s", problem.message);
}

/* Runs all epochs, and frees their memory at the end. */
static enum status train(struct network *network, const struct dataset *dataset,
    const struct training_plan *plan, const struct training_observer *observer,
    struct training_result *result, struct error *error) {
    struct evaluation validation = {0};
    struct epochs epochs = {.network = network,
        .device = network_device(network),
        .plan = plan,
        .observer = observer,
        .result = result};
    enum status status = prepare_validation(&epochs, &validation, &dataset->validation, error);
    if (status == STATUS_OK)
        status = epochs_prepare(&epochs, &dataset->train, error);
    if (status == STATUS_OK)
        status = epochs_warm_up(&epochs, error);
    if (status == STATUS_OK)
        status = epochs_run(&epochs, error);
    status = measure_ranks(&epochs, status, error);
    const double start = clock_seconds();
    epochs_free(&epochs);
    if (epochs.validation)
        evaluation_free(&validation);
    result->release = clock_seconds() - start;
    return status;
}

static enum status count_confusion(
    const struct evaluation *evaluation, struct training_result *result, struct error *error) {
    const struct network_shape *shape = network_shape(evaluation->network);
    const size_t classes = shape->widths[shape->layers], bytes = classes * classes * 4;
    result->confusion = malloc(bytes);
    if (!result->confusion)
        return error_memory(error, "the confusion matrix", bytes);
    evaluation_confusion(evaluation, result->confusion);
    return STATUS_OK;
}

static enum status score_test(struct network *network, const struct images *images,
    const struct training_plan *plan, const struct training_observer *observer,
    struct training_result *result, struct error *error) {
    struct evaluation evaluation;
    enum status status = evaluation_create(
        &evaluation, network, images, &result->scaling, plan, "test", false, error);
    if (status == STATUS_OK)
        status = evaluation_score(&evaluation, observer, &result->test, error);
    if (status == STATUS_OK)
        status = count_confusion(&evaluation, result, error);
    evaluation_free(&evaluation);
    result->tested = status == STATUS_OK;
    return status;
}

/* The same with the best parameters, after which the network has its own again. */
static enum status score_best(struct network *network, const struct images *images,
    const struct training_plan *plan, const struct training_observer *observer,
    struct training_result *result, struct error *error) {
    const size_t bytes = network_length(network_shape(network)) * sizeof(float);
    float *last = memory_allocate(bytes);
    if (!last)
        return error_memory(error, "the last weights", bytes);
    enum status status = network_download(network, last, error);
    if (status == STATUS_OK)
        status = network_upload(network, result->reached.best, error);
    if (status == STATUS_OK)
        status = score_test(network, images, plan, observer, result, error);
    const enum status restored = network_upload(network, last, status == STATUS_OK ? error : NULL);
    free(last);
    return status == STATUS_OK ? restored : status;
}

static enum status evaluate(struct network *network, const struct images *images,
    const struct training_plan *plan, const struct training_observer *observer,
    struct training_result *result, struct error *error) {
    const bool best = plan->keep_best && result->reached.validated > 0;
    const double start = clock_seconds();
    const enum status status =
        (best ? score_best : score_test)(network, images, plan, observer, result, error);
    result->evaluate = clock_seconds() - start;
    return status;
}

/* The scaling of the images; its time belongs to the batching. */
static void find_scaling(const struct network *network, const struct dataset *dataset,
    const struct training_plan *plan, struct training_result *result) {
    const double start = clock_seconds();
    const int threads = device_info(network_device(network))->threads;
    result->scaling =
        images_scaling(&dataset->train, plan->color, threads > 0 ? threads : host_usable_threads());
    result->batching += clock_seconds() - start;
}

enum status training_run(struct network *network, const struct dataset *dataset,
    const struct training_plan *plan, const struct training_position *start,
    const struct training_observer *observer, struct training_result *result, struct error *error) {
    const size_t count = dataset->train.count;
    *result = (struct training_result){0};
    enum status status = plan_check(plan, network_shape(network), &dataset->train, error);
    if (status == STATUS_OK && start)
        status = training_check_position(plan, count, start, error);
    if (status != STATUS_OK)
        return status;
    result->batches = training_batches(plan, count);
    result->samples = plan_samples(plan, count);
    if (plan->normalize)
        find_scaling(network, dataset, plan, result);
    status = begin_at(plan, network_shape(network), start, result, error);
    if (status == STATUS_OK)
        status = train(network, dataset, plan, observer, result, error);
    if (status == STATUS_OK)
        status = evaluate(network, &dataset->test, plan, observer, result, error);
    return status;
}

void training_result_free(struct training_result *result) {
    training_position_free(&result->reached);
    free(result->confusion);
    result->confusion = NULL;
}
