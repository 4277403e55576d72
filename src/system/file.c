#include "system/file.h"

#include "system/locale.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static enum status refuse(const char *path, const char *what, int reason, struct error *error) {
    return error_set(
        error, STATUS_FAILED, "can't write %s: %s: %s", path, what, locale_reason(reason));
}

/* Locks a temporary file that was just made, so that nobody takes it for one that a killed process
 * left; false when somebody has. A file system without locks is no harm: nothing is removed there.
 */
static bool hold(int descriptor) {
    struct stat status;
    if (flock(descriptor, LOCK_EX | LOCK_NB) != 0)
        return errno != EWOULDBLOCK;
    return fstat(descriptor, &status) != 0 || status.st_nlink > 0;
}

/* Creates a new file beside `path`; its name goes to `temporary`. */
static enum status create_beside(
    const char *path, char temporary[PATH_MAX], int *descriptor, struct error *error) {
    struct stat status;
    if (lstat(path, &status) == 0 && !S_ISREG(status.st_mode))
        return error_set(error, STATUS_FAILED, "can't write %s: it is %s", path,
            S_ISLNK(status.st_mode) ? "a symbolic link; name the file itself"
                                    : "not a regular file");
    for (int try = 0; try < 100; try++) {
        const int length =
            snprintf(temporary, PATH_MAX, "%s" FILE_PARTIAL "%ld-%d", path, (long)getpid(), try);
        if (length < 0 || length >= PATH_MAX)
            return refuse(path, "open", ENAMETOOLONG, error);
        *descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (*descriptor >= 0 && hold(*descriptor))
            return STATUS_OK;
        if (*descriptor >= 0)
            close(*descriptor);
        else if (errno != EEXIST)
            return refuse(path, "open", errno, error);
    }
    return refuse(path, "open", EEXIST, error);
}

/* The folder of `path`, with the slash at its end if it is named; "." if not. */
static void folder_of(const char *path, char folder[PATH_MAX]) {
    const char *slash = strrchr(path, '/');
    const size_t length = slash ? (size_t)(slash - path) + 1 : 1;
    snprintf(folder, PATH_MAX, "%.*s", (int)length, slash ? path : ".");
}

/* Removes a temporary file whose writer is no more: nobody holds its lock. */
static void remove_left(const char *path) {
    const int descriptor = open(path, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (descriptor < 0)
        return;
    if (flock(descriptor, LOCK_EX | LOCK_NB) == 0)
        unlink(path);
    close(descriptor);
}

/* Whether it is what create_beside adds to a path: a process's number and a small one. */
static bool is_partial(const char *added) {
    if (strncmp(added, FILE_PARTIAL, strlen(FILE_PARTIAL)) != 0)
        return false;
    const char *process = added + strlen(FILE_PARTIAL);
    const size_t digits = strspn(process, "0123456789");
    const char *number = process + digits + 1;
    return digits > 0 && process[digits] == '-' && *number &&
           strspn(number, "0123456789") == strlen(number);
}

/* Removes the temporary files of `path` that killed processes left. */
static void remove_all_left(const char *path) {
    char folder[PATH_MAX], found[PATH_MAX + NAME_MAX + 2];
    folder_of(path, folder);
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    DIR *directory = opendir(folder);
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        const size_t length = strlen(name);
        if (strncmp(entry->d_name, name, length) != 0 || !is_partial(entry->d_name + length))
            continue;
        snprintf(found, sizeof found, "%s%s%s", folder, slash ? "" : "/", entry->d_name);
        remove_left(found);
    }
    if (directory)
        closedir(directory);
}

/* What one call may transfer: macOS refuses more than INT_MAX bytes. */
enum { TRANSFER_LIMIT = 1 << 30 };

static size_t limited(size_t bytes) {
    return bytes < TRANSFER_LIMIT ? bytes : TRANSFER_LIMIT;
}

int file_write(int descriptor, const void *data, size_t bytes) {
    for (size_t done = 0; done < bytes;) {
        const ssize_t written = write(descriptor, (const char *)data + done, limited(bytes - done));
        if (written < 0 && errno != EINTR)
            return errno;
        if (written == 0)
            return EIO;
        done += written > 0 ? (size_t)written : 0;
    }
    return 0;
}

/* 0, or errno. A file system that can't sync at all (some of networks, of programs, of phones) has
 * nothing to wait for: the file is written, as well as it can be there. */
static int sync_file(int descriptor) {
    const int reason = fsync(descriptor) == 0 ? 0 : errno;
    return reason == EINVAL || reason == ENOSYS || reason == ENOTSUP || reason == EOPNOTSUPP
               ? 0
               : reason;
}

/* Makes the rename itself last. A folder that can't be synced (some file systems) is no error: the
 * file is whole under either name. */
static void sync_folder(const char *path) {
    char folder[PATH_MAX];
    folder_of(path, folder);
    const int descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor >= 0) {
        (void)fsync(descriptor);
        close(descriptor);
    }
}

