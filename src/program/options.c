#include "program/options.h"

#include "program/quote.h"
#include "system/file.h"
#include "system/locale.h"
#include "system/nearest.h"

#include <errno.h>
#include <getopt.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static const char *const format_names[] = {[FORMAT_TABLE] = "table",
    [FORMAT_JSON] = "json",
    [FORMAT_CSV] = "csv",
    [FORMAT_MARKDOWN] = "markdown",
    NULL};

/* --- The table of options --- */

enum kind {
    KIND_TEXT,   /* const char * */
    KIND_SPEC,   /* char[DEVICE_SPEC_MAX]: of a device */
    KIND_SIZE,   /* size_t from low to high */
    KIND_COUNT,  /* int from low to high */
    KIND_SEED,   /* uint64_t */
    KIND_REAL,   /* double from low to high */
    KIND_CHOICE, /* an enum with names */
    KIND_LAYERS, /* the hidden widths of a network_shape */
    KIND_FLAG,   /* bool, set without a value */
    KIND_ACTION, /* the action `low`, without a value */
};

/* What a checkpoint keeps of an option. */
enum kept {
    KEPT_NOT,
    KEPT_FIRM, /* what the weights or their times depend on: another value contradicts it */
    KEPT_FREE, /* continuing takes it over, unless there is another one */
};

struct option_row {
    const char *name;
    enum kind kind;
    enum kept kept;
    size_t offset; /* in struct options */
    const char *value, *help;
    double low, high;
    const char *const *names;
    int first_name; /* that may be chosen */
};

#define AT(member) offsetof(struct options, member)

