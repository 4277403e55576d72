#include "training/epochs.h"

#include "system/clock.h"
#include "system/memory.h"
#include "training/budget.h"
#include "training/clocks.h"
#include "training/observer.h"
#include "training/plan.h"
#include "training/score.h"
#include "training/share.h"
#include "training/validation.h"

#include <stdlib.h>
#include <string.h>

/* Samples in the first `batches` batches of an epoch. */
static size_t samples_in(const struct epochs *epochs, size_t batches) {
    const size_t whole = batches * epochs->plan->batch_size, all = epochs->result->samples;
    return whole < all ? whole : all;
}

/* What ranks have spent on exchanges so far, as far as the host takes part in them. */
static double exchanged_seconds(const struct epochs *epochs) {
    return device_info(epochs->device)->exchanges
               ? 0.0
               : communicator_seconds(epochs->plan->communicator);
}

static bool has_ranks(const struct epochs *epochs) {
    return epochs->plan->communicator != NULL;
}

/* The samples of batch `b` that are this rank's. */
static struct span own_samples(const struct epochs *epochs, size_t b) {
    const size_t first = samples_in(epochs, b);
    return share_planned(epochs->plan, (struct span){first, samples_in(epochs, b + 1) - first});
}

/* Those that its step computes with: where it has none, it is the first sample that it has. */
static struct span computed_samples(const struct epochs *epochs, size_t b) {
    const struct span own = own_samples(epochs, b);
    return own.count > 0 ? own : (struct span){own_samples(epochs, 0).first, 1};
}

/* --- Steps --- */

/* The steps that one call enqueues: one for each of `count` batches of an epoch, from batch `first`
 * on. */
struct steps {
    struct epochs *epochs;
    size_t first;
    /* When the observer stops them, it becomes the number of steps that were enqueued. */
    size_t count;
    /* Is told of each step, and may stop them; NULL: nobody is told. */
    const struct training_observer *observer;
};

/* A step with the batch that is on the device. */
struct step {
    struct epochs *epochs;
    size_t b; /* the number of its batch */
    struct batch batch;
};

/* A device_enqueue. */
static enum status train_step(void *context, struct error *error) {
    const struct step *step = context;
    struct epochs *epochs = step->epochs;
    const struct span own = own_samples(epochs, step->b);
    const struct view rates = view_rows(epochs->device_rates, step->b, 1);
    if (own.count == 0)
        return network_attend(epochs->network, step->batch.x, step->batch.labels, rates,
            view_rows(epochs->scores, epochs->result->samples, 1), error);
    const struct draws draws = loader_draws(&epochs->loader, own.first);
    return network_train(epochs->network, step->batch.x, step->batch.labels, rates, &draws,
        view_rows(epochs->scores, own.first, own.count), error);
}

static enum status enqueue_step(struct epochs *epochs, size_t b, struct error *error) {
    const struct span samples = computed_samples(epochs, b);
    struct step step = {.epochs = epochs, .b = b};
    struct recording *recording = epochs->steps ? epochs->steps[b] : NULL;
    const enum status status =
        loader_take(&epochs->loader, samples.first, samples.count, &step.batch, error);
    if (status != STATUS_OK || !recording)
        return status == STATUS_OK ? train_step(&step, error) : status;
    return device_run(epochs->device, recording, train_step, &step, error);
}

/* A device_enqueue: enqueues the steps, to record an epoch or to run one. */
static enum status enqueue_steps(void *context, struct error *error) {
    struct steps *steps = context;
    struct epochs *epochs = steps->epochs;
    const struct training_observer *observer = steps->observer;
    const bool synchronous = device_info(epochs->device)->synchronous;
    const bool told = observer && observer->batch && synchronous;
    /* Ranks agree on it, for which others wait until what is enqueued is done. */
    const bool asked = observer && (synchronous || !has_ranks(epochs));
    for (size_t s = 0; s < steps->count; s++) {
        bool stop = false;
        enum status status = enqueue_step(epochs, steps->first + s, error);
        if (status == STATUS_OK && told)
            observer->batch(observer->context, epochs->result->reached.epochs_done,
                steps->first + s + 1, epochs->result->batches);
        if (status == STATUS_OK && asked)
            status = share_stop(epochs->plan, observer, &stop, error);
        if (status != STATUS_OK)
            return status;
        if (stop)
            steps->count = s + 1;
    }
    return STATUS_OK;
}

/* --- Before the epochs --- */

/* Makes room for the rates of an epoch's steps, on the host and on the device. Steps read them from
 * the device's memory, so that no recording fixes them. */
