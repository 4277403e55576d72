/* The record as CSV, as Markdown, and as a table for people. Names of hardware and of files may
 * have any bytes. They are shown as UTF-8 and, except in CSV, which can quote them, on one line. */
#include "system/text.h"
#include "report/written.h"
#include "system/locale.h"
#include "system/utf8.h"
#include "trainer/record.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

/* Writes the widths as "1024-64-32-10", cut to fit. */
static const char *layers_text(const struct network_shape *shape, char *text, size_t size) {
    text[0] = '\0';
    for (size_t l = 0; l <= shape->layers; l++)
        text_append(text, size, "%s%zu", l > 0 ? "-" : "", shape->widths[l]);
    return text;
}

enum { LAYERS_TEXT = 6 * (NETWORK_MAX_LAYERS + 1) };

/* Room for any text of a record that comes from outside. */
typedef char shown_text[sizeof((struct dataset){0}.path)];

static const char *show(const char *text, shown_text shown) {
    return utf8_show(text, true, shown, sizeof(shown_text));
}

/* --- CSV (RFC 4180, but for its line ends) --- */

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

/* Writes what held the clocks down, like "power, temperature". */
static const char *limits_text(unsigned limits, const char *between, char text[64]) {
    text[0] = '\0';
    for (size_t l = 0; clock_limit_names[l]; l++)
        if (limits >> l & 1)
            text_append(text, 64, "%s%s", text[0] ? between : "", clock_limit_names[l]);
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

/* --- Markdown --- */

/* Whether GitHub would make something of the text that begins here, which no backslash prevents: a
 * person's name ("@somebody") or a picture (":smile:"). */
static bool begins_mark(const char *c) {
    static const char word[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-";
    return (*c == '@' || *c == ':') && c[1] && strchr(word, c[1]);
}

/* Prints a text so that nothing in it is markup, and none of it leaves the table's cell. */
static void put_markdown(const char *text, FILE *file) {
    shown_text shown;
    for (const char *c = show(text, shown); *c; c++) {
        fprintf(file, strchr("\\`*_{}[]<>|~&$#", *c) ? "\\%c" : "%c", *c);
        if (begins_mark(c))
            fputs("<!-- -->", file);
    }
}

enum status record_write_markdown(const struct record *record, FILE *file, struct error *error) {
    errno = 0;
    const locale_t before = locale_begin();
    const struct training_result *result = record->result;
    const struct record_summary summary = record_summarise(record);
    fputs(
        "| Hardware | Device | Library | Threads | Data | Load dataset (s) | To batched input (s) "
        "| Mean epoch (s) | Samples/s | GFLOP/s | Test accuracy |\n"
        "| --- | --- | --- | ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n",
        file);
    const struct device_info *device = record->device;
    fputs("| ", file);
    put_markdown(device->name, file);
    fprintf(file, " | %s | %s", device->kind, device->gemm);
    if (device->library[0] || !device->gemm[0]) {
        fputs(device->gemm[0] ? " (" : "", file);
        put_markdown(device->library[0] ? device->library : "none", file);
        fputs(device->gemm[0] ? ")" : "", file);
    }
    fprintf(file, " | %d | %s | %.4f | %.4f | ", device->threads, record->dataset->origin,
        record->dataset->seconds, result->batching);
    if (result->reached.epochs_done > 0)
        fprintf(file, "%.4f | %.0f | %.1f | ", summary.mean_epoch, summary.samples_per_second,
            summary.gflops);
    else
        fputs("- | - | - | ", file);
    if (result->tested)
        fprintf(file, "%.4f |\n", result->test.accuracy);
    else
        fprintf(file, "%s |\n", record->status);
    locale_end(before);
    return written_check(true, file, error);
}

/* --- The table for people --- */

#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
static void
print_row(FILE *file, const char *name, const char *format, ...) {
    fprintf(file, "%-9s ", name);
    va_list arguments;
    va_start(arguments, format);
    vfprintf(file, format, arguments);
    va_end(arguments);
    fputc('\n', file);
}

static void print_device(const struct device_info *device, FILE *file) {
    shown_text name, library, platform, driver;
    fprintf(file, "%-10s%s: %s (%s), %s", "device", device->kind, show(device->name, name),
        device->type, device->library[0] ? show(device->library, library) : "no library");
    if (device->gemm[0])
        fprintf(file, ", products: %s", device->gemm);
    if (device->platform[0])
        fprintf(file, ", driver: %s %s", show(device->platform, platform),
            show(device->driver, driver));
    if (device->threads > 0)
        fprintf(file, ", %d thread%s", device->threads, device->threads == 1 ? "" : "s");
    fprintf(file, ", %s\n", device->precision);
}

/* "236.3 GFLOP/s with AVX-512, 112.8 with baseline" */
static void print_arithmetic(const struct arithmetic_peak *arithmetic, FILE *file) {
    char rates[256] = "";
    for (const struct arithmetic_peak *one = arithmetic; one->name; one++)
        text_append(rates, sizeof rates, "%s%.1f%s with %s", one > arithmetic ? ", " : "",
            one->flops / 1e9, one > arithmetic ? "" : " GFLOP/s", one->name);
    if (rates[0])
        print_row(file, "limit", "%s: multiply-adds in registers", rates);
}

void record_print_peak(const struct record *record, const struct device_peak *peak, FILE *file) {
    const locale_t before = locale_begin();
    print_device(record->device, file);
    print_arithmetic(peak->arithmetic, file);
    print_row(file, "product", "%.1f GFLOP/s, of %zu x %zu matrices", peak->flops / 1e9, peak->side,
        peak->side);
    print_row(file, "copy", "%.1f GB/s read and written, of %.0f MiB", peak->bandwidth / 1e9,
        (double)peak->bytes / (1 << 20));
    print_row(file, "operation", "%.2f us at least", peak->operation * 1e6);
    locale_end(before);
}

/* What differs from plain gradient descent at one learning rate; no line where nothing does. */
static void print_optimizer(const struct training_plan *plan, FILE *file) {
    const struct optimizer_plan *optimizer = &plan->optimizer;
    const bool adamw = optimizer->method == METHOD_ADAMW;
    char line[256] = "";
    if (adamw)
        text_append(line, sizeof line, "adamw, betas %g and %g, epsilon %g", optimizer->beta1,
            optimizer->beta2, optimizer->epsilon);
    else if (optimizer_of(optimizer) != OPTIMIZER_GRADIENT_DESCENT)
        text_append(line, sizeof line, "sgd, momentum %g%s", optimizer->momentum,
            optimizer->nesterov ? " (Nesterov)" : "");
    if (optimizer->weight_decay > 0.0)
        text_append(line, sizeof line, ", weight decay %g", optimizer->weight_decay);
    if (plan->schedule != SCHEDULE_CONSTANT)
        text_append(line, sizeof line, "%s%s schedule", line[0] ? ", " : "",
            schedule_names[plan->schedule]);
    if (plan->warm_up_epochs > 0)
        text_append(line, sizeof line, "%srate rises for %zu epoch%s", line[0] ? ", " : "",
            plan->warm_up_epochs, plan->warm_up_epochs == 1 ? "" : "s");
    if (line[0])
        print_row(file, "optimizer", "%s", line);
}

void record_print_plan(const struct record *record, FILE *file) {
    const struct training_plan *plan = record->plan;
    const struct dataset *dataset = record->dataset;
    const locale_t before = locale_begin();
    char layers[LAYERS_TEXT];
    shown_text path;
    print_device(record->device, file);
    if (dataset->path[0])
        print_row(file, "data", "CIFAR-10 in %s: %zu training, %zu test images",
            show(dataset->path, path), dataset->train.count, dataset->test.count);
    else
        print_row(file, "data", "SYNTHETIC, not CIFAR-10: %zu training, %zu test images",
            dataset->train.count, dataset->test.count);
    print_row(file, "network", "%s, %s, %s", layers_text(record->shape, layers, sizeof layers),
        record->shape->layers > 1 ? activation_names[record->shape->activation] : "no hidden layer",
        color_names[plan->color]);
    print_row(file, "training",
        "%zu epoch%s, batches of %zu (tail: %s), learning rate %g, seed %llu%s", plan->epochs,
        plan->epochs == 1 ? "" : "s", plan->batch_size, tail_names[plan->tail], plan->learning_rate,
        (unsigned long long)plan->seed, plan->shuffle ? ", shuffled" : "");
    print_optimizer(plan, file);
    const struct training_memory *memory = &record->memory;
    const char *streamed = memory->streamed ? "; batches are streamed" : "";
    const double host = (double)memory->host / 1e6, own = (double)memory->device / 1e6;
    if (record->device->memory_bytes > 0)
        print_row(
            file, "memory", "%.1f MB of the host, %.1f MB of the device%s", host, own, streamed);
    else
        print_row(file, "memory", "%.1f MB%s", host + own, streamed);
    if (record->resumed)
        print_row(file, "resumed", "after epoch %zu, batch %zu of the next",
            record->resumed->epochs_done, record->resumed->batches_done);
    locale_end(before);
}

void record_print_epochs_head(bool bold, FILE *file) {
    fprintf(file, "\n%s%5s  %10s  %10s  %9s%s\n", bold ? "\033[1m" : "", "epoch", "seconds", "loss",
        "accuracy", bold ? "\033[0m" : "");
}

void record_print_epoch(size_t epoch, const struct training_epoch *result, FILE *file) {
    const locale_t before = locale_begin();
    fprintf(file, "%5zu  %10.4f  %10.6f  %9.4f\n", epoch + 1, result->seconds, result->score.loss,
        result->score.accuracy);
    locale_end(before);
}

/* "1755 MHz", or "1755 to 1980 MHz". */
static const char *clock_text(unsigned least, unsigned most, char text[64]) {
    char to[32] = "";
    if (most != least)
        snprintf(to, sizeof to, " to %u", most);
    snprintf(text, 64, "%u%s MHz", least, to);
    return text;
}

static void print_clocks(const struct training_clocks *clocks, FILE *file) {
    const struct device_clocks *least = &clocks->least, *most = &clocks->most;
    char processor[64], memory[64], limits[64];
    print_row(file, "clocks", "%s, memory %s%s%s",
        clock_text(least->processor_mhz, most->processor_mhz, processor),
        clock_text(least->memory_mhz, most->memory_mhz, memory),
        clocks->limits ? "; held down by: " : "", limits_text(clocks->limits, ", ", limits));
}

static const char *submission_text(const char *submission) {
    return strcmp(submission, "overlapped") == 0   ? "a graph of launches that overlap"
           : strcmp(submission, "persistent") == 0 ? "launches of many steps"
           : strcmp(submission, "graph") == 0      ? "a graph"
                                                   : "a stream";
}

void record_print_summary(const struct record *record, FILE *file) {
    const struct training_result *result = record->result;
    const struct record_summary summary = record_summarise(record);
    const locale_t before = locale_begin();
    fputc('\n', file);
    print_row(file, "load", "%.4f s", record->dataset->seconds);
    print_row(file, "open", "%.4f s", summary.open);
    print_row(file, "batching", "%.4f s%s", result->batching,
        result->streamed ? "; each batch is sent within its epoch" : "");
    if (result->warm_up > 0.0)
        print_row(file, "warm-up", "%.4f s, of which nothing is kept", result->warm_up);
    if (result->reached.epochs_done > 0) {
        const char *step = record->device->step, *submission = record->device->submission;
        print_row(file, "epoch", "%.4f s mean, %.4f s min, %.4f s max%s%s%s%s%s",
            summary.mean_epoch, summary.min_epoch, summary.max_epoch, step ? "; " : "",
            step ? step : "", step ? " steps" : "", submission ? "; submitted as " : "",
            submission ? submission_text(submission) : "");
        print_row(file, "speed", "%.0f samples/s, %.1f GFLOP/s", summary.samples_per_second,
            summary.gflops);
    }
    if (result->clocks.readings > 0)
        print_clocks(&result->clocks, file);
    if (result->unfinished > 0.0)
        print_row(file, "unfinished", "%.4f s in an epoch that did not end", result->unfinished);
    if (result->evaluate > 0.0)
        print_row(file, "evaluate", "%.4f s", result->evaluate);
    if (result->tested)
        print_row(
            file, "test", "loss %.6f, accuracy %.4f", result->test.loss, result->test.accuracy);
    print_row(file, "in all", "%.4f s, with %.4f s to set up and %.4f s to release memory",
        record->wall, record->setup, result->release);
    if (record->checkpoint > 0.0)
        print_row(file, "", "%.4f s of it to write checkpoints", record->checkpoint);
    if (strcmp(record->status, "complete") != 0)
        print_row(file, "status", "%s", record->status);
    locale_end(before);
}