static const struct option_row rows[] = {
    {"device", KIND_SPEC, KEPT_FIRM, AT(device), "SPEC",
        "what computes: a device of --list-devices, its kind for the best of that kind, gpu for\n"
        "the best GPU, or auto for the best that opens"},
    {"gemm", KIND_TEXT, KEPT_FIRM, AT(gemm), "NAME",
        "what multiplies matrices, by a name that the device knows, where it has a choice;\n"
        "auto takes the fastest for each shape"},
    {"precision", KIND_TEXT, KEPT_FIRM, AT(precision), "NAME",
        "of matrix products: fp32, or tf32, where what a library multiplies may be rounded\n"
        "to 10 bits, on a device that has it"},
    {"submission", KIND_TEXT, KEPT_FIRM, AT(submission), "NAME",
        "where a device has the choice, an epoch is submitted as one graph, if it can be, or\n"
        "call after call (stream); auto is graph"},
    {"threads", KIND_COUNT, KEPT_FIRM, AT(threads), "N",
        "threads of the host that compute (default: the number in --list-devices)", 1, 1024},
    {"data", KIND_TEXT, KEPT_FREE, AT(data), "DIR|synthetic",
        "the folder of CIFAR-10's binary version, or the built-in synthetic set\n"
        "(default: $TRAINER_DATA_DIR, else ~/.cache/trainer/cifar-10-batches-bin\n"
        "or its like in $XDG_CACHE_HOME, else synthetic)"},
    {"samples", KIND_SIZE, KEPT_FIRM, AT(samples), "N",
        "use only the first N images of the training and of the test set (default: all)", 1,
        CIFAR10_TRAIN},
    {"epochs", KIND_SIZE, KEPT_FREE, AT(plan.epochs), "N", "passes over the training set", 0,
        1000000},
    {"batch-size", KIND_SIZE, KEPT_FIRM, AT(plan.batch_size), "N", "samples of each step", 1,
        CIFAR10_TRAIN},
    {"layers", KIND_LAYERS, KEPT_FIRM, AT(shape), "N,N,...|none", "widths of the hidden layers"},
    {"activation", KIND_CHOICE, KEPT_FIRM, AT(shape.activation), NULL,
        "what the hidden layers apply to their sums", .names = activation_names,
        .first_name = ACTIVATION_SIGMOID},
    {"learning-rate", KIND_REAL, KEPT_FIRM, AT(plan.learning_rate), "X",
        "each step takes X times the gradient off the weights", 0, 1e6},
    {"color", KIND_CHOICE, KEPT_FIRM, AT(plan.color), NULL, "1024 grey or 3072 coloured inputs",
        .names = color_names},
    {"tail", KIND_CHOICE, KEPT_FIRM, AT(plan.tail), NULL,
        "complete the last batch from the start of the data, take it short, or drop it",
        .names = tail_names},
    {"batches", KIND_CHOICE, KEPT_FIRM, AT(plan.batches), NULL,
        "keep all batches on the device, or send each one when its turn comes;\n"
        "auto sends them if they don't fit",
        .names = batches_names},
    {"shuffle", KIND_FLAG, KEPT_FIRM, AT(plan.shuffle), NULL,
        "take the samples in a new order each epoch"},
    {"seed", KIND_SEED, KEPT_FIRM, AT(plan.seed), "N",
        "seed of the first weights, the order and the synthetic set"},
    {"init", KIND_TEXT, KEPT_NOT, AT(init), "FILE", "start from the weights in FILE (safetensors)"},
    {"save", KIND_TEXT, KEPT_NOT, AT(save), "FILE",
        "write the weights to FILE at the end (safetensors)"},
    {"checkpoint", KIND_TEXT, KEPT_NOT, AT(checkpoint), "FILE",
        "keep in FILE (safetensors) what a run needs to go on when it is interrupted"},
    {"checkpoint-every", KIND_SIZE, KEPT_FREE, AT(checkpoint_every), "N",
        "write it after every N epochs; and at the end, and when interrupted", 1, 1000000},
    {"resume", KIND_TEXT, KEPT_NOT, AT(resume), "FILE",
        "go on from a checkpoint, with its options, and keep it up to date\n"
        "(or --checkpoint, if that is given)"},
    {"format", KIND_CHOICE, KEPT_NOT, AT(format), NULL, "what is printed on standard output",
        .names = format_names},
    {"dry-run", KIND_FLAG, KEPT_NOT, AT(dry_run), NULL,
        "print the plan of the run and the memory that it needs, and do no more"},
    {"quiet", KIND_FLAG, KEPT_NOT, AT(quiet), NULL,
        "print no progress and no notes on standard error"},
    {"peak", KIND_ACTION, KEPT_NOT, AT(action), NULL,
        "measure, instead of training, what the device reaches at best: the rate of one large\n"
        "product, and the bandwidth of a large copy",
        ACTION_PEAK},
    {"list-devices", KIND_ACTION, KEPT_NOT, AT(action), NULL,
        "list the devices, and for each one that is missing, why", ACTION_LIST_DEVICES},
    {"version", KIND_ACTION, KEPT_NOT, AT(action), NULL,
        "print version, commit, compiler and flags, and each device's library", ACTION_VERSION},
    {"help", KIND_ACTION, KEPT_NOT, AT(action), NULL, "print this (also -h)", ACTION_HELP},
};

enum { ROWS = sizeof rows / sizeof *rows };
_Static_assert((int)ROWS <= (int)OPTIONS_STORED_MAX && ROWS <= 64, "all of them have room");

static const struct options defaults = {
    .device = "auto",
    .gemm = "auto",
    .precision = "fp32",
    .submission = "auto",
    .shape = {.layers = 3,
        .widths = {CIFAR10_PLANE, 64, 32, CIFAR10_CLASSES},
        .activation = ACTIVATION_SIGMOID},
    .checkpoint_every = 1,
    .plan = {.epochs = 5, .batch_size = 300, .learning_rate = 0.01, .seed = 1},
};

/* --- Reading values --- */

/* "a, b or c" */
static const char *list_names(const struct option_row *row, char *text, size_t size) {
    size_t used = 0;
    for (int n = row->first_name; row->names[n] && used < size; n++)
        used += (size_t)snprintf(text + used, size - used, "%s%s",
            n == row->first_name ? ""
            : row->names[n + 1]  ? ", "
                                 : " or ",
            row->names[n]);
    return text;
}

