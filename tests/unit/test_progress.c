/* The line of progress: where it stands, and the time that is left, by a clock of the test's own.
 */
#include "program/progress.h"
#include "program/terminal.h"
#include "support.h"
#include "system/clock.h"

#include <string.h>
#include <unistd.h>

static double now;
static bool is_terminal = true;
static int columns = 80;

double clock_seconds(void) {
    return now;
}

bool terminal_has_codes(int descriptor) {
    (void)descriptor;
    return is_terminal;
}

int terminal_columns(int descriptor) {
    (void)descriptor;
    return columns;
}

static struct progress progress;
static FILE *file;
static char text[512];

static int make_file(void **state) {
    (void)state;
    now = 5000.0;
    is_terminal = true;
    columns = 80;
    file = tmpfile();
    return file ? 0 : -1;
}

static int close_file(void **state) {
    (void)state;
    return fclose(file);
}

/* What was written since it was last asked. */
static const char *written(void) {
    rewind(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    rewind(file);
    assert_int_equal(ftruncate(fileno(file), 0), 0);
    return text;
}

/* The line after `seconds` more, without its code. */
static const char *line_after(double seconds, size_t epoch, size_t batch, size_t batches) {
    now += seconds;
    progress_show(&progress, epoch, batch, batches);
    assert_memory_equal(written(), "\r\033[K", 4);
    return text + 4;
}

static void test_from_the_start(void **state) {
    (void)state;
    progress_begin(&progress, file, false, 0.0, 4);
    assert_string_equal(line_after(0.0, 0, 0, 1), "[                              ] epoch 1 of 4");
    /* an eighth in 5 s: seven more of them */
    assert_string_equal(
        line_after(5.0, 0, 5, 10), "[###                           ] epoch 1 of 4, 35 s left");
    /* half in 16 s */
    assert_string_equal(
        line_after(11.0, 2, 0, 1), "[###############               ] epoch 3 of 4, 16 s left");
    /* all of it: there is no fifth */
    assert_string_equal(
        line_after(16.0, 4, 0, 1), "[##############################] epoch 4 of 4, 0 s left");
    progress_hide(&progress);
    assert_string_equal(written(), "\r\033[K");
    progress_hide(&progress);
    assert_string_equal(written(), "");
}

/* What an earlier run did is done, and says nothing of this one's speed. */
static void test_resumed(void **state) {
    (void)state;
    progress_begin(&progress, file, false, 6.5, 10);
    assert_string_equal(
        line_after(0.0, 6, 10, 20), "[###################           ] epoch 7 of 10");
    /* a tenth of an epoch in 3 s; 3.4 epochs are left */
    assert_string_equal(
        line_after(3.0, 6, 12, 20), "[###################           ] epoch 7 of 10, 102 s left");
    assert_string_equal(
        line_after(42.0, 8, 0, 1), "[########################      ] epoch 9 of 10, 60 s left");
}

/* Not more than ten times a second. */
static void test_seldom(void **state) {
    (void)state;
    progress_begin(&progress, file, false, 0.0, 2);
    line_after(0.0, 0, 0, 1);
    now += 0.09;
    progress_show(&progress, 1, 0, 1);
    assert_string_equal(written(), "");
    assert_string_equal(
        line_after(0.02, 1, 0, 1), "[###############               ] epoch 2 of 2, 0 s left");
}

/* A letter in the last column would begin another line. */
static void test_narrow(void **state) {
    (void)state;
    static const struct {
        int columns;
        const char *line;
    } lines[] = {
        {40, "[#######        ] epoch 2 of 2, 9 s left"},
        {31, "[###   ] epoch 2 of 2, 9 s left"},
        {29, "epoch 2 of 2, 9 s left"},
        {12, "epoch 2 of 2"},
        {1, "e"},
    };
    for (size_t l = 0; l < sizeof lines / sizeof *lines; l++) {
        columns = lines[l].columns + 1;
        progress_begin(&progress, file, false, 0.0, 2);
        assert_string_equal(line_after(9.0, 1, 0, 1), lines[l].line);
    }
}

static void test_silent(void **state) {
    (void)state;
    progress_begin(&progress, file, true, 0.0, 2);
    progress_show(&progress, 1, 0, 1);
    is_terminal = false;
    progress_begin(&progress, file, false, 0.0, 2);
    progress_show(&progress, 1, 0, 1);
    is_terminal = true;
    progress_begin(&progress, file, false, 0.0, 0); /* there is nothing to do */
    progress_show(&progress, 0, 0, 1);
    progress_hide(&progress);
    assert_string_equal(written(), "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_file, close_file)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_from_the_start),
        TEST(test_resumed),
        TEST(test_seldom),
        TEST(test_narrow),
        TEST(test_silent),
    };
    return cmocka_run_group_tests_name("progress", tests, NULL, NULL);
}
