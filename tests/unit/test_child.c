/* Work in a process of its own: whatever becomes of it, ours goes on, and is told. */
#include "support.h"
#include "system/child.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char how[300];

static void return_at_once(void *context) {
    *(int *)context = 2; /* in the copy alone */
}

static void say(const char *text) {
    if (write(STDOUT_FILENO, text, strlen(text)) < 0)
        _exit(1);
}

static void end_with_status(void *context) {
    (void)context;
    say("looking\n\nno device\n");
    _exit(3);
}

static void end_by_signal(void *context) {
    (void)context;
    raise(SIGKILL);
}

/* As long as the parent is there: this is not to be what ends it. */
static void never_return(void *context) {
    const pid_t parent = *(const pid_t *)context;
    signal(SIGALRM, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    while (getppid() == parent)
        (void)poll(NULL, 0, 10);
}

static void assert_no_child_left(void) {
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

static void test_done(void **state) {
    (void)state;
    int touched = 1;
    assert_int_equal(child_do(return_at_once, &touched, 600, how, sizeof how), CHILD_DONE);
    assert_string_equal(how, "");
    assert_int_equal(touched, 1);
    assert_no_child_left();
}

static void test_broken(void **state) {
    (void)state;
    assert_int_equal(child_do(end_with_status, NULL, 600, how, sizeof how), CHILD_BROKEN);
    assert_string_equal(how, "ended the process with exit status 3, saying 'no device',");
    assert_int_equal(child_do(end_by_signal, NULL, 600, how, sizeof how), CHILD_BROKEN);
    assert_string_equal(how, "ended with signal 9 (SIGKILL)");
    assert_no_child_left();
}

/* What a parent has left to us is the same after. */
static void test_ends_ignored(void **state) {
    (void)state;
    struct sigaction after;
    signal(SIGCHLD, SIG_IGN);
    const enum child_end end = child_do(end_with_status, NULL, 600, how, sizeof how);
    assert_int_equal(sigaction(SIGCHLD, NULL, &after), 0);
    signal(SIGCHLD, SIG_DFL);
    assert_int_equal(end, CHILD_BROKEN);
    assert_true(after.sa_handler == SIG_IGN);
}

/* It is gone, even if it ignores what can be ignored. */
static void test_late(void **state) {
    (void)state;
    pid_t parent = getpid();
    assert_int_equal(child_do(never_return, &parent, 0, how, sizeof how), CHILD_LATE);
    assert_string_equal(how, "gave no answer in 0 s");
    assert_no_child_left();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_done),
        cmocka_unit_test(test_broken),
        cmocka_unit_test(test_ends_ignored),
        cmocka_unit_test(test_late),
    };
    return cmocka_run_group_tests_name("child", tests, NULL, NULL);
}
