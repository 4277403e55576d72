/* trainer: options -> dataset -> device -> network -> training -> record -> table | json | csv |
 * markdown. */
#include "program/inform.h"
#include "program/interrupt.h"
#include "program/message.h"
#include "program/run.h"
#include "system/locale.h"

#include <fcntl.h>
#include <unistd.h>

/* The mainline: the stages of a run. Each needs what the stages above it have made. */
static enum status train(struct run *run, struct error *error) {
    enum status status = run_begin(run, error);
    if (status == STATUS_OK)
        status = run_begin_files(run, error);
    if (status == STATUS_OK)
        status = run_load_dataset(run, error);
    if (status == STATUS_OK)
        status = run_open_device(run, error);
    if (status == STATUS_OK)
        status = run_create_network(run, error);
    if (status == STATUS_OK)
        status = run_plan(run, error);
    if (status == STATUS_OK && !run->options->dry_run)
        status = run_train(run, error);
    return run_conclude(run, status, error);
}

static enum status measure_peak(struct run *run, struct error *error) {
    enum status status = run_begin(run, error);
    if (status == STATUS_OK)
        status = run_open_device(run, error);
    return status == STATUS_OK ? run_measure_peak(run, error) : status;
}

/* Opens /dev/null as standard input, output or error where that was closed. Otherwise a file that
 * is opened later would take its place, and be printed to. It is opened for reading only, so that
 * printing to a standard output that was closed fails, as it should. */
static void fill_standard_streams(void) {
    for (int descriptor = open("/dev/null", O_RDONLY); descriptor >= 0;
        descriptor = open("/dev/null", O_RDONLY))
        if (descriptor > STDERR_FILENO) {
            close(descriptor);
            break;
        }
}

/* Prepares the process and reads the command line. A run that is resumed takes over the options
 * that it was started with. */
static enum status begin(
    int argc, char **argv, struct options *options, struct run *run, struct error *error) {
    fill_standard_streams();
    interrupt_catch();
    (void)locale_begin(); /* to the end of the program, whatever locale a library sets */
    enum status status = output_open(&run->output, error);
    if (status == STATUS_OK)
        status = options_parse(argc, argv, options, error);
    if (status != STATUS_OK || !options->resume || options->action != ACTION_TRAIN)
        return status;
    status = checkpoint_open(options->resume, &run->resumed, error);
    return status == STATUS_OK ? options_restore(options, run->resumed, error) : status;
}

/* Frees everything, prints what went wrong, and returns the exit status. A failure to print to
 * standard output is an error, too, but an earlier error is the one that is reported. Where a run
 * was stopped because nobody reads its output, that failure is the reason and is reported. */
static int end(struct run *run, enum status status, struct error *error) {
    struct error unprinted;
    const bool unread = status == STATUS_INTERRUPTED && interrupt_signal() == 0;
    run_free(run);
    const enum status printed = output_close(&run->output, &unprinted);
    if (printed != STATUS_OK && (status == STATUS_OK || unread)) {
        status = printed;
        *error = unprinted;
    }
    if (status != STATUS_OK)
        message_print("%s", error->message);
    return status == STATUS_INTERRUPTED ? 128 + interrupt_signal() : (int)status;
}

int main(int argc, char **argv) {
    struct options options;
    struct run run = {.options = &options};
    struct error error = {0};
    enum status status = begin(argc, argv, &options, &run, &error);
    if (status == STATUS_OK)
        switch (options.action) {
        case ACTION_TRAIN:
            status = train(&run, &error);
            break;
        case ACTION_PEAK:
            status = measure_peak(&run, &error);
            break;
        case ACTION_LIST_DEVICES:
            inform_devices(run.output.file);
            break;
        case ACTION_VERSION:
            inform_version(run.output.file);
            break;
        case ACTION_HELP:
            options_print_help(run.output.file);
            break;
        }
    return end(&run, status, &error);
}
