/* A place for a file that is written after hours of work, perhaps many times. As long as it is
 * reserved, nobody else writes the file, and there is room for it. What could fail when the file is
 * written has been tried before. */
#ifndef SYSTEM_RESERVATION_H
#define SYSTEM_RESERVATION_H

#include "system/file.h"

struct reservation;

/* Holds `path` (hold.h), and tries all that writing `bytes` there will do. It makes a temporary
 * file in the same folder, renames it, takes that much room and syncs it. The last rename, over
 * `path`, is not tried, but what would prevent it is looked for. The temporary file stays.
 * STATUS_USAGE, naming the process, when another process holds the path; STATUS_FAILED, naming the
 * path and the system's reason, when any of it fails. The caller ends it with reservation_close
 * (NULL is fine). */
enum status reservation_open(
    const char *path, uint64_t bytes, struct reservation **reservation, struct error *error);

/* The path itself, and the paths of the two files that exist as long as it is reserved and are
 * removed at the end. The texts live as long as the reservation. */
const char *reservation_path(const struct reservation *reservation);
const char *reservation_partial(const struct reservation *reservation);
const char *reservation_lock(const struct reservation *reservation);

/* Makes the file consist of the parts, one after another. It gets the mode of the file that it
 * replaces, and its group and owner where the system allows it. The parts are written to the
 * temporary file, which is synced before it is renamed, so that a crash leaves either the old file
 * or the new one. Then room for the next time is reserved, as far as there is any. STATUS_FAILED,
 * naming the path and the system's reason, when that fails; the old file is then still there.
 * Something at the path that is not a regular file (a symbolic link is not one) is left alone, and
 * is an error. */
enum status reservation_write(struct reservation *reservation, const struct file_part *parts,
    size_t count, struct error *error);

/* As reservation_write, for the last time. When it fails, the parts are kept under a new name:
 * beside the path if they can be written there, else in the folder for temporary files. The error
 * says where. */
enum status reservation_finish(struct reservation *reservation, const struct file_part *parts,
    size_t count, struct error *error);

void reservation_close(struct reservation *reservation);

#endif
