/* What the program does as one of several ranks: it joins them, makes sure that all are to do the
 * same, and ends with them. A process that is alone does none of it. */
#ifndef PROGRAM_RANKS_H
#define PROGRAM_RANKS_H

#include "program/run.h"

/* Joins the ranks that a launcher has started. `status` is that of reading the command line: all
 * ranks agree on it, so that its error is said once. Then makes all but rank 0 silent, and tells
 * the options of the others. */
enum status ranks_join(
    struct options *options, struct run *run, enum status status, struct error *error);

/* STATUS_USAGE when the options, also those of a run that is resumed, ask for what several ranks
 * can't do. */
enum status ranks_check_options(
    const struct communicator *communicator, const struct options *options, struct error *error);

/* STATUS_USAGE, naming the rank, the option and both values, when an option of some rank is not
 * that of rank 0; or when it is another commit of the program. The folder of the data may differ.
 */
enum status ranks_compare_options(
    struct communicator *communicator, const struct options *options, struct error *error);

/* Leaves to rank 0 the files that are written. */
void ranks_give_files_up(struct communicator *communicator, struct options *options);

/* STATUS_DEVICE when the device of some rank is of another kind than that of rank 0, or is a GPU
 * that another rank has, too. */
enum status ranks_compare_device(
    struct communicator *communicator, const struct device_info *device, struct error *error);

/* STATUS_USAGE when they exchange in a way that the options don't allow. */
enum status ranks_check_transport(
    const struct options *options, const struct device_info *device, struct error *error);

/* STATUS_DATASET when the images of some rank are not those of rank 0. */
enum status ranks_compare_data(
    struct communicator *communicator, const char *fingerprint, struct error *error);

/* Leaves the other ranks, in an orderly way, when all is done. Gives the exit status, which is that
 * of rank 0; `code` is what this rank would give. */
int ranks_leave(struct run *run, int code);

/* Ends all ranks, and the process, for a failure that is this rank's own. */
#if defined(__GNUC__)
__attribute__((noreturn))
#endif
void ranks_abort(struct communicator *communicator, int code, const struct error *error);

#endif
