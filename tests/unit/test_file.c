/* Files as the system has them: of any kind, and with calls that signals interrupt. */
#include "support.h"
#include "system/file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

enum { PIPED = 300000 }; /* bytes: more than a pipe holds */

static char path[400];

/* --- Signals, while a test runs: a call that waits is interrupted by each, so that what would wait
 * for ever fails at once; whatever their times, what needn't wait is not changed by them --- */

static int ends[2] = {-1, -1}; /* of a pipe, which every second signal empties */
static volatile sig_atomic_t signals;
static volatile size_t taken; /* bytes of the pipe */

static void empty_pipe(void) {
    static char bytes[4096];
    for (ssize_t got; (got = read(ends[0], bytes, sizeof bytes)) > 0;)
        taken += (size_t)got;
}

static void interrupt(int number) {
    (void)number;
    const int reason = errno;
    signals = signals + 1;
    if (ends[0] >= 0 && signals % 2 == 0)
        empty_pipe();
    errno = reason;
}

static int begin_signals(void **state) {
    (void)state;
    const struct sigaction action = {.sa_handler = interrupt}; /* and no SA_RESTART */
    const struct itimerval often = {{0, 10000}, {0, 10000}};
    return sigaction(SIGALRM, &action, NULL) == 0 ? setitimer(ITIMER_REAL, &often, NULL) : -1;
}

static int end_signals(void **state) {
    (void)state;
    const struct itimerval never = {{0, 0}, {0, 0}};
    return setitimer(ITIMER_REAL, &never, NULL);
}

/* --- Opening --- */

static void assert_refused(const char *what, const char *problem, int reason) {
    uint64_t bytes;
    const char *found;
    int why;
    assert_int_equal(file_open_regular(what, &bytes, &found, &why), -1);
    assert_string_equal(found, problem);
    assert_int_equal(why, reason);
}

/* None is waited for, as a FIFO would be until somebody writes to it. */
static void test_kinds(void **state) {
    (void)state;
    uint64_t bytes;
    const char *problem;
    int reason;
    assert_refused(path, "No such file or directory", ENOENT);
    assert_refused(support_folder, "is a directory", 0);
    assert_refused("/dev/null", "is a device or a socket", 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_refused(path, "is a FIFO", 0);
    assert_int_equal(unlink(path), 0);
    FILE *file = fopen(path, "w");
    assert_true(file && fputs("seven", file) >= 0 && fclose(file) == 0);
    const int descriptor = file_open_regular(path, &bytes, &problem, &reason);
    assert_true(descriptor >= 0);
    assert_int_equal(bytes, 5);
    assert_int_equal(close(descriptor), 0);
}

/* --- Writing --- */

static void test_interrupted_write(void **state) {
    (void)state;
    static const char bytes[PIPED];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(file_write(ends[1], bytes, sizeof bytes), 0);
    end_signals(NULL);
    empty_pipe();
    assert_int_equal(taken, sizeof bytes);
    assert_int_equal(close(ends[0]) + close(ends[1]), 0);
}

static int set_up(void **state) {
    if (support_make_folder(state) != 0)
        return -1;
    snprintf(path, sizeof path, "%s/file", support_folder);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_kinds, begin_signals, end_signals),
        cmocka_unit_test_setup_teardown(test_interrupted_write, begin_signals, end_signals),
    };
    return cmocka_run_group_tests_name("file", tests, set_up, support_remove_folder);
}
