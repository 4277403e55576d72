/* Who may write a file: one process at a time holds its path. */
#ifndef SYSTEM_HOLD_H
#define SYSTEM_HOLD_H

#include "trainer/error.h"

#include <limits.h>

/* The hold is the lock of an empty file beside the path, PATH.partial-lock. It ends with its
 * process, however that ends; the next one takes the file over, and removes it at its own end. */
struct hold {
    int descriptor;      /* of the lock's file */
    char lock[PATH_MAX]; /* its path */
};

/* Holds `path`, and removes the temporary files (FILE_PARTIAL) that processes left there which were
 * killed while they held it. STATUS_USAGE, naming the process, when another one holds it, or this
 * one already; STATUS_FAILED when the lock's file can't be made. Where a file system has no locks,
 * nobody is kept out, and nothing removed. `hold` is to be filled by nobody else, and is ended by
 * hold_close. */
enum status hold_open(const char *path, struct hold *hold, struct error *error);
void hold_close(struct hold *hold);

#endif
