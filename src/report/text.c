/* The record as Markdown, and as a table for people. Names of hardware and of files may have any
 * bytes. They are shown as UTF-8, on one line. */
#include "system/text.h"
#include "report/words.h"
#include "report/written.h"
#include "system/locale.h"
#include "system/utf8.h"
#include "trainer/record.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

static const char *show(const char *text, shown_text shown) {
    return utf8_show(text, true, shown, sizeof(shown_text));
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

/* What else makes a net train better than plainly; no line where nothing does. */
static void print_ingredients(const struct record *record, FILE *file) {
    const struct network_shape *shape = record->shape;
    char line[256] = "";
    if (shape->label_smoothing > 0.0)
        text_append(line, sizeof line, ", labels smoothed by %g", shape->label_smoothing);
    if (shape->dropout > 0.0)
        text_append(line, sizeof line, ", dropout %g", shape->dropout);
    if (shape->clip_norm > 0.0)
        text_append(line, sizeof line, ", gradient up to %g", shape->clip_norm);
    if (record->plan->normalize)
        text_append(line, sizeof line, ", images normalised");
    if (record->plan->flip)
        text_append(line, sizeof line, ", images flipped");
    if (line[0])
        print_row(file, "with", "%s", line + 2);
}

static void print_ranks(const struct communicator_info *info, FILE *file) {
    shown_text library;
    print_row(file, "ranks", "%d on %d host%s, %s", info->ranks, info->hosts,
        info->hosts == 1 ? "" : "s", show(info->library, library));
}

void record_print_plan(const struct record *record, FILE *file) {
    const struct training_plan *plan = record->plan;
    const struct dataset *dataset = record->dataset;
    const locale_t before = locale_begin();
    char layers[LAYERS_TEXT], held[48] = "";
    shown_text path;
    print_device(record->device, file);
    if (dataset->validation.count > 0)
        snprintf(held, sizeof held, ", %zu validation", dataset->validation.count);
    if (dataset->path[0])
        print_row(file, "data", "CIFAR-10 in %s: %zu training%s, %zu test images",
            show(dataset->path, path), dataset->train.count, held, dataset->test.count);
    else
        print_row(file, "data", "SYNTHETIC, not CIFAR-10: %zu training%s, %zu test images",
            dataset->train.count, held, dataset->test.count);
    print_row(file, "network", "%s, %s, %s%s%s", layers_text(record->shape, layers, sizeof layers),
        record->shape->layers > 1 ? activation_names[record->shape->activation] : "no hidden layer",
        color_names[plan->color],
        record->shape->initial != INITIAL_NORMAL ? ", first weights: " : "",
        record->shape->initial != INITIAL_NORMAL ? initial_names[record->shape->initial] : "");
    print_row(file, "training",
        "%zu epoch%s, batches of %zu (tail: %s), learning rate %g, seed %llu%s", plan->epochs,
        plan->epochs == 1 ? "" : "s", plan->batch_size, tail_names[plan->tail], plan->learning_rate,
        (unsigned long long)plan->seed, plan->shuffle ? ", shuffled" : "");
    print_optimizer(plan, file);
    print_ingredients(record, file);
    if (plan->communicator)
        print_ranks(communicator_info(plan->communicator), file);
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

void record_print_epochs_head(bool bold, bool validated, FILE *file) {
    fprintf(file, "\n%s%5s  %10s  %10s  %9s%s%s\n", bold ? "\033[1m" : "", "epoch", "seconds",
        "loss", "accuracy", validated ? "  validation: loss  accuracy" : "", bold ? "\033[0m" : "");
}

void record_print_epoch(size_t epoch, const struct training_epoch *result,
    const struct training_validation *validation, FILE *file) {
    const locale_t before = locale_begin();
    fprintf(file, "%5zu  %10.4f  %10.6f  %9.4f", epoch + 1, result->seconds, result->score.loss,
        result->score.accuracy);
    if (validation)
        fprintf(file, "  %16.6f  %8.4f", validation->score.loss, validation->score.accuracy);
    fputc('\n', file);
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

/* What the images that are held back say of the run. */
static void print_validation(
    const struct record *record, const struct record_summary *summary, FILE *file) {
    const struct training_position *reached = &record->result->reached;
    const size_t best = training_best_epoch(reached);
    print_row(file, "validate", "%.4f s", record->result->validate);
    if (record->plan->target_accuracy > 0.0 && summary->target_epoch > 0)
        print_row(file, "target",
            "%g after epoch %zu: %.4f s of epochs, %.4f s with load, open and "
            "batching",
            record->plan->target_accuracy, summary->target_epoch, summary->target_epochs,
            summary->target_all);
    else if (record->plan->target_accuracy > 0.0)
        print_row(file, "target", "%g was not reached", record->plan->target_accuracy);
    print_row(file, "best", "epoch %zu: accuracy %.4f in validation%s", best + 1,
        reached->validations[best].score.accuracy,
        record->plan->keep_best ? "; its weights are those of the test" : "");
    if (record->result->ended == ENDED_PATIENCE)
        print_row(file, "ended", "%zu epochs were not better", record->plan->patience);
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
    if (result->exchanging.greatest > 0.0)
        print_row(file, "exchange",
            "%.4f s of the epochs (median of the ranks; %.4f s to %.4f s), beside %.4f s to "
            "compute",
            result->exchanging.median, result->exchanging.least, result->exchanging.greatest,
            result->computing.median);
    else if (result->computing.greatest > 0.0 && record->device->exchanges)
        print_row(
            file, "exchange", "part of the epochs, on the GPUs (%s)", record->device->transport);
    if (result->clocks.readings > 0)
        print_clocks(&result->clocks, file);
    if (result->reached.validated > 0)
        print_validation(record, &summary, file);
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
