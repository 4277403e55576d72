/* The record as JSON. Other programs read its keys: new ones may be added, but none may be
 * renamed. */
#include "report/written.h"
#include "system/json_text.h"
#include "system/utf8.h"
#include "trainer/record.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* A text as a JSON string. JSON is UTF-8, but file names and other names need not be, so bytes that
 * are not become '?'. */
static json_t *text(const char *bytes) {
    if (utf8_is(bytes))
        return json_string(bytes);
    char *shown = strdup(bytes);
    json_t *string = shown ? json_string(utf8_show(bytes, false, shown, strlen(shown) + 1)) : NULL;
    free(shown);
    return string;
}

static json_t *text_or_null(const char *bytes) {
    return bytes[0] ? text(bytes) : json_null();
}

static json_t *describe_host(const struct host *host) {
    return json_pack("{s:o, s:o, s:o, s:i, s:I}", "name", text(host->name), "os", text(host->os),
        "cpu", text(host->cpu), "cores", host->cores, "memory_bytes",
        (json_int_t)host->memory_bytes);
}

/* {NAME: value} for the environment variables that the device's libraries and drivers read; null
 * when there are none. */
static json_t *describe_environment(const struct record *record) {
    const char *variable;
    size_t next = 0, count = 0;
    json_t *variables = json_object();
    bool done = variables != NULL;
    while (done && (variable = record_next_variable(record, &next))) {
        char *name = strdup(variable);
        if (name)
            name[strcspn(name, "=")] = '\0';
        done = name && json_object_set_new(variables, name, text(strchr(variable, '=') + 1)) == 0;
        free(name);
        count++;
    }
    if (done && count > 0)
        return variables;
    json_decref(variables);
    return done ? json_null() : NULL;
}

static json_t *describe_device(const struct record *record) {
    const struct device_info *device = record->device;
    return json_pack(
        "{s:o, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:i, s:o, s:o, s:s, s:o, s:o, s:o}",
        "spec", text(record->spec), "kind", device->kind, "type", device->type, "name",
        text(device->name), "vendor", text_or_null(device->vendor), "kernels",
        text_or_null(device->kernels), "library", text_or_null(device->library), "gemm",
        text_or_null(device->gemm), "platform", text_or_null(device->platform), "driver",
        text_or_null(device->driver), "threads", device->threads, "compute_units",
        device->units > 0 ? json_integer(device->units) : json_null(), "memory_bytes",
        device->memory_bytes > 0 ? json_integer((json_int_t)device->memory_bytes) : json_null(),
        "precision", device->precision, "step",
        device->step ? json_string(device->step) : json_null(), "submission",
        device->submission ? json_string(device->submission) : json_null(), "environment",
        describe_environment(record));
}

/* Adds a value to an array; NULL, with the array gone, when memory is refused. */
static json_t *with(json_t *array, json_t *value) {
    if (json_array_append_new(array, value) == 0)
        return array;
    json_decref(array);
    return NULL;
}

/* A number; null when there is none, which is 0 here. */
static json_t *rate(double value) {
    return value > 0.0 ? json_real(value) : json_null();
}

