/* Files that are there whole or not at all, and small ones that the system writes. */
#ifndef SYSTEM_FILE_H
#define SYSTEM_FILE_H

#include "trainer/error.h"

#include <stdbool.h>
#include <stddef.h>

struct file_part {
    const void *data;
    size_t bytes;
};

/* Makes the file at `path` consist of the parts, one after another: written to a temporary file in
 * the same folder, synced, and renamed over `path`, so that a crash leaves the old file or the new
 * one. STATUS_FAILED, naming the path and the system's reason, if any of it fails; the temporary
 * file is then gone. Something at `path` that is not a regular file is left alone, and an error. */
enum status file_replace(
    const char *path, const struct file_part *parts, size_t count, struct error *error);

/* Whether file_replace could begin at `path`: it makes the temporary file, and removes it. */
enum status file_check_writable(const char *path, struct error *error);

/* The first line of a small file, cut to `size`, without its newline; false when it can't be had.
 */
bool file_read_line(const char *path, char *line, size_t size);

#endif
