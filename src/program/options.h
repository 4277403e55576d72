/* The command line as one checked struct. */
#ifndef PROGRAM_OPTIONS_H
#define PROGRAM_OPTIONS_H

#include "trainer/checkpoint.h"

#include <stdio.h>

enum {
    OPTIONS_MAX = 64, /* the most options that there may be: each is a bit of options.given */
    DEVICE_SPEC_MAX = 160
};

enum action { ACTION_TRAIN, ACTION_PEAK, ACTION_LIST_DEVICES, ACTION_VERSION, ACTION_HELP };
enum format { FORMAT_TABLE, FORMAT_JSON, FORMAT_CSV, FORMAT_MARKDOWN };

struct options {
    enum action action;
    char device[DEVICE_SPEC_MAX]; /* the spec, with its kind in lower case */
    /* NULL: not given. These texts live as long as argv, or as the checkpoint that the run
     * continues from. */
    const char *gemm, *precision, *step, *submission, *exchange, *data, *init, *save, *checkpoint,
        *resume, *log;
    struct network_shape shape;
    struct training_plan plan;
    size_t samples;          /* images of each set; 0: all of them */
    size_t checkpoint_every; /* epochs from one checkpoint to the next */
    enum communicator_library communicator;
    double exchange_timeout; /* seconds */
    int threads;             /* threads of the host; 0: the device's own default */
    enum format format;
    bool dry_run, quiet;
    uint64_t given; /* bit r is set when the command line has the option of row r of the table */
};

/* Fills all of `options` from the command line, with defaults for options that it does not have.
 * STATUS_USAGE, saying what is accepted, at the first thing that is not. */
enum status options_parse(int argc, char **argv, struct options *options, struct error *error);

/* Fills settings[OPTIONS_MAX] with the options that a checkpoint keeps, as they would be
 * typed: names with their "--", and values. Returns their number. */
size_t options_store(const struct options *options, struct checkpoint_setting *settings);

/* Fills options that the command line does not have with those stored in `checkpoint`, which is the
 * open file options->resume. STATUS_USAGE, naming them, when the command line has options that
 * contradict the run there. */
enum status options_restore(
    struct options *options, const struct checkpoint *checkpoint, struct error *error);

/* Whether --device leaves the choice of the device to the program (auto, gpu). */
bool options_choose_device(const struct options *options);

/* The number of images of the training set that are used, and how many of those are trained with:
 * not those that are held back. */
size_t options_images(const struct options *options);
size_t options_training_images(const struct options *options);

/* Prints --help: every option with its default. */
void options_print_help(FILE *file);

#endif
