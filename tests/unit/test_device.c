/* The conformance suite: every operation of a device against plain loops in double precision
 * (device_operations.c), what it records (device_recordings.c, device_steps.c), what it refuses,
 * and its memory.
 *
 *   test_device SPEC [GEMM [small|gemms|steps]]
 *
 * GEMM is one of the device's ways to multiply matrices (device_options). With `small` only what a
 * simulator can do in seconds: each operation, at few and small shapes; with `gemms` only those of
 * it that GEMM makes a difference to. With `steps` only whole steps.
 *
 * Shapes are random, from a seed that is printed ($TRAINER_TEST_SEED sets another); the largest are
 * those of large_side, unless $TRAINER_TEST_LARGE_SIDE is smaller. Every operand lies in a buffer
 * of its own between guards, which must be as they were after the operation. */
#include "device_suite.h"

#if defined(__linux__)
#include <omp.h>
#endif
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct device *tested;
const char *spec, *gemm;
int cases = 40;
uint32_t side_max = 200;
size_t large_side = 1152;
bool steps_only;
static struct error error;

/* The same gemm of the same operands, again and again. */
static void test_same_bits(void **state) {
    (void)state;
    enum { BATCH = 300, IN = 1024, OUT = 64 };
    struct buffer *buffers[5];
    static const size_t sides[5][2] = {{BATCH, IN}, {IN, OUT}, {1, OUT}, {1, 1}, {BATCH, OUT}};
    struct view views[5];
    float *values = malloc(BATCH * IN * sizeof *values);
    float *found[2] = {malloc(IN * OUT * sizeof(float)), malloc(IN * OUT * sizeof(float))};
    for (int b = 0; b < 5; b++) {
        assert_ok(device_allocate(tested, sides[b][0] * sides[b][1], &buffers[b], &error));
        views[b] = device_view(buffers[b], sides[b][0], sides[b][1]);
    }
    draw_values(values, BATCH * IN);
    for (int n = 0; n < 10; n++) {
        float *result = found[n > 0];
        for (int b = 0; b < 4; b++)
            assert_ok(device_upload(tested, views[b], values, &error));
        assert_ok(device_dense_forward(
            tested, views[0], views[1], views[2], ACTIVATION_TANH, views[4], &error));
        assert_ok(
            device_dense_update(tested, views[0], views[4], views[3], views[1], views[2], &error));
        assert_ok(device_download(tested, views[1], result, &error));
        assert_memory_equal(found[0], result, IN * OUT * sizeof *result);
    }
    assert_memory_not_equal(
        found[0], values, IN * OUT * sizeof *values); /* and something was done */
    for (int b = 0; b < 5; b++)
        buffer_free(buffers[b]);
    free(values);
    free(found[0]);
    free(found[1]);
}

static void test_refused(void **state) {
    (void)state;
    struct device *second;
    struct buffer *buffer = NULL, *other;
    assert_ok(device_open("reference", &(struct device_options){0}, &second, &error));
    assert_ok(device_allocate(tested, 12, &buffer, &error));
    assert_ok(device_allocate(second, 12, &other, &error));
    float host[12] = {0};
    const struct view whole = device_view(buffer, 3, 4);
    assert_fails(device_download(tested, device_view(buffer, 3, 5), host, &error), STATUS_FAILED,
        "download");
    assert_fails(device_download(tested, (struct view){buffer, 1, 3, 4}, host, &error),
        STATUS_FAILED, "[3, 4]+1 of 12");
    assert_fails(
        device_upload(tested, device_view(buffer, 0, 4), host, &error), STATUS_FAILED, "[0, 4]");
    assert_fails(device_upload(tested, (struct view){buffer, SIZE_MAX, 2, SIZE_MAX}, host, &error),
        STATUS_FAILED, "upload");
    assert_fails(device_upload(tested, device_view(other, 3, 4), host, &error), STATUS_FAILED,
        "upload"); /* another device's */
    assert_fails(device_dense_forward(tested, whole, whole, whole, ACTIVATION_NONE, whole, &error),
        STATUS_FAILED, "dense_forward");
    assert_fails(device_allocate(tested, 0, &buffer, &error), STATUS_FAILED, "0 elements");
    assert_null(buffer);
    buffer_free(whole.buffer);
    buffer_free(other);
    device_close(second);
    struct device *none;
    const struct device_options options = {0};
    assert_fails(device_open("tpu", &options, &none, &error), STATUS_DEVICE, "'tpu' is not here");
    assert_fails(device_open("tpu", &options, &none, &error), STATUS_DEVICE, "reference");
    char twice[64];
    snprintf(twice, sizeof twice, "%s:nonsense", spec);
    assert_fails(device_open(twice, &options, &none, &error), STATUS_DEVICE, "nonsense");
    assert_null(none);
}

