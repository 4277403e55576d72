#include "system/file.h"

#include "system/locale.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum status file_refuse(const char *path, const char *what, int reason, struct error *error) {
    return error_set(
        error, STATUS_FAILED, "can't write %s: %s: %s", path, what, locale_reason(reason));
}

enum status file_check_target(const char *path, struct error *error) {
    struct stat status;
    if (lstat(path, &status) != 0 || S_ISREG(status.st_mode))
        return STATUS_OK;
    return error_set(error, STATUS_FAILED, "can't write %s: it is %s", path,
        S_ISLNK(status.st_mode) ? "a symbolic link; name the file itself" : "not a regular file");
}

bool file_name_partial(const char *path, int number, char partial[PATH_MAX]) {
    const int length =
        snprintf(partial, PATH_MAX, "%s" FILE_PARTIAL "%ld-%d", path, (long)getpid(), number);
    return length >= 0 && length < PATH_MAX;
}

/* Creates a new temporary file in the folder of `path`, and writes its name to `temporary`. */
static enum status create_beside(
    const char *path, char temporary[PATH_MAX], int *descriptor, struct error *error) {
    const enum status status = file_check_target(path, error);
    if (status != STATUS_OK)
        return status;
    for (int try = 0; try < 100; try++) {
        if (!file_name_partial(path, try, temporary))
            return file_refuse(path, "open", ENAMETOOLONG, error);
        *descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (*descriptor >= 0)
            return STATUS_OK;
        if (errno != EEXIST)
            return file_refuse(path, "open", errno, error);
    }
    return file_refuse(path, "open", EEXIST, error);
}

void file_folder(const char *path, char folder[PATH_MAX]) {
    const char *slash = strrchr(path, '/');
    const size_t length = slash ? (size_t)(slash - path) + 1 : 1;
    snprintf(folder, PATH_MAX, "%.*s", (int)length, slash ? path : ".");
}

/* Bytes that one call may transfer: macOS refuses more than INT_MAX. */
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

int file_write_parts(int descriptor, const struct file_part *parts, size_t count) {
    int reason = 0;
    for (size_t p = 0; p < count && reason == 0; p++)
        reason = file_write(descriptor, parts[p].data, parts[p].bytes);
    return reason;
}

int file_cut(int descriptor, uint64_t bytes) {
    int result;
    do
        result = ftruncate(descriptor, (off_t)bytes);
    while (result != 0 && errno == EINTR);
    return result == 0 ? 0 : errno;
}

int file_sync(int descriptor) {
    const int reason = fsync(descriptor) == 0 ? 0 : errno;
    return reason == EINVAL || reason == ENOSYS || reason == ENOTSUP || reason == EOPNOTSUPP
               ? 0
               : reason;
}

void file_sync_folder(const char *path) {
    char folder[PATH_MAX];
    file_folder(path, folder);
    const int descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor >= 0) {
        (void)fsync(descriptor);
        close(descriptor);
    }
}

enum status file_replace(
    const char *path, const struct file_part *parts, size_t count, struct error *error) {
    char temporary[PATH_MAX];
    int descriptor = -1;
    const enum status status = create_beside(path, temporary, &descriptor, error);
    if (status != STATUS_OK)
        return status;
    const char *what = "write";
    int reason = file_write_parts(descriptor, parts, count);
    if (reason == 0) {
        what = "fsync";
        reason = file_sync(descriptor);
    }
    if (reason == 0) {
        what = "rename";
        reason = rename(temporary, path) == 0 ? 0 : errno;
    }
    close(descriptor);
    if (reason != 0) {
        unlink(temporary);
        return file_refuse(path, what, reason, error);
    }
    file_sync_folder(path);
    return STATUS_OK;
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
    if (mkdir(path, 0700) != 0) /* permissions alone don't tell, least of all to root */
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
    /* Neither exists: they will be one file if name and folder are the same. */
    if (!one && !other) {
        char folder_a[PATH_MAX], folder_b[PATH_MAX];
        file_folder(a, folder_a);
        file_folder(b, folder_b);
        if (strcmp(slash_a ? slash_a + 1 : a, slash_b ? slash_b + 1 : b) != 0 ||
            stat(folder_a, &first) != 0 || stat(folder_b, &second) != 0)
            return false;
    }
    return one == other && first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

bool file_is_at(int descriptor, const char *path) {
    struct stat open_file, there;
    if (fstat(descriptor, &open_file) != 0)
        return true;
    if (stat(path, &there) != 0)
        return errno != ENOENT;
    return open_file.st_dev == there.st_dev && open_file.st_ino == there.st_ino;
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
