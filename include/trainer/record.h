/* The record of a run: its times, and all that they depend on, so that someone else can judge them.
 *
 * A program fills a struct record as the run goes on, and writes it in one of four forms: JSON,
 * CSV, Markdown, or a table for people. src/report/README.md says what each figure means, and
 * README.md from when to when each phase goes. */
#ifndef TRAINER_RECORD_H
#define TRAINER_RECORD_H

#include "trainer/host.h"
#include "trainer/training.h"

#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* It points to what the run consists of, and owns none of it. */
struct record {
    char time[32];      /* when it began, UTC, ISO 8601 */
    const char *commit; /* of the program's source */
    struct host host;
    const char *spec; /* the device, as the user asked for it */
    const struct device_info *device;
    /* Environment variables that the user has set (device_variables); NULL: none. */
    char *const *variables;
    const struct network_shape *shape;
    const struct training_plan *plan;
    const struct dataset *dataset;
    char fingerprint[17]; /* of the data set, 16 hexadecimal digits; empty: no image was read */
    /* Seconds from the program's start to the loading of the data, and those that the fingerprint
     * took. */
    double setup;
    /* Seconds to open and check the device and to create the network on it; the time to record an
     * epoch's operations is not in it (see record_summary.open). */
    double open;
    double meet; /* seconds in which ranks waited for one another, between the stages of a run */
    double checkpoint; /* seconds spent on writing checkpoints, between the epochs */
    double wall; /* seconds from the program's start to this record; the phases add up to it */
    struct training_memory memory; /* memory that the run was expected to take */
    /* The position of the earlier run that this one continues; NULL: it continues none. The epochs
     * of the earlier run are not in `wall`. */
    const struct training_position *resumed;
    const struct training_result *result;
    /* "complete", "diverged", "interrupted", or "planned": nothing has been trained. */
    const char *status;
};

/* What is computed from a record. All but `open` is 0 when no epoch was done. A sample is counted
 * as often as it was computed: one that completes the last batch counts again. */
struct record_summary {
    double open; /* seconds: `open` of the record and the time to record an epoch */
    double mean_epoch, min_epoch, max_epoch; /* seconds */
    /* Samples per second of the mean epoch; 0 when that took no time by the clock. */
    double samples_per_second;
    /* 10^9 operations per second of the mean epoch, as network_flops counts operations. */
    double gflops;
    /* Where the plan has a target that was reached: the number of the first epoch after which it
     * was, from 1 on; the seconds of the epochs up to that one; and these with the loading, opening
     * and batching before them. Else 0. */
    size_t target_epoch;
    double target_epochs, target_all;
};
struct record_summary record_summarise(const struct record *record);

/* Seconds of the epochs in this record that an earlier run had already spent. */
double record_resumed_seconds(const struct record *record);

/* "resident" or "streamed": where the batches were during the epochs. */
const char *record_batches(const struct record *record);

/* The next of record->variables, from index *next on, that matters to the record's device. *next
 * becomes the index after it. NULL when there are no more. A caller that wants all of them starts
 * with *next = 0. */
const char *record_next_variable(const struct record *record, size_t *next);

/* Fills record->time with the time of day, and record->host. */
void record_stamp(struct record *record);

/* Each of these writes the whole record to `file` and flushes it: as one JSON object on one line
 * (schema 1, see src/report/README.md), as a CSV header and row, or as a Markdown table.
 * STATUS_FAILED, with the system's reason, when `file` can't be written, or when memory is refused
 * (JSON). The text is UTF-8, and numbers have a decimal point, whatever the locale. Bytes of names
 * that are not UTF-8 are shown as '?'. */
enum status record_write_json(const struct record *record, FILE *file, struct error *error);
enum status record_write_csv(const struct record *record, FILE *file, struct error *error);
enum status record_write_markdown(const struct record *record, FILE *file, struct error *error);

/* Writes an epoch that is done, counted from 0, as one JSON object on one line: what a log has of
 * it.
 */
enum status record_write_epoch_json(
    const struct record *record, size_t epoch, FILE *file, struct error *error);

/* Write the peak of a device, as one JSON object on one line or as text for people. Of `record`
 * they use the time, commit, host, spec, device and variables only. */
enum status record_write_peak_json(
    const struct record *record, const struct device_peak *peak, FILE *file, struct error *error);
void record_print_peak(const struct record *record, const struct device_peak *peak, FILE *file);

/* Print the table for people as the run goes on: the plan, the head of the list of epochs, a row as
 * each epoch ends (`epoch` counts from 0), and the summary. With `bold` the head is in a terminal's
 * bold type. With `validated` it has the columns of the validation, which is NULL where there is
 * none. */
void record_print_plan(const struct record *record, FILE *file);
void record_print_epochs_head(bool bold, bool validated, FILE *file);
void record_print_epoch(size_t epoch, const struct training_epoch *result,
    const struct training_validation *validation, FILE *file);
void record_print_summary(const struct record *record, FILE *file);

#ifdef __cplusplus
}
#endif
#endif
