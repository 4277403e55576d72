/* The command line as one checked struct. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include "trainer/training.h"

#include <stdio.h>

enum action { ACTION_TRAIN, ACTION_PEAK, ACTION_LIST_DEVICES, ACTION_VERSION, ACTION_HELP };
enum format { FORMAT_TABLE, FORMAT_JSON, FORMAT_CSV, FORMAT_MARKDOWN };

struct options {
    enum action action;
    /* NULL: not given; they live as long as argv. */
    const char *device, *gemm, *precision, *submission, *data, *init, *save;
    struct network_shape shape;
    struct training_plan plan;
    size_t samples; /* 0: all */
    int threads;    /* 0: the device's choice */
    enum format format;
    bool quiet;
};

/* Fills all of `options`, with defaults where the command line is silent. STATUS_USAGE, saying
 * what is accepted, at the first thing that isn't. */
enum status options_parse(int argc, char **argv, struct options *options, struct error *error);

/* Every option with its default, for --help. */
void options_print_help(FILE *file);

#endif
