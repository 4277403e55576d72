#include "trainer/training.h"

#include "system/clock.h"
#include "system/memory.h"
#include "training/budget.h"
#include "training/epochs.h"
#include "training/evaluation.h"
#include "training/plan.h"

#include <stdlib.h>
#include <string.h>

/* --- Before a training --- */

enum status training_check(struct device *device, const struct network_shape *shape,
    const struct dataset *dataset, const struct training_plan *plan, struct error *error) {
    const size_t batch = plan->batch_size;
    if (batch == 0)
        return error_set(error, STATUS_USAGE, "batches of 0 samples");
    const size_t sizes[] = {batch, plan->tail == TAIL_SHORT ? dataset->train.count % batch : 0,
        dataset->test.count % batch};
    enum status status = budget_check(device, shape, dataset, plan, error);
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
static enum status begin_at(const struct training_plan *plan, const struct training_position *start,
    struct training_result *result, struct error *error) {
    struct training_position *reached = &result->reached;
    const struct budget_row arrays[] = {budget_epochs(plan), budget_scores(result->samples)};
    reached->epochs = memory_allocate(budget_bytes(&arrays[0], 1, 0));
    reached->scores = memory_allocate(budget_bytes(&arrays[1], 1, 0));
    if (!reached->epochs || !reached->scores)
        return error_memory(error, "the scores of the epochs", budget_bytes(arrays, 2, 0));
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

void training_position_free(struct training_position *position) {
    free(position->epochs);
    free(position->scores);
    *position = (struct training_position){0};
}

/* --- A training --- */

/* Runs all epochs, and frees their memory at the end. */
static enum status train(struct network *network, const struct images *images,
    const struct training_plan *plan, const struct training_observer *observer,
    struct training_result *result, struct error *error) {
    struct epochs epochs = {.network = network,
        .device = network_device(network),
        .plan = plan,
        .observer = observer,
        .result = result};
    enum status status = epochs_prepare(&epochs, images, error);
    if (status == STATUS_OK)
        status = epochs_warm_up(&epochs, error);
    if (status == STATUS_OK)
        status = epochs_run(&epochs, error);
    const double start = clock_seconds();
    epochs_free(&epochs);
    result->release = clock_seconds() - start;
    return status;
}

static enum status evaluate(struct network *network, const struct images *images,
    const struct training_plan *plan, const struct training_observer *observer,
    struct training_result *result, struct error *error) {
    const double start = clock_seconds();
    const enum status status =
        evaluation_run(network, images, plan, observer, &result->test, error);
    result->tested = status == STATUS_OK;
    result->evaluate = clock_seconds() - start;
    return status;
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
    status = begin_at(plan, start, result, error);
    if (status == STATUS_OK)
        status = train(network, &dataset->train, plan, observer, result, error);
    if (status == STATUS_OK)
        status = evaluate(network, &dataset->test, plan, observer, result, error);
    return status;
}

void training_result_free(struct training_result *result) {
    training_position_free(&result->reached);
}
