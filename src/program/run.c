#include "program/run.h"

#include "program/environment.h"
#include "program/interrupt.h"
#include "program/message.h"
#include "program/quote.h"
#include "program/ranks.h"
#include "program/version.h"
#include "system/clock.h"
#include "system/locale.h"
#include "system/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* --- Beginning --- */

/* What the run asks of its device. A run that continues multiplies matrices with the same
 * algorithms as before. */
static struct device_options device_wanted(const struct run *run) {
    const struct options *options = run->options;
    return (struct device_options){.threads = options->threads,
        .gemm = options->gemm,
        .precision = options->precision,
        .step = options->step,
        .submission = options->submission,
        .communicator = run->communicator,
        .exchange = options->exchange,
        .choices = run->resumed ? checkpoint_setting(run->resumed, CHECKPOINT_CHOICES) : NULL};
}

/* The number of images of both sets together. */
static size_t count_images(const struct options *options) {
    const size_t limit = options_images(options);
    return limit + (limit < CIFAR10_TEST ? limit : CIFAR10_TEST);
}

void run_note_start(struct run *run) {
    run->mask = umask(077); /* a process can ask for its umask only by setting it */
    umask(run->mask);
    run->begun = clock_seconds();
}

enum status run_begin(struct run *run, struct error *error) {
    const struct options *options = run->options;
    run->variables = device_variables();
    if (!run->variables)
        return error_memory(error, "the environment", 0);
    run->record.variables = run->variables;
    record_stamp(&run->record);
    environment_set(options->device);
    const struct device_options wanted = device_wanted(run);
    enum status status = ranks_check_options(run->communicator, options, error);
    if (status == STATUS_OK)
        status = device_find(options->device, &wanted, error);
    if (status == STATUS_OK && options->action == ACTION_TRAIN)
        status = training_check_host(&options->shape, &cifar10_format, count_images(options),
            communicator_info(run->communicator)->local_ranks, error);
    run->record.setup = clock_seconds() - run->begun;
    return status;
}

/* --- Data set, device, network --- */

/* Fills the record's fingerprint. Its time counts as setup, because it is no part of the loading
 * that records compare. */
static void identify_dataset(struct run *run) {
    const double start = clock_seconds();
    snprintf(run->record.fingerprint, sizeof run->record.fingerprint, "%016" PRIx64,
        dataset_fingerprint(run->dataset));
    run->record.setup += clock_seconds() - start;
}

enum status run_load_dataset(struct run *run, struct error *error) {
    const struct options *options = run->options;
    const struct dataset_options wanted = {
        .data = options->data,
        .samples = options->samples,
        .seed = options->plan.seed,
        .threads = options->threads > 0 ? options->threads : host_usable_threads(),
    };
    const enum status status = options->dry_run ? dataset_plan(&wanted, &run->dataset, error)
                                                : dataset_load(&wanted, &run->dataset, error);
    if (status != STATUS_OK)
        return status;
    run_print_synthetic(run);
    if (!options->dry_run)
        identify_dataset(run);
    if (options->plan.validation > 0)
        dataset_hold_back(run->dataset, options->plan.validation);
    return STATUS_OK;
}

enum status run_compare_dataset(struct run *run, struct error *error) {
    return ranks_compare_data(run->communicator, run->record.fingerprint, error);
}

enum status run_open_device(struct run *run, struct error *error) {
    const double start = clock_seconds();
    const struct device_options wanted = device_wanted(run);
    const enum status status = device_open(run->options->device, &wanted, &run->device, error);
    run->record.open = clock_seconds() - start;
    if (status != STATUS_OK)
        return status;
    run->record.commit = version_commit;
    run->record.spec = run->options->device;
    run->record.device = device_info(run->device);
    return STATUS_OK;
}

enum status run_compare_device(struct run *run, struct error *error) {
    return ranks_compare_device(run->communicator, device_info(run->device), error);
}

