/* Files that are written whole or not at all, and small files of the system to read. */
#ifndef SYSTEM_FILE_H
#define SYSTEM_FILE_H

#include "trainer/error.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is added to the path of a file while it is written. The process's number, a dash and another
 * number follow. */
#define FILE_PARTIAL ".partial-"

/* Writes to `partial` the name of a temporary file of this process for `path`, a different one for
 * each number. False when it is too long. */
bool file_name_partial(const char *path, int number, char partial[PATH_MAX]);

/* The error for a path that can't be written: STATUS_FAILED, with `what`, the call that failed, and
 * the text of `reason`, its errno. */
enum status file_refuse(const char *path, const char *what, int reason, struct error *error);

struct file_part {
    const void *data;
    size_t bytes;
};

/* Writes all the data, in one call if the system takes them at once. Returns 0, or errno. */
int file_write(int descriptor, const void *data, size_t bytes);

/* Writes the parts, one after another. Returns 0, or errno. */
int file_write_parts(int descriptor, const struct file_part *parts, size_t count);

/* Makes the open file end after `bytes`. Returns 0, or errno. */
int file_cut(int descriptor, uint64_t bytes);

/* Waits until what was written is on the disk. Returns 0, or errno. It is no error when a file
 * system can't sync at all, as some of networks, of programs and of phones: the file is then
 * written as safely as it can be there. */
int file_sync(int descriptor);

/* Syncs the folder of `path`, so that a rename to `path` survives a crash. It is no error when the
 * folder can't be synced, as on some file systems: the file is whole under either name. */
void file_sync_folder(const char *path);

/* Writes to `folder` the folder of `path`, with a slash at its end; "." if `path` names none. */
void file_folder(const char *path, char folder[PATH_MAX]);

/* STATUS_FAILED when there is something at `path` that is not a regular file. A symbolic link is
 * not one. */
enum status file_check_target(const char *path, struct error *error);

/* Makes the file at `path` consist of the parts, one after another. They are written to a temporary
 * file in the same folder, which is synced (where the file system can) and renamed over `path`. So
 * a crash leaves either the old file or the new one. STATUS_FAILED, naming the path and the
 * system's reason, if any of it fails; the temporary file is then removed. Something at `path` that
 * is not a regular file is left alone, and is an error. For files that took hours to make, there is
 * reservation.h. */
enum status file_replace(
    const char *path, const struct file_part *parts, size_t count, struct error *error);

/* Checks that files can be made in the folder at `path`. If it does not exist, checks that the
 * first missing folder on the way to it can be made; that one is made and removed again. Returns 0,
 * or errno. */
int file_check_folder(const char *path);

/* Makes the folder at `path`, and the folders on the way to it below its first `given` characters,
 * where they are missing. Nobody but this user may enter it, so that nobody can open a file of it
 * for writing before that file gets its mode. False when the folder is not there in the end, or
 * belongs to another user. */
bool file_make_private_folder(char *path, size_t given);

/* Whether two paths lead to the same file, or will when it is made. */
bool file_is_same(const char *a, const char *b);

/* Whether the open file is the one at `path`. True, too, when that can't be found out. */
bool file_is_at(int descriptor, const char *path);

/* Opens the regular file at `path` for reading, and gives its descriptor and its size. It does not
 * wait on something that is not a regular file. -1 when it can't be opened; *problem then says why,
 * and *reason is errno, or 0 when it is not a regular file. */
int file_open_regular(const char *path, uint64_t *bytes, const char **problem, int *reason);

/* Reads `bytes` bytes from `offset` on. Returns how many were read: fewer at the end of the file,
 * where *reason is 0, or after an error, where *reason is errno. */
size_t file_read_at(int descriptor, uint64_t offset, void *to, size_t bytes, int *reason);

/* Reads the first line of a small file, without its newline and cut to `size`. False when it can't
 * be read. */
bool file_read_line(const char *path, char *line, size_t size);

#endif