static enum status refuse(const struct option_row *row, const char *value, struct error *error) {
    char expected[256] = "";
    switch (row->kind) {
    case KIND_SIZE:
    case KIND_COUNT:
        snprintf(
            expected, sizeof expected, "a whole number from %.0f to %.0f", row->low, row->high);
        break;
    case KIND_SEED:
        snprintf(expected, sizeof expected, "a whole number from 0 to %llu",
            (unsigned long long)INT64_MAX);
        break;
    case KIND_REAL:
        snprintf(expected, sizeof expected, "a number from %g to %g", row->low, row->high);
        break;
    case KIND_CHOICE:
        list_names(row, expected, sizeof expected);
        break;
    case KIND_LAYERS:
        snprintf(expected, sizeof expected,
            "up to %d widths from 1 to %d with commas between, like 64,32, or none",
            NETWORK_MAX_LAYERS - 1, NETWORK_MAX_WIDTH);
        break;
    case KIND_SPEC:
        snprintf(expected, sizeof expected, "a device of --list-devices, gpu or auto");
        break;
    default:
        snprintf(expected, sizeof expected, "a value");
        break;
    }
    return error_set(error, STATUS_USAGE, "--%s '%s': expected %s", row->name, value, expected);
}

/* A whole decimal number of nothing but digits, up to INT64_MAX. */
static bool read_whole(const char *text, const char **end, unsigned long long *value) {
    if (*text < '0' || *text > '9') /* strtoull would take signs and spaces */
        return false;
    char *stopped;
    errno = 0;
    *value = strtoull(text, &stopped, 10);
    *end = stopped;
    return errno == 0 && *value <= INT64_MAX;
}

static bool read_layers(const char *text, struct network_shape *shape) {
    shape->layers = 1;
    if (strcmp(text, "none") != 0)
        for (bool more = true; more; shape->layers++) {
            unsigned long long width;
            if (shape->layers >= NETWORK_MAX_LAYERS || !read_whole(text, &text, &width) ||
                width < 1 || width > NETWORK_MAX_WIDTH || (*text != ',' && *text != '\0'))
                return false;
            shape->widths[shape->layers] = (size_t)width;
            more = *text++ == ',';
        }
    shape->widths[shape->layers] = CIFAR10_CLASSES;
    return true;
}

static bool read_real(const char *text, double *value) {
    char *end;
    if (!*text || strspn(text, "0123456789.eE+-") != strlen(text)) /* no hex, inf, nan, spaces */
        return false;
    errno = 0;
    *value = strtod(text, &end);
    return *end == '\0' && errno == 0; /* neither too large nor too small for a double */
}

/* The kind's name in lower case, as records and checkpoints have it. */
static bool read_spec(const char *text, char spec[DEVICE_SPEC_MAX]) {
    const size_t length = strlen(text), kind = strcspn(text, ":");
    if (length < 1 || length >= DEVICE_SPEC_MAX)
        return false;
    memcpy(spec, text, length + 1);
    for (size_t i = 0; i < kind; i++)
        spec[i] = locale_lower(spec[i]);
    return true;
}

static bool read_value(const struct option_row *row, const char *text, struct options *options) {
    void *member = (char *)options + row->offset;
    const char *end;
    unsigned long long whole = 0;
    double real;
    switch (row->kind) {
    case KIND_TEXT:
        *(const char **)member = text;
        return *text != '\0';
    case KIND_SPEC:
        return read_spec(text, member);
    case KIND_SIZE:
    case KIND_COUNT:
        if (!read_whole(text, &end, &whole) || *end || (double)whole < row->low ||
            (double)whole > row->high)
            return false;
        if (row->kind == KIND_SIZE)
            *(size_t *)member = (size_t)whole;
        else
            *(int *)member = (int)whole;
        return true;
    case KIND_SEED:
        if (!read_whole(text, &end, &whole) || *end)
            return false;
        *(uint64_t *)member = whole;
        return true;
    case KIND_REAL:
        if (!read_real(text, &real) || real < row->low || real > row->high)
            return false;
        *(double *)member = real;
        return true;
    case KIND_CHOICE:
        for (int n = row->first_name; row->names[n]; n++)
            if (strcmp(text, row->names[n]) == 0) {
                *(int *)member = n;
                return true;
            }
        return false;
    case KIND_LAYERS:
        return read_layers(text, member);
    case KIND_FLAG: /* it has a value only where it was stored */
        *(bool *)member = true;
        return !*text || strcmp(text, "true") == 0;
    case KIND_ACTION:
        *(enum action *)member = (enum action)row->low;
        return true;
    }
    return false;
}

