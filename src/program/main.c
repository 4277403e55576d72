/* trainer: options -> dataset -> device -> network -> training -> record -> what is printed. */
#include "program/inform.h"
#include "program/interrupt.h"
#include "program/message.h"
#include "program/quote.h"
#include "program/run.h"
#include "program/terminal.h"
#include "program/version.h"
#include "system/clock.h"
#include "system/locale.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- Setting up --- */

/* What the libraries of a device read when it is opened, or those of all when they are named. There
 * is one thread yet. */
static void set_environment(const char *device) {
    const char *name, *value;
    while ((name = device_environment(device, &value)) && setenv(name, value, 1) == 0)
        continue;
}

/* A run that goes on multiplies matrices as it did. */
static struct device_options device_wanted(const struct run *run) {
    const struct options *options = run->options;
    return (struct device_options){.threads = options->threads,
        .gemm = options->gemm,
        .precision = options->precision,
        .submission = options->submission,
        .choices = run->resumed ? checkpoint_setting(run->resumed, CHECKPOINT_CHOICES) : NULL};
}

/* Of the training and the test set. */
static size_t count_images(const struct options *options) {
    const size_t limit = options->samples > 0 ? options->samples : CIFAR10_TRAIN;
    return (limit < CIFAR10_TRAIN ? limit : CIFAR10_TRAIN) +
           (limit < CIFAR10_TEST ? limit : CIFAR10_TEST);
}

/* It takes a moment, which is no part of the loading that is compared. */
static void identify_dataset(struct run *run) {
    const double start = clock_seconds();
    snprintf(run->record.fingerprint, sizeof run->record.fingerprint, "%016" PRIx64,
        dataset_fingerprint(run->dataset));
    run->record.setup += clock_seconds() - start;
}

static enum status load_dataset(struct run *run, struct error *error) {
    const struct options *options = run->options;
    const struct dataset_options wanted = {
        .data = options->data,
        .samples = options->samples,
        .seed = options->plan.seed,
        .threads = options->threads > 0 ? options->threads : host_usable_threads(),
    };
    const enum status status = options->dry_run ? dataset_plan(&wanted, &run->dataset, error)
                                                : dataset_load(&wanted, &run->dataset, error);
    if (status == STATUS_OK && !run->dataset->path[0] && !options->data && !options->quiet)
        message_print("no CIFAR-10 files found, so this is the built-in synthetic set; "
                      "tools/fetch-cifar10 fetches the real one");
    if (status == STATUS_OK && !options->dry_run)
        identify_dataset(run);
    return status;
}

/* Passes a warning of the device on, once. */
static void warn(struct run *run) {
    const char *warning = device_info(run->device)->warning;
    if (!run->options->quiet && warning[0] && strcmp(warning, run->warned) != 0)
        message_print("warning: %s", warning);
    memcpy(run->warned, warning, sizeof run->warned);
}

