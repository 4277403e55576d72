#include "trainer/record.h"

#include "report/written.h"
#include "system/locale.h"

#include <errno.h>
#include <time.h>

void record_stamp(struct record *record) {
    const time_t now = time(NULL);
    struct tm utc;
    if (!gmtime_r(&now, &utc) ||
        strftime(record->time, sizeof record->time, "%Y-%m-%dT%H:%M:%SZ", &utc) == 0)
        record->time[0] = '\0';
    host_describe(&record->host);
}

const char *record_batches(const struct record *record) {
    return batches_names[record->result->streamed ? BATCHES_STREAMED : BATCHES_RESIDENT];
}

const char *record_next_variable(const struct record *record, size_t *next) {
    while (record->variables && record->variables[*next]) {
        const char *variable = record->variables[(*next)++];
        if (device_variable_matters(variable, record->device->kind))
            return variable;
    }
    return NULL;
}

double record_resumed_seconds(const struct record *record) {
    double seconds = 0.0;
    if (record->resumed) {
        /* The earlier run began an epoch that this run has ended, so that epoch is in the
         * record. */
        if (record->result->reached.epochs_done > record->resumed->epochs_done)
            seconds = record->resumed->seconds;
        for (size_t e = 0; e < record->resumed->epochs_done; e++)
            seconds += record->resumed->epochs[e].seconds;
    }
    return seconds;
}

static void summarise_target(const struct record *record, struct record_summary *summary) {
    const struct training_position *reached = &record->result->reached;
    const size_t epoch = training_target_epoch(record->plan, reached);
    if (epoch == reached->validated)
        return;
    summary->target_epoch = epoch + 1;
    for (size_t e = 0; e <= epoch; e++)
        summary->target_epochs += reached->epochs[e].seconds;
    summary->target_all = record->dataset->seconds + summary->open + record->result->batching +
                          summary->target_epochs;
}

struct record_summary record_summarise(const struct record *record) {
    const struct training_result *result = record->result;
    struct record_summary summary = {.open = record->open + result->recording};
    if (result->reached.epochs_done == 0)
        return summary;
    double total = 0.0;
    summary.min_epoch = summary.max_epoch = result->reached.epochs[0].seconds;
    for (size_t e = 0; e < result->reached.epochs_done; e++) {
        const double seconds = result->reached.epochs[e].seconds;
        total += seconds;
        summary.min_epoch = seconds < summary.min_epoch ? seconds : summary.min_epoch;
        summary.max_epoch = seconds > summary.max_epoch ? seconds : summary.max_epoch;
    }
    summary.mean_epoch = total / (double)result->reached.epochs_done;
    if (summary.mean_epoch > 0.0)
        summary.samples_per_second = (double)result->samples / summary.mean_epoch;
    summary.gflops = summary.samples_per_second * network_flops(record->shape) / 1e9;
    summarise_target(record, &summary);
    return summary;
}

enum status written_check(bool whole, FILE *file, struct error *error) {
    if (whole && fflush(file) == 0 && !ferror(file))
        return STATUS_OK;
    const int reason = errno;
    return error_set(error, STATUS_FAILED, "can't write the record%s%s", reason != 0 ? ": " : "",
        reason != 0 ? locale_reason(reason) : "");
}
