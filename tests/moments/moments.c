/* Moments that are certain, for tests of a whole program on any machine: what happens at a call of
 * its, and not after some time. It is preloaded (LD_PRELOAD), and reads its environment:
 *
 * - TRAINER_MOMENT=CALL:N:ACTION[,ACTION...]: once the Nth call of that name is done, from 1 on;
 *   with N+ that one and all later ones.
 * - TRAINER_MOMENT_CLOCK=processor: the monotonic clock shows the calling thread's processor time,
 *   which others on the machine can't make longer.
 * - TRAINER_MOMENT_CLOCK=steps: each look at it finds it 1/512 s later: what depends on it is
 *   the same in every run. (Milliseconds have no exact differences, so that equal ones may differ.)
 * - TRAINER_MOMENT_REPORT=FILE: how many calls of each name there were, written as a JSON object
 *   when the process ends.
 * - TRAINER_MOMENT_LOG=FILE: a line for each call about files that was done, in their order: its
 *   name and the paths, with tabs between, of which a descriptor's is where the system has it.
 *
 * CALL is one of `names`. ACTION is a signal's name, that the process gets (KILL, INT, TERM, HUP,
 * STOP); +MS, which sets the clock forward; =ERRNO, with which the call fails instead of being
 * done; or what libraries do to a process: UMASK, with which its files are everybody's, and LOCALE,
 * the one of its environment. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <locale.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

enum call { WRITE, FSYNC, RENAME, UNLINK, FLOCK, RESERVE, FORK, THREAD, CLOCK, CALLS };

static const char *const names[CALLS] = {"write", "fsync", "rename", "unlink", "flock",
    "posix_fallocate", "fork", "pthread_create", "clock_gettime"};

static const struct {
    const char *name;
    int signal;
} signals[] = {
    {"KILL", SIGKILL}, {"INT", SIGINT}, {"TERM", SIGTERM}, {"HUP", SIGHUP}, {"STOP", SIGSTOP}};

static const struct {
    const char *name;
    int number;
} reasons[] = {
    {"EINVAL", EINVAL}, {"ENOSYS", ENOSYS}, {"EIO", EIO}, {"ENOSPC", ENOSPC}, {"EAGAIN", EAGAIN}};

static atomic_ulong counts[CALLS];
static atomic_llong ahead; /* nanoseconds that the clock was set forward */
static atomic_bool acting; /* what an action calls is none of the program's calls */

/* The real ones. */
static ssize_t (*real_write)(int, const void *, size_t);
static int (*real_fsync)(int), (*real_rename)(const char *, const char *),
    (*real_unlink)(const char *), (*real_flock)(int, int),
    (*real_posix_fallocate)(int, off_t, off_t);
static pid_t (*real_fork)(void);
static int (*real_clock_gettime)(clockid_t, struct timespec *);
static int (*real_pthread_create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

static void find_real(void *function, const char *name) {
    void *symbol = dlsym(RTLD_NEXT, name);
    memcpy(function, &symbol, sizeof symbol);
}

static void find_all(void) {
    find_real(&real_write, "write");
    find_real(&real_fsync, "fsync");
    find_real(&real_rename, "rename");
    find_real(&real_unlink, "unlink");
    find_real(&real_flock, "flock");
    find_real(&real_posix_fallocate, "posix_fallocate");
    find_real(&real_pthread_create, "pthread_create");
    find_real(&real_fork, "fork");
    find_real(&real_clock_gettime, "clock_gettime");
}

__attribute__((noreturn)) static void refuse(const char *text) {
    fprintf(stderr, "TRAINER_MOMENT '%s' is not CALL:N[+]:ACTION[,ACTION...]\n", text);
    abort();
}

/* --- The moment --- */

/* Whether this is it; the rest of the text, its actions, is then at *actions. */
static bool is_moment(enum call call, const char **actions) {
    const unsigned long number = atomic_fetch_add(&counts[call], 1) + 1;
    const char *text = getenv("TRAINER_MOMENT");
    const size_t length = strlen(names[call]);
    if (!text || strncmp(text, names[call], length) != 0 || text[length] != ':')
        return false;
    char *end;
    const unsigned long at = strtoul(text + length + 1, &end, 10);
    const bool lasting = *end == '+';
    end += lasting;
    if (at == 0 || *end != ':')
        refuse(text);
    *actions = end + 1;
    return lasting ? number >= at : number == at;
}

/* The errno of the first "=ERRNO" among the actions; 0: none. */
static int failure_in(const char *actions) {
    const char *name = strchr(actions, '=');
    for (size_t r = 0; name && r < sizeof reasons / sizeof *reasons; r++)
        if (strncmp(name + 1, reasons[r].name, strlen(reasons[r].name)) == 0)
            return reasons[r].number;
    return 0;
}

static bool is_action(const char *action, size_t length, const char *name) {
    return strlen(name) == length && strncmp(action, name, length) == 0;
}

static void act(const char *actions) {
    for (const char *action = actions; *action;
        action += strcspn(action, ","), action += *action == ',') {
        const size_t length = strcspn(action, ",");
        if (*action == '+')
            atomic_fetch_add(&ahead, strtoll(action + 1, NULL, 10) * 1000000);
        for (size_t s = 0; s < sizeof signals / sizeof *signals; s++)
            if (is_action(action, length, signals[s].name))
                raise(signals[s].signal);
        if (is_action(action, length, "UMASK"))
            umask(0);
        if (is_action(action, length, "LOCALE"))
            setlocale(LC_ALL, "");
    }
}

/* Counts a call; gives the errno with which it is to fail, or 0, and the actions that follow it. */
static int begin_call(enum call call, const char **actions) {
    *actions = NULL;
    if (atomic_load(&acting) || !is_moment(call, actions))
        *actions = NULL;
    return *actions ? failure_in(*actions) : 0;
}

static void end_call(const char *actions) {
    if (!actions || atomic_exchange(&acting, true))
        return;
    const int reason = errno;
    act(actions);
    errno = reason;
    atomic_store(&acting, false);
}

/* --- The log --- */

static void note_paths(enum call call, const char *path, const char *more) {
    const char *name = getenv("TRAINER_MOMENT_LOG");
    const int reason = errno;
    char line[3 * PATH_MAX];
    const int log = name ? open(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666) : -1;
    if (log >= 0) {
        const int length = snprintf(line, sizeof line, "%s\t%s%s%s\n", names[call], path,
            more ? "\t" : "", more ? more : "");
        if (real_write(log, line, (size_t)length) != length)
            abort();
        close(log);
    }
    errno = reason;
}

static void note_file(enum call call, int descriptor) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    const ssize_t length = readlink(link, path, sizeof path - 1);
    path[length > 0 ? length : 0] = '\0';
    note_paths(call, path, NULL);
}

