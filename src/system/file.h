/* Files that are there whole or not at all, and small ones that the system writes. */
#ifndef SYSTEM_FILE_H
#define SYSTEM_FILE_H

#include "trainer/error.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the path of a file has added while it is written; a process and a number follow. */
#define FILE_PARTIAL ".partial-"

/* The name of a temporary file of this process for `path`, one for each number. False when it is
 * too long. */
bool file_name_partial(const char *path, int number, char partial[PATH_MAX]);

/* The error for a path that can't be written: STATUS_FAILED, with the call that failed, and errno's
 * reason. */
enum status file_refuse(const char *path, const char *what, int reason, struct error *error);

struct file_part {
    const void *data;
    size_t bytes;
};

/* Writes all of it, with one call where the system takes it at once. 0, or errno. */
int file_write(int descriptor, const void *data, size_t bytes);

/* Writes the parts, one after another. 0, or errno. */
int file_write_parts(int descriptor, const struct file_part *parts, size_t count);

/* Makes the open file end after `bytes`. 0, or errno. */
int file_cut(int descriptor, uint64_t bytes);

/* Has what was written put on the disk: 0, or errno. A file system that can't sync at all (some of
 * networks, of programs, of phones) has nothing to wait for: the file is written, as well as it can
 * be there. */
int file_sync(int descriptor);

/* Makes a rename to `path` last. A folder that can't be synced (some file systems) is no error: the
 * file is whole under either name. */
void file_sync_folder(const char *path);

/* The folder of `path`, with the slash at its end if it is named; "." if not. */
void file_folder(const char *path, char folder[PATH_MAX]);

/* Whether `path` is a regular file, or nothing yet: STATUS_FAILED if not. A symbolic link is none.
 */
enum status file_check_target(const char *path, struct error *error);

/* Makes the file at `path` consist of the parts, one after another: written to a temporary file in
 * the same folder, synced (where the file system can), and renamed over `path`, so that a crash
 * leaves the old file or the new one. STATUS_FAILED, naming the path and the system's reason, if
 * any of it fails; the temporary file is then gone. Something at `path` that is not a regular file
 * is left alone, and an error. For what is worth more than that there is reservation.h. */
enum status file_replace(
    const char *path, const struct file_part *parts, size_t count, struct error *error);

/* Whether files can be made in the folder at `path`, or the first of the folders that are missing
 * on the way to it, which is made and removed again: 0, or errno. */
int file_check_folder(const char *path);

/* Makes what is missing of the folder at `path` below its first `given` characters, and keeps
 * others out of it, so that nobody has a file of it open for writing before that file gets its
 * mode. False when it is not there in the end, or another user's. */
bool file_make_private_folder(char *path, size_t given);

/* Whether two paths are of one file, or will be when it is made. */
bool file_is_same(const char *a, const char *b);

/* Whether the open file is the one that is at `path`; also where that can't be told. */
bool file_is_at(int descriptor, const char *path);

/* Opens the regular file at `path` for reading, without waiting on anything that isn't one. Gives
 * its descriptor and its size. -1 when that can't be; `problem` then says why, and *reason is
 * errno, or 0 when what is there is not a regular file. */
int file_open_regular(const char *path, uint64_t *bytes, const char **problem, int *reason);

/* Reads `bytes` from `offset` on. Returns how many it got: fewer at the end of the file, and after
 * an error, when *reason is errno instead of 0. */
size_t file_read_at(int descriptor, uint64_t offset, void *to, size_t bytes, int *reason);

/* The first line of a small file, cut to `size`, without its newline; false when it can't be had.
 */
bool file_read_line(const char *path, char *line, size_t size);

#endif
