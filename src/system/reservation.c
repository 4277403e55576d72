#include "system/reservation.h"

#include "system/hold.h"
#include "system/locale.h"
#include "system/places.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct reservation {
    struct hold hold;
    uint64_t bytes;         /* the room that is reserved */
    int descriptor;         /* of the temporary file; -1: there is none now */
    bool whole;             /* the temporary file has all that was to be written, and is synced */
    char partial[PATH_MAX]; /* path of the temporary file, always the same */
    char path[];
};

/* --- Reserving --- */

/* The numbers of temporary files: PARTIAL_TRIED is for a file that is made to try a rename, which
 * gives it the name of PARTIAL. */
enum { PARTIAL, PARTIAL_TRIED };

static enum status create(struct reservation *place, const char *partial, struct error *error) {
    place->whole = false;
    place->descriptor = open(partial, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    return place->descriptor >= 0 ? STATUS_OK : file_refuse(place->path, "open", errno, error);
}

/* Takes room by writing zeros, for a system that can't reserve it. Returns 0, or errno. */
static int write_zeros(int descriptor, uint64_t bytes) {
    static const char zeros[1 << 16];
    int reason = 0;
    for (uint64_t left = bytes; left > 0 && reason == 0;) {
        const size_t part = left < sizeof zeros ? (size_t)left : sizeof zeros;
        reason = file_write(descriptor, zeros, part);
        left -= part;
    }
    return reason;
}

/* Reserves room for the file. Returns 0, or errno. */
static int reserve(int descriptor, uint64_t bytes) {
#if !defined(__APPLE__)
    int reason;
    do
        reason = posix_fallocate(descriptor, 0, (off_t)bytes);
    while (reason == EINTR);
    if (reason != EINVAL && reason != ENOSYS && reason != ENOTSUP && reason != EOPNOTSUPP)
        return reason;
#endif
    return write_zeros(descriptor, bytes);
}

/* Whether the folder is like /tmp, where nobody may replace a file but its owner and the folder's,
 * and we are neither. */
static bool is_sticky(const char *path, const char *folder) {
    struct stat file, place;
    return geteuid() != 0 && lstat(path, &file) == 0 && stat(folder, &place) == 0 &&
           (place.st_mode & S_ISVTX) && file.st_uid != geteuid() && place.st_uid != geteuid();
}

/* Says why nobody, not even root, may replace the file: it is marked as immutable, or so that it
 * can only be appended to. NULL: it has no such mark. */
static const char *find_mark(const char *path) {
#if defined(STATX_ATTR_IMMUTABLE) && defined(STATX_ATTR_APPEND)
    struct statx status;
    if (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, 0, &status) != 0)
        return NULL;
    if (status.stx_attributes & STATX_ATTR_IMMUTABLE)
        return "it is immutable (chattr -i ends that)";
    if (status.stx_attributes & STATX_ATTR_APPEND)
        return "it can only be appended to (chattr -a ends that)";
#elif defined(UF_IMMUTABLE)
    struct stat status;
    if (lstat(path, &status) == 0 &&
        (status.st_flags & (UF_IMMUTABLE | SF_IMMUTABLE | UF_APPEND | SF_APPEND)))
        return "it is immutable, or can only be appended to (chflags ends that)";
#else
    (void)path;
#endif
    return NULL;
}

static bool is_mount_point(const char *path) {
#if defined(STATX_ATTR_MOUNT_ROOT)
    struct statx status;
    return statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, 0, &status) == 0 &&
           (status.stx_attributes & STATX_ATTR_MOUNT_ROOT);
#else
    (void)path;
    return false;
#endif
}

/* STATUS_FAILED when a rename over `path` would fail, as far as that can be found out. */
static enum status check_rename(const char *path, struct error *error) {
    char folder[PATH_MAX];
    file_folder(path, folder);
    const char *obstacle = find_mark(path), *marked = obstacle ? path : folder;
    if (!obstacle)
        obstacle = find_mark(folder);
    if (obstacle)
        return error_set(error, STATUS_FAILED, "can't write %s: %s: %s", path, marked, obstacle);
    if (is_mount_point(path))
        return error_set(error, STATUS_FAILED,
            "can't write %s: it is a mount point, which can't be replaced; name a file in a folder "
            "that is mounted",
            path);
    return is_sticky(path, folder) ? file_refuse(path, "rename", EPERM, error) : STATUS_OK;
}

