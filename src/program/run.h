/* A run of the program: its stages, which main.c goes through, what it prints, and the files that
 * it reads and writes. */
#ifndef PROGRAM_RUN_H
#define PROGRAM_RUN_H

#include "program/log.h"
#include "program/options.h"
#include "program/output.h"
#include "program/progress.h"
#include "trainer/record.h"

#include <stdatomic.h>
#include <sys/types.h>

enum { WEIGHTS_SETTINGS_MAX = 4 };

struct run {
    const struct options *options;
    struct communicator *communicator; /* the other ranks; NULL: the process is alone */
    atomic_int leaving; /* the exit status, once this rank only leaves the others; else -1 */
    bool failed_alone;  /* in the middle of something, where other ranks wait for this one */
    int signal;         /* that has interrupted the training of this rank or another; 0: none */
    /* The open checkpoint that the run continues; NULL: it continues none. */
    struct checkpoint *resumed;
    struct output output;
    double begun;     /* clock_seconds at the start */
    mode_t mask;      /* the umask that the program was started with */
    char **variables; /* environment variables as the user has set them (device_variables) */
    struct reservation *weights_place, *checkpoint_place; /* NULL: no such file is wanted */
    struct log log;
    struct dataset *dataset;
    struct device *device;
    struct network *network;
    float *parameters; /* on the host: the first parameters, later those that are saved */
    struct training_position start; /* the position at which the run starts */
    struct training_result result;
    /* Record.status is NULL before the run is planned, and after a failure in training. */
    struct record record;
    struct progress progress;
    /* Written to each checkpoint: options, what else is known of the run, what weights mean. */
    struct checkpoint_setting settings[OPTIONS_MAX + 3 + WEIGHTS_SETTINGS_MAX];
    size_t settings_count;
    bool weights_described;                               /* they have what weights mean */
    size_t saved_epochs, saved_batches;                   /* position of the last checkpoint */
    bool saved;                                           /* this run has written a checkpoint */
    char warned[sizeof((struct device_info){0}.warning)]; /* the device's last warning */
};

/* --- Stages (run.c) --- */

/* Notes how the process was started: when, and with which umask. */
void run_note_start(struct run *run);

/* Checks what may fail before anything takes time: whether there is such
 * a device, and whether the host has the memory for the training. */
enum status run_begin(struct run *run, struct error *error);

enum status run_load_dataset(struct run *run, struct error *error);

/* STATUS_DATASET when other ranks have other images. */
enum status run_compare_dataset(struct run *run, struct error *error);

enum status run_open_device(struct run *run, struct error *error);

/* STATUS_DEVICE when other ranks have another kind of device. */
enum status run_compare_device(struct run *run, struct error *error);
enum status run_join_device(struct run *run, struct error *error);

/* Checks the device at the network's sizes, and creates the network on it with its first
 * parameters. */
enum status run_create_network(struct run *run, struct error *error);

/* Prints what is known before the training, and puts it into the record. From here on, a signal
 * that asks the program to end lets the training stop first. */
enum status run_plan(struct run *run, struct error *error);

/* Trains, unless that was only to be planned. Shows a line of progress, prints a row for each
 * epoch, and writes all checkpoints. */
enum status run_train(struct run *run, struct error *error);

/* Prints the record and saves the weights. `status` is that of the first stage that failed, or
 * STATUS_OK. There is no record of a run that failed before it was planned, or whose training
 * failed for another reason than that it diverged or was interrupted. Returns `status`, or if that
 * is STATUS_OK the status of this function's own work. */
enum status run_conclude(struct run *run, enum status status, struct error *error);

/* Measures and prints the peak of the device. It comes after run_open_device, instead of
 * training. */
enum status run_measure_peak(struct run *run, struct error *error);

/* Makes the outcome of a stage that of all ranks (communicator_agree), unless the other ranks are
 * in the middle of something. */
enum status run_agree(struct run *run, enum status status, struct error *error);

/* Frees all that the run consists of, except its output. */
void run_free(struct run *run);

/* --- What it prints (run_print.c) --- */

/* Print notes on standard error, unless --quiet: the device's warning, once; the device that "auto"
 * or "gpu" has chosen; and that the data set is the synthetic one, where the user did not ask for
 * it. */
void run_print_warning(struct run *run);
void run_print_choice(struct run *run);
void run_print_synthetic(struct run *run);

/* Print on standard output. With --format table, run_print_plan and run_print_epoch print the plan,
 * and each epoch as it ends; with another format they print nothing. run_print_record and
 * run_print_peak print in each format. */
void run_print_plan(struct run *run);
void run_print_epoch(struct run *run, size_t epoch);
enum status run_print_record(struct run *run, struct error *error);
enum status run_print_peak(struct run *run, const struct device_peak *peak, struct error *error);

/* --- Weights and checkpoints (run_files.c) --- */

/* Reserves the paths of the files that the run will write, until run_close_files. Checks that these
 * would not replace something else. */
enum status run_begin_files(struct run *run, struct error *error);
/* Fills run->parameters and run->start: from a checkpoint, from a file of weights, or from the
 * seed. Opens the log. */
enum status run_first_parameters(struct run *run, struct error *error);
void run_close_files(struct run *run);

/* Fills run->settings, once the device is open and the data are loaded. STATUS_DATASET when the
 * data are not those of the run that is continued. */
enum status run_describe(struct run *run, struct error *error);

/* Writes the checkpoint, if one is wanted and the last one is not of the present position. */
enum status run_save_checkpoint(struct run *run, struct error *error);

/* Writes the last checkpoint of a training that ended with `status`. With STATUS_OK the checkpoint
 * says that its run has ended. */
enum status run_save_last_checkpoint(struct run *run, enum status status, struct error *error);

/* Writes the weights to the file of --save, if there is one. */
enum status run_save_weights(struct run *run, struct error *error);

#endif