enum status run_join_device(struct run *run, struct error *error) {
    const double start = clock_seconds();
    const enum status status =
        device_join(run->device, network_parameters_length(&run->options->shape), error);
    run->record.open += clock_seconds() - start;
    /* Once devices have joined, others may wait for this one on their GPUs. */
    run->failed_alone = status != STATUS_OK && device_info(run->device)->exchanges;
    return status == STATUS_OK
               ? ranks_check_transport(run->options, device_info(run->device), error)
               : status;
}

enum status run_create_network(struct run *run, struct error *error) {
    const struct options *options = run->options;
    const struct training_plan *plan = &options->plan;
    const double start = clock_seconds();
    run->record.memory = training_memory(run->device, &options->shape, run->dataset, plan);
    enum status status = training_check(run->device, &options->shape, run->dataset, plan, error);
    if (status == STATUS_OK)
        status = network_create(
            run->device, &options->shape, training_share(plan), &run->network, error);
    if (status == STATUS_OK && !options->dry_run)
        status = network_upload(run->network, run->parameters, error);
    run->record.open += clock_seconds() - start;
    return status;
}

/* --- Training --- */

enum status run_plan(struct run *run, struct error *error) {
    const struct options *options = run->options;
    struct record *record = &run->record;
    run_print_choice(run);
    run_print_warning(run);
    if (options->checkpoint && !options->dry_run) {
        const enum status status = run_describe(run, error);
        if (status != STATUS_OK)
            return status;
    }
    interrupt_defer();
    record->shape = &options->shape;
    record->plan = &options->plan;
    record->dataset = run->dataset;
    record->resumed = run->resumed ? &run->start : NULL;
    record->result = &run->result;
    record->status = "planned";
    run->result.streamed = record->memory.streamed;
    run_print_plan(run);
    return STATUS_OK;
}

static void on_batch(void *context, size_t epoch, size_t batch, size_t batches) {
    struct run *run = context;
    progress_show(&run->progress, epoch, batch, batches);
}

/* Writes an epoch to the log. Of lines that can't be written, the first is a warning. */
static void write_log(struct run *run, size_t epoch) {
    const int before = run->log.unwritten;
    if (!run->log.path)
        return;
    const double start = clock_seconds();
    log_write(&run->log, &run->record, epoch);
    if (run->log.unwritten != before)
        message_print("warning: --log %s: no line of epoch %zu: %s", run->log.path, epoch + 1,
            locale_reason(run->log.unwritten));
    run->record.checkpoint += clock_seconds() - start;
}

static void on_epoch(void *context, size_t epoch, const struct training_result *result) {
    struct run *run = context;
    const struct options *options = run->options;
    struct error error;
    progress_hide(&run->progress);
    (void)result; /* it is run->result */
    run_print_epoch(run, epoch);
    write_log(run, epoch);
    /* A checkpoint that fails is only a warning: the disk may have room again after the next epoch.
     * Only the last one counts. */
    if (((epoch + 1) % options->checkpoint_every == 0 || epoch + 1 == options->plan.epochs) &&
        run_save_checkpoint(run, &error) != STATUS_OK)
        message_print("warning: no checkpoint after epoch %zu: %s", epoch + 1, error.message);
    progress_show(&run->progress, epoch + 1, 0, 1);
}

/* Whether the training shall stop: a signal asks for it; or its output can't be written, and it
 * keeps no file either, so nothing would be left of it. */
static bool is_to_stop(void *context) {
    const struct run *run = context;
    return interrupt_signal() != 0 ||
           (run->output.unprinted != 0 && !run->options->save && !run->options->checkpoint);
}

static void begin_progress(struct run *run) {
    const struct training_plan *plan = &run->options->plan;
    const struct training_position *start = &run->start;
    const size_t batches = training_batches(plan, run->dataset->train.count);
    const double done = (double)start->epochs_done + (double)start->batches_done / (double)batches;
    progress_begin(&run->progress, stderr, run->options->quiet, done, plan->epochs);
    progress_show(&run->progress, start->epochs_done, start->batches_done, batches);
}

/* Writes the last checkpoint of a training that ended with `status`. To the error of an interrupted
 * one it adds how to continue. Returns `status`, or the status of writing if that failed. */