/* Tries all that writing will do, except replacing the old file. */
static enum status try_all(struct reservation *place, struct error *error) {
    char tried[PATH_MAX];
    if (!file_name_partial(place->path, PARTIAL, place->partial) ||
        !file_name_partial(place->path, PARTIAL_TRIED, tried))
        return file_refuse(place->path, "open", ENAMETOOLONG, error);
    const enum status status = create(place, tried, error);
    if (status != STATUS_OK)
        return status;
    const bool renamed = rename(tried, place->partial) == 0;
    if (!renamed) {
        const int reason = errno;
        unlink(tried);
        return file_refuse(place->path, "rename", reason, error);
    }
    int reason = reserve(place->descriptor, place->bytes);
    if (reason != 0)
        return error_set(error, STATUS_FAILED, "can't write %s: reserve %llu bytes: %s",
            place->path, (unsigned long long)place->bytes, locale_reason(reason));
    reason = file_sync(place->descriptor);
    return reason == 0 ? STATUS_OK : file_refuse(place->path, "fsync", reason, error);
}

enum status reservation_open(
    const char *path, uint64_t bytes, struct reservation **reservation, struct error *error) {
    *reservation = NULL;
    struct reservation *place = calloc(1, sizeof *place + strlen(path) + 1);
    if (!place)
        return error_memory(error, "reserving a place for a file", sizeof *place + strlen(path));
    memcpy(place->path, path, strlen(path) + 1);
    place->bytes = bytes;
    place->descriptor = place->hold.descriptor = -1;
    enum status status = file_check_target(path, error);
    if (status == STATUS_OK)
        status = check_rename(path, error);
    if (status == STATUS_OK)
        status = hold_open(path, &place->hold, error);
    if (status == STATUS_OK)
        status = try_all(place, error);
    if (status != STATUS_OK) {
        reservation_close(place);
        return status;
    }
    *reservation = place;
    return STATUS_OK;
}

const char *reservation_path(const struct reservation *reservation) {
    return reservation->path;
}

const char *reservation_partial(const struct reservation *reservation) {
    return reservation->partial;
}

const char *reservation_lock(const struct reservation *reservation) {
    return reservation->hold.lock;
}

void reservation_close(struct reservation *reservation) {
    if (!reservation)
        return;
    if (reservation->descriptor >= 0) {
        close(reservation->descriptor);
        unlink(reservation->partial);
    }
    hold_close(&reservation->hold);
    free(reservation);
}

/* --- Writing --- */

/* Gives the new file the owner, group and mode of the old one, as far as the system allows it,
 * before there is anything in it. So those who could read the old file can read the new one, and
 * nobody else can. If the group can't be kept, the new group may do no more than everybody. */
static void adopt_mode(const struct reservation *place) {
    struct stat old, made;
    if (lstat(place->path, &old) != 0 || fstat(place->descriptor, &made) != 0)
        return;
    mode_t mode = old.st_mode & 0777;
    const bool same = old.st_uid == made.st_uid && old.st_gid == made.st_gid;
    if (!same && fchown(place->descriptor, old.st_uid, old.st_gid) != 0 &&
        fchown(place->descriptor, (uid_t)-1, old.st_gid) != 0)
        mode = (mode & ~(mode_t)070) | (mode & 07) << 3;
    (void)fchmod(place->descriptor, mode);
}

