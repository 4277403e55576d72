/* What a record says of images that are held back: each epoch's score, the best one, and when the
 * target was reached. */
#include "support.h"
#include "trainer/record.h"

#include <stdio.h>
#include <string.h>

/* The accuracy rises, is the same again, and falls; a target of 0.375 is reached after two epochs
 * of 0.25 and 0.5 s. */
static struct training_epoch epochs[] = {
    {0.25, {2.5, 0.125}}, {0.5, {2.25, 0.25}}, {0.125, {2.0, 0.5}}, {1.0, {1.75, 0.625}}};
static struct training_validation validations[] = {
    {0.01, {2.75, 0.25}}, {0.02, {2.5, 0.375}}, {0.03, {2.625, 0.375}}, {0.04, {2.875, 0.3125}}};
static const struct device_info device = {
    .kind = "reference", .type = "cpu", .name = "EPYC", .precision = "fp32", .threads = 1};
static const struct network_shape shape = {.layers = 1, .widths = {1024, 10}};
static struct dataset dataset;
static struct training_plan plan;
static struct training_result result;
static struct record record;
static char text[8192];
static struct error error;

static int set_up(void **state) {
    (void)state;
    dataset = (struct dataset){.origin = "synthetic", .seconds = 0.75};
    dataset.train.count = 900;
    dataset.validation.count = 100;
    dataset.test.count = 50;
    plan = (struct training_plan){.epochs = 9,
        .batch_size = 100,
        .learning_rate = 0.5,
        .schedule = SCHEDULE_LINEAR,
        .validation = 100,
        .target_accuracy = 0.375,
        .patience = 2,
        .keep_best = true};
    result = (struct training_result){.batches = 9,
        .samples = 900,
        .recording = 2.0,
        .batching = 4.0,
        .validate = 0.0625,
        .ended = ENDED_TARGET,
        .reached = {
            .epochs_done = 4, .epochs = epochs, .validated = 4, .validations = validations}};
    record = (struct record){.commit = "1",
        .spec = "reference",
        .device = &device,
        .shape = &shape,
        .plan = &plan,
        .dataset = &dataset,
        .open = 1.0,
        .result = &result,
        .status = "complete"};
    return 0;
}

typedef enum status writer(const struct record *of, FILE *file, struct error *problem);

static const char *write_by(writer *write) {
    FILE *file = fmemopen(text, sizeof text, "w");
    assert_non_null(file);
    assert_ok(write(&record, file, &error));
    assert_int_equal(fclose(file), 0);
    return text;
}

static enum status print(const struct record *of, FILE *file, struct error *problem) {
    (void)problem;
    record_print_plan(of, file);
    record_print_epochs_head(false, true, file);
    record_print_epoch(1, &epochs[1], &validations[1], file);
    record_print_summary(of, file);
    return STATUS_OK;
}

static void assert_says(writer *write, const char *part) {
    if (!strstr(write_by(write), part))
        fail_msg("this does not say \"%s\":\n%s", part, text);
}

static void assert_silent(writer *write, const char *part) {
    if (strstr(write_by(write), part))
        fail_msg("this says \"%s\":\n%s", part, text);
}

static void test_json(void **state) {
    (void)state;
    assert_says(record_write_json,
        "\"validation\":100,\"target_accuracy\":0.375,\"patience\":2,\"keep_best\":true,");
    assert_says(record_write_json, "\"train\":900,\"validation\":100,\"test\":50,");
    assert_says(record_write_json, "\"validate\":0.0625,");
    assert_says(record_write_json,
        "{\"seconds\":0.5,\"loss\":2.25,\"accuracy\":0.25,"
        "\"validation\":{\"seconds\":0.02,\"loss\":2.5,\"accuracy\":0.375}}");
    assert_says(record_write_json, "\"best\":{\"epoch\":2,\"loss\":2.5,\"accuracy\":0.375},");
    /* 0.75 to load, 1 and 2 to open, 4 for the batches */
    assert_says(record_write_json,
        "\"target\":{\"accuracy\":0.375,\"epoch\":2,"
        "\"epochs_seconds\":0.75,\"seconds\":8.5},\"ended\":\"target\",");
    plan.target_accuracy = 0.4;
    result.ended = ENDED_PATIENCE;
    assert_says(record_write_json,
        "\"target\":{\"accuracy\":0.4,\"epoch\":null,"
        "\"epochs_seconds\":null,\"seconds\":null},\"ended\":\"patience\",");
    plan.target_accuracy = 0.0;
    result.ended = ENDED_EPOCHS;
    result.reached.validated = 3; /* the loss of the last one was not finite */
    assert_says(record_write_json, "\"target\":null,\"ended\":\"epochs\",");
    assert_says(
        record_write_json, "\"accuracy\":0.625,\"validation\":null}],\"best\":{\"epoch\":2,");
}

static void test_csv(void **state) {
    (void)state;
    assert_says(
        record_write_csv, ",100,0.375,2,true,2.875,0.3125,2,0.375,2,0.75,8.5,target,complete\n");
    assert_says(
        record_write_csv, ",0.0625,0,0,0,,"); /* validate, meet, checkpoint, release, evaluate */
    plan.target_accuracy = 0.4;
    assert_says(record_write_csv, ",100,0.4,2,true,2.875,0.3125,2,0.375,,,,target,complete\n");
}

static void test_table(void **state) {
    (void)state;
    assert_says(print, "SYNTHETIC, not CIFAR-10: 900 training, 100 validation, 50 test images\n");
    assert_says(print, "\nepoch     seconds        loss   accuracy  validation: loss  accuracy\n"
                       "    2      0.5000    2.250000     0.2500          2.500000    0.3750\n");
    assert_says(print,
        "\nvalidate  0.0625 s\n"
        "target    0.375 after epoch 2: 0.7500 s of epochs, 8.5000 s with load, open and "
        "batching\n"
        "best      epoch 2: accuracy 0.3750 in validation; its weights are those of the test\n");
    assert_silent(print, "\nended ");
    plan.keep_best = false;
    plan.target_accuracy = 0.4;
    result.ended = ENDED_PATIENCE;
    assert_says(print, "\ntarget    0.4 was not reached\n"
                       "best      epoch 2: accuracy 0.3750 in validation\n"
                       "ended     2 epochs were not better\n");
}

static enum status write_second_epoch(const struct record *of, FILE *file, struct error *problem) {
    return record_write_epoch_json(of, 1, file, problem);
}

/* A line of a log. The learning rate is that of the 18th of 81 steps. */
static void test_log(void **state) {
    (void)state;
    snprintf(record.time, sizeof record.time, "2026-03-04T05:06:07Z");
    assert_string_equal(write_by(write_second_epoch),
        "{\"schema\":1,\"time\":\"2026-03-04T05:06:07Z\",\"device\":\"reference\",\"epoch\":2,"
        "\"epochs\":9,\"learning_rate\":0.395061728,\"seconds\":0.5,\"loss\":2.25,"
        "\"accuracy\":0.25,\"validation\":{\"seconds\":0.02,\"loss\":2.5,\"accuracy\":0.375}}\n");
    result.reached.validated = 0;
    assert_says(write_second_epoch, "\"accuracy\":0.25,\"validation\":null}\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_json, set_up),
        cmocka_unit_test_setup(test_csv, set_up),
        cmocka_unit_test_setup(test_table, set_up),
        cmocka_unit_test_setup(test_log, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
