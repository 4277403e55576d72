/* A run of the program, and what it keeps in files. */
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
    struct reservation *weights_place, *checkpoint_place; /* NULL where none is wanted */
    struct dataset *dataset;
    struct device *device;
    struct network *network;
    float *parameters;              /* on the host: the first, then those that are saved */
    struct training_position start; /* where it continues */
    struct training_result result;
    struct record record;
    struct output *output;
    mode_t mask; /* the umask that the program was started with */
    struct progress progress;
    struct checkpoint_setting settings[OPTIONS_STORED_MAX + 3]; /* for its checkpoints */
    size_t settings_count;
    size_t saved_epochs, saved_batches;                   /* the position of the last checkpoint */
    bool saved;                                           /* there is one of this run */
    char warned[sizeof((struct device_info){0}.warning)]; /* the device's last warning */
};

/* --- Weights and checkpoints (run_files.c) --- */

/* Reserves the places of what is to be written, which are nobody else's until run_end_files; sees
 * whether that would take the place of something else; and finds what the run begins with,
 * run->parameters and run->start: in a checkpoint, in a file of weights, or from the seed. */
enum status run_begin_files(struct run *run, struct error *error);
void run_end_files(struct run *run);

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
