/* The record of a run: everything that makes its times worth something to someone else.
 *
 * A program fills a struct record as the run goes on, and writes it in one of four forms. What each
 * figure means is told in src/report/README.md, and from when to when each phase goes in README.md.
 */
#ifndef TRAINER_RECORD_H
#define TRAINER_RECORD_H

#include "trainer/host.h"
#include "trainer/training.h"

#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Refers to what the run was made of, and owns nothing. */
struct record {
    char time[32];      /* when it began, UTC, ISO 8601 */
    const char *commit; /* of the program */
    struct host host;
    const char *spec; /* of the device, as it was asked for */
    const struct device_info *device;
    char *const *variables; /* of the user's environment (device_variables); NULL: none */
    const struct network_shape *shape;
    const struct training_plan *plan;
    const struct dataset *dataset;
    char fingerprint[17]; /* of the data, 16 hexadecimal digits; empty: no image was read */
    double setup; /* seconds from the program's start to the data's loading, and those of the
                   * fingerprint */
    double open;  /* seconds to open the device, check it, and make the network on it; recording an
                   * epoch's operations is added to it */
    double checkpoint; /* seconds to write checkpoints, between the epochs */
    double wall; /* seconds from the program's start to this record; the phases add up to it */
    struct training_memory memory;           /* that was foretold */
    const struct training_position *resumed; /* where an earlier run had come to; NULL: there was
                                              * none. Its epochs are no part of `wall`. */
    const struct training_result *result;
    const char *status; /* "complete", "diverged", "interrupted", or "planned": nothing was done */
};

/* What follows from a record. 0 where no epoch was done. A sample is counted as often as it was
 * computed: one that completes a wrapped batch, again. */
struct record_summary {
    double open;                             /* seconds, with the recording */
    double mean_epoch, min_epoch, max_epoch; /* seconds */
    double samples_per_second;               /* of the mean epoch; 0 where the clock stood still */
    double gflops; /* 10^9 operations, as network_flops counts them, per second of it */
};
struct record_summary record_summarise(const struct record *record);

/* Seconds that an earlier run's epochs took, of those of this record. */
double record_resumed_seconds(const struct record *record);

/* "resident" or "streamed": where the batches were. */
const char *record_batches(const struct record *record);

/* The first from *next on of record->variables that matters to its device, with *next after it;
 * NULL when there is none. To have all of them one after another, *next begins as 0. */
const char *record_next_variable(const struct record *record, size_t *next);

/* Fills record->time with the time of day, and record->host. */
void record_stamp(struct record *record);

/* Each writes the whole record to `file`: one JSON object on one line (schema 1, see
 * src/report/README.md); a CSV header and row; a Markdown table. STATUS_FAILED, with the system's
 * reason, when memory is refused (JSON) or `file` can't be written; it is flushed. Text is UTF-8,
 * and numbers have a decimal point, whatever the locale; what is not UTF-8 of the names in it is
 * shown as '?'. */
enum status record_write_json(const struct record *record, FILE *file, struct error *error);
enum status record_write_csv(const struct record *record, FILE *file, struct error *error);
enum status record_write_markdown(const struct record *record, FILE *file, struct error *error);

/* The record of a device's peak, for people and as one JSON object on one line; of `record`, only
 * the time, commit, host, spec, device and variables are needed. */
enum status record_write_peak_json(
    const struct record *record, const struct device_peak *peak, FILE *file, struct error *error);
void record_print_peak(const struct record *record, const struct device_peak *peak, FILE *file);

/* The table for people, as the run goes on: what is planned, the head of the epochs before the
 * first one, a row as each ends, and the summary. `bold` uses a terminal's bold type for the head.
 */
void record_print_plan(const struct record *record, FILE *file);
void record_print_epochs_head(bool bold, FILE *file);
void record_print_epoch(size_t epoch, const struct training_epoch *result, FILE *file);
void record_print_summary(const struct record *record, FILE *file);

#ifdef __cplusplus
}
#endif
#endif
