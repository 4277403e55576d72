/* Calls that fail when a test wants them to. The program's objects are linked with this one and
 * with the linker's --wrap=NAME for each name that CALL or FAILING has below (tests/CMakeLists.txt
 * reads them here), so that their own calls come by. Those of shared libraries don't, but for
 * jansson's allocations, which a program may replace.
 *
 *   TRAINER_FAULT=KIND:N         the Nth call of the kind fails, from 1 on
 *   TRAINER_FAULT=KIND:N+        that one and all later ones
 *   TRAINER_FAULT=KIND:N=HOW     as it says: an errno's name, or "short", which reads or writes
 *                                half of what was asked for; also KIND:N+=HOW
 *   TRAINER_CLOCK=still          the monotonic clock never moves
 *   TRAINER_CLOCK=steps          each look at it finds it 1/512 s later
 *   TRAINER_CLOCK=SECONDS        the time of day is so many seconds off
 *   TRAINER_FAULT_REPORT=FILE    how many calls of each kind there were, and how many failed,
 *                                written as a JSON object when the process ends
 *
 * KIND is one of `kinds`. What fails is not done, but for closing, which is.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

/* --- Which call fails --- */

enum kind {
    MEMORY,
    OPEN,
    READ,
    WRITE,
    FLUSH,
    FSYNC,
    CLOSE,
    RENAME,
    UNLINK,
    STAT,
    FOLDER,
    SYSTEM,
    KINDS
};

static struct {
    const char *name;
    int reason; /* errno */
    atomic_ulong calls;
} kinds[KINDS] = {
    [MEMORY] = {"memory", ENOMEM},
    [OPEN] = {"open", EMFILE},
    [READ] = {"read", EIO},
    [WRITE] = {"write", ENOSPC},
    [FLUSH] = {"flush", ENOSPC}, /* of a stream */
    [FSYNC] = {"fsync", EIO},
    [CLOSE] = {"close", EIO},
    [RENAME] = {"rename", EACCES},
    [UNLINK] = {"unlink", EACCES},
    [STAT] = {"stat", EIO},
    [FOLDER] = {"folder", EACCES}, /* making and syncing one, and what files are marked with */
    [SYSTEM] = {"system", ENOSYS}, /* what the machine is and has */
};

static const struct {
    const char *name;
    int reason;
} reasons[] = {{"EACCES", EACCES}, {"EINTR", EINTR}, {"EIO", EIO}, {"EMFILE", EMFILE},
    {"ENOMEM", ENOMEM}, {"ENOSPC", ENOSPC}, {"short", 0}};

static struct {
    enum kind kind;
    unsigned long at; /* 0: none */
    bool lasting, cut;
    int reason; /* 0: the kind's */
} fault;

static atomic_ulong failed;

/* Counts a call; gives whether it is the one. */
static bool is_hit(enum kind kind) {
    const unsigned long number = atomic_fetch_add(&kinds[kind].calls, 1) + 1;
    if (fault.at == 0 || fault.kind != kind)
        return false;
    const bool hit = fault.lasting ? number >= fault.at : number == fault.at;
    if (hit)
        atomic_fetch_add(&failed, 1);
    return hit;
}

/* For what can't be cut. */
static bool fails(enum kind kind) {
    if (!is_hit(kind) || fault.cut)
        return false;
    errno = fault.reason ? fault.reason : kinds[kind].reason;
    return true;
}

/* For what can: lessens `bytes`, to no less than 1. */
static bool fails_or_cuts(enum kind kind, size_t *bytes) {
    if (!is_hit(kind))
        return false;
    if (fault.cut) {
        *bytes = (*bytes + 1) / 2;
        return false;
    }
    errno = fault.reason ? fault.reason : kinds[kind].reason;
    return true;
}

/* --- The calls --- */

/* CALL(type, name, parameters) {...} is what the program calls, and __real_NAME what it means. */
#define CALL(type, name, parameters)                                                               \
    type __real_##name parameters;                                                                 \
    type __wrap_##name parameters;                                                                 \
    type __wrap_##name parameters

#define FAILING(type, name, parameters, arguments, kind, failure)                                  \
    CALL(type, name, parameters) {                                                                 \
        return fails(kind) ? failure : __real_##name arguments;                                    \
    }

