/* Any command line is either refused as STATUS_USAGE with a message, or gives settings that are
 * all in their ranges, and that give themselves again when they are written as a command line, or
 * stored with a run and restored. Whatever was stored with a run is taken or refused likewise. The
 * input: an argument on each line; after a line of "---", "--name=value" of what was stored. */
#include "fuzz.h"
#include "program/options.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

enum { ARGUMENTS = 64 };

static void require_range(const char *what, double value, double low, double high) {
    FUZZ_REQUIRE(value >= low && value <= high, "%s is %g", what, value);
}

static void require_text(const char *what, const char *text, bool needed) {
    FUZZ_REQUIRE(text ? *text != '\0' : !needed, "%s is %s", what, text ? "empty" : "missing");
}

static size_t count_names(const char *const *names) {
    size_t count = 0;
    while (names[count])
        count++;
    return count;
}

static void require_name(const char *what, int value, const char *const *names) {
    FUZZ_REQUIRE(value >= 0 && (size_t)value < count_names(names), "%s is %d", what, value);
}

static void check_shape(const struct network_shape *shape) {
    require_range("layers", (double)shape->layers, 1, NETWORK_MAX_LAYERS);
    for (size_t l = 1; l < shape->layers; l++)
        require_range("width", (double)shape->widths[l], 1, NETWORK_MAX_WIDTH);
    FUZZ_REQUIRE(shape->widths[shape->layers] == CIFAR10_CLASSES, "%zu outputs",
        shape->widths[shape->layers]);
    require_name("activation", (int)shape->activation, activation_names);
    FUZZ_REQUIRE(shape->activation != ACTIVATION_NONE, "hidden layers without activation");
}

/* Whether the settings are not all there yet: those of the run are to be restored. */
static bool continues(const struct options *options) {
    return options->resume && options->action == ACTION_TRAIN;
}

/* What each option says for itself. */
static void check_options(const struct options *options) {
    const struct training_plan *plan = &options->plan;
    require_text("device", options->device, true);
    require_text("gemm", options->gemm, true);
    require_text("precision", options->precision, true);
    require_text("step", options->step, true);
    require_text("submission", options->submission, true);
    require_text("data", options->data, false);
    require_text("init", options->init, false);
    require_text("save", options->save, false);
    require_text("checkpoint", options->checkpoint, false);
    require_text("resume", options->resume, false);
    require_range("threads", options->threads, 0, 1024);
    require_range("samples", (double)options->samples, 0, CIFAR10_TRAIN);
    require_range("epochs", (double)plan->epochs, 0, 1e6);
    require_range("epochs of a checkpoint", (double)options->checkpoint_every, 1, 1e6);
    require_range("batch size", (double)plan->batch_size, 1, CIFAR10_TRAIN);
    require_range("learning rate", plan->learning_rate, 0, 1e6);
    FUZZ_REQUIRE(plan->seed <= INT64_MAX, "seed %" PRIu64, plan->seed);
    require_name("color", (int)plan->color, color_names);
    require_name("tail", (int)plan->tail, tail_names);
    require_name("batches", (int)plan->batches, batches_names);
    require_range("format", options->format, FORMAT_TABLE, FORMAT_MARKDOWN);
    require_range("action", options->action, ACTION_TRAIN, ACTION_HELP);
    FUZZ_REQUIRE(!options->init || !options->resume, "two origins of the weights");
    check_shape(&options->shape);
}

/* What they say together. */
static void check_together(const struct options *options) {
    const bool is_run = options->action != ACTION_PEAK && !options->dry_run;
    FUZZ_REQUIRE(is_run || options->format <= FORMAT_JSON, "format %d", (int)options->format);
    FUZZ_REQUIRE(
        !options->save || !options->checkpoint || strcmp(options->save, options->checkpoint) != 0,
        "two kinds of file at %s", options->save);
    FUZZ_REQUIRE(!options->resume || options->checkpoint, "continued without a checkpoint");
    const size_t samples = options->samples > 0 ? options->samples : CIFAR10_TRAIN;
    FUZZ_REQUIRE(training_batches(&options->plan, samples) > 0, "no batch of %zu samples", samples);
    const size_t inputs = options->plan.color == COLOR_GREY ? CIFAR10_PLANE : CIFAR10_PIXELS;
    FUZZ_REQUIRE(options->shape.widths[0] == inputs, "%zu inputs", options->shape.widths[0]);
}

/* --- The same settings again --- */

/* A command line under construction. */
struct line {
    char *arguments[ARGUMENTS], text[4096];
    int count;
    size_t used; /* of text, which the numbers are in */
};

