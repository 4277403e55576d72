/* trainer: options -> dataset -> device -> network -> training -> record -> what is printed. */
#include "options.h"
#include "progress.h"
#include "system/clock.h"
#include "system/restart.h"
#include "trainer/checkpoint.h"
#include "trainer/record.h"
#include "version.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- What the program can say without training --- */

static void print_entry(void *context, const struct device_entry *entry) {
    (void)context;
    const struct device_info *info = &entry->info;
    if (!entry->available) {
        printf("%-10s  not here: %s\n", entry->spec, entry->reason);
        return;
    }
    printf("%-10s  %s (%s%s%s); %s", entry->spec, info->name, info->type,
        info->vendor[0] ? ", " : "", info->vendor, info->library[0] ? info->library : "no library");
    if (info->kernels[0])
        printf("; kernels: %s", info->kernels);
    if (info->platform[0])
        printf("; driver: %s %s", info->platform, info->driver);
    if (info->memory_bytes > 0)
        printf("; memory: %.1f GiB", (double)info->memory_bytes / (1 << 30));
    if (info->units > 0)
        printf("; %d compute unit%s", info->units, info->units == 1 ? "" : "s");
    if (info->threads > 0)
        printf("; %d thread%s", info->threads, info->threads == 1 ? "" : "s");
    printf("\n");
}

static void print_library(void *context, const struct device_entry *entry) {
    (void)context;
    if (entry->available)
        printf("%-10s  %s\n", entry->spec,
            entry->info.library[0] ? entry->info.library : "no library");
    else
        printf("%-10s  not here: %s\n", entry->spec, entry->reason);
}

static void print_version(void) {
    printf("trainer %s (commit %s)\n%s\n%s\n\n", version_number, version_commit, version_compiler,
        version_flags);
    device_list(print_library, NULL);
}

/* --- A run --- */

struct run {
    const struct options *options;
    struct dataset *dataset;
    struct device *device;
    struct network *network;
    float *parameters; /* on the host: the first, then the last */
    struct training_result result;
    struct record record;
    struct progress progress;
    char warned[sizeof((struct device_info){0}.warning)]; /* the device's last warning */
};

/* The first parameters: from a file, or from the seed. */
static enum status first_parameters(struct run *run, struct error *error) {
    const struct options *options = run->options;
    const size_t length = network_parameters_length(&options->shape);
    run->parameters = malloc(length * sizeof *run->parameters);
    if (!run->parameters)
        return error_memory(error, "the parameters", length * sizeof *run->parameters);
    if (options->init)
        return checkpoint_load(options->init, &options->shape, run->parameters, error);
    network_first_parameters(&options->shape, options->plan.seed, run->parameters);
    return STATUS_OK;
}

static struct device_options device_wanted(const struct options *options) {
    return (struct device_options){.threads = options->threads,
        .gemm = options->gemm,
        .precision = options->precision,
        .submission = options->submission};
}

/* What can be known to fail is tried before anything takes time. */
static enum status check_early(struct run *run, struct error *error) {
    const struct options *options = run->options;
    const struct device_options wanted = device_wanted(options);
    enum status status = device_find(options->device, &wanted, error);
    if (status == STATUS_OK && options->save)
        status = checkpoint_check_path(options->save, error);
    return status == STATUS_OK ? first_parameters(run, error) : status;
}

static enum status load_dataset(struct run *run, struct error *error) {
    const struct options *options = run->options;
    const struct dataset_options wanted = {
        .data = options->data,
        .samples = options->samples,
        .seed = options->plan.seed,
        .threads = options->threads > 0 ? options->threads : host_usable_threads(),
    };
    const enum status status = dataset_load(&wanted, &run->dataset, error);
    if (status == STATUS_OK && !run->dataset->path[0] && !options->data && !options->quiet)
        fprintf(stderr, "trainer: no CIFAR-10 files found, so this is the built-in synthetic set; "
                        "tools/fetch-cifar10 fetches the real one\n");
    return status;
}

/* Passes a warning of the device on, once. */
static void warn(struct run *run) {
    const char *warning = device_info(run->device)->warning;
    if (!run->options->quiet && warning[0] && strcmp(warning, run->warned) != 0)
        fprintf(stderr, "trainer: warning: %s\n", warning);
    memcpy(run->warned, warning, sizeof run->warned);
}

/* Says which device it is, for the record and where that was not asked for. */
static void introduce(struct run *run) {
    const struct device_info *info = device_info(run->device);
    run->record.commit = version_commit;
    run->record.spec = run->options->device;
    run->record.device = info;
    if (!run->options->quiet && strcmp(run->options->device, "auto") == 0)
        fprintf(stderr, "trainer: --device auto takes %s%s%s\n", info->kind,
            info->passed_over[0] ? ", because " : "", info->passed_over);
    warn(run);
}

/* Everything that a device does once: opening, the self-check, the network's memory. */
static enum status open_device(struct run *run, struct error *error) {
    const struct options *options = run->options;
    const double start = clock_seconds();
    const struct device_options wanted = device_wanted(options);
    enum status status = device_open(options->device, &wanted, &run->device, error);
    if (status == STATUS_OK)
        status = training_check(run->device, &options->shape, run->dataset, &options->plan, error);
    if (status == STATUS_OK)
        status = network_create(
            run->device, &options->shape, options->plan.batch_size, &run->network, error);
    if (status == STATUS_OK)
        status = network_upload(run->network, run->parameters, error);
    run->record.open = clock_seconds() - start;
    if (status == STATUS_OK)
        introduce(run);
    return status;
}