FAILING(void *, malloc, (size_t bytes), (bytes), MEMORY, NULL)
FAILING(void *, calloc, (size_t count, size_t bytes), (count, bytes), MEMORY, NULL)
FAILING(void *, realloc, (void *memory, size_t bytes), (memory, bytes), MEMORY, NULL)
FAILING(void *, aligned_alloc, (size_t alignment, size_t bytes), (alignment, bytes), MEMORY, NULL)
FAILING(char *, strdup, (const char *text), (text), MEMORY, NULL)

FAILING(FILE *, fopen, (const char *path, const char *mode), (path, mode), OPEN, NULL)
FAILING(DIR *, opendir, (const char *path), (path), OPEN, NULL)
FAILING(char *, fgets, (char *line, int size, FILE *file), (line, size, file), READ, NULL)
FAILING(struct dirent *, readdir, (DIR * directory), (directory), READ, NULL)
FAILING(int, fflush, (FILE * file), (file), FLUSH, EOF)
FAILING(int, rename, (const char *from, const char *to), (from, to), RENAME, -1)
FAILING(int, unlink, (const char *path), (path), UNLINK, -1)
FAILING(int, unlinkat, (int folder, const char *path, int flags), (folder, path, flags), UNLINK, -1)

FAILING(int, stat, (const char *path, struct stat *status), (path, status), STAT, -1)
FAILING(int, lstat, (const char *path, struct stat *status), (path, status), STAT, -1)
FAILING(int, fstat, (int descriptor, struct stat *status), (descriptor, status), STAT, -1)
FAILING(int, fstatat, (int folder, const char *path, struct stat *status, int flags),
    (folder, path, status, flags), STAT, -1)
FAILING(int, statx,
    (int folder, const char *path, int flags, unsigned wanted, struct statx *status),
    (folder, path, flags, wanted, status), STAT, -1)
FAILING(int, mkdir, (const char *path, mode_t mode), (path, mode), FOLDER, -1)
FAILING(int, chmod, (const char *path, mode_t mode), (path, mode), FOLDER, -1)
FAILING(int, fchmod, (int descriptor, mode_t mode), (descriptor, mode), FOLDER, -1)
FAILING(int, fchown, (int file, uid_t owner, gid_t group), (file, owner, group), FOLDER, -1)
FAILING(int, futimens, (int descriptor, const struct timespec times[2]), (descriptor, times),
    FOLDER, -1)

FAILING(int, posix_fallocate, (int descriptor, off_t begin, off_t bytes),
    (descriptor, begin, bytes), WRITE, errno)
FAILING(int, ftruncate, (int descriptor, off_t bytes), (descriptor, bytes), WRITE, -1)

FAILING(int, flock, (int descriptor, int operation), (descriptor, operation), SYSTEM, -1)
FAILING(int, sigaction, (int signal, const struct sigaction *action, struct sigaction *before),
    (signal, action, before), SYSTEM, -1)
FAILING(long, sysconf, (int name), (name), SYSTEM, -1)
FAILING(int, uname, (struct utsname * system), (system), SYSTEM, -1)
FAILING(int, madvise, (void *memory, size_t bytes, int advice), (memory, bytes, advice), SYSTEM, -1)
FAILING(int, sched_getaffinity, (pid_t process, size_t size, cpu_set_t *mask),
    (process, size, mask), SYSTEM, -1)

CALL(int, open, (const char *path, int flags, ...)) {
    mode_t mode = 0;
    if (flags & O_CREAT) {
        va_list more;
        va_start(more, flags);
        mode = va_arg(more, mode_t);
        va_end(more);
    }
    return fails(OPEN) ? -1 : __real_open(path, flags, mode);
}

CALL(ssize_t, pread, (int descriptor, void *to, size_t bytes, off_t offset)) {
    return fails_or_cuts(READ, &bytes) ? -1 : __real_pread(descriptor, to, bytes, offset);
}

CALL(ssize_t, write, (int descriptor, const void *from, size_t bytes)) {
    return fails_or_cuts(WRITE, &bytes) ? -1 : __real_write(descriptor, from, bytes);
}