static void add(struct line *line, const char *argument) {
    FUZZ_REQUIRE(line->count + 1 < ARGUMENTS, "too many arguments");
    line->arguments[line->count++] = (char *)(uintptr_t)argument; /* getopt leaves it as it is */
    line->arguments[line->count] = NULL;
}

static void add_pair(struct line *line, const char *option, const char *value) {
    if (value) {
        add(line, option);
        add(line, value);
    }
}

/* Where a number can be written. */
static char *next_text(struct line *line) {
    char *text = line->text + line->used;
    line->used += 32;
    FUZZ_REQUIRE(line->used < sizeof line->text, "too many numbers");
    return text;
}

static void add_whole(struct line *line, const char *option, uint64_t value) {
    char *text = next_text(line);
    snprintf(text, 32, "%" PRIu64, value);
    add_pair(line, option, text);
}

static void add_widths(struct line *line, const struct network_shape *shape) {
    char *text = line->text + line->used;
    text[0] = '\0';
    for (size_t l = 1; l < shape->layers; l++)
        line->used += (size_t)snprintf(line->text + line->used, sizeof line->text - line->used,
            "%s%zu", l > 1 ? "," : "", shape->widths[l]);
    line->used++;
    FUZZ_REQUIRE(line->used < sizeof line->text, "too many widths");
    add_pair(line, "--layers", shape->layers > 1 ? text : "none");
}

static void write_options(const struct options *options, struct line *line) {
    static const char *const actions[] = {NULL, "--peak", "--list-devices", "--version", "--help"};
    static const char *const formats[] = {"table", "json", "csv", "markdown"};
    const struct training_plan *plan = &options->plan;
    line->count = 0;
    line->used = 0;
    add(line, "trainer");
    add_pair(line, "--device", options->device);
    add_pair(line, "--gemm", options->gemm);
    add_pair(line, "--precision", options->precision);
    add_pair(line, "--step", options->step);
    add_pair(line, "--submission", options->submission);
    add_pair(line, "--data", options->data);
    add_pair(line, "--init", options->init);
    add_pair(line, "--save", options->save);
    add_pair(line, "--checkpoint", options->checkpoint);
    add_pair(line, "--resume", options->resume);
    add_pair(line, "--activation", activation_names[options->shape.activation]);
    add_pair(line, "--color", color_names[plan->color]);
    add_pair(line, "--tail", tail_names[plan->tail]);
    add_pair(line, "--batches", batches_names[plan->batches]);
    add_pair(line, "--format", formats[options->format]);
    if (options->threads > 0)
        add_whole(line, "--threads", (uint64_t)options->threads);
    if (options->samples > 0)
        add_whole(line, "--samples", options->samples);
    add_whole(line, "--epochs", plan->epochs);
    add_whole(line, "--checkpoint-every", options->checkpoint_every);
    add_whole(line, "--batch-size", plan->batch_size);
    add_whole(line, "--seed", plan->seed);
    char *rate = next_text(line);
    snprintf(rate, 32, "%.17g", plan->learning_rate);
    add_pair(line, "--learning-rate", rate);
    if (plan->shuffle)
        add(line, "--shuffle");
    if (options->dry_run)
        add(line, "--dry-run");
    if (options->quiet)
        add(line, "--quiet");
    if (actions[options->action])
        add(line, actions[options->action]);
    add_widths(line, &options->shape);
}

static bool same_text(const char *one, const char *other) {
    return one && other ? strcmp(one, other) == 0 : one == other;
}

static bool same_shape(const struct network_shape *one, const struct network_shape *other) {
    return one->activation == other->activation && one->layers == other->layers &&
           memcmp(one->widths, other->widths, (one->layers + 1) * sizeof *one->widths) == 0;
}

static bool same_plan(const struct training_plan *one, const struct training_plan *other) {
    return one->epochs == other->epochs && one->batch_size == other->batch_size &&
           one->learning_rate == other->learning_rate && one->color == other->color &&
           one->tail == other->tail && one->batches == other->batches &&
           one->shuffle == other->shuffle && one->seed == other->seed;
}

/* Of those that are stored with a run. */
static bool same_run(const struct options *one, const struct options *other) {
    return same_text(one->device, other->device) && same_text(one->gemm, other->gemm) &&
           same_text(one->precision, other->precision) && same_text(one->step, other->step) &&
           same_text(one->submission, other->submission) && same_text(one->data, other->data) &&
           same_shape(&one->shape, &other->shape) && same_plan(&one->plan, &other->plan) &&
           one->samples == other->samples && one->checkpoint_every == other->checkpoint_every &&
           one->threads == other->threads;
}