/* FOLLOWED(type, name, parameters, arguments, call, note): the call, its moment, and what follows.
 */
#define FOLLOWED(type, name, parameters, arguments, call, note)                                    \
    type name parameters {                                                                         \
        const char *actions;                                                                       \
        if (!real_##name)                                                                          \
            find_all();                                                                            \
        const int reason = begin_call(call, &actions);                                             \
        const type result = reason ? -1 : real_##name arguments;                                   \
        errno = reason ? reason : errno;                                                           \
        if (result != -1)                                                                          \
            note;                                                                                  \
        end_call(actions);                                                                         \
        return result;                                                                             \
    }

FOLLOWED(ssize_t, write, (int descriptor, const void *from, size_t bytes),
    (descriptor, from, bytes), WRITE, note_file(WRITE, descriptor))
FOLLOWED(int, fsync, (int descriptor), (descriptor), FSYNC, note_file(FSYNC, descriptor))
FOLLOWED(int, rename, (const char *from, const char *to), (from, to), RENAME,
    note_paths(RENAME, from, to))
FOLLOWED(int, unlink, (const char *path), (path), UNLINK, note_paths(UNLINK, path, NULL))
FOLLOWED(int, flock, (int descriptor, int operation), (descriptor, operation), FLOCK,
    note_file(FLOCK, descriptor))
FOLLOWED(pid_t, fork, (void), (), FORK, (void)0)

int posix_fallocate(int descriptor, off_t begin, off_t bytes) {
    const char *actions;
    if (!real_posix_fallocate)
        find_all();
    const int reason = begin_call(RESERVE, &actions);
    const int result = reason ? reason : real_posix_fallocate(descriptor, begin, bytes);
    if (result == 0)
        note_file(RESERVE, descriptor);
    end_call(actions);
    return result;
}

int pthread_create(
    pthread_t *thread, const pthread_attr_t *how, void *(*start)(void *), void *context) {
    const char *actions;
    if (!real_pthread_create)
        find_all();
    const int reason = begin_call(THREAD, &actions);
    const int result = reason ? reason : real_pthread_create(thread, how, start, context);
    end_call(actions);
    return result;
}

/* --- The clock --- */

static void set(struct timespec *now, long long nanoseconds) {
    *now = (struct timespec){(time_t)(nanoseconds / 1000000000), (long)(nanoseconds % 1000000000)};
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    static _Thread_local long long steps; /* what other threads do makes no difference */
    const char *kind = getenv("TRAINER_MOMENT_CLOCK"), *actions;
    if (!real_clock_gettime)
        find_all();
    if (clock != CLOCK_MONOTONIC)
        return real_clock_gettime(clock, now);
    begin_call(CLOCK, &actions);
    const bool is_processor = kind && strcmp(kind, "processor") == 0;
    const int result = real_clock_gettime(is_processor ? CLOCK_THREAD_CPUTIME_ID : clock, now);
    if (kind && strcmp(kind, "steps") == 0)
        set(now, 1953125 * steps++);
    set(now, (long long)now->tv_sec * 1000000000 + now->tv_nsec + atomic_load(&ahead));
    end_call(actions);
    return result;
}

/* --- The report --- */

__attribute__((destructor)) static void report(void) {
    const char *path = getenv("TRAINER_MOMENT_REPORT");
    FILE *file = path ? fopen(path, "w") : NULL;
    if (!file)
        return;
    for (int call = 0; call < CALLS; call++)
        fprintf(file, "%s\"%s\": %lu", call ? ", " : "{", names[call], counts[call]);
    fprintf(file, "}\n");
    fclose(file);
}
