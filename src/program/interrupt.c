#include "program/interrupt.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>

static const int ending[] = {SIGINT, SIGTERM, SIGHUP}, failing[] = {SIGPIPE, SIGXFSZ};
enum { ENDING = sizeof ending / sizeof *ending };

/* These are global, because a signal is sent to the whole process. */
static atomic_int noted, deferred;
static atomic_llong noted_at;  /* milliseconds, when `noted` was set */
static bool is_caught[ENDING]; /* false for a signal that the program was started to ignore */

enum { FILES = 4 };
static _Atomic(const char *) files[FILES]; /* the files that end_at_once removes */

/* Milliseconds; two signals within that time have one cause: nobody presses Ctrl-C so fast. */
enum { SAME_CAUSE = 200 };

static long long milliseconds(void) {
    struct timespec now = {0};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Puts `path` in the place of `before` in the list of files. NULL is a free place. */
static void replace_file(const char *before, const char *path) {
    for (int f = 0; f < FILES; f++) {
        const char *expected = before;
        if (atomic_compare_exchange_strong(&files[f], &expected, path))
            return;
    }
}

void interrupt_remove(const char *path) {
    replace_file(NULL, path);
}

void interrupt_leave(const char *path) {
    replace_file(path, NULL);
}

static void end_at_once(int signal) {
    for (int f = 0; f < FILES; f++) {
        const char *path = atomic_load(&files[f]);
        if (path)
            unlink(path);
    }
    _exit(128 + signal);
}

/* The handler of the signals. It may interrupt any function, so it calls only functions that POSIX
 * allows in a handler. */
static void handle(int signal) {
    const int reason = errno;
    int none = 0;
    if (!atomic_load(&deferred))
        end_at_once(signal);
    if (atomic_compare_exchange_strong(&noted, &none, signal))
        atomic_store(&noted_at, milliseconds());
    else if (milliseconds() - atomic_load(&noted_at) >= SAME_CAUSE)
        end_at_once(signal);
    errno = reason;
}

static void install(void) {
    const struct sigaction action = {.sa_handler = handle, .sa_flags = SA_RESTART};
    for (size_t s = 0; s < ENDING; s++)
        if (is_caught[s])
            sigaction(ending[s], &action, NULL);
    for (size_t s = 0; s < sizeof failing / sizeof *failing; s++)
        signal(failing[s], SIG_IGN);
}

void interrupt_catch(void) {
    struct sigaction before;
    for (size_t s = 0; s < ENDING; s++)
        is_caught[s] = sigaction(ending[s], NULL, &before) == 0 && before.sa_handler != SIG_IGN;
    install();
}

void interrupt_defer(void) {
    atomic_store(&deferred, 1);
    install();
}

int interrupt_signal(void) {
    return atomic_load(&noted);
}