/* A device that counts its memory counts right, and refuses what it has not. */
static void test_memory(void **state) {
    (void)state;
    const struct device_memory first = device_memory(tested);
    struct buffer *buffer, *other = NULL;
    assert_ok(device_allocate(tested, 1000, &buffer, &error));
    const struct device_memory with = device_memory(tested);
    if (first.free_bytes == SIZE_MAX) {
        assert_true(with.free_bytes == SIZE_MAX && with.buffer_bytes == SIZE_MAX);
    } else {
        assert_int_equal(first.free_bytes - with.free_bytes, 1000 * sizeof(float));
        assert_fails(device_allocate(tested, with.buffer_bytes / sizeof(float) + 1, &other, &error),
            STATUS_DEVICE, "out of memory: a buffer of ");
        assert_null(other);
    }
    buffer_free(buffer);
    assert_true(device_memory(tested).free_bytes == first.free_bytes);
}

/* Who releases what enqueued operations use waits for them: they are done with it, and with what is
 * sent to it. */
static void test_released(void **state) {
    (void)state;
    enum { ROWS = 64, COLUMNS = 48 };
    float sent[ROWS * COLUMNS], expected[ROWS * COLUMNS], found[ROWS * COLUMNS];
    struct buffer *first, *second;
    struct operand index = random_indices(ROWS, ROWS);
    draw_values(sent, ROWS * COLUMNS);
    for (size_t i = 0; i < ROWS; i++)
        memcpy(expected + i * COLUMNS, sent + ((uint32_t *)index.expected)[i] * COLUMNS,
            COLUMNS * sizeof *sent);
    assert_ok(device_allocate(tested, ROWS * COLUMNS, &first, &error));
    assert_ok(device_allocate(tested, ROWS * COLUMNS, &second, &error));
    assert_ok(device_synchronise(tested, &error));
    assert_ok(device_upload(tested, device_view(first, ROWS, COLUMNS), sent, &error));
    assert_ok(device_gather_rows(tested, device_view(first, ROWS, COLUMNS), view_of(&index),
        device_view(second, ROWS, COLUMNS), &error));
    buffer_free(first);
    memset(sent, 0, sizeof sent);
    assert_ok(device_download(tested, device_view(second, ROWS, COLUMNS), found, &error));
    assert_memory_equal(found, expected, sizeof found);
    buffer_free(second);
    free_operand(&index);
}

#if defined(__linux__)
/* Where OpenMP gives fewer threads in mid-run than the record has, as within a parallel region of
 * the caller's, nothing is passed off as theirs. */
static void test_smaller_team(void **state) {
    (void)state;
    if (strcmp(spec, "cpu") != 0 || device_info(tested)->threads < 2)
        skip(); /* others have no team that the record speaks of */
    const int levels = omp_get_max_active_levels();
    omp_set_max_active_levels(0);
    const enum status status = device_check(tested, 5, 4, 3, &error);
    omp_set_max_active_levels(levels);
    assert_fails(status, STATUS_DEVICE, "cpu: OpenMP gave only 1 of ");
    assert_ok(device_check(tested, 5, 4, 3, &error)); /* and it goes on */
}
#endif