enum status file_replace(
    const char *path, const struct file_part *parts, size_t count, struct error *error) {
    char temporary[PATH_MAX];
    int descriptor;
    const enum status status = create_beside(path, temporary, &descriptor, error);
    if (status != STATUS_OK)
        return status;
    const char *what = "write";
    int reason = 0;
    for (size_t p = 0; p < count && reason == 0; p++)
        reason = file_write(descriptor, parts[p].data, parts[p].bytes);
    if (reason == 0) {
        what = "fsync";
        reason = sync_file(descriptor);
    }
    if (reason == 0) {
        what = "rename";
        reason = rename(temporary, path) == 0 ? 0 : errno;
    }
    close(descriptor); /* and with it the lock: after the name is given up */
    if (reason != 0) {
        unlink(temporary);
        return refuse(path, what, reason, error);
    }
    sync_folder(path);
    return STATUS_OK;
}

/* Whether what is at `path` can be replaced: in a folder like /tmp only by its owner. 0, or errno.
 */
static int check_sticky(const char *path) {
    char folder[PATH_MAX];
    struct stat file, place;
    folder_of(path, folder);
    const bool guarded = lstat(path, &file) == 0 && stat(folder, &place) == 0 &&
                         (place.st_mode & S_ISVTX) && geteuid() != 0;
    return guarded && file.st_uid != geteuid() && place.st_uid != geteuid() ? EPERM : 0;
}

enum status file_check_writable(const char *path, struct error *error) {
    static const char some[] = "some bytes";
    char temporary[PATH_MAX];
    int descriptor;
    remove_all_left(path);
    enum status status = create_beside(path, temporary, &descriptor, error);
    if (status != STATUS_OK)
        return status;
    const char *what = "write";
    int reason = file_write(descriptor, some, sizeof some);
    if (reason == 0) {
        what = "fsync";
        reason = sync_file(descriptor);
    }
    if (reason == 0) {
        what = "rename";
        reason = check_sticky(path);
    }
    close(descriptor);
    unlink(temporary);
    return reason == 0 ? STATUS_OK : refuse(path, what, reason, error);
}

int file_check_folder(const char *path) {
    char above[PATH_MAX];
    struct stat status;
    if (stat(path, &status) == 0)
        return !S_ISDIR(status.st_mode) ? ENOTDIR : access(path, W_OK | X_OK) == 0 ? 0 : errno;
    if (errno != ENOENT || snprintf(above, sizeof above, "%s", path) >= (int)sizeof above)
        return errno == ENOENT ? ENAMETOOLONG : errno;
    char *slash = strrchr(above, '/');
    if (!slash || slash == above)
        return ENOENT;
    *slash = '\0';
    if (stat(above, &status) != 0)
        return file_check_folder(above);
    if (mkdir(path, 0700) != 0) /* permissions don't tell all, root's least */
        return errno;
    return rmdir(path) == 0 ? 0 : errno;
}

bool file_make_private_folder(char *path, size_t given) {
    for (char *slash = path + given; (slash = strchr(slash + 1, '/'));) {
        *slash = '\0';
        (void)mkdir(path, 0700);
        *slash = '/';
    }
    (void)mkdir(path, 0700);
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode) && status.st_uid == geteuid() &&
           ((status.st_mode & 077) == 0 || chmod(path, status.st_mode & 0700) == 0);
}

bool file_is_same(const char *a, const char *b) {
    struct stat first, second;
    if (strcmp(a, b) == 0)
        return true;
    const bool one = stat(a, &first) == 0, other = stat(b, &second) == 0;
    const char *slash_a = strrchr(a, '/'), *slash_b = strrchr(b, '/');
    if (!one && !other) { /* then of one name in one folder */
        char folder_a[PATH_MAX], folder_b[PATH_MAX];
        folder_of(a, folder_a);
        folder_of(b, folder_b);
        if (strcmp(slash_a ? slash_a + 1 : a, slash_b ? slash_b + 1 : b) != 0 ||
            stat(folder_a, &first) != 0 || stat(folder_b, &second) != 0)
            return false;
    }
    return one == other && first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

int file_open_regular(const char *path, uint64_t *bytes, const char **problem, int *reason) {
    struct stat status;
    const int descriptor = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (descriptor < 0 || fstat(descriptor, &status) != 0) {
        *reason = errno;
        *problem = locale_reason(*reason);
    } else if (!S_ISREG(status.st_mode)) {
        *reason = 0;
        *problem = S_ISDIR(status.st_mode)    ? "is a directory"
                   : S_ISFIFO(status.st_mode) ? "is a FIFO"
                                              : "is a device or a socket";
    } else {
        *bytes = (uint64_t)status.st_size;
        return descriptor;
    }
    if (descriptor >= 0)
        close(descriptor);
    return -1;
}

size_t file_read_at(int descriptor, uint64_t offset, void *to, size_t bytes, int *reason) {
    size_t done = 0;
    *reason = 0;
    while (done < bytes) {
        const ssize_t got =
            pread(descriptor, (char *)to + done, limited(bytes - done), (off_t)(offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            *reason = errno;
        if (got <= 0)
            break;
        done += (size_t)got;
    }
    return done;
}

bool file_read_line(const char *path, char *line, size_t size) {
    FILE *file = fopen(path, "r");
    if (!file)
        return false;
    const bool read = fgets(line, (int)size, file) != NULL;
    fclose(file);
    if (read)
        line[strcspn(line, "\n")] = '\0';
    return read;
}