static json_t *describe_config(const struct record *record) {
    const struct training_plan *plan = record->plan;
    const struct optimizer_plan *optimizer = &plan->optimizer;
    json_t *layers = json_array();
    for (size_t l = 0; l <= record->shape->layers && layers; l++)
        layers = with(layers, json_integer((json_int_t)record->shape->widths[l]));
    return json_pack("{s:I, s:I, s:o, s:s, s:f, s:s, s:s, s:s, s:I, s:b, s:s, s:f, s:b, s:f, s:f, "
                     "s:f, s:f, s:s, s:I, s:I, s:o, s:I, s:b, s:s, s:f, s:f, s:o, s:b, s:b}",
        "epochs", (json_int_t)plan->epochs, "batch_size", (json_int_t)plan->batch_size, "layers",
        layers, "activation", activation_names[record->shape->activation], "learning_rate",
        plan->learning_rate, "color", color_names[plan->color], "tail", tail_names[plan->tail],
        "batches", record_batches(record), "seed", (json_int_t)plan->seed, "shuffle", plan->shuffle,
        "optimizer", optimizer_names[optimizer->method], "momentum", optimizer->momentum,
        "nesterov", optimizer->nesterov, "weight_decay", optimizer->weight_decay, "beta1",
        optimizer->beta1, "beta2", optimizer->beta2, "epsilon", optimizer->epsilon, "schedule",
        schedule_names[plan->schedule], "warmup_epochs", (json_int_t)plan->warm_up_epochs,
        "validation", (json_int_t)plan->validation, "target_accuracy", rate(plan->target_accuracy),
        "patience", (json_int_t)plan->patience, "keep_best", plan->keep_best, "initial",
        initial_names[record->shape->initial], "label_smoothing", record->shape->label_smoothing,
        "dropout", record->shape->dropout, "clip_norm", rate(record->shape->clip_norm), "normalize",
        plan->normalize, "flip", plan->flip);
}

static json_t *describe_dataset(const struct record *record) {
    const struct dataset *dataset = record->dataset;
    return json_pack("{s:s, s:s, s:o, s:I, s:I, s:I, s:o}", "name",
        dataset->path[0] ? "CIFAR-10" : "synthetic", "source", dataset->origin, "path",
        text_or_null(dataset->path), "train", (json_int_t)dataset->train.count, "validation",
        (json_int_t)dataset->validation.count, "test", (json_int_t)dataset->test.count,
        "fingerprint", text_or_null(record->fingerprint));
}

static json_t *seconds_of_epochs(const struct training_position *reached) {
    json_t *epochs = json_array();
    for (size_t e = 0; e < reached->epochs_done && epochs; e++)
        epochs = with(epochs, json_real(reached->epochs[e].seconds));
    return epochs;
}

static json_t *describe_seconds(const struct record *record) {
    const struct training_result *result = record->result;
    const struct record_summary summary = record_summarise(record);
    return json_pack("{s:f, s:f, s:f, s:f, s:f, s:o, s:o, s:f, s:f, s:f, s:f, s:f, s:o, s:f}",
        "setup", record->setup, "load", record->dataset->seconds, "open", summary.open, "batching",
        result->batching, "warm_up", result->warm_up, "epochs", seconds_of_epochs(&result->reached),
        "mean_epoch", result->reached.epochs_done > 0 ? json_real(summary.mean_epoch) : json_null(),
        "unfinished", result->unfinished, "validate", result->validate, "meet",
        record->meet + result->meet, "checkpoint", record->checkpoint, "release", result->release,
        "evaluate", result->evaluate > 0.0 ? json_real(result->evaluate) : json_null(), "wall",
        record->wall);
}

/* The score of an epoch on the images that are held back; null where none are. */
static json_t *describe_validation(const struct training_position *reached, size_t epoch) {
    if (epoch >= reached->validated)
        return json_null();
    const struct training_validation *validation = &reached->validations[epoch];
    return json_pack("{s:f, s:f, s:f}", "seconds", validation->seconds, "loss",
        validation->score.loss, "accuracy", validation->score.accuracy);
}

static json_t *describe_epochs(const struct training_position *reached) {
    json_t *epochs = json_array();
    for (size_t e = 0; e < reached->epochs_done && epochs; e++) {
        const struct training_epoch *epoch = &reached->epochs[e];
        epochs = with(epochs,
            json_pack("{s:f, s:f, s:f, s:o}", "seconds", epoch->seconds, "loss", epoch->score.loss,
                "accuracy", epoch->score.accuracy, "validation", describe_validation(reached, e)));
    }
    return epochs;
}

/* [least, most] of a clock in MHz. */
static json_t *describe_clock(unsigned least, unsigned most) {
    return json_pack("[I, I]", (json_int_t)least, (json_int_t)most);
}