static void test_self_check(void **state) {
    (void)state;
    static const size_t shapes[][3] = {
        {1, 1, 1}, {300, 1024, 64}, {300, 64, 32}, {300, 32, 10}, {7, 3072, 1}};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        assert_ok(device_check(tested, shapes[s][0], shapes[s][1], shapes[s][2], &error));
    assert_ok(device_check(tested, 2 * large_side, large_side + 1, large_side + 3, &error));
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_operations),
        cmocka_unit_test(test_long_gemms),
        cmocka_unit_test(test_several_tiles), /* the last of `gemms` */
        cmocka_unit_test(test_draws),
        cmocka_unit_test(test_clip),
        cmocka_unit_test(test_softmax_cross_entropy),
        cmocka_unit_test(test_softmax_ties),
        cmocka_unit_test(test_softmax_not_finite),
        cmocka_unit_test(test_activations_not_finite),
        cmocka_unit_test(test_slope_at_zero),
        cmocka_unit_test(test_upload_pixels),
        cmocka_unit_test(test_record),
        cmocka_unit_test(test_record_before_larger),
        cmocka_unit_test(test_record_pixels),
        cmocka_unit_test(test_other_scale),
        cmocka_unit_test(test_steps_same_bits),
        cmocka_unit_test(test_refused), /* the last of `small` */
        cmocka_unit_test(test_steps),
        cmocka_unit_test(test_steps_together),
        cmocka_unit_test(test_steps_separate),
        cmocka_unit_test(test_steps_unfit),
        cmocka_unit_test(test_usual_gemms),
        cmocka_unit_test(test_large_gemms),
        cmocka_unit_test(test_same_bits),
        cmocka_unit_test(test_run),
        cmocka_unit_test(test_run_failing),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_released),
#if defined(__linux__)
        cmocka_unit_test(test_smaller_team),
#endif
        cmocka_unit_test(test_self_check),
    };
    const struct CMUnitTest tests_of_steps[] = {
        cmocka_unit_test(test_steps),
        cmocka_unit_test(test_steps_together),
        cmocka_unit_test(test_steps_same_bits),
    };
    enum { GEMM_TESTS = 3, SMALL_TESTS = 15, STEP_TESTS = 3 };
    spec = argc > 1 ? argv[1] : "reference";
    gemm = argc > 2 ? argv[2] : NULL;
    const bool gemms = argc > 3 && strcmp(argv[3], "gemms") == 0;
    steps_only = argc > 3 && strcmp(argv[3], "steps") == 0;
    const bool small = gemms || (argc > 3 && strcmp(argv[3], "small") == 0);
    if (small) {
        cases = 4;
        side_max = 40;
    }
    if (strcmp(spec, "reference") == 0)
        large_side = 160; /* its loops have no path for large ones, and would take long */
    const char *wanted_side = getenv("TRAINER_TEST_LARGE_SIDE");
    if (wanted_side && strtoull(wanted_side, NULL, 10) < large_side)
        large_side = strtoull(wanted_side, NULL, 10);
    const char *wanted_seed = getenv("TRAINER_TEST_SEED");
    if (wanted_seed)
        seed = strtoull(wanted_seed, NULL, 10);
    print_message("device %s %s, seed %llu\n", spec, gemm ? gemm : "", (unsigned long long)seed);
    const int missing = support_open(spec, gemm, 3, &tested); /* odd shares */
    if (missing)
        return missing;
    const size_t count = gemms ? GEMM_TESTS : small ? SMALL_TESTS : sizeof tests / sizeof *tests;
    const int failed = steps_only
                           ? _cmocka_run_group_tests(spec, tests_of_steps, STEP_TESTS, NULL, NULL)
                           : _cmocka_run_group_tests(spec, tests, count, NULL, NULL);
    device_close(tested);
    return failed;
}