static void on_batch(void *context, size_t epoch, size_t batch, size_t batches) {
    struct run *run = context;
    progress_show(&run->progress, epoch, batch, batches);
}

static void on_epoch(void *context, size_t epoch, const struct training_epoch *result) {
    struct run *run = context;
    progress_hide(&run->progress);
    if (run->options->format == FORMAT_TABLE) {
        record_print_epoch(epoch, result, stdout);
        fflush(stdout);
    }
    progress_show(&run->progress, epoch + 1, 0, 1);
}

static enum status train(struct run *run, struct error *error) {
    const struct options *options = run->options;
    struct record *record = &run->record;
    record->shape = &options->shape;
    record->plan = &options->plan;
    record->dataset = run->dataset;
    record->result = &run->result;
    if (options->format == FORMAT_TABLE) {
        const char *no_color = getenv("NO_COLOR");
        record_print_head(record, isatty(STDOUT_FILENO) && !(no_color && *no_color), stdout);
        fflush(stdout);
    }
    const struct training_observer observer = {run, on_batch, on_epoch};
    progress_begin(&run->progress, stderr, options->quiet, options->plan.epochs);
    progress_show(&run->progress, 0, 0, 1);
    const enum status status =
        training_run(run->network, run->dataset, &options->plan, &observer, &run->result, error);
    progress_hide(&run->progress);
    warn(run);
    record->status = status == STATUS_OK ? "complete" : "diverged";
    return status;
}

static enum status save(struct run *run, struct error *error) {
    if (!run->options->save)
        return STATUS_OK;
    const enum status status = network_download(run->network, run->parameters, error);
    return status == STATUS_OK
               ? checkpoint_save(run->options->save, &run->options->shape, run->parameters, error)
               : status;
}

static enum status print_record(const struct run *run, struct error *error) {
    bool written = true;
    switch (run->options->format) {
    case FORMAT_TABLE:
        record_print_summary(&run->record, stdout);
        break;
    case FORMAT_JSON:
        written = record_write_json(&run->record, stdout);
        break;
    case FORMAT_CSV:
        written = record_write_csv(&run->record, stdout);
        break;
    case FORMAT_MARKDOWN:
        written = record_write_markdown(&run->record, stdout);
        break;
    }
    return written ? STATUS_OK : error_set(error, STATUS_FAILED, "can't write the record");
}

static enum status run_all(struct run *run, struct error *error) {
    const double start = clock_seconds();
    record_stamp(&run->record);
    enum status status = check_early(run, error);
    run->record.setup = clock_seconds() - start;
    if (status == STATUS_OK)
        status = load_dataset(run, error);
    if (status == STATUS_OK)
        status = open_device(run, error);
    if (status == STATUS_OK)
        status = train(run, error);
    if (status != STATUS_OK && status != STATUS_DIVERGED)
        return status;
    run->record.wall = clock_seconds() - start;
    /* What was measured is told, whatever becomes of the weights. */
    struct error unwritten;
    const enum status printed = print_record(run, status == STATUS_OK ? error : &unwritten);
    if (status == STATUS_OK)
        status = save(run, error);
    return status == STATUS_OK ? printed : status;
}

static enum status measure_peak(struct run *run, struct error *error) {
    const struct options *options = run->options;
    const struct device_options wanted = device_wanted(options);
    struct device_peak peak;
    record_stamp(&run->record);
    enum status status = device_find(options->device, &wanted, error);
    if (status == STATUS_OK)
        status = device_open(options->device, &wanted, &run->device, error);
    if (status != STATUS_OK)
        return status;
    introduce(run);
    status = device_measure_peak(run->device, &peak, error);
    if (status != STATUS_OK)
        return status;
    if (options->format == FORMAT_TABLE)
        record_print_peak(&run->record, &peak, stdout);
    else if (!record_write_peak_json(&run->record, &peak, stdout))
        return error_set(error, STATUS_FAILED, "can't write the record");
    return STATUS_OK;
}

static enum status run_options(const struct options *options, struct error *error) {
    struct run run = {.options = options};
    const enum status status =
        options->action == ACTION_PEAK ? measure_peak(&run, error) : run_all(&run, error);
    training_result_free(&run.result);
    network_free(run.network);
    device_close(run.device);
    dataset_free(run.dataset);
    free(run.parameters);
    return status;
}

int main(int argc, char **argv) {
    struct options options;
    struct error error = {0};
    enum status status = options_parse(argc, argv, &options, &error);
    if (status == STATUS_OK) {
        const char *value, *name = device_environment(options.device, &value);
        if (name)
            restart_with(name, value, argv); /* or else the device warns */
        switch (options.action) {
        case ACTION_HELP:
            options_print_help(stdout);
            break;
        case ACTION_VERSION:
            print_version();
            break;
        case ACTION_LIST_DEVICES:
            device_list(print_entry, NULL);
            break;
        case ACTION_TRAIN:
        case ACTION_PEAK:
            status = run_options(&options, &error);
            break;
        }
    }
    errno = 0;
    const bool printed = fflush(stdout) == 0 && !ferror(stdout);
    if (status == STATUS_OK && !printed)
        status = error_set(&error, STATUS_FAILED, "can't write standard output%s%s",
            errno ? ": " : "", errno ? strerror(errno) : "");
    if (status != STATUS_OK)
        fprintf(stderr, "trainer: %s\n", error.message);
    return status;
}
