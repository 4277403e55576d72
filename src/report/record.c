#include "trainer/record.h"

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

struct record_summary record_summarise(const struct record *record) {
    const struct training_result *result = record->result;
    struct record_summary summary = {.open = record->open + result->recording};
    if (result->epochs_done == 0)
        return summary;
    double total = 0.0;
    summary.min_epoch = summary.max_epoch = result->epochs[0].seconds;
    for (size_t e = 0; e < result->epochs_done; e++) {
        const double seconds = result->epochs[e].seconds;
        total += seconds;
        summary.min_epoch = seconds < summary.min_epoch ? seconds : summary.min_epoch;
        summary.max_epoch = seconds > summary.max_epoch ? seconds : summary.max_epoch;
    }
    summary.mean_epoch = total / (double)result->epochs_done;
    summary.samples_per_second = (double)result->samples / summary.mean_epoch;
    summary.gflops = summary.samples_per_second * network_flops(record->shape) / 1e9;
    return summary;
}