static bool same_options(const struct options *one, const struct options *other) {
    return same_run(one, other) && one->action == other->action &&
           same_text(one->init, other->init) && same_text(one->save, other->save) &&
           same_text(one->checkpoint, other->checkpoint) && same_text(one->resume, other->resume) &&
           one->format == other->format && one->dry_run == other->dry_run &&
           one->quiet == other->quiet;
}

/* --- What is stored with a run (in the place of the checkpoint's reader) --- */

struct checkpoint {
    char **lines; /* "--name=value" */
    size_t lines_count;
    const struct checkpoint_setting *settings;
    size_t settings_count;
};

const char *checkpoint_setting(const struct checkpoint *checkpoint, const char *name) {
    const size_t length = strlen(name);
    for (size_t l = 0; l < checkpoint->lines_count; l++)
        if (strncmp(checkpoint->lines[l], name, length) == 0 && checkpoint->lines[l][length] == '=')
            return checkpoint->lines[l] + length + 1;
    for (size_t s = 0; s < checkpoint->settings_count; s++)
        if (strcmp(checkpoint->settings[s].name, name) == 0)
            return checkpoint->settings[s].value;
    return NULL;
}

/* --- */

static enum status parse(int count, char **arguments, struct options *options) {
    struct error error;
    error.message[0] = '\0';
    memset(options, 0xA5, sizeof *options);
    const enum status status = options_parse(count, arguments, options, &error);
    FUZZ_REQUIRE(status == STATUS_OK || status == STATUS_USAGE, "status %d", (int)status);
    FUZZ_REQUIRE(status == STATUS_OK || error.message[0], "refused, with no reason");
    return status;
}

static void check_parsed(const struct options *options) {
    check_options(options);
    if (!continues(options))
        check_together(options);
}

static void check_written(const struct options *options) {
    static struct line line;
    struct options again;
    write_options(options, &line);
    FUZZ_REQUIRE(parse(line.count, line.arguments, &again) == STATUS_OK, "not taken again");
    FUZZ_REQUIRE(same_options(options, &again), "other settings");
}

/* A path that is too long is not stored. */
static bool is_stored(const char *text) {
    return !text || strlen(text) + 1 < sizeof((struct checkpoint_setting){0}.value);
}

static void check_stored(const struct options *options) {
    static char name[] = "trainer", resume[] = "--resume", path[] = "a checkpoint of its own";
    char *arguments[] = {name, resume, path, NULL};
    static struct checkpoint_setting settings[OPTIONS_MAX];
    struct options again;
    struct error error;
    if (!is_stored(options->data))
        return;
    const struct checkpoint checkpoint = {
        .settings = settings, .settings_count = options_store(options, settings)};
    FUZZ_REQUIRE(parse(3, arguments, &again) == STATUS_OK, "not continued");
    const enum status status = options_restore(&again, &checkpoint, &error);
    FUZZ_REQUIRE(status == STATUS_OK, "not restored: %s", error.message);
    FUZZ_REQUIRE(same_run(options, &again), "other settings");
}

static void check_restored(const struct options *given, const struct checkpoint *checkpoint) {
    struct options options = *given;
    struct error error;
    error.message[0] = '\0';
    const enum status status = options_restore(&options, checkpoint, &error);
    FUZZ_REQUIRE(status == STATUS_OK || status == STATUS_USAGE || status == STATUS_CHECKPOINT,
        "status %d", (int)status);
    FUZZ_REQUIRE(status == STATUS_OK || error.message[0], "refused, with no reason");
    FUZZ_REQUIRE(status != STATUS_CHECKPOINT || strlen(options.resume) > 1024 ||
                     strstr(error.message, options.resume),
        "does not name the file: %s", error.message);
    if (status == STATUS_OK) {
        check_options(&options);
        check_together(&options);
        check_stored(&options);
    }
}

void fuzz_try(const uint8_t *data, size_t size) {
    static char name[] = "trainer";
    char *arguments[ARGUMENTS + 2] = {name};
    struct options options;
    const size_t lines = fuzz_split(data, size, arguments + 1, ARGUMENTS);
    size_t count = 1;
    while (count <= lines && strcmp(arguments[count], "---") != 0)
        count++;
    const struct checkpoint checkpoint = {arguments + count, lines + 1 - count, NULL, 0};
    char *separator = arguments[count];
    arguments[count] = NULL; /* as argv ends */
    const enum status status = parse((int)count, arguments, &options);
    arguments[count] = separator;
    if (status == STATUS_OK) {
        check_parsed(&options);
        check_written(&options);
        if (continues(&options))
            check_restored(&options, &checkpoint);
        else
            check_stored(&options);
    }
    for (size_t a = 1; a <= lines; a++)
        free(arguments[a]);
}
