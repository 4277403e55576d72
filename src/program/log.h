/* The file of --log: a line of JSON for each epoch, as it ends. It only ever has whole lines. */
#ifndef PROGRAM_LOG_H
#define PROGRAM_LOG_H

#include "trainer/record.h"

struct log {
    const char *path; /* NULL: there is no such file */
    int descriptor;
    bool made;     /* the file is new, and has no line */
    int unwritten; /* errno of the first line that failed; 0: none did */
};

/* Opens the file at `path` to append to it, or makes it. STATUS_USAGE when its last line is not
 * whole, STATUS_FAILED when it can't be opened, as a pipe that nobody reads. NULL is no file, and
 * all is well. */
enum status log_open(const char *path, struct log *log, struct error *error);

/* Writes the line of an epoch, counted from 0, to a log that is open. If that fails, nothing of the
 * line stays, and the reason is noted. */
void log_write(struct log *log, const struct record *record, size_t epoch);

/* Closes the file, or takes one away that is new and has no line. STATUS_FAILED, with the system's
 * reason, when a line could not be written. */
enum status log_close(struct log *log, struct error *error);

#endif