/* The clocks during the epochs; null where they are not known. */
static json_t *describe_clocks(const struct training_clocks *clocks) {
    if (clocks->readings == 0)
        return json_null();
    json_t *limits = json_array();
    for (size_t l = 0; clock_limit_names[l] && limits; l++)
        if (clocks->limits >> l & 1)
            limits = with(limits, json_string(clock_limit_names[l]));
    return json_pack("{s:o, s:o, s:o}", "processor_mhz",
        describe_clock(clocks->least.processor_mhz, clocks->most.processor_mhz), "memory_mhz",
        describe_clock(clocks->least.memory_mhz, clocks->most.memory_mhz), "limits", limits);
}

static json_t *describe_spread(const struct training_spread *spread) {
    return spread->greatest > 0.0 ? json_pack("{s:f, s:f, s:f}", "least", spread->least, "median",
                                        spread->median, "greatest", spread->greatest)
                                  : json_null();
}

/* The ranks that trained together; null where a process was alone. */
static json_t *describe_ranks(const struct record *record) {
    const struct communicator *communicator = record->plan->communicator;
    const struct communicator_info *info = communicator_info(communicator);
    const struct training_result *result = record->result;
    return communicator ? json_pack("{s:i, s:i, s:o, s:o, s:o, s:o}", "count", info->ranks, "hosts",
                              info->hosts, "library", text(info->library), "transport",
                              text(record->device->transport), "computing",
                              describe_spread(&result->computing), "exchanging",
                              describe_spread(&result->exchanging))
                        : json_null();
}

static json_t *describe_memory(const struct training_memory *memory) {
    return json_pack("{s:I, s:I}", "host_bytes", (json_int_t)memory->host, "device_bytes",
        (json_int_t)memory->device);
}

/* The position of the earlier run; null for a run that continues none. */
static json_t *describe_resumed(const struct record *record) {
    const struct training_position *resumed = record->resumed;
    return resumed
               ? json_pack("{s:I, s:I, s:f}", "epochs", (json_int_t)resumed->epochs_done, "batches",
                     (json_int_t)resumed->batches_done, "seconds", record_resumed_seconds(record))
               : json_null();
}

/* A row for each label, a column for each class that images were taken for. */
static json_t *describe_confusion(const struct record *record) {
    const size_t classes = record->shape->widths[record->shape->layers];
    json_t *rows = json_array();
    for (size_t label = 0; label < classes && rows; label++) {
        json_t *row = json_array();
        for (size_t c = 0; c < classes && row; c++)
            row = with(row, json_integer(record->result->confusion[label * classes + c]));
        rows = with(rows, row);
    }
    return rows;
}

static json_t *describe_test(const struct record *record) {
    const struct training_result *result = record->result;
    return result->tested ? json_pack("{s:f, s:f, s:o}", "loss", result->test.loss, "accuracy",
                                result->test.accuracy, "confusion",
                                result->confusion ? describe_confusion(record) : json_null())
                          : json_null();
}

/* Writes the object as one line. The whole line is made before any of it is written. It is not made
 * by json_dumps, because jansson 2.14 leaves a key out when it is refused memory for it. */
static enum status write_line(json_t *root, FILE *file, struct error *error) {
    size_t length;
    char *line = json_text(root, JSON_COMPACT | JSON_REAL_PRECISION(9), &length);
    json_decref(root);
    errno = line ? 0 : ENOMEM; /* memory was refused, here or when `root` was made */
    if (line)
        line[length] = '\n';
    const bool whole = line && fwrite(line, 1, length + 1, file) == length + 1;
    const enum status status = written_check(whole, file, error);
    free(line);
    return status;
}

/* {INSTRUCTION SET: GFLOP/s}; null for a device whose arithmetic is not measured. */
static json_t *describe_arithmetic(const struct arithmetic_peak *arithmetic) {
    if (!arithmetic->name)
        return json_null();
    json_t *rates = json_object();
    for (; arithmetic->name && rates; arithmetic++)
        if (json_object_set_new(rates, arithmetic->name, json_real(arithmetic->flops / 1e9)) != 0) {
            json_decref(rates);
            return NULL;
        }
    return rates;
}

