/* A run of the program: the stages that main.c goes through, what it prints, and what it keeps in
 * files. */
#ifndef PROGRAM_RUN_H
#define PROGRAM_RUN_H

#include "program/options.h"
#include "program/output.h"
#include "program/progress.h"
#include "trainer/record.h"

#include <sys/types.h>

struct run {
    const struct options *options;
    struct checkpoint *resumed; /* the file that the run continues from; NULL: it begins */
    struct output output;
    double begun;     /* clock_seconds */
    mode_t mask;      /* the umask that the program was started with */
    char **variables; /* of the environment, as the user has set them (device_variables) */
    struct reservation *weights_place, *checkpoint_place; /* NULL where none is wanted */
    struct dataset *dataset;
    struct device *device;
    struct network *network;
    float *parameters;              /* on the host: the first, then those that are saved */
    struct training_position start; /* where it continues */
    struct training_result result;
    struct record record; /* its status is NULL until the run is planned, and where it failed */
    struct progress progress;
    struct checkpoint_setting settings[OPTIONS_STORED_MAX + 3]; /* for its checkpoints */
    size_t settings_count;
    size_t saved_epochs, saved_batches;                   /* the position of the last checkpoint */
    bool saved;                                           /* there is one of this run */
    char warned[sizeof((struct device_info){0}.warning)]; /* the device's last warning */
};

/* --- Stages (run.c) --- */

/* Starts the clock, and tries what can be known to fail before anything takes time: whether there
 * is such a device, and whether the host has the memory for the training. */
enum status run_begin(struct run *run, struct error *error);

enum status run_load_dataset(struct run *run, struct error *error);
enum status run_open_device(struct run *run, struct error *error);

/* Checks the device with the network's sizes, and makes the network on it, with its first
 * parameters. */
enum status run_create_network(struct run *run, struct error *error);

/* Puts into the record, and prints, what is known before the training. From here on, a signal that
 * asks the program to end lets the training stop first. */
enum status run_plan(struct run *run, struct error *error);

/* Trains, with a line of progress, a row for each epoch, and its checkpoints to the last. */
enum status run_train(struct run *run, struct error *error);

/* Prints the record and saves the weights of a run that came to `status`, which is OK, or that of
 * the first of its stages that was not. What failed before it was planned, or in training for
 * another reason than to diverge or to be interrupted, has no record. Gives `status`, or how this
 * failed. */
enum status run_conclude(struct run *run, enum status status, struct error *error);

/* Instead of training, after run_open_device. */
enum status run_measure_peak(struct run *run, struct error *error);

/* What the run is made of, but for its output. */
void run_free(struct run *run);

/* --- What it prints (run_print.c) --- */

/* Notes on standard error, unless they are not wanted: a warning of the device, once; which device
 * it is, where that was not asked for; and that the data set is not CIFAR-10, where it was not. */
void run_print_warning(struct run *run);
void run_print_choice(struct run *run);
void run_print_synthetic(struct run *run);

/* On standard output: in the form of a table, what is planned, and each epoch as it ends; and in
 * any form the record. */
void run_print_plan(struct run *run);
void run_print_epoch(struct run *run, size_t epoch, const struct training_epoch *result);
enum status run_print_record(struct run *run, struct error *error);
enum status run_print_peak(struct run *run, const struct device_peak *peak, struct error *error);

/* --- Weights and checkpoints (run_files.c) --- */

/* Reserves the places of what is to be written, which are nobody else's until run_close_files; sees
 * whether that would take the place of something else; and finds what the run begins with,
 * run->parameters and run->start: in a checkpoint, in a file of weights, or from the seed. */
enum status run_begin_files(struct run *run, struct error *error);
void run_close_files(struct run *run);

/* Fills run->settings, when the device and the data are there. STATUS_DATASET when the data are not
 * those of the run that is continued. */
enum status run_describe(struct run *run, struct error *error);

/* Writes the checkpoint, if one is wanted and there is none of where the training is now. */
enum status run_save_checkpoint(struct run *run, struct error *error);

/* The last one, of where the training has come to with `status`. A run that is done to its end says
 * so there. */
enum status run_save_last_checkpoint(struct run *run, enum status status, struct error *error);

/* Writes the weights, if that is wanted. */
enum status run_save_weights(struct run *run, struct error *error);

#endif