static enum status make_rates(struct epochs *epochs, struct error *error) {
    const struct budget_row rates = budget_rates(epochs->plan, epochs->result->batches);
    epochs->rates = malloc(budget_bytes(&rates, 1, 0));
    if (!epochs->rates)
        return error_memory(error, "the learning rates", budget_bytes(&rates, 1, 0));
    struct buffer *buffer = NULL;
    const enum status status =
        device_allocate(epochs->device, budget_elements(&rates, 0), &buffer, error);
    epochs->device_rates = device_view(
        buffer, epochs->result->batches, optimizer_rates[optimizer_of(&epochs->plan->optimizer)]);
    return status;
}

/* Fills the rates of the next epoch's steps, and sends them. */
static enum status send_rates(struct epochs *epochs, struct error *error) {
    const struct training_plan *plan = epochs->plan;
    const size_t batches = epochs->result->batches, columns = epochs->device_rates.columns;
    const size_t first = epochs->result->reached.epochs_done * batches;
    for (size_t b = 0; b < batches; b++) {
        const double factor = schedule_factor(
            plan->schedule, plan->warm_up_epochs * batches, plan->epochs * batches, first + b);
        float rates[OPTIMIZER_RATES_MAX];
        optimizer_fill_rates(&plan->optimizer, factor * plan->learning_rate, first + b + 1, rates);
        memcpy(epochs->rates + b * columns, rates, columns * sizeof *rates);
    }
    return device_upload(epochs->device, epochs->device_rates, epochs->rates, error);
}

static enum status make_batches(
    struct epochs *epochs, const struct images *images, struct error *error) {
    struct training_result *result = epochs->result;
    const double start = clock_seconds();
    const size_t others =
        budget_beside(epochs->plan, epochs->device, network_shape(epochs->network), images->count);
    struct loader_options options =
        plan_epoch_loader(epochs->plan, network_shape(epochs->network), images, others);
    options.scaling = result->scaling;
    const struct budget_row scores = budget_scores(result->samples + 1);
    struct buffer *buffer = NULL;
    enum status status = loader_create(epochs->device, &options, &epochs->loader, error);
    if (status == STATUS_OK)
        status = device_allocate(epochs->device, budget_elements(&scores, 0), &buffer, error);
    epochs->scores = device_view(buffer, result->samples + 1, 2);
    const struct budget_row kept = budget_scores(result->samples);
    epochs->pinned = status == STATUS_OK &&
                     device_pin(epochs->device, result->reached.scores, budget_bytes(&kept, 1, 0));
    if (status == STATUS_OK)
        status = make_rates(epochs, error);
    result->streamed = epochs->loader.streamed;
    result->batching += clock_seconds() - start;
    return status;
}

/* Records each step by itself, because sending the batches can't be recorded. A device that does
 * whole steps in a way of its own then does them so, as it does where no batch is sent. It is not
 * done where all steps together would be too many to be recorded, so that wherever the batches are,
 * it is the same. */
static enum status record_each_step(struct epochs *epochs, struct error *error) {
    const size_t batches = epochs->result->batches;
    const size_t operations =
        network_operations(network_shape(epochs->network)) + loader_operations(epochs->plan);
    if (!device_info(epochs->device)->step ||
        batches > device_recordable(epochs->device) / operations)
        return STATUS_OK;
    epochs->steps = calloc(batches, sizeof *epochs->steps);
    if (!epochs->steps)
        return error_memory(error, "the recordings", batches * sizeof *epochs->steps);
    enum status status = STATUS_OK;
    for (size_t b = 0; b < batches && status == STATUS_OK; b++) {
        const struct span samples = computed_samples(epochs, b);
        struct step step = {epochs, b, loader_batch(&epochs->loader, samples.first, samples.count)};
        status = device_record(epochs->device, train_step, &step, &epochs->steps[b], error);
    }
    return status;
}

/* Records the steps of an epoch, and those that are left of one that was interrupted. It is done
 * before the first epoch, so that what a device does once for a recording is not in that epoch's
 * time. */
static enum status record_epoch(struct epochs *epochs, struct error *error) {
    const size_t batches = epochs->result->batches, done = epochs->result->reached.batches_done;
    struct steps all = {epochs, 0, batches, NULL}, rest = {epochs, done, batches - done, NULL};
    const double start = clock_seconds();
    enum status status = epochs->loader.streamed ? record_each_step(epochs, error)
                                                 : device_record(epochs->device, enqueue_steps,
                                                       &all, &epochs->recording, error);
    if (status == STATUS_OK && epochs->recording && done > 0)
        status = device_record(epochs->device, enqueue_steps, &rest, &epochs->rest, error);
    epochs->result->recording = clock_seconds() - start;
    return status;
}