enum status record_write_peak_json(
    const struct record *record, const struct device_peak *peak, FILE *file, struct error *error) {
    json_t *figures = json_pack("{s:f, s:I, s:f, s:I, s:f, s:o}", "gflops", peak->flops / 1e9,
        "side", (json_int_t)peak->side, "bytes_per_second", peak->bandwidth, "bytes",
        (json_int_t)peak->bytes, "operation_seconds", peak->operation, "arithmetic",
        describe_arithmetic(peak->arithmetic));
    return write_line(
        json_pack("{s:i, s:s, s:s, s:o, s:o, s:o, s:s}", "schema", 1, "time", record->time,
            "commit", record->commit, "host", describe_host(&record->host), "device",
            describe_device(record), "peak", figures, "status", "complete"),
        file, error);
}

/* The best epoch in validation; null where no images are held back. */
static json_t *describe_best(const struct training_position *reached) {
    const size_t best = training_best_epoch(reached);
    return reached->validated > 0 ? json_pack("{s:I, s:f, s:f}", "epoch", (json_int_t)(best + 1),
                                        "loss", reached->validations[best].score.loss, "accuracy",
                                        reached->validations[best].score.accuracy)
                                  : json_null();
}

/* When the target was reached; null where there is none. What was not reached has nulls. */
static json_t *describe_target(const struct record *record, const struct record_summary *summary) {
    const bool reached = summary->target_epoch > 0;
    if (record->plan->target_accuracy <= 0.0)
        return json_null();
    return json_pack("{s:f, s:o, s:o, s:o}", "accuracy", record->plan->target_accuracy, "epoch",
        reached ? json_integer((json_int_t)summary->target_epoch) : json_null(), "epochs_seconds",
        reached ? json_real(summary->target_epochs) : json_null(), "seconds",
        reached ? json_real(summary->target_all) : json_null());
}

/* The learning rate of an epoch's last step. */
static double last_rate(const struct record *record, size_t epoch) {
    const struct training_plan *plan = record->plan;
    const size_t batches = record->result->batches;
    return plan->learning_rate * schedule_factor(plan->schedule, plan->warm_up_epochs * batches,
                                     plan->epochs * batches, (epoch + 1) * batches - 1);
}

enum status record_write_epoch_json(
    const struct record *record, size_t epoch, FILE *file, struct error *error) {
    const struct training_position *reached = &record->result->reached;
    const struct training_epoch *done = &reached->epochs[epoch];
    return write_line(
        json_pack("{s:i, s:s, s:o, s:I, s:I, s:f, s:f, s:f, s:f, s:o}", "schema", 1, "time",
            record->time, "device", text(record->spec), "epoch", (json_int_t)(epoch + 1), "epochs",
            (json_int_t)record->plan->epochs, "learning_rate", last_rate(record, epoch), "seconds",
            done->seconds, "loss", done->score.loss, "accuracy", done->score.accuracy, "validation",
            describe_validation(reached, epoch)),
        file, error);
}

enum status record_write_json(const struct record *record, FILE *file, struct error *error) {
    const struct record_summary summary = record_summarise(record);
    json_t *root = json_pack("{s:i, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, "
                             "s:o, s:o, s:o, s:o, s:o, s:o, s:s}",
        "schema", 1, "time", record->time, "commit", record->commit, "host",
        describe_host(&record->host), "device", describe_device(record), "config",
        describe_config(record), "dataset", describe_dataset(record), "memory",
        describe_memory(&record->memory), "resumed", describe_resumed(record), "ranks",
        describe_ranks(record), "clocks", describe_clocks(&record->result->clocks), "seconds",
        describe_seconds(record), "epochs", describe_epochs(&record->result->reached), "best",
        describe_best(&record->result->reached), "target", describe_target(record, &summary),
        "ended", text_or_null(training_end_names[record->result->ended]), "test",
        describe_test(record), "samples_per_second", rate(summary.samples_per_second), "gflops",
        rate(summary.gflops), "status", record->status);
    return write_line(root, file, error);
}
