/* The library in a process that has set a locale: what it reads and writes is the same as in the
 * "C" locale, with a point in numbers and English reasons. (A program that is translated, or that
 * embeds the library, calls setlocale.) */
#include "support.h"
#include "system/locale.h"
#include "trainer/checkpoint.h"
#include "trainer/record.h"

#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

static struct error error;
static const struct network_shape shape = {1, {3, 2}, ACTIVATION_SIGMOID};

/* A locale with a comma in numbers, whose letter I is not i: of the system's, or made here. */
static bool set_locale(const char *name) {
    char command[600];
    if (setlocale(LC_ALL, name))
        return true;
    snprintf(command, sizeof command, "localedef -i %.5s -f UTF-8 '%s/%s' >/dev/null 2>&1", name,
        support_folder, name);
    const int status = system(command);
    if (status != -1 && WIFEXITED(status) && WEXITSTATUS(status) <= 1) /* 1: with warnings */
        setenv("LOCPATH", support_folder, 1);
    return setlocale(LC_ALL, name) != NULL;
}

/* In the locale, or in "C". */
static void begin(const char *name) {
    assert_non_null(setlocale(LC_ALL, name));
}

/* Back in "C". The thread has no locale of its own: the library has given it back. */
static void end(void) {
    assert_true(uselocale((locale_t)0) == LC_GLOBAL_LOCALE);
    begin("C");
}

/* Everything that the library writes of a run: a checkpoint's bytes, and lines of text. */
static char *written(const char *name, size_t *length) {
    char path[400];
    struct training_epoch epochs[] = {{1234.5678, {2.25, 0.125}}, {0.00012345, {1e-9, 0.5}}};
    const struct training_position position = {
        .epochs_done = 2, .epochs = epochs, .batches_done = 0, .seconds = 0.1};
    const struct checkpoint_setting setting = {"learning-rate", "0.01"};
    const struct checkpoint_run run = {&setting, 1, &position};
    float *parameters = malloc(network_parameters_length(&shape) * sizeof *parameters);
    snprintf(path, sizeof path, "%s/checkpoint", support_folder);
    network_first_parameters(&shape, 1, parameters);
    begin(name);
    assert_ok(support_save(path, &shape, parameters, &run, &error));
    free(parameters);
    char *text = NULL;
    FILE *file = open_memstream(&text, length);
    for (size_t e = 0; e < 2; e++)
        record_print_epoch(e, &epochs[e], NULL, file);
    error_set(&error, STATUS_FAILED, "%.3f of %g", 0.5, 1e-7);
    fprintf(file, "%s\n", error.message);
    end();
    char block[4096];
    FILE *saved = fopen(path, "rb");
    assert_non_null(saved);
    for (size_t got; (got = fread(block, 1, sizeof block, saved)) > 0;)
        fwrite(block, 1, got, file);
    fclose(saved);
    fclose(file);
    return text;
}

static void test_same_bytes(void **state) {
    size_t expected_length, length;
    char *expected = written("C", &expected_length), *found = written(*state, &length);
    assert_int_equal(length, expected_length);
    assert_memory_equal(found, expected, length);
    assert_non_null(strstr(found, "0.500 of 1e-07"));
    free(expected);
    free(found);
}

/* What one locale has written, another reads. */
static void test_read(void **state) {
    char path[400];
    snprintf(path, sizeof path, "%s/checkpoint", support_folder);
    for (int turn = 0; turn < 2; turn++) {
        size_t length;
        struct checkpoint *checkpoint;
        struct training_position position;
        free(written(turn ? "C" : *state, &length));
        begin(turn ? *state : "C");
        assert_ok(checkpoint_open(path, &checkpoint, &error));
        assert_ok(checkpoint_load_position(checkpoint, &shape, &position, &error));
        assert_true(position.seconds == 0.1);
        assert_true(position.epochs[0].seconds == 1234.5678);
        training_position_free(&position);
        checkpoint_close(checkpoint);
        end();
    }
}

/* In Turkish, the small form of I is another letter; in German, a missing file is "Datei ...". */
static void test_names(void **state) {
    struct device *device;
    struct checkpoint *checkpoint;
    const struct device_options options = {.threads = 1};
    begin(*state);
    assert_ok(device_open("REFERENCE", &options, &device, &error));
    device_close(device);
    assert_fails(checkpoint_open("/nonexistent", &checkpoint, &error), STATUS_CHECKPOINT,
        "No such file or directory");
    end();
}

static int run(char *name) {
    char title[40];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(test_same_bytes, name),
        cmocka_unit_test_prestate(test_read, name),
        cmocka_unit_test_prestate(test_names, name),
    };
    snprintf(title, sizeof title, "locale %s", name);
    return cmocka_run_group_tests_name(title, tests, NULL, NULL);
}

int main(void) {
    static char names[][12] = {"de_DE.UTF-8", "tr_TR.UTF-8"};
    int failed = 0, made = 0;
    for (size_t n = 0; n < sizeof names / sizeof *names; n++) {
        void *state = NULL;
        if (support_make_folder(&state) != 0)
            return 1;
        if (set_locale(names[n])) {
            made++;
            failed += run(names[n]);
        } else {
            printf("skipped: no locale %s, nor localedef with its sources to make it\n", names[n]);
        }
        support_remove_folder(&state);
    }
    return failed ? 1 : made ? 0 : 77;
}