static enum status make_compared(struct epochs *epochs, struct error *error) {
    const size_t bytes = network_length(network_shape(epochs->network)) * sizeof(float);
    epochs->compared = has_ranks(epochs) ? memory_allocate(bytes) : NULL;
    return epochs->compared || !has_ranks(epochs)
               ? STATUS_OK
               : error_memory(error, "the weights that ranks compare", bytes);
}

/* Whether there is an epoch to come: a run that is resumed may have ended, early or not. */
static bool is_to_go_on(const struct epochs *epochs) {
    return validation_end(epochs->plan, &epochs->result->reached) == ENDED_NOT;
}

enum status epochs_prepare(
    struct epochs *epochs, const struct images *images, struct error *error) {
    enum status status = make_batches(epochs, images, error);
    if (status == STATUS_OK)
        status = make_compared(epochs, error);
    return status == STATUS_OK && is_to_go_on(epochs) ? record_epoch(epochs, error) : status;
}

/* --- An epoch --- */

static enum status fetch_scores(
    struct epochs *epochs, const struct steps *steps, struct error *error) {
    const size_t first = samples_in(epochs, steps->first);
    const size_t count = samples_in(epochs, steps->first + steps->count) - first;
    float *scores = epochs->result->reached.scores + 2 * first;
    const enum status status =
        device_download(epochs->device, view_rows(epochs->scores, first, count), scores, error);
    return status == STATUS_OK
               ? share_results(epochs->plan, (struct span){first, count}, 2, scores, error)
               : status;
}

/* Notes the time and the score of an epoch that is done, and moves on to the next one. */
static void end_epoch(struct training_position *reached, struct score score) {
    reached->epochs[reached->epochs_done++] = (struct training_epoch){reached->seconds, score};
    reached->batches_done = reached->samples_done = 0;
    reached->seconds = 0.0;
}

/* Moves result->reached behind these steps, which took `seconds`. STATUS_DIVERGED, without moving
 * it, when a loss is not finite. */
static enum status move_on(
    struct epochs *epochs, const struct steps *steps, double seconds, struct error *error) {
    struct training_result *result = epochs->result;
    struct training_position *reached = &result->reached;
    const size_t batches = steps->first + steps->count, samples = samples_in(epochs, batches);
    struct score score;
    size_t sample;
    if (!score_average(reached->scores, samples, &score, &sample))
        return error_set(error, STATUS_DIVERGED,
            "training diverged: epoch %zu, batch %zu of %zu: the loss is %s; try a smaller "
            "--learning-rate than %g",
            reached->epochs_done + 1, sample / epochs->plan->batch_size + 1, result->batches,
            score_not_finite(reached->scores[2 * sample]), epochs->plan->learning_rate);
    reached->seconds += seconds;
    reached->batches_done = batches;
    reached->samples_done = samples;
    if (batches == result->batches) {
        end_epoch(reached, score);
        result->unfinished = 0.0;
    }
    return STATUS_OK;
}

/* Takes these steps of the next epoch, from a recording if there is one, and waits for their
 * scores. */
static enum status take_steps(struct epochs *epochs, struct steps *steps, struct error *error) {
    enum status status = loader_begin(&epochs->loader, epochs->result->reached.epochs_done, error);
    if (status == STATUS_OK)
        status = send_rates(epochs, error);
    if (status == STATUS_OK)
        status = device_run(epochs->device, steps->first == 0 ? epochs->recording : epochs->rest,
            enqueue_steps, steps, error);
    return status == STATUS_OK ? fetch_scores(epochs, steps, error) : status;
}

/* Runs what is left of an epoch: all of its steps, or only those behind the position at which it
 * was interrupted. */
static enum status run_epoch(struct epochs *epochs, struct error *error) {
    const size_t first = epochs->result->reached.batches_done;
    struct steps steps = {epochs, first, epochs->result->batches - first, epochs->observer};
    const double start = clock_seconds(), before = exchanged_seconds(epochs);
    const enum status status = take_steps(epochs, &steps, error);
    const double seconds = clock_seconds() - start;
    const double exchanged = exchanged_seconds(epochs) - before;
    epochs->result->unfinished += seconds;
    epochs->exchanged += exchanged;
    epochs->computed += seconds - exchanged;
    return status == STATUS_OK ? move_on(epochs, &steps, seconds, error) : status;
}

/* --- The warm-up --- */

struct warm_up {
    const struct training_observer *observer;
    double end; /* on clock_seconds */
};

/* A stop of an observer. */
static bool is_warm(void *context) {
    const struct warm_up *warm_up = context;
    return clock_seconds() >= warm_up->end || observer_stops(warm_up->observer);
}

