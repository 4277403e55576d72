#include "program/log.h"

#include "system/file.h"
#include "system/locale.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Whether the file is empty or ends with a line's end. Of what is no regular file, as a pipe,
 * nobody knows. */
static bool is_whole(const char *path) {
    struct stat status;
    char last = '\n';
    const int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0)
        return true;
    if (fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0 &&
        pread(descriptor, &last, 1, status.st_size - 1) != 1)
        last = '\n';
    close(descriptor);
    return last == '\n';
}

enum status log_open(const char *path, struct log *log, struct error *error) {
    *log = (struct log){.path = path, .descriptor = -1};
    if (!path)
        return STATUS_OK;
    if (!is_whole(path))
        return error_set(error, STATUS_USAGE,
            "--log %s: its last line is not whole, so it is no log: name another file", path);
    /* A pipe that nobody reads is an error, and not waited for. */
    const int how = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK;
    log->descriptor = open(path, how | O_EXCL, 0666);
    log->made = log->descriptor >= 0;
    if (!log->made)
        log->descriptor = open(path, how, 0666);
    if (log->descriptor < 0 || fcntl(log->descriptor, F_SETFL, O_APPEND) != 0)
        return error_set(error, STATUS_FAILED, "--log %s: %s", path, locale_reason(errno));
    return STATUS_OK;
}

/* Writes a line, or takes back what was written of it. */
static int write_line(struct log *log, const char *line, size_t length) {
    struct stat before;
    if (fstat(log->descriptor, &before) != 0)
        return errno;
    const int reason = file_write(log->descriptor, line, length);
    if (reason != 0 && S_ISREG(before.st_mode))
        (void)file_cut(log->descriptor, (uint64_t)before.st_size);
    return reason;
}

void log_write(struct log *log, const struct record *record, size_t epoch) {
    struct error error;
    char *line = NULL;
    size_t length = 0;
    FILE *file = open_memstream(&line, &length);
    const bool made = file && record_write_epoch_json(record, epoch, file, &error) == STATUS_OK;
    const bool whole = file && fclose(file) == 0 && made;
    const int reason = whole ? write_line(log, line, length) : ENOMEM;
    free(line);
    if (log->unwritten == 0)
        log->unwritten = reason;
    log->made &= reason != 0;
}

enum status log_close(struct log *log, struct error *error) {
    if (log->path && log->descriptor >= 0)
        close(log->descriptor);
    if (log->made) /* and nothing was to be told */
        unlink(log->path);
    log->made = false;
    log->descriptor = -1;
    return log->unwritten == 0 ? STATUS_OK
                               : error_set(error, STATUS_FAILED, "--log %s: lines are missing: %s",
                                     log->path, locale_reason(log->unwritten));
}
