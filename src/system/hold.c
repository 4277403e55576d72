#include "system/hold.h"

#include "system/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

static const char lock_suffix[] = FILE_PARTIAL "lock";

/* --- What killed processes left --- */

/* Whether `added` is what a temporary file's name adds to its path: FILE_PARTIAL, the number of a
 * process, a dash and a number. */
static bool is_partial(const char *added) {
    if (strncmp(added, FILE_PARTIAL, strlen(FILE_PARTIAL)) != 0)
        return false;
    const char *process = added + strlen(FILE_PARTIAL);
    const size_t digits = strspn(process, "0123456789");
    const char *number = process + digits + 1;
    return digits > 0 && process[digits] == '-' && *number &&
           strspn(number, "0123456789") == strlen(number);
}

/* Removes the temporary files of `path`. This process holds the path, so nobody is writing them. */
static void remove_left(const char *path) {
    char folder[PATH_MAX];
    file_folder(path, folder);
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    const size_t length = strlen(name);
    DIR *directory = opendir(folder);
    for (struct dirent *entry; directory && (entry = readdir(directory));)
        if (strncmp(entry->d_name, name, length) == 0 && is_partial(entry->d_name + length))
            (void)unlinkat(dirfd(directory), entry->d_name, 0);
    if (directory)
        closedir(directory);
}

/* --- The lock --- */

/* Opens the lock's file; -1, with errno, if that can't be done. Another user's file may be open to
 * us for reading only, which is enough to lock it. */
static int open_lock(const char *lock) {
    const int flags = O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
    const int descriptor = open(lock, O_RDWR | O_CREAT | flags, 0666);
    if (descriptor >= 0 || errno != EACCES)
        return descriptor;
    const int readable = open(lock, O_RDONLY | flags);
    errno = EACCES;
    return readable;
}

/* Writes our process's number to the lock's file, for those who are refused. Returns 0, or errno.
 * It is no error that another user's file can't be written. */
static int sign(int descriptor) {
    char text[32];
    snprintf(text, sizeof text, "%ld\n", (long)getpid());
    const int reason = file_cut(descriptor, 0);
    if (reason != 0) /* some systems give these for a file that is open for reading only */
        return reason == EINVAL || reason == EBADF ? 0 : reason;
    return file_write(descriptor, text, strlen(text));
}

static enum status refuse_held(const char *path, int descriptor, struct error *error) {
    char text[32] = "";
    int reason;
    (void)file_read_at(descriptor, 0, text, sizeof text - 1, &reason);
    const long process = strtol(text, NULL, 10);
    char holder[48] = "another process"; /* one that has not written its number yet, or can't */
    if (process > 0)
        snprintf(holder, sizeof holder, "process %ld", process);
    return error_set(error, STATUS_USAGE,
        "can't write %s: %s has it until it ends; wait for that, or name another file", path,
        holder);
}

/* Opens the lock's file and locks it. Makes sure that it is still the file which others find at
 * that path. Returns 0, or errno; for EWOULDBLOCK another process has the lock, and the file is
 * open. Where the file system has no locks, *locked is false. */
static int take(struct hold *hold, bool *locked) {
    for (int try = 0; try < 100; try++) {
        hold->descriptor = open_lock(hold->lock);
        if (hold->descriptor < 0)
            return errno;
        *locked = flock(hold->descriptor, LOCK_EX | LOCK_NB) == 0;
        if (!*locked && errno == EWOULDBLOCK)
            return EWOULDBLOCK;
        if (file_is_at(hold->descriptor, hold->lock))
            return 0;
        close(hold->descriptor); /* the process that held it has just removed it */
        hold->descriptor = -1;
    }
    return EAGAIN;
}

enum status hold_open(const char *path, struct hold *hold, struct error *error) {
    bool locked = false;
    hold->descriptor = -1;
    const int length = snprintf(hold->lock, sizeof hold->lock, "%s%s", path, lock_suffix);
    const bool fits = length >= 0 && (size_t)length < sizeof hold->lock;
    int reason = fits ? take(hold, &locked) : ENAMETOOLONG;
    if (reason == EWOULDBLOCK) {
        const enum status status = refuse_held(path, hold->descriptor, error);
        close(hold->descriptor);
        hold->descriptor = -1;
        return status;
    }
    const char *what = "open";
    if (reason == 0) {
        what = "write";
        reason = sign(hold->descriptor);
    }
    if (reason != 0) {
        hold_close(hold);
        return file_refuse(path, what, reason, error);
    }
    if (locked)
        remove_left(path);
    return STATUS_OK;
}

void hold_close(struct hold *hold) {
    if (hold->descriptor < 0)
        return;
    unlink(hold->lock); /* before the lock is given up: afterwards the file could be another's */
    close(hold->descriptor);
    hold->descriptor = -1;
}