/* Makes the temporary file consist of the parts, and syncs it. */
static enum status fill(
    struct reservation *place, const struct file_part *parts, size_t count, struct error *error) {
    uint64_t bytes = 0;
    for (size_t p = 0; p < count; p++)
        bytes += parts[p].bytes;
    place->whole = false;
    adopt_mode(place);
    int reason = lseek(place->descriptor, 0, SEEK_SET) == 0
                     ? file_write_parts(place->descriptor, parts, count)
                     : errno;
    if (reason == 0)
        reason = file_cut(place->descriptor, bytes); /* more room was reserved */
    if (reason != 0)
        return file_refuse(place->path, "write", reason, error);
    reason = file_sync(place->descriptor);
    place->whole = reason == 0;
    return place->whole ? STATUS_OK : file_refuse(place->path, "fsync", reason, error);
}

/* Writes the parts to the path. The temporary file has then become that file. */
static enum status put(
    struct reservation *place, const struct file_part *parts, size_t count, struct error *error) {
    enum status status = place->descriptor >= 0 ? STATUS_OK : create(place, place->partial, error);
    if (status == STATUS_OK)
        status = fill(place, parts, count, error);
    if (status == STATUS_OK)
        status = file_check_target(place->path, error);
    if (status == STATUS_OK && rename(place->partial, place->path) != 0)
        status = file_refuse(place->path, "rename", errno, error);
    if (status != STATUS_OK)
        return status;
    close(place->descriptor);
    place->descriptor = -1;
    file_sync_folder(place->path);
    return STATUS_OK;
}

enum status reservation_write(struct reservation *reservation, const struct file_part *parts,
    size_t count, struct error *error) {
    const enum status status = put(reservation, parts, count, error);
    /* Failing to reserve room for the next time is no error: there may be room by then. */
    if (status == STATUS_OK && create(reservation, reservation->partial, NULL) == STATUS_OK)
        (void)reserve(reservation->descriptor, reservation->bytes);
    return status;
}

/* --- Keeping what could not be written to where it was to be --- */

/* Creates a file with a new name, `path` and a number. Returns its descriptor, or -1. */
static int create_kept(const char *path, char kept[PATH_MAX]) {
    for (int number = 1; number < 1000; number++) {
        const int length = snprintf(kept, PATH_MAX, "%s.kept-%d", path, number);
        if (length < 0 || length >= PATH_MAX)
            break;
        const int descriptor = open(kept, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (descriptor >= 0 || errno != EEXIST)
            return descriptor;
    }
    return -1;
}

/* Keeps the temporary file beside the path, under a name that nobody takes for a leftover. False
 * when it is not whole or can't be renamed. */
static bool keep_beside(struct reservation *place, char kept[PATH_MAX]) {
    const int descriptor = place->whole ? create_kept(place->path, kept) : -1;
    if (descriptor < 0)
        return false;
    close(descriptor);
    if (rename(place->partial, kept) != 0) {
        unlink(kept);
        return false;
    }
    close(place->descriptor);
    place->descriptor = -1;
    file_sync_folder(kept);
    return true;
}

/* Writes the parts once more, to the folder for temporary files, which may have room. */
static bool keep_apart(const struct reservation *place, const struct file_part *parts, size_t count,
    char kept[PATH_MAX]) {
    char path[PATH_MAX];
    const char *slash = strrchr(place->path, '/');
    const int length =
        snprintf(path, sizeof path, "%s/%s", places_temporary(), slash ? slash + 1 : place->path);
    const int descriptor =
        length >= 0 && (size_t)length < sizeof path ? create_kept(path, kept) : -1;
    if (descriptor < 0)
        return false;
    const bool done = file_write_parts(descriptor, parts, count) == 0 && file_sync(descriptor) == 0;
    close(descriptor);
    if (done)
        file_sync_folder(kept);
    else
        unlink(kept);
    return done;
}

enum status reservation_finish(struct reservation *reservation, const struct file_part *parts,
    size_t count, struct error *error) {
    struct error problem;
    char kept[PATH_MAX];
    const enum status status = put(reservation, parts, count, &problem);
    if (status == STATUS_OK)
        return STATUS_OK;
    return keep_beside(reservation, kept) || keep_apart(reservation, parts, count, kept)
               ? error_set(
                     error, status, "%.1000s; it is in %.1000s instead", problem.message, kept)
               : error_set(error, status, "%.1000s; nor could it be kept beside it or in %.900s",
                     problem.message, places_temporary());
}