static enum status keep_last(struct run *run, enum status status, struct error *error) {
    struct error failure;
    quoted_text quoted;
    const char *checkpoint = run->options->checkpoint;
    if (status != STATUS_OK && status != STATUS_INTERRUPTED)
        return status;
    const enum status kept = run_save_last_checkpoint(run, status, &failure);
    if (kept != STATUS_OK) {
        if (status == STATUS_INTERRUPTED)
            text_append(failure.message, sizeof failure.message, "; %s", error->message);
        *error = failure;
        return kept;
    }
    if (status == STATUS_INTERRUPTED)
        text_append(error->message, sizeof error->message, "; %s%s",
            checkpoint ? "go on with --resume " : "without --checkpoint, nothing of it is kept",
            checkpoint ? quote(checkpoint, quoted) : "");
    return status;
}

/* Whether all ranks know of a training's end. */
static bool is_common(const struct run *run, enum status status) {
    return status == STATUS_OK || status == STATUS_DIVERGED || status == STATUS_INTERRUPTED ||
           communicator_agreed(run->communicator);
}

enum status run_train(struct run *run, struct error *error) {
    const struct training_observer observer = {run, on_batch, on_epoch, is_to_stop};
    if (run->options->dry_run)
        return STATUS_OK;
    begin_progress(run);
    enum status status = training_run(run->network, run->dataset, &run->options->plan, &run->start,
        &observer, &run->result, error);
    progress_hide(&run->progress);
    run_print_warning(run);
    run->failed_alone = !is_common(run, status);
    run->signal = interrupt_signal();
    if (status == STATUS_INTERRUPTED &&
        communicator_most(run->communicator, interrupt_signal(), &run->signal, error) != STATUS_OK)
        run->failed_alone = true;
    run->record.status = status == STATUS_OK            ? "complete"
                         : status == STATUS_DIVERGED    ? "diverged"
                         : status == STATUS_INTERRUPTED ? "interrupted"
                                                        : NULL;
    const enum status kept = keep_last(run, status, error);
    if (kept == STATUS_DIVERGED) /* perhaps by the last step, after which no loss was computed */
        run->record.status = "diverged";
    return kept;
}

/* --- The end --- */

enum status run_conclude(struct run *run, enum status status, struct error *error) {
    struct record *record = &run->record;
    struct error later;
    if (!record->status)
        return status;
    record->wall = clock_seconds() - run->begun;
    const enum status printed = run_print_record(run, status == STATUS_OK ? error : &later);
    status = status == STATUS_OK ? printed : status;
    if (strcmp(record->status, "complete") != 0)
        return status;
    const enum status saved = run_save_weights(run, status == STATUS_OK ? error : &later);
    /* This error may say where the weights are instead. */
    if (status != STATUS_OK && saved != STATUS_OK)
        text_append(error->message, sizeof error->message, "; %s", later.message);
    status = status == STATUS_OK ? saved : status;
    const enum status logged = log_close(&run->log, status == STATUS_OK ? error : &later);
    return status == STATUS_OK ? logged : status;
}

enum status run_agree(struct run *run, enum status status, struct error *error) {
    if (run->failed_alone || !run->communicator)
        return status;
    const double start = clock_seconds();
    status = communicator_agree(run->communicator, status, error);
    run->record.meet += clock_seconds() - start;
    return status;
}

enum status run_measure_peak(struct run *run, struct error *error) {
    struct device_peak peak;
    run_print_choice(run);
    run_print_warning(run);
    const enum status status = device_measure_peak(run->device, &peak, error);
    return status == STATUS_OK ? run_print_peak(run, &peak, error) : status;
}

void run_free(struct run *run) {
    training_result_free(&run->result);
    training_position_free(&run->start);
    run_close_files(run);
    (void)log_close(&run->log, NULL);
    network_free(run->network);
    device_close(run->device);
    dataset_free(run->dataset);
    checkpoint_close(run->resumed);
    device_variables_free(run->variables);
    free(run->parameters);
}
