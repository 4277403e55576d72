/* A place for a file that is written after hours of work, perhaps again and again: nobody else
 * writes it meanwhile, there is room for it, and what can be tried has been. */
#ifndef SYSTEM_RESERVATION_H
#define SYSTEM_RESERVATION_H

#include "system/file.h"

struct reservation;

/* Holds `path` (hold.h), and does all that writing `bytes` there will take, up to the last rename:
 * makes a temporary file in the same folder, with that much room, syncs and renames it, and asks
 * what a rename over `path` would meet. The temporary file stays. STATUS_USAGE, naming the process,
 * when another one holds the path; STATUS_FAILED, naming the path and the system's reason, when any
 * of it fails. The caller ends it with reservation_close (NULL is fine). */
enum status reservation_open(
    const char *path, uint64_t bytes, struct reservation **reservation, struct error *error);

/* The path itself, and the two files that are there as long as it is reserved; they live as long as
 * the reservation, and are removed with it. */
const char *reservation_path(const struct reservation *reservation);
const char *reservation_partial(const struct reservation *reservation);
const char *reservation_lock(const struct reservation *reservation);

/* Makes the file consist of the parts, one after another, in mode, group and owner (where it may)
 * as the one that it replaces: they are written to the temporary file and synced before it is
 * renamed, so that a crash leaves the old file or the new one. Room for the next is then reserved,
 * as far as there is any. STATUS_FAILED, naming the path and the system's reason, leaves the old
 * file. Something at the path that is not a regular file (a symbolic link is none) is left alone,
 * and an error. */
enum status reservation_write(struct reservation *reservation, const struct file_part *parts,
    size_t count, struct error *error);

/* The same for the last time. When it fails, the parts are kept elsewhere, under a new name: beside
 * the path, if they could be written there, else in the folder for temporary files. The error says
 * where. */
enum status reservation_finish(struct reservation *reservation, const struct file_part *parts,
    size_t count, struct error *error);

void reservation_close(struct reservation *reservation);

#endif
