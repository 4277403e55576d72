/* The command line as one checked struct. */
#ifndef PROGRAM_OPTIONS_H
#define PROGRAM_OPTIONS_H

#include "trainer/checkpoint.h"

#include <stdio.h>

enum { DEVICE_SPEC_MAX = 160 };

enum action { ACTION_TRAIN, ACTION_PEAK, ACTION_LIST_DEVICES, ACTION_VERSION, ACTION_HELP };
enum format { FORMAT_TABLE, FORMAT_JSON, FORMAT_CSV, FORMAT_MARKDOWN };

struct options {
    enum action action;
    char device[DEVICE_SPEC_MAX]; /* its kind in lower case */
    /* NULL: not given; they live as long as argv, or the checkpoint that a run continues from. */
    const char *gemm, *precision, *submission, *data, *init, *save, *checkpoint, *resume;
    struct network_shape shape;
    struct training_plan plan;
    size_t samples;          /* 0: all */
    size_t checkpoint_every; /* epochs */
    int threads;             /* 0: the device's choice */
    enum format format;
    bool dry_run, quiet;
    uint64_t given; /* one bit for each option that the command line has, by its row of the table */
};

/* Fills all of `options`, with defaults where the command line is silent. STATUS_USAGE, saying
 * what is accepted, at the first thing that isn't. */
enum status options_parse(int argc, char **argv, struct options *options, struct error *error);

/* The most options that are stored with a run, for whoever continues it. */
enum { OPTIONS_STORED_MAX = 40 };

/* Fills settings[OPTIONS_STORED_MAX] with these options, as they would be typed: names with their
 * "--", values. Returns their number. */
size_t options_store(const struct options *options, struct checkpoint_setting *settings);

/* Takes over what was stored in options->resume, opened as `checkpoint`, where the command line is
 * silent. STATUS_USAGE, naming them, when it has options that contradict the run. */
enum status options_restore(
    struct options *options, const struct checkpoint *checkpoint, struct error *error);

/* Whether --device leaves it to the program which device is taken (auto, gpu). */
bool options_choose_device(const struct options *options);

/* Images of the training set that are used. */
size_t options_training_images(const struct options *options);

/* Every option with its default, for --help. */
void options_print_help(FILE *file);

#endif
