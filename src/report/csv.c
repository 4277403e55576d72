/* The record as CSV (RFC 4180, but for its line ends). Names of hardware and of files may have any
 * bytes. They are shown as UTF-8. */
#include "report/words.h"
#include "report/written.h"
#include "system/locale.h"
#include "system/text.h"
#include "system/utf8.h"

#include <errno.h>
#include <string.h>

/* One of the two lines of the CSV while it is written: the header with the names of the fields, or
 * the row with their values. */
struct csv {
    FILE *file;
    bool header;
    bool later; /* the line has a field already */
};

static void csv_text(struct csv *csv, const char *name, const char *text) {
    fputs(csv->later ? "," : "", csv->file);
    csv->later = true;
    if (csv->header) {
        fputs(name, csv->file);
        return;
    }
    shown_text shown;
    const bool quoted = strpbrk(text, ",\"\r\n") != NULL;
    fputs(quoted ? "\"" : "", csv->file);
    for (const char *c = utf8_show(text, false, shown, sizeof shown); *c; c++)
        fprintf(csv->file, *c == '"' ? "\"%c" : "%c", *c);
    fputs(quoted ? "\"" : "", csv->file);
}

static void csv_whole(struct csv *csv, const char *name, unsigned long long value) {
    char text[32];
    snprintf(text, sizeof text, "%llu", value);
    csv_text(csv, name, text);
}

/* A number; the field is empty when it is not `present`. */
static void csv_real(struct csv *csv, const char *name, bool present, double value) {
    char text[32] = "";
    if (present)
        snprintf(text, sizeof text, "%.9g", value);
    csv_text(csv, name, text);
}

/* Writes the environment variables that the device's libraries and drivers read: "NAME=VALUE
 * NAME=VALUE", cut to fit. */
static const char *environment_text(const struct record *record, shown_text text) {
    const char *variable;
    size_t next = 0;
    text[0] = '\0';
    while ((variable = record_next_variable(record, &next)))
        text_append(text, sizeof(shown_text), "%s%s", text[0] ? " " : "", variable);
    return text;
}

/* The fields are empty where the clocks are not known. */
static void csv_clocks(struct csv *csv, const struct training_clocks *clocks) {
    const bool known = clocks->readings > 0;
    char limits[64];
    csv_real(csv, "min_processor_mhz", known, clocks->least.processor_mhz);
    csv_real(csv, "max_processor_mhz", known, clocks->most.processor_mhz);
    csv_real(csv, "min_memory_mhz", known, clocks->least.memory_mhz);
    csv_real(csv, "max_memory_mhz", known, clocks->most.memory_mhz);
    csv_text(csv, "clock_limits", limits_text(clocks->limits, " ", limits));
}

static void csv_optimizer(struct csv *csv, const struct training_plan *plan) {
    const struct optimizer_plan *optimizer = &plan->optimizer;
    csv_text(csv, "optimizer", optimizer_names[optimizer->method]);
    csv_real(csv, "momentum", true, optimizer->momentum);
    csv_text(csv, "nesterov", optimizer->nesterov ? "true" : "false");
    csv_real(csv, "weight_decay", true, optimizer->weight_decay);
    csv_real(csv, "beta1", true, optimizer->beta1);
    csv_real(csv, "beta2", true, optimizer->beta2);
    csv_real(csv, "epsilon", true, optimizer->epsilon);
    csv_text(csv, "schedule", schedule_names[plan->schedule]);
    csv_whole(csv, "warmup_epochs", plan->warm_up_epochs);
}

/* What of the validation can be told in a row. The fields are empty where no images are held
 * back. */
static void csv_validation(
    struct csv *csv, const struct record *record, const struct record_summary *summary) {
    const struct training_plan *plan = record->plan;
    const struct training_position *reached = &record->result->reached;
    const bool known = reached->validated > 0;
    const struct training_validation none = {0};
    const size_t best_epoch = training_best_epoch(reached);
    const struct training_validation *last =
        known ? &reached->validations[reached->validated - 1] : &none;
    const struct training_validation *best = known ? &reached->validations[best_epoch] : &none;
    csv_whole(csv, "validation", plan->validation);
    csv_real(csv, "target_accuracy", plan->target_accuracy > 0.0, plan->target_accuracy);
    csv_whole(csv, "patience", plan->patience);
    csv_text(csv, "keep_best", plan->keep_best ? "true" : "false");
    csv_real(csv, "validation_loss", known, last->score.loss);
    csv_real(csv, "validation_accuracy", known, last->score.accuracy);
    csv_real(csv, "best_epoch", known, (double)(best_epoch + 1));
    csv_real(csv, "best_accuracy", known, best->score.accuracy);
    csv_real(csv, "target_epoch", summary->target_epoch > 0, (double)summary->target_epoch);
    csv_real(csv, "target_epochs_seconds", summary->target_epoch > 0, summary->target_epochs);
    csv_real(csv, "target_seconds", summary->target_epoch > 0, summary->target_all);
    csv_text(csv, "ended", training_end_names[record->result->ended]);
}

/* The fields are empty where a process was alone. */
static void csv_ranks(struct csv *csv, const struct record *record) {
    const struct communicator *communicator = record->plan->communicator;
    const struct communicator_info *info = communicator_info(communicator);
    const struct training_result *result = record->result;
    csv_real(csv, "ranks", communicator, info->ranks);
    csv_real(csv, "hosts", communicator, info->hosts);
    csv_text(csv, "ranks_library", info->library);
    csv_text(csv, "ranks_transport", record->device->transport);
    csv_real(csv, "computing_seconds", result->computing.greatest > 0.0, result->computing.median);
    csv_real(
        csv, "exchanging_seconds", result->exchanging.greatest > 0.0, result->exchanging.median);
}

