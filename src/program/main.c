/* trainer: options -> dataset -> device -> network -> training -> record -> table | json | csv |
 * markdown. */
#include "program/inform.h"
#include "program/interrupt.h"
#include "program/message.h"
#include "program/ranks.h"
#include "program/run.h"
#include "system/locale.h"

#include <fcntl.h>
#include <unistd.h>

/* The mainline: the stages of a run. Each needs what the stages above it have made, in all ranks.
 */
static enum status (*const stages[])(struct run *run, struct error *error) = {
    run_begin,
    run_begin_files,
    run_first_parameters,
    run_load_dataset,
    run_compare_dataset,
    run_open_device,
    run_compare_device,
    run_join_device,
    run_create_network,
    run_plan,
    run_train,
};

static enum status train(struct run *run, struct error *error) {
    enum status status = STATUS_OK;
    for (size_t s = 0; s < sizeof stages / sizeof *stages && status == STATUS_OK; s++)
        status = run_agree(run, stages[s](run, error), error);
    return run->failed_alone ? status : run_agree(run, run_conclude(run, status, error), error);
}

static enum status measure_peak(struct run *run, struct error *error) {
    enum status status = run_agree(run, run_begin(run, error), error);
    if (status == STATUS_OK)
        status = run_open_device(run, error);
    if (status == STATUS_OK)
        status = run_measure_peak(run, error);
    return run_agree(run, status, error);
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
    run_note_start(run);
    fill_standard_streams();
    interrupt_catch();
    (void)locale_begin(); /* to the end of the program, whatever locale a library sets */
    enum status status = output_open(&run->output, error);
    if (status != STATUS_OK)
        return status;
    status = options_parse(argc, argv, options, error);
    status = ranks_join(options, run, status, error);
    if (status == STATUS_OK)
        status = ranks_compare_options(run->communicator, options, error);
    if (status == STATUS_OK && options->resume && options->action == ACTION_TRAIN) {
        status = checkpoint_open_together(run->communicator, options->resume, &run->resumed, error);
        if (status == STATUS_OK)
            status = run_agree(run, options_restore(options, run->resumed, error), error);
    }
    ranks_give_files_up(run->communicator, options);
    return status;
}

/* Ends this rank and all others, who may wait for it. The device may have something enqueued for
 * which it would wait, too, so it is not closed. */
static void fail_alone(struct run *run, enum status status, const struct error *error) {
    run_close_files(run);
    ranks_abort(run->communicator, (int)status, error);
}

/* Frees everything, prints what went wrong, and returns the exit status. Rank 0 speaks for all,
 * where all know of the failure. A failure to print to standard output is an error, too, but an
 * earlier error is the one that is reported. Where a run was stopped because nobody reads its
 * output, that failure is the reason and is reported. */
static int end(struct run *run, enum status status, struct error *error) {
    struct error unprinted;
    const bool unread = status == STATUS_INTERRUPTED && run->signal == 0;
    if (status != STATUS_OK && !communicator_agreed(run->communicator))
        fail_alone(run, status, error);
    run_free(run);
    const enum status printed = output_close(&run->output, &unprinted);
    if (printed != STATUS_OK && (status == STATUS_OK || unread)) {
        status = printed;
        *error = unprinted;
    }
    if (status != STATUS_OK && communicator_rank(run->communicator) == 0)
        message_print("%s", error->message);
    return ranks_leave(run, status == STATUS_INTERRUPTED ? 128 + run->signal : (int)status);
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