/* Says which device a choice came to, and a line for each kind that it passed over. */
static void tell_choice(const char *device, const struct device_info *info) {
    if (strcmp(device, "auto") != 0 && strcmp(device, "gpu") != 0)
        return;
    char lines[sizeof info->passed_over], *rest;
    memcpy(lines, info->passed_over, sizeof lines);
    for (char *line = strtok_r(lines, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        message_print("not %s", line);
    message_print("--device %s takes %s%s", device, info->kind,
        info->passed_over[0] ? "; --list-devices says more of the others" : "");
}

/* Says which device it is, for the record and where that was not asked for. */
static void introduce(struct run *run) {
    const struct device_info *info = device_info(run->device);
    run->record.commit = version_commit;
    run->record.spec = run->options->device;
    run->record.device = info;
    if (!run->options->quiet)
        tell_choice(run->options->device, info);
    warn(run);
}

/* Everything that a device does once: opening, the self-check, the network's memory. */
static enum status open_device(struct run *run, struct error *error) {
    const struct options *options = run->options;
    const struct training_plan *plan = &options->plan;
    const double start = clock_seconds();
    const struct device_options wanted = device_wanted(run);
    enum status status = device_open(options->device, &wanted, &run->device, error);
    if (status == STATUS_OK)
        run->record.memory = training_memory(run->device, &options->shape, run->dataset, plan);
    if (status == STATUS_OK)
        status = training_check(run->device, &options->shape, run->dataset, plan, error);
    if (status == STATUS_OK)
        status =
            network_create(run->device, &options->shape, plan->batch_size, &run->network, error);
    if (status == STATUS_OK && !options->dry_run)
        status = network_upload(run->network, run->parameters, error);
    run->record.open = clock_seconds() - start;
    if (status == STATUS_OK)
        introduce(run);
    return status;
}

/* --- Training --- */

static void on_batch(void *context, size_t epoch, size_t batch, size_t batches) {
    struct run *run = context;
    progress_show(&run->progress, epoch, batch, batches);
}

static void on_epoch(void *context, size_t epoch, const struct training_result *result) {
    struct run *run = context;
    const struct options *options = run->options;
    struct error error;
    progress_hide(&run->progress);
    if (options->format == FORMAT_TABLE) {
        record_print_epoch(epoch, &result->reached.epochs[epoch], run->output->file);
        output_flush(run->output);
    }
    /* A disk may have room again after the next epoch; the last one counts. */
    if (((epoch + 1) % options->checkpoint_every == 0 || epoch + 1 == options->plan.epochs) &&
        run_save_checkpoint(run, &error) != STATUS_OK)
        message_print("warning: no checkpoint after epoch %zu: %s", epoch + 1, error.message);
    progress_show(&run->progress, epoch + 1, 0, 1);
}

/* When it is told to; or when nobody reads what it prints, and nothing else would be left of it. */
static bool is_to_stop(void *context) {
    const struct run *run = context;
    return interrupt_signal() != 0 ||
           (run->output->unprinted != 0 && !run->options->save && !run->options->checkpoint);
}

static void print_head(struct run *run) {
    const char *no_color = getenv("NO_COLOR");
    FILE *file = run->output->file;
    record_print_plan(&run->record, file);
    if (!run->options->dry_run)
        record_print_epochs_head(
            terminal_has_codes(run->output->descriptor) && !(no_color && *no_color), file);
    for (size_t e = 0; e < run->start.epochs_done && !run->options->dry_run; e++)
        record_print_epoch(e, &run->start.epochs[e], file);
    output_flush(run->output);
}

/* What is known of the run before it is trained. */
static void plan_record(struct run *run) {
    struct record *record = &run->record;
    record->shape = &run->options->shape;
    record->plan = &run->options->plan;
    record->dataset = run->dataset;
    record->resumed = run->resumed ? &run->start : NULL;
    record->result = &run->result;
    record->status = "planned";
    run->result.streamed = record->memory.streamed;
    if (run->options->format == FORMAT_TABLE)
        print_head(run);
}

static void begin_progress(struct run *run) {
    const struct training_plan *plan = &run->options->plan;
    const struct training_position *start = &run->start;
    const size_t batches = training_batches(plan, run->dataset->train.count);
    const double done = (double)start->epochs_done + (double)start->batches_done / (double)batches;
    progress_begin(&run->progress, stderr, run->options->quiet, done, plan->epochs);
    progress_show(&run->progress, start->epochs_done, start->batches_done, batches);
}

static enum status train(struct run *run, struct error *error) {
    const struct options *options = run->options;
    const struct training_observer observer = {run, on_batch, on_epoch, is_to_stop};
    begin_progress(run);
    const enum status status = training_run(
        run->network, run->dataset, &options->plan, &run->start, &observer, &run->result, error);
    progress_hide(&run->progress);
    warn(run);
    run->record.status = status == STATUS_OK         ? "complete"
                         : status == STATUS_DIVERGED ? "diverged"
                                                     : "interrupted";
    return status;
}

/* What a record_write_... said; errno was 0 before. */
static enum status check_written(bool written, struct error *error) {
    return written ? STATUS_OK
                   : error_set(error, STATUS_FAILED, "can't write the record%s%s",
                         errno ? ": " : "", errno ? locale_reason(errno) : "");
}

static enum status print_record(const struct run *run, struct error *error) {
    FILE *file = run->output->file;
    bool written = true;
    errno = 0;
    switch (run->options->format) {
    case FORMAT_TABLE:
        if (!run->options->dry_run)
            record_print_summary(&run->record, file);
        break;
    case FORMAT_JSON:
        written = record_write_json(&run->record, file);
        break;
    case FORMAT_CSV:
        written = record_write_csv(&run->record, file);
        break;
    case FORMAT_MARKDOWN:
        written = record_write_markdown(&run->record, file);
        break;
    }
    const enum status status = check_written(written, error);
    output_flush(run->output);
    return status;
}

/* --- The run, from options to record --- */

static void add_to(struct error *error, const char *text, const char *more) {
    const size_t length = strlen(error->message);
    snprintf(error->message + length, sizeof error->message - length, "%.200s%.1500s", text, more);
}

/* Keeps and tells what came of the training, whatever becomes of each: the checkpoint, the record,
 * the weights. `status` is the training's; the first thing that failed is the error. */
static enum status conclude(
    struct run *run, double start, enum status status, struct error *error) {
    struct error later;
    quoted_text checkpoint;
    const struct options *options = run->options;
    const enum status kept =
        status == STATUS_DIVERGED ? STATUS_OK : run_save_last_checkpoint(run, status, &later);
    if (kept != STATUS_OK) {
        if (status == STATUS_INTERRUPTED)
            add_to(&later, "; ", error->message);
        *error = later;
    } else if (status == STATUS_INTERRUPTED) {
        add_to(error, options->checkpoint ? "; go on with --resume " : "; without --checkpoint, ",
            options->checkpoint ? quote(options->checkpoint, checkpoint) : "nothing of it is kept");
    }
    if (kept == STATUS_DIVERGED) /* by its last step, which no loss has seen */
        run->record.status = "diverged";
    status = kept != STATUS_OK ? kept : status;
    run->record.wall = clock_seconds() - start;
    const enum status printed = print_record(run, status == STATUS_OK ? error : &later);
    status = status == STATUS_OK ? printed : status;
    if (strcmp(run->record.status, "complete") != 0)
        return status;
    const enum status saved = run_save_weights(run, status == STATUS_OK ? error : &later);
    if (status != STATUS_OK && saved != STATUS_OK) /* which may say where they are instead */
        add_to(error, "; ", later.message);
    return status == STATUS_OK ? saved : status;
}

static enum status run_all(struct run *run, struct error *error) {
    const struct options *options = run->options;
    const double start = clock_seconds();
    record_stamp(&run->record);
    set_environment(options->device);
    const struct device_options wanted = device_wanted(run);
    /* What can be known to fail is tried before anything takes time. */
    enum status status = device_find(options->device, &wanted, error);
    if (status == STATUS_OK)
        status = training_check_host(&options->shape, count_images(options), error);
    if (status == STATUS_OK)
        status = run_begin_files(run, error);
    run->record.setup = clock_seconds() - start;
    if (status == STATUS_OK)
        status = load_dataset(run, error);
    if (status == STATUS_OK)
        status = open_device(run, error);
    if (status == STATUS_OK && options->checkpoint && !options->dry_run)
        status = run_describe(run, error);
    if (status != STATUS_OK)
        return status;
    interrupt_defer();
    plan_record(run);
    if (options->dry_run) {
        run->record.wall = clock_seconds() - start;
        return print_record(run, error);
    }
    status = train(run, error);
    const bool told =
        status == STATUS_OK || status == STATUS_DIVERGED || status == STATUS_INTERRUPTED;
    return told ? conclude(run, start, status, error) : status;
}

static enum status measure_peak(struct run *run, struct error *error) {
    const struct options *options = run->options;
    const struct device_options wanted = device_wanted(run);
    struct device_peak peak;
    record_stamp(&run->record);
    set_environment(options->device);
    enum status status = device_find(options->device, &wanted, error);
    if (status == STATUS_OK)
        status = device_open(options->device, &wanted, &run->device, error);
    if (status != STATUS_OK)
        return status;
    introduce(run);
    status = device_measure_peak(run->device, &peak, error);
    if (status != STATUS_OK)
        return status;
    errno = 0;
    if (options->format == FORMAT_JSON)
        return check_written(record_write_peak_json(&run->record, &peak, run->output->file), error);
    record_print_peak(&run->record, &peak, run->output->file);
    return STATUS_OK;
}

static enum status run_options(const struct options *options, struct checkpoint *resumed,
    struct output *output, struct error *error) {
    struct run run = {.options = options, .resumed = resumed, .output = output};
    run.mask = umask(077); /* there is no other way to ask for it */
    umask(run.mask);
    char **variables = device_variables(); /* as the user has set them */
    if (!variables)
        return error_memory(error, "the environment", 0);
    run.record.variables = variables;
    enum status status =
        options->action == ACTION_PEAK ? measure_peak(&run, error) : run_all(&run, error);
    /* It ended because nobody reads what it prints, and not by a signal. */
    if (status == STATUS_INTERRUPTED && interrupt_signal() == 0)
        status = output_check(output, error);
    training_result_free(&run.result);
    training_position_free(&run.start);
    run_end_files(&run);
    network_free(run.network);
    device_close(run.device);
    dataset_free(run.dataset);
    device_variables_free(variables);
    free(run.parameters);
    return status;
}

/* --- The program --- */

/* A file that is opened must not become what is printed to. Where standard output was closed,
 * writing to it fails, as it should. */
static void fill_standard_streams(void) {
    for (int descriptor = open("/dev/null", O_RDONLY); descriptor >= 0;
        descriptor = open("/dev/null", O_RDONLY))
        if (descriptor > STDERR_FILENO) {
            close(descriptor);
            break;
        }
}

static enum status perform(const struct options *options, struct checkpoint *resumed,
    struct output *output, struct error *error) {
    switch (options->action) {
    case ACTION_HELP:
        options_print_help(output->file);
        return STATUS_OK;
    case ACTION_VERSION:
        set_environment(NULL);
        inform_version(output->file);
        return STATUS_OK;
    case ACTION_LIST_DEVICES:
        set_environment("auto");
        inform_devices(output->file);
        return STATUS_OK;
    case ACTION_TRAIN:
    case ACTION_PEAK:
        return run_options(options, resumed, output, error);
    }
    return STATUS_OK;
}

int main(int argc, char **argv) {
    struct options options;
    struct checkpoint *resumed = NULL;
    struct error error = {0};
    struct output output;
    fill_standard_streams();
    interrupt_catch();
    (void)locale_begin(); /* to the end, whatever a library sets for the process */
    enum status status = output_begin(&output, &error);
    if (status == STATUS_OK)
        status = options_parse(argc, argv, &options, &error);
    if (status == STATUS_OK && options.resume && options.action == ACTION_TRAIN) {
        status = checkpoint_open(options.resume, &resumed, &error);
        if (status == STATUS_OK)
            status = options_restore(&options, resumed, &error);
    }
    if (status == STATUS_OK) {
        struct error unprinted;
        status = perform(&options, resumed, &output, &error);
        const enum status printed =
            output_check(&output, status == STATUS_OK ? &error : &unprinted);
        status = status == STATUS_OK ? printed : status;
    }
    output_end(&output);
    checkpoint_close(resumed);
    if (status != STATUS_OK)
        message_print("%s", error.message);
    return status == STATUS_INTERRUPTED ? 128 + interrupt_signal() : (int)status;
}