static void csv_line(struct csv csv, const struct record *record) {
    const struct training_plan *plan = record->plan;
    const struct training_result *result = record->result;
    const struct record_summary summary = record_summarise(record);
    const size_t done = result->reached.epochs_done;
    char layers[LAYERS_TEXT];
    shown_text environment;
    csv_text(&csv, "time", record->time);
    csv_text(&csv, "commit", record->commit);
    csv_text(&csv, "host", record->host.name);
    csv_text(&csv, "os", record->host.os);
    csv_text(&csv, "cpu", record->host.cpu);
    csv_whole(&csv, "cores", (unsigned long long)record->host.cores);
    csv_text(&csv, "spec", record->spec);
    csv_text(&csv, "device", record->device->kind);
    csv_text(&csv, "type", record->device->type);
    csv_text(&csv, "device_name", record->device->name);
    csv_text(&csv, "vendor", record->device->vendor);
    csv_text(&csv, "library", record->device->library);
    csv_text(&csv, "gemm", record->device->gemm);
    csv_text(&csv, "kernels", record->device->kernels);
    csv_text(&csv, "platform", record->device->platform);
    csv_text(&csv, "driver", record->device->driver);
    csv_whole(&csv, "threads", (unsigned long long)record->device->threads);
    csv_text(&csv, "precision", record->device->precision);
    csv_text(&csv, "step", record->device->step ? record->device->step : "");
    csv_text(&csv, "submission", record->device->submission ? record->device->submission : "");
    csv_text(&csv, "environment", environment_text(record, environment));
    csv_whole(&csv, "epochs", plan->epochs);
    csv_whole(&csv, "batch_size", plan->batch_size);
    csv_text(&csv, "layers", layers_text(record->shape, layers, sizeof layers));
    csv_text(&csv, "activation", activation_names[record->shape->activation]);
    csv_real(&csv, "learning_rate", true, plan->learning_rate);
    csv_text(&csv, "color", color_names[plan->color]);
    csv_text(&csv, "tail", tail_names[plan->tail]);
    csv_text(&csv, "batches", record_batches(record));
    csv_whole(&csv, "seed", plan->seed);
    csv_text(&csv, "shuffle", plan->shuffle ? "true" : "false");
    csv_text(&csv, "initial", initial_names[record->shape->initial]);
    csv_real(&csv, "label_smoothing", true, record->shape->label_smoothing);
    csv_real(&csv, "dropout", true, record->shape->dropout);
    csv_real(&csv, "clip_norm", record->shape->clip_norm > 0.0, record->shape->clip_norm);
    csv_text(&csv, "normalize", plan->normalize ? "true" : "false");
    csv_text(&csv, "flip", plan->flip ? "true" : "false");
    csv_optimizer(&csv, plan);
    csv_text(&csv, "source", record->dataset->origin);
    csv_text(&csv, "path", record->dataset->path);
    csv_whole(&csv, "train", record->dataset->train.count);
    csv_whole(&csv, "test", record->dataset->test.count);
    csv_text(&csv, "fingerprint", record->fingerprint);
    csv_whole(&csv, "host_bytes", record->memory.host);
    csv_whole(&csv, "device_bytes", record->memory.device);
    csv_text(&csv, "resumed", record->resumed ? "true" : "false");
    csv_real(&csv, "resumed_seconds", true, record_resumed_seconds(record));
    csv_ranks(&csv, record);
    csv_clocks(&csv, &result->clocks);
    csv_real(&csv, "setup", true, record->setup);
    csv_real(&csv, "load", true, record->dataset->seconds);
    csv_real(&csv, "open", true, summary.open);
    csv_real(&csv, "batching", true, result->batching);
    csv_real(&csv, "warm_up", true, result->warm_up);
    csv_real(&csv, "mean_epoch", done > 0, summary.mean_epoch);
    csv_real(&csv, "min_epoch", done > 0, summary.min_epoch);
    csv_real(&csv, "max_epoch", done > 0, summary.max_epoch);
    csv_real(&csv, "unfinished", true, result->unfinished);
    csv_real(&csv, "validate", true, result->validate);
    csv_real(&csv, "meet", true, record->meet + result->meet);
    csv_real(&csv, "checkpoint", true, record->checkpoint);
    csv_real(&csv, "release", true, result->release);
    csv_real(&csv, "evaluate", result->evaluate > 0.0, result->evaluate);
    csv_real(&csv, "wall", true, record->wall);
    csv_real(&csv, "loss", done > 0, done > 0 ? result->reached.epochs[done - 1].score.loss : 0.0);
    csv_real(&csv, "accuracy", done > 0,
        done > 0 ? result->reached.epochs[done - 1].score.accuracy : 0.0);
    csv_real(&csv, "test_loss", result->tested, result->test.loss);
    csv_real(&csv, "test_accuracy", result->tested, result->test.accuracy);
    csv_real(
        &csv, "samples_per_second", summary.samples_per_second > 0.0, summary.samples_per_second);
    csv_real(&csv, "gflops", summary.gflops > 0.0, summary.gflops);
    csv_validation(&csv, record, &summary);
    csv_text(&csv, "status", record->status);
    fputs("\n", csv.file);
}

enum status record_write_csv(const struct record *record, FILE *file, struct error *error) {
    errno = 0;
    const locale_t before = locale_begin();
    csv_line((struct csv){.file = file, .header = true}, record);
    csv_line((struct csv){.file = file}, record);
    locale_end(before);
    return written_check(true, file, error);
}
