/* Makes sure that only one process at a time writes a file: that process holds the file's path. */
#ifndef SYSTEM_HOLD_H
#define SYSTEM_HOLD_H

#include "trainer/error.h"

#include <limits.h>

/* A hold is a lock on a small file beside the path, PATH.partial-lock, which has the holder's
 * process number. The lock ends with its process, however that ends. The next process takes the
 * file over, and removes it at its own end. */
struct hold {
    int descriptor;      /* of the lock's file; -1: nothing is held */
    char lock[PATH_MAX]; /* its path */
};

/* Holds `path`. Then it removes the temporary files (FILE_PARTIAL) of processes that were killed
 * while they held it. STATUS_USAGE, naming the process, when another process holds it, or this one
 * already does; STATUS_FAILED when the lock's file can't be made. Where a file system has no locks,
 * nobody is kept out, and nothing is removed. The function fills `hold`, and the caller ends it
 * with hold_close. */
enum status hold_open(const char *path, struct hold *hold, struct error *error);
void hold_close(struct hold *hold);

#endif
