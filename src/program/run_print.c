/* Prints what a run has to say: notes on standard error, and a table or the record on standard
 * output. */
#include "program/message.h"
#include "program/run.h"
#include "program/terminal.h"

#include <stdlib.h>
#include <string.h>

/* --- Notes --- */

void run_print_warning(struct run *run) {
    const char *warning = device_info(run->device)->warning;
    if (!run->options->quiet && warning[0] && strcmp(warning, run->warned) != 0)
        message_print("warning: %s", warning);
    memcpy(run->warned, warning, sizeof run->warned);
}

void run_print_choice(struct run *run) {
    const char *device = run->options->device;
    const struct device_info *info = device_info(run->device);
    if (run->options->quiet || !options_choose_device(run->options))
        return;
    char lines[sizeof info->passed_over], *rest;
    memcpy(lines, info->passed_over, sizeof lines);
    for (char *line = strtok_r(lines, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        message_print("not %s", line);
    message_print("--device %s takes %s%s", device, info->kind,
        info->passed_over[0] ? "; --list-devices says more of the others" : "");
}

void run_print_synthetic(struct run *run) {
    const struct options *options = run->options;
    if (!run->dataset->path[0] && !options->data && !options->quiet)
        message_print("no CIFAR-10 files found, so this is the built-in synthetic set; "
                      "tools/fetch-cifar10 fetches the real one");
}

/* --- The table, as the run goes on --- */

static void print_epoch(const struct training_position *position, size_t epoch, FILE *file) {
    record_print_epoch(epoch, &position->epochs[epoch],
        epoch < position->validated ? &position->validations[epoch] : NULL, file);
}

void run_print_plan(struct run *run) {
    const char *no_color = getenv("NO_COLOR");
    FILE *file = run->output.file;
    if (run->options->format != FORMAT_TABLE)
        return;
    record_print_plan(&run->record, file);
    if (!run->options->dry_run)
        record_print_epochs_head(
            terminal_has_codes(run->output.descriptor) && !(no_color && *no_color),
            run->options->plan.validation > 0, file);
    for (size_t e = 0; e < run->start.epochs_done && !run->options->dry_run; e++)
        print_epoch(&run->start, e, file);
    output_flush(&run->output);
}

void run_print_epoch(struct run *run, size_t epoch) {
    if (run->options->format != FORMAT_TABLE)
        return;
    print_epoch(&run->result.reached, epoch, run->output.file);
    output_flush(&run->output);
}

/* --- The record --- */

enum status run_print_record(struct run *run, struct error *error) {
    const struct record *record = &run->record;
    FILE *file = run->output.file;
    enum status status = STATUS_OK;
    switch (run->options->format) {
    case FORMAT_TABLE:
        if (!run->options->dry_run)
            record_print_summary(record, file);
        break;
    case FORMAT_JSON:
        status = record_write_json(record, file, error);
        break;
    case FORMAT_CSV:
        status = record_write_csv(record, file, error);
        break;
    case FORMAT_MARKDOWN:
        status = record_write_markdown(record, file, error);
        break;
    }
    output_flush(&run->output);
    return status;
}

enum status run_print_peak(struct run *run, const struct device_peak *peak, struct error *error) {
    FILE *file = run->output.file;
    if (run->options->format == FORMAT_JSON)
        return record_write_peak_json(&run->record, peak, file, error);
    record_print_peak(&run->record, peak, file);
    return STATUS_OK;
}