/* The steps are those that run_epoch will take first, so their scores will be overwritten. */
static enum status warm_up(struct epochs *epochs, const float *parameters, struct error *error) {
    struct warm_up until = {epochs->observer, clock_seconds() + epochs->plan->warm_up};
    const struct training_observer observer = {.context = &until, .stop = is_warm};
    const size_t first = epochs->result->reached.batches_done;
    bool warm;
    enum status status = share_stop(epochs->plan, &observer, &warm, error);
    while (status == STATUS_OK && !warm) {
        struct steps steps = {epochs, first, epochs->result->batches - first, &observer};
        status = take_steps(epochs, &steps, error);
        if (status == STATUS_OK)
            status = network_upload(epochs->network, parameters, error);
        if (status == STATUS_OK)
            status = share_stop(epochs->plan, &observer, &warm, error);
    }
    return status;
}

enum status epochs_warm_up(struct epochs *epochs, struct error *error) {
    if (epochs->plan->warm_up <= 0.0 || !is_to_go_on(epochs))
        return STATUS_OK;
    const double start = clock_seconds();
    const size_t bytes = network_length(network_shape(epochs->network)) * sizeof(float);
    float *parameters = memory_allocate(bytes);
    if (!parameters)
        return error_memory(error, "the weights during the warm-up", bytes);
    enum status status = network_download(epochs->network, parameters, error);
    if (status == STATUS_OK)
        status = warm_up(epochs, parameters, error);
    free(parameters);
    epochs->result->warm_up = clock_seconds() - start;
    return status;
}

/* --- All epochs --- */

/* Compares the parameters of all ranks, which do the same steps. */
static enum status compare(struct epochs *epochs, struct error *error) {
    if (!has_ranks(epochs))
        return STATUS_OK;
    const double start = clock_seconds();
    enum status status = network_download(epochs->network, epochs->compared, error);
    if (status == STATUS_OK)
        status = share_compare(
            epochs->plan, epochs->compared, network_length(network_shape(epochs->network)), error);
    epochs->result->meet += clock_seconds() - start;
    return status;
}

/* Before an epoch: asks whether to stop, for which ranks wait for one another. */
static enum status meet(struct epochs *epochs, bool *stop, struct error *error) {
    const double start = has_ranks(epochs) ? clock_seconds() : 0.0;
    const enum status status = share_stop(epochs->plan, epochs->observer, stop, error);
    if (has_ranks(epochs))
        epochs->result->meet += clock_seconds() - start;
    return status;
}

/* Runs an epoch and its validation, and tells the observer. */
static enum status advance(struct epochs *epochs, double *clocks_read, struct error *error) {
    struct training_result *result = epochs->result;
    const struct training_observer *observer = epochs->observer;
    const size_t epoch = result->reached.epochs_done;
    enum status status = run_epoch(epochs, error);
    if (status != STATUS_OK)
        return status;
    clocks_note(epochs->device, result->reached.epochs_done == epochs->plan->epochs, clocks_read,
        &result->clocks);
    if (result->reached.epochs_done == epoch)
        return STATUS_OK;
    status = compare(epochs, error);
    if (status == STATUS_OK && epochs->validation)
        status = validation_score(epochs->validation, result, error);
    if (status == STATUS_OK && observer && observer->epoch)
        observer->epoch(observer->context, epoch, result);
    return status;
}

enum status epochs_run(struct epochs *epochs, struct error *error) {
    struct training_result *result = epochs->result;
    const struct training_position *reached = &result->reached;
    double clocks_read = 0.0;
    clocks_note(epochs->device, true, &clocks_read, &result->clocks);
    for (;;) {
        result->ended = validation_end(epochs->plan, reached);
        if (result->ended)
            return STATUS_OK;
        bool stop;
        enum status status = meet(epochs, &stop, error);
        if (status == STATUS_OK && stop)
            return error_set(error, STATUS_INTERRUPTED,
                "interrupted in epoch %zu of %zu, after batch %zu of %zu", reached->epochs_done + 1,
                epochs->plan->epochs, reached->batches_done, result->batches);
        if (status == STATUS_OK)
            status = advance(epochs, &clocks_read, error);
        if (status != STATUS_OK)
            return status;
    }
}

void epochs_free(struct epochs *epochs) {
    for (size_t b = 0; epochs->steps && b < epochs->result->batches; b++)
        recording_free(epochs->device, epochs->steps[b]);
    free(epochs->steps);
    recording_free(epochs->device, epochs->recording);
    if (epochs->rest)
        recording_free(epochs->device, epochs->rest);
    if (epochs->pinned)
        device_unpin(epochs->device, epochs->result->reached.scores);
    buffer_free(epochs->scores.buffer);
    buffer_free(epochs->device_rates.buffer);
    free(epochs->rates);
    free(epochs->compared);
    loader_free(&epochs->loader);
}