CALL(int, fsync, (int descriptor)) {
    struct stat status;
    const bool folder = __real_fstat(descriptor, &status) == 0 && S_ISDIR(status.st_mode);
    return fails(folder ? FOLDER : FSYNC) ? -1 : __real_fsync(descriptor);
}

CALL(int, close, (int descriptor)) {
    const bool fail = fails(CLOSE);
    const int reason = errno, result = __real_close(descriptor);
    errno = fail ? reason : errno;
    return fail ? -1 : result;
}

CALL(int, fclose, (FILE * file)) {
    const bool fail = fails(CLOSE);
    const int reason = errno, result = __real_fclose(file);
    errno = fail ? reason : errno;
    return fail ? EOF : result;
}

CALL(int, closedir, (DIR * directory)) {
    const bool fail = fails(CLOSE);
    const int reason = errno, result = __real_closedir(directory);
    errno = fail ? reason : errno;
    return fail ? -1 : result;
}

static const char *clock_fault; /* TRAINER_CLOCK; NULL: none */

CALL(int, clock_gettime, (clockid_t clock, struct timespec *now)) {
    static _Thread_local long steps; /* what other threads do makes no difference */
    const bool still = clock_fault && strcmp(clock_fault, "still") == 0;
    if (!still && (!clock_fault || strcmp(clock_fault, "steps") != 0))
        return __real_clock_gettime(clock, now);
    const long step = still ? 0 : steps++;
    *now = (struct timespec){.tv_sec = 1 + step / 512, .tv_nsec = step % 512 * 1953125};
    return 0;
}

CALL(time_t, time, (time_t *now)) {
    const time_t off = clock_fault ? (time_t)strtoll(clock_fault, NULL, 10) : 0;
    const time_t told = __real_time(NULL) + off;
    if (now)
        *now = told;
    return told;
}

/* What some distributions' compilers make of them by default (_FORTIFY_SOURCE). */
CALL(ssize_t, __pread_chk, (int descriptor, void *to, size_t bytes, off_t offset, size_t size)) {
    (void)size;
    return __wrap_pread(descriptor, to, bytes, offset);
}

CALL(char *, __fgets_chk, (char *line, size_t size, int count, FILE *file)) {
    (void)size;
    return __wrap_fgets(line, count, file);
}

/* --- Beginning and ending --- */

static void refuse(const char *text) {
    fprintf(stderr, "TRAINER_FAULT '%s' is not KIND:N[+][=HOW]\n", text);
    abort();
}

static void read_fault(const char *text) {
    const size_t length = strcspn(text, ":");
    enum kind kind = 0;
    while (kind < KINDS &&
           (strlen(kinds[kind].name) != length || strncmp(kinds[kind].name, text, length) != 0))
        kind++;
    char *end;
    const char *number = text + length + (text[length] == ':');
    const unsigned long at = strtoul(number, &end, 10);
    const bool lasting = *end == '+';
    end += lasting;
    size_t how = 0;
    while (*end == '=' && how < sizeof reasons / sizeof *reasons &&
           strcmp(reasons[how].name, end + 1) != 0)
        how++;
    if (kind == KINDS || at == 0 || (*end != '=' && *end != '\0') ||
        how == sizeof reasons / sizeof *reasons)
        refuse(text);
    fault.lasting = lasting;
    fault.cut = *end == '=' && reasons[how].reason == 0;
    fault.reason = *end == '=' ? reasons[how].reason : 0;
    fault.kind = kind;
    fault.at = at;
}

static void write_report(const char *path) {
    FILE *file = __real_fopen(path, "w");
    if (!file)
        return;
    for (int kind = 0; kind < KINDS; kind++)
        fprintf(file, "%s\"%s\": %lu", kind ? ", " : "{", kinds[kind].name, kinds[kind].calls);
    fprintf(file, ", \"failed\": %lu}\n", failed);
    __real_fclose(file);
}

__attribute__((constructor)) static void begin(void) {
    const char *text = getenv("TRAINER_FAULT");
    if (text)
        read_fault(text);
    clock_fault = getenv("TRAINER_CLOCK");
    json_set_alloc_funcs(__wrap_malloc, free);
}

__attribute__((destructor)) static void end(void) {
    const char *path = getenv("TRAINER_FAULT_REPORT");
    if (path)
        write_report(path);
}
