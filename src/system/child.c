#include "system/child.h"

#include "system/clock.h"
#include "system/locale.h"
#include "system/text.h"
#include "system/utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    /* Exit status of a child whose work returned; code that ends its process uses another. */
    RETURNED = 87,
    /* A child closes all below this: readers of our output must not wait for the child. */
    DESCRIPTORS = 256,
    /* Milliseconds; a process that the child started may keep the pipe open, so look again. */
    LOOK_AGAIN = 100,
    PIPE_READS = 16, /* reads that empty a full pipe */
    END_LOOKS = 1000 /* looks for the end of a process that was killed, a millisecond each */
};

/* --- In the child --- */

__attribute__((noreturn)) static void be_child(
    void (*work)(void *context), void *context, double seconds, int output) {
    const struct rlimit none = {0, 0};
    (void)setrlimit(RLIMIT_CORE, &none);
    signal(SIGALRM, SIG_DFL);
    alarm((unsigned)seconds + 1); /* ends the child if the parent is gone by then */
    (void)dup2(output, STDOUT_FILENO);
    (void)dup2(output, STDERR_FILENO);
    for (int descriptor = STDERR_FILENO + 1; descriptor < DESCRIPTORS; descriptor++)
        close(descriptor);
    work(context);
    _exit(RETURNED);
}

/* --- What it prints --- */

struct output {
    int descriptor; /* the pipe; -1: its end was read */
    char line[128], last[128];
    size_t length; /* letters of the current line so far */
};

static void end_line(struct output *output) {
    output->line[output->length] = '\0';
    if (output->line[strspn(output->line, " \t\r")])
        memcpy(output->last, output->line, sizeof output->last);
    output->length = 0;
}

static void keep_last_line(struct output *output, const char *text, size_t length) {
    for (size_t i = 0; i < length; i++)
        if (text[i] == '\n')
            end_line(output);
        else if (output->length < sizeof output->line - 1)
            output->line[output->length++] = text[i];
}

/* Reads output that is there or comes within `milliseconds`. All output must be read, or its writer
 * would wait for ever. */
static void read_output(struct output *output, int milliseconds) {
    struct pollfd wanted = {.fd = output->descriptor, .events = POLLIN};
    char text[4096]; /* a new pipe holds at most 64 KiB */
    if (poll(&wanted, 1, milliseconds) <= 0)
        return;
    const ssize_t length = read(output->descriptor, text, sizeof text);
    if (length > 0) {
        keep_last_line(output, text, (size_t)length);
    } else if (length == 0 || errno != EINTR) {
        close(output->descriptor);
        output->descriptor = -1;
    }
}

/* --- Its end --- */

/* Waits until the child ends, with *status, or the clock shows `deadline`. False in the second
 * case. */
static bool await(pid_t child, struct output *output, double deadline, int *status) {
    for (;;) {
        if (output->descriptor >= 0)
            read_output(output, LOOK_AGAIN);
        else
            (void)poll(NULL, 0, 1); /* the child is about to end, or has closed its output */
        const pid_t ended = waitpid(child, status, WNOHANG);
        for (int rest = 0; ended == child && rest < PIPE_READS && output->descriptor >= 0; rest++)
            read_output(output, 0);
        if (ended == child)
            return true;
        if (clock_seconds() >= deadline)
            return false;
    }
}

/* Kills the child. Returns whether it is gone; a process that hangs within the system is not. */
static bool end(pid_t child) {
    kill(child, SIGKILL);
    for (int look = 0; look < END_LOOKS; look++) {
        (void)poll(NULL, 0, 1);
        if (waitpid(child, NULL, WNOHANG) == child)
            return true;
    }
    return false;
}

static const char *signal_name(int number) {
    static const struct {
        int number;
        const char *name;
    } names[] = {{SIGSEGV, " (SIGSEGV)"}, {SIGABRT, " (SIGABRT)"}, {SIGBUS, " (SIGBUS)"},
        {SIGILL, " (SIGILL)"}, {SIGFPE, " (SIGFPE)"}, {SIGKILL, " (SIGKILL)"},
        {SIGTERM, " (SIGTERM)"}, {SIGSYS, " (SIGSYS)"}, {SIGTRAP, " (SIGTRAP)"}};
    for (size_t n = 0; n < sizeof names / sizeof *names; n++)
        if (names[n].number == number)
            return names[n].name;
    return "";
}

static void describe_end(int status, char *how, size_t size) {
    if (WIFSIGNALED(status))
        snprintf(
            how, size, "ended with signal %d%s", WTERMSIG(status), signal_name(WTERMSIG(status)));
    else
        snprintf(how, size, "ended the process with exit status %d", WEXITSTATUS(status));
}

static void add_last_line(struct output *output, char *how, size_t size) {
    char shown[sizeof output->last];
    end_line(output); /* the last line may lack its newline */
    if (output->last[0])
        text_append(
            how, size, ", saying '%s',", utf8_show(output->last, true, shown, sizeof shown));
}

static enum child_end watch(
    pid_t child, struct output *output, double seconds, char *how, size_t size) {
    int status = 0;
    if (await(child, output, clock_seconds() + seconds, &status)) {
        if (WIFEXITED(status) && WEXITSTATUS(status) == RETURNED)
            return CHILD_DONE;
        describe_end(status, how, size);
        add_last_line(output, how, size);
        return CHILD_BROKEN;
    }
    snprintf(how, size, "gave no answer in %.0f s%s", seconds,
        end(child) ? "" : ", and can't be ended,");
    add_last_line(output, how, size);
    return CHILD_LATE;
}

/* --- Doing it --- */

enum child_end child_do(
    void (*work)(void *context), void *context, double seconds, char *how, size_t size) {
    int ends[2];
    struct sigaction before, usual = {.sa_handler = SIG_DFL};
    how[0] = '\0';
    if (pipe(ends) != 0) {
        snprintf(how, size, "pipe: %s", locale_reason(errno));
        return CHILD_NONE;
    }
    (void)fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    /* Where SIGCHLD is ignored, which a parent may have caused, waitpid does not tell how a child
     * ends. */
    (void)sigaction(SIGCHLD, &usual, &before);
    const pid_t child = fork();
    if (child == 0)
        be_child(work, context, seconds, ends[1]);
    const int reason = errno;
    struct output output = {.descriptor = ends[0]};
    enum child_end came = CHILD_NONE;
    close(ends[1]);
    if (child > 0)
        came = watch(child, &output, seconds, how, size);
    else
        snprintf(how, size, "fork: %s", locale_reason(reason));
    if (output.descriptor >= 0)
        close(output.descriptor);
    (void)sigaction(SIGCHLD, &before, NULL);
    return came;
}