/* KIND_CHOICE writes its enum through an int. */
_Static_assert(sizeof(enum color) == sizeof(int), "an enum is an int");

static bool takes_value(const struct option_row *row) {
    return row->kind != KIND_FLAG && row->kind != KIND_ACTION;
}

size_t options_training_images(const struct options *options) {
    return options->samples > 0 ? options->samples : CIFAR10_TRAIN;
}

/* What no single option can tell. */
static enum status check_together(struct options *options, struct error *error) {
    if (options->action == ACTION_PEAK && options->format > FORMAT_JSON)
        return error_set(error, STATUS_USAGE, "--peak: --format is table or json");
    if (options->dry_run && options->format > FORMAT_JSON)
        return error_set(error, STATUS_USAGE, "--dry-run: --format is table or json");
    if (options->action == ACTION_PEAK && (options->dry_run || options->init || options->save ||
                                              options->checkpoint || options->resume))
        return error_set(error, STATUS_USAGE,
            "--peak trains nothing: leave out --dry-run, --init, --save, --checkpoint and "
            "--resume");
    if (options->resume && !options->checkpoint)
        options->checkpoint = options->resume;
    if (!options->checkpoint && options->checkpoint_every != defaults.checkpoint_every)
        return error_set(error, STATUS_USAGE, "--checkpoint-every needs a --checkpoint");
    if (options->save &&
        ((options->checkpoint && file_is_same(options->save, options->checkpoint)) ||
            (options->resume && file_is_same(options->save, options->resume))))
        return error_set(error, STATUS_USAGE,
            "--save %s: the checkpoint is there; name another file", options->save);
    options->shape.widths[0] = options->plan.color == COLOR_GREY ? CIFAR10_PLANE : CIFAR10_PIXELS;
    const size_t samples = options_training_images(options);
    if (training_batches(&options->plan, samples) == 0)
        return error_set(error, STATUS_USAGE,
            "--tail drop: batches of %zu leave none of %zu samples; lower --batch-size",
            options->plan.batch_size, samples);
    return STATUS_OK;
}

/* What is no option, with the one that may have been meant. */
static enum status refuse_option(const char *argument, struct error *error) {
    const char *names[ROWS], *meant = NULL;
    char name[64];
    for (int r = 0; r < ROWS; r++)
        names[r] = rows[r].name;
    if (strncmp(argument, "--", 2) == 0) {
        snprintf(name, sizeof name, "%.*s", (int)strcspn(argument + 2, "="), argument + 2);
        meant = nearest(name, names, ROWS);
    }
    return error_set(error, STATUS_USAGE, "%s is not an option%s%s%s; see --help", argument,
        meant ? " (did you mean --" : "", meant ? meant : "", meant ? "?)" : "");
}

enum status options_parse(int argc, char **argv, struct options *options, struct error *error) {
    enum { FIRST = 256 }; /* above any letter */
    struct option long_options[ROWS + 1] = {{0}};
    for (int r = 0; r < ROWS; r++)
        long_options[r] = (struct option){
            rows[r].name, takes_value(&rows[r]) ? required_argument : no_argument, NULL, FIRST + r};
    *options = defaults;
    opterr = 0;
#ifdef __GLIBC__
    optind = 0; /* begins anew even where it ended within an argument like -xh */
#else
    optind = 1;
#endif
    for (;;) {
        const int current = optind > 0 ? optind : 1;
        int found = getopt_long(argc, argv, "+:h", long_options, NULL);
        if (found == -1)
            break;
        if (found == 'h')
            found = FIRST + ROWS - 1; /* --help, the last row */
        if (found == ':')
            return error_set(error, STATUS_USAGE, "%s: expected a value", argv[current]);
        if (found < FIRST)
            return optopt >= FIRST
                       ? error_set(error, STATUS_USAGE,
                             "%s has a value, but takes none; see --help", argv[current])
                       : refuse_option(argv[current], error);
        const struct option_row *row = &rows[found - FIRST];
        if (!read_value(row, optarg ? optarg : "", options))
            return refuse(row, optarg, error);
        options->given |= (uint64_t)1 << (row - rows);
    }
    if (optind < argc)
        return error_set(error, STATUS_USAGE,
            "'%s' is not an option; all settings are options: see --help", argv[optind]);
    if (options->resume && options->init)
        return error_set(error, STATUS_USAGE, "--init and --resume both have first weights");
    /* What continues is checked when its options are known. */
    const bool continues = options->resume && options->action == ACTION_TRAIN;
    return continues ? STATUS_OK : check_together(options, error);
}

/* --- Continuing --- */

/* The option's value as it would be typed; empty where it has none, and help says it in words. */
static void write_value(
    const struct option_row *row, const struct options *options, char *text, size_t size) {
    const void *member = (const char *)options + row->offset;
    text[0] = '\0';
    switch (row->kind) {
    case KIND_TEXT:
        if (*(const char *const *)member)
            snprintf(text, size, "%s", *(const char *const *)member);
        break;
    case KIND_SPEC:
        snprintf(text, size, "%s", (const char *)member);
        break;
    case KIND_SIZE:
        if ((double)*(const size_t *)member >= row->low) /* below it: not given */
            snprintf(text, size, "%zu", *(const size_t *)member);
        break;
    case KIND_COUNT:
        if (*(const int *)member > 0)
            snprintf(text, size, "%d", *(const int *)member);
        break;
    case KIND_SEED:
        snprintf(text, size, "%llu", (unsigned long long)*(const uint64_t *)member);
        break;
    case KIND_REAL: /* the shortest that is read as this number */
        for (int digits = 1; digits <= 17; digits++) {
            snprintf(text, size, "%.*g", digits, *(const double *)member);
            if (strtod(text, NULL) == *(const double *)member)
                break;
        }
        break;
    case KIND_CHOICE:
        snprintf(text, size, "%s", row->names[*(const int *)member]);
        break;
    case KIND_LAYERS: {
        const struct network_shape *shape = member;
        for (size_t l = 1, used = 0; l < shape->layers && used < size; l++)
            used += (size_t)snprintf(
                text + used, size - used, "%s%zu", l > 1 ? "," : "", shape->widths[l]);
        if (shape->layers == 1)
            snprintf(text, size, "none");
        break;
    }
    case KIND_FLAG:
        snprintf(text, size, "%s", *(const bool *)member ? "true" : "false");
        break;
    case KIND_ACTION:
        break;
    }
}

/* "--" and an option's name. */
typedef char stored_name[24];

static const char *name_of(const struct option_row *row, stored_name name) {
    snprintf(name, sizeof(stored_name), "--%s", row->name);
    return name;
}

size_t options_store(const struct options *options, struct checkpoint_setting *settings) {
    size_t count = 0;
    for (int r = 0; r < ROWS; r++) {
        struct checkpoint_setting *setting = &settings[count];
        if (rows[r].kept == KEPT_NOT)
            continue;
        name_of(&rows[r], setting->name);
        write_value(&rows[r], options, setting->value, sizeof setting->value);
        /* A path that was cut is none, and has to be given again. */
        count += setting->value[0] && strlen(setting->value) + 1 < sizeof setting->value;
    }
    return count;
}

/* "auto" leaves the choice, which is then the run's own. */
static bool is_given(const struct options *options, int row) {
    struct checkpoint_setting now;
    write_value(&rows[row], options, now.value, sizeof now.value);
    return (options->given >> row & 1) &&
           !(rows[row].kept == KEPT_FIRM && strcmp(now.value, "auto") == 0);
}

/* Names the given options that contradict the run. */
static enum status check_given(
    const struct options *options, const struct checkpoint *checkpoint, struct error *error) {
    char found[1024] = "";
    quoted_text quoted;
    for (int r = 0; r < ROWS; r++) {
        struct checkpoint_setting now;
        const char *stored = checkpoint_setting(checkpoint, name_of(&rows[r], now.name));
        write_value(&rows[r], options, now.value, sizeof now.value);
        const size_t used = strlen(found);
        if (rows[r].kept == KEPT_FIRM && stored && is_given(options, r) &&
            strcmp(stored, now.value) != 0)
            snprintf(found + used, sizeof found - used, "%s%s %.80s (not %.80s)",
                used > 0 ? ", " : "", now.name, stored, now.value);
    }
    return found[0] ? error_set(error, STATUS_USAGE,
                          "--resume %s: its run has %s: leave that out, or begin another run "
                          "with --init %s",
                          options->resume, found, quote(options->resume, quoted))
                    : STATUS_OK;
}

enum status options_restore(
    struct options *options, const struct checkpoint *checkpoint, struct error *error) {
    enum status status = check_given(options, checkpoint, error);
    for (int r = 0; r < ROWS && status == STATUS_OK; r++) {
        stored_name name;
        const char *stored = checkpoint_setting(checkpoint, name_of(&rows[r], name));
        if (rows[r].kept == KEPT_NOT || !stored || is_given(options, r))
            continue;
        const bool off = rows[r].kind == KIND_FLAG && strcmp(stored, "false") == 0;
        if (!off && !read_value(&rows[r], stored, options)) {
            refuse(&rows[r], stored, error);
            char message[sizeof error->message];
            memcpy(message, error->message, sizeof message);
            status = error_set(
                error, STATUS_CHECKPOINT, "%s: offset 8: %.1000s", options->resume, message);
        }
    }
    return status == STATUS_OK ? check_together(options, error) : status;
}

/* --- Help --- */

void options_print_help(FILE *file) {
    fputs("Usage: trainer [options]\n\n"
          "Trains a dense net on CIFAR-10 and says how long each phase took on the device.\n\n",
        file);
    for (int r = 0; r < ROWS; r++) {
        char value[64] = "", option[96], fallback[64];
        if (rows[r].kind == KIND_CHOICE)
            for (int n = rows[r].first_name; rows[r].names[n]; n++) {
                const size_t used = strlen(value);
                snprintf(value + used, sizeof value - used, "%s%s",
                    n > rows[r].first_name ? "|" : "", rows[r].names[n]);
            }
        else if (rows[r].value)
            snprintf(value, sizeof value, "%s", rows[r].value);
        snprintf(option, sizeof option, "--%s%s%s", rows[r].name, value[0] ? " " : "", value);
        fallback[0] = '\0';
        if (takes_value(&rows[r]))
            write_value(&rows[r], &defaults, fallback, sizeof fallback);
        fprintf(file, "  %s\n", option);
        for (const char *line = rows[r].help; *line;) { /* each on a line of its own */
            const size_t length = strcspn(line, "\n");
            fprintf(file, "      %.*s", (int)length, line);
            line += length + (line[length] == '\n');
            if (!*line && fallback[0])
                fprintf(file, " (default: %s)", fallback);
            fputc('\n', file);
        }
    }
    fputs("\nExit status: 0 fine, 1 input, output or internal, 2 usage, 3 device, 4 data set, "
          "5 training\ndiverged, 6 weights file; 129, 130 and 143: interrupted.\n",
        file);
}
