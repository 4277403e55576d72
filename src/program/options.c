#include "program/options.h"

#include "program/option_value.h"
#include "program/quote.h"
#include "system/file.h"
#include "system/nearest.h"
#include "system/text.h"

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

#define AT(member) offsetof(struct options, member)

static const struct option_row rows[] = {
    {"device", OPTION_SPEC, KEPT_FIRM, AT(device), "SPEC",
        "what computes: a device of --list-devices, its kind for the best of that kind, gpu for\n"
        "the best GPU, or auto for the best that opens"},
    {"gemm", OPTION_TEXT, KEPT_FIRM, AT(gemm), "NAME",
        "what multiplies matrices, by a name that the device knows, where it has a choice;\n"
        "auto takes the fastest for each shape"},
    {"precision", OPTION_TEXT, KEPT_FIRM, AT(precision), "NAME",
        "of matrix products: fp32, or tf32, where what a library multiplies may be rounded\n"
        "to 10 bits, on a device that has it"},
    {"step", OPTION_TEXT, KEPT_FIRM, AT(step), "NAME",
        "where a device has the choice, a training step is done by kernels for whole steps\n"
        "(fused), or operation by operation (separate); auto takes the faster, or separate\n"
        "where --gemm names one"},
    {"submission", OPTION_TEXT, KEPT_FIRM, AT(submission), "NAME",
        "where a device has the choice, an epoch is submitted as one graph, if it can be, as\n"
        "one whose launches overlap (overlapped), as one launch (persistent), or call after\n"
        "call (stream); auto takes the fastest of the first three"},
    {"threads", OPTION_COUNT, KEPT_FIRM, AT(threads), "N",
        "threads of the host that compute (default: the number in --list-devices)", 1, 1024},
    {"data", OPTION_TEXT, KEPT_FREE, AT(data), "DIR|synthetic",
        "the folder of CIFAR-10's binary version, or the built-in synthetic set\n"
        "(default: $TRAINER_DATA_DIR, else ~/.cache/trainer/cifar-10-batches-bin\n"
        "or its like in $XDG_CACHE_HOME, else synthetic)"},
    {"samples", OPTION_SIZE, KEPT_FIRM, AT(samples), "N",
        "use only the first N images of the training and of the test set (default: all)", 1,
        CIFAR10_TRAIN},
    {"epochs", OPTION_SIZE, KEPT_FREE, AT(plan.epochs), "N", "passes over the training set", 0,
        1000000},
    {"warm-up", OPTION_REAL, KEPT_FREE, AT(plan.warm_up), "SECONDS",
        "before the first epoch, run it for so long and keep nothing of it, so that the clocks\n"
        "of a device are up when it counts",
        0, 3600},
    {"batch-size", OPTION_SIZE, KEPT_FIRM, AT(plan.batch_size), "N", "samples of each step", 1,
        CIFAR10_TRAIN},
    {"layers", OPTION_LAYERS, KEPT_FIRM, AT(shape), "N,N,...|none", "widths of the hidden layers"},
    {"activation", OPTION_CHOICE, KEPT_FIRM, AT(shape.activation), NULL,
        "what the hidden layers apply to their sums", .names = activation_names,
        .first_name = ACTIVATION_SIGMOID},
    {"initial", OPTION_CHOICE, KEPT_FIRM, AT(shape.initial), NULL,
        "how the first weights are distributed: normal(0, 0.1), biases, too; or with a deviation\n"
        "of sqrt(2 / (inputs + outputs)) of a layer (glorot) or sqrt(2 / inputs) (he), biases 0",
        .names = initial_names},
    {"optimizer", OPTION_CHOICE, KEPT_FIRM, AT(plan.optimizer.method), NULL,
        "how a step follows from the gradient: as torch.optim.SGD and AdamW have it",
        .names = optimizer_names},
    {"momentum", OPTION_REAL, KEPT_FIRM, AT(plan.optimizer.momentum), "X",
        "sgd: what is left of the steps before; 0: plain gradient descent", 0, 1},
    {"nesterov", OPTION_FLAG, KEPT_FIRM, AT(plan.optimizer.nesterov), NULL,
        "sgd: look ahead by the momentum"},
    {"weight-decay", OPTION_REAL, KEPT_FIRM, AT(plan.optimizer.weight_decay), "X",
        "makes weights and biases smaller: sgd adds X times them to the gradient, adamw takes\n"
        "the learning rate times X times them off them",
        0, 1e6},
    {"beta1", OPTION_REAL, KEPT_FIRM, AT(plan.optimizer.beta1), "X",
        "adamw: what is left of the mean of the gradients before, less than 1", 0, 1},
    {"beta2", OPTION_REAL, KEPT_FIRM, AT(plan.optimizer.beta2), "X",
        "adamw: what is left of the mean of their squares before, less than 1", 0, 1},
    {"epsilon", OPTION_REAL, KEPT_FIRM, AT(plan.optimizer.epsilon), "X",
        "adamw: is added to the root of that mean", 0, 1},
    {"label-smoothing", OPTION_REAL, KEPT_FIRM, AT(shape.label_smoothing), "X",
        "train with labels of which the share X is divided among all classes alike", 0, 1},
    {"learning-rate", OPTION_REAL, KEPT_FIRM, AT(plan.learning_rate), "X",
        "each step takes X times the gradient off the weights", 0, 1e6},
    {"schedule", OPTION_CHOICE, KEPT_FIRM, AT(plan.schedule), NULL,
        "how the learning rate changes, from step to step: constant; a tenth of it from one half\n"
        "of the run on and a hundredth from three quarters on (step); down to 0 as half a cosine\n"
        "wave, or as a line",
        .names = schedule_names},
    {"warmup-epochs", OPTION_SIZE, KEPT_FIRM, AT(plan.warm_up_epochs), "N",
        "the learning rate rises to its value in the first N epochs", 0, 1000000},
    {"validation", OPTION_SIZE, KEPT_FIRM, AT(plan.validation), "N",
        "hold the last N images of the training set back, and score them after every epoch", 0,
        CIFAR10_TRAIN - 1},
    {"target-accuracy", OPTION_REAL, KEPT_FREE, AT(plan.target_accuracy), "X",
        "end once the share of held-back images that are classified rightly is X; 0: at no share",
        0, 1},
    {"patience", OPTION_SIZE, KEPT_FREE, AT(plan.patience), "N",
        "end after N epochs in which that share was not better than before; 0: never", 0, 1000000},
    {"keep-best", OPTION_FLAG, KEPT_FIRM, AT(plan.keep_best), NULL,
        "test and save the weights of the epoch in which that share was best"},
    {"color", OPTION_CHOICE, KEPT_FIRM, AT(plan.color), NULL, "1024 grey or 3072 coloured inputs",
        .names = color_names},
    {"normalize", OPTION_FLAG, KEPT_FIRM, AT(plan.normalize), NULL,
        "scale each channel so that over the training set its mean is 0 and its deviation 1"},
    {"tail", OPTION_CHOICE, KEPT_FIRM, AT(plan.tail), NULL,
        "complete the last batch from the start of the data, take it short, or drop it",
        .names = tail_names},
    {"batches", OPTION_CHOICE, KEPT_FIRM, AT(plan.batches), NULL,
        "keep all batches on the device, or send each one when its turn comes;\n"
        "auto sends them if they don't fit",
        .names = batches_names},
    {"shuffle", OPTION_FLAG, KEPT_FIRM, AT(plan.shuffle), NULL,
        "take the samples in a new order each epoch"},
    {"seed", OPTION_SEED, KEPT_FIRM, AT(plan.seed), "N",
        "seed of the first weights, the order and the synthetic set"},
    {"init", OPTION_TEXT, KEPT_NOT, AT(init), "FILE",
        "start from the weights in FILE (safetensors)"},
    {"save", OPTION_TEXT, KEPT_NOT, AT(save), "FILE",
        "write the weights to FILE at the end (safetensors)"},
    {"checkpoint", OPTION_TEXT, KEPT_NOT, AT(checkpoint), "FILE",
        "keep in FILE (safetensors) what a run needs to go on when it is interrupted"},
    {"checkpoint-every", OPTION_SIZE, KEPT_FREE, AT(checkpoint_every), "N",
        "write it after every N epochs; and at the end, and when interrupted", 1, 1000000},
    {"resume", OPTION_TEXT, KEPT_NOT, AT(resume), "FILE",
        "go on from a checkpoint, with its options, and keep it up to date\n"
        "(or --checkpoint, if that is given)"},
    {"log", OPTION_TEXT, KEPT_NOT, AT(log), "FILE",
        "append a line of JSON to FILE for each epoch, as it ends"},
    {"format", OPTION_CHOICE, KEPT_NOT, AT(format), NULL, "what is printed on standard output",
        .names = format_names},
    {"dry-run", OPTION_FLAG, KEPT_NOT, AT(dry_run), NULL,
        "print the plan of the run and the memory that it needs, and do no more"},
    {"quiet", OPTION_FLAG, KEPT_NOT, AT(quiet), NULL,
        "print no progress and no notes on standard error"},
    {"peak", OPTION_ACTION, KEPT_NOT, AT(action), NULL,
        "measure, instead of training, what the device reaches at best: the rate of one large\n"
        "product, and the bandwidth of a large copy",
        ACTION_PEAK},
    {"list-devices", OPTION_ACTION, KEPT_NOT, AT(action), NULL,
        "list the devices, and for each one that is missing, why", ACTION_LIST_DEVICES},
    {"version", OPTION_ACTION, KEPT_NOT, AT(action), NULL,
        "print version, commit, compiler and flags, and each device's library", ACTION_VERSION},
    {"help", OPTION_ACTION, KEPT_NOT, AT(action), NULL, "print this (also -h)", ACTION_HELP},
};

enum { ROWS = sizeof rows / sizeof *rows };
_Static_assert((int)ROWS <= (int)OPTIONS_STORED_MAX && ROWS <= 64, "all of them have room");

static const struct options defaults = {
    .device = "auto",
    .gemm = "auto",
    .precision = "fp32",
    .step = "auto",
    .submission = "auto",
    .shape = {.layers = 3,
        .widths = {CIFAR10_PLANE, 64, 32, CIFAR10_CLASSES},
        .activation = ACTIVATION_SIGMOID},
    .checkpoint_every = 1,
    .plan = {.epochs = 5,
        .batch_size = 300,
        .learning_rate = 0.01,
        .optimizer = {.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8},
        .seed = 1},
};

bool options_choose_device(const struct options *options) {
    return strcmp(options->device, "auto") == 0 || strcmp(options->device, "gpu") == 0;
}

size_t options_images(const struct options *options) {
    return options->samples > 0 ? options->samples : CIFAR10_TRAIN;
}

size_t options_training_images(const struct options *options) {
    return options_images(options) - options->plan.validation;
}

/* Checks the options of the optimiser and the schedule. */
static enum status check_optimizer(const struct options *options, struct error *error) {
    const struct optimizer_plan *plan = &options->plan.optimizer, *usual = &defaults.plan.optimizer;
    const bool adamw = plan->method == METHOD_ADAMW;
    if (adamw && (plan->momentum > 0.0 || plan->nesterov))
        return error_set(error, STATUS_USAGE,
            "--optimizer adamw has no %s: see --beta1, or take --optimizer sgd",
            plan->momentum > 0.0 ? "--momentum" : "--nesterov");
    if (!adamw && (plan->beta1 != usual->beta1 || plan->beta2 != usual->beta2 ||
                      plan->epsilon != usual->epsilon))
        return error_set(error, STATUS_USAGE,
            "--beta1, --beta2 and --epsilon are adamw's: add --optimizer adamw, or see --momentum");
    if (plan->nesterov && plan->momentum == 0.0)
        return error_set(error, STATUS_USAGE, "--nesterov needs a --momentum of more than 0");
    if (plan->momentum == 1.0 || plan->beta1 == 1.0 || plan->beta2 == 1.0)
        return error_set(error, STATUS_USAGE, "%s 1: it is less than 1",
            plan->momentum == 1.0 ? "--momentum"
            : plan->beta1 == 1.0  ? "--beta1"
                                  : "--beta2");
    if (options->plan.warm_up_epochs > options->plan.epochs)
        return error_set(error, STATUS_USAGE, "--warmup-epochs %zu: there are only %zu --epochs",
            options->plan.warm_up_epochs, options->plan.epochs);
    return STATUS_OK;
}

/* Checks the options of the validation. */
static enum status check_validation(const struct options *options, struct error *error) {
    const struct training_plan *plan = &options->plan;
    const char *needs = plan->target_accuracy > 0.0 ? "target-accuracy"
                        : plan->patience > 0        ? "patience"
                        : plan->keep_best           ? "keep-best"
                                                    : NULL;
    if (plan->validation == 0 && needs)
        return error_set(error, STATUS_USAGE,
            "--%s needs --validation N: images that are held back, by which to judge", needs);
    if (plan->validation >= options_images(options))
        return error_set(error, STATUS_USAGE,
            "--validation %zu leaves none of %zu images to train with", plan->validation,
            options_images(options));
    return STATUS_OK;
}

/* Checks options that depend on each other, and fills in what follows from several of them. */
static enum status check_together(struct options *options, struct error *error) {
    if (options->action == ACTION_PEAK && options->format > FORMAT_JSON)
        return error_set(error, STATUS_USAGE, "--peak: --format is table or json");
    if (options->dry_run && options->format > FORMAT_JSON)
        return error_set(error, STATUS_USAGE, "--dry-run: --format is table or json");
    if (options->action == ACTION_PEAK &&
        (options->dry_run || options->init || options->save || options->checkpoint ||
            options->resume || options->log))
        return error_set(error, STATUS_USAGE,
            "--peak trains nothing: leave out --dry-run, --init, --save, --checkpoint, --resume "
            "and --log");
    if (options->init && options->shape.initial != INITIAL_NORMAL)
        return error_set(error, STATUS_USAGE,
            "--init %s: the first weights are there; leave out --initial", options->init);
    if (options->resume && !options->checkpoint)
        options->checkpoint = options->resume;
    if (!options->checkpoint && options->checkpoint_every != defaults.checkpoint_every)
        return error_set(error, STATUS_USAGE, "--checkpoint-every needs a --checkpoint");
    if (options->save &&
        ((options->checkpoint && file_is_same(options->save, options->checkpoint)) ||
            (options->resume && file_is_same(options->save, options->resume))))
        return error_set(error, STATUS_USAGE,
            "--save %s: the checkpoint is there; name another file", options->save);
    if (options->log &&
        ((options->save && file_is_same(options->log, options->save)) ||
            (options->checkpoint && file_is_same(options->log, options->checkpoint))))
        return error_set(error, STATUS_USAGE,
            "--log %s: it is also to have the weights; name another file", options->log);
    if (check_optimizer(options, error) != STATUS_OK ||
        check_validation(options, error) != STATUS_OK)
        return STATUS_USAGE;
    options->shape.optimizer = optimizer_of(&options->plan.optimizer);
    options->shape.widths[0] = options->plan.color == COLOR_GREY ? CIFAR10_PLANE : CIFAR10_PIXELS;
    const size_t samples = options_training_images(options);
    if (training_batches(&options->plan, samples) == 0)
        return error_set(error, STATUS_USAGE,
            "--tail drop: batches of %zu leave none of %zu samples; lower --batch-size",
            options->plan.batch_size, samples);
    return STATUS_OK;
}

/* The error for a word that is not an option. It names the option that may have been meant. */
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
    enum { FIRST = 256 }; /* above the code of any letter */
    struct option long_options[ROWS + 1] = {{0}};
    for (int r = 0; r < ROWS; r++)
        long_options[r] = (struct option){rows[r].name,
            option_takes_value(&rows[r]) ? required_argument : no_argument, NULL, FIRST + r};
    *options = defaults;
    opterr = 0;
#ifdef __GLIBC__
    optind = 0; /* begins anew, even if the last parse ended within an argument like -xh */
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
        if (!option_read(row, optarg ? optarg : "", options))
            return option_refuse(row, optarg, error);
        options->given |= (uint64_t)1 << (row - rows);
    }
    if (optind < argc)
        return error_set(error, STATUS_USAGE,
            "'%s' is not an option; all settings are options: see --help", argv[optind]);
    if (options->resume && options->init)
        return error_set(error, STATUS_USAGE, "--init and --resume both have first weights");
    /* A run that continues is checked later, when options_restore has the rest of its options. */
    const bool continues = options->resume && options->action == ACTION_TRAIN;
    return continues ? STATUS_OK : check_together(options, error);
}

/* --- Continuing --- */

/* Room for "--" and the name of an option. */
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
        option_write(&rows[r], options, setting->value, sizeof setting->value);
        /* A path that was cut is useless, so it is not stored, and has to be given again. */
        count += setting->value[0] && strlen(setting->value) + 1 < sizeof setting->value;
    }
    return count;
}

/* Whether the command line gives this option a value of its own. "auto" leaves the choice open, so
 * a run that continues keeps what it had. */
static bool is_given(const struct options *options, int row) {
    struct checkpoint_setting now;
    option_write(&rows[row], options, now.value, sizeof now.value);
    return (options->given >> row & 1) &&
           !(rows[row].kept == KEPT_FIRM && strcmp(now.value, "auto") == 0);
}

/* STATUS_USAGE, naming them, when options of the command line contradict the run that is
 * continued. */
static enum status check_given(
    const struct options *options, const struct checkpoint *checkpoint, struct error *error) {
    char found[1024] = "";
    quoted_text quoted;
    for (int r = 0; r < ROWS; r++) {
        struct checkpoint_setting now;
        const char *stored = checkpoint_setting(checkpoint, name_of(&rows[r], now.name));
        option_write(&rows[r], options, now.value, sizeof now.value);
        if (rows[r].kept == KEPT_FIRM && stored && is_given(options, r) &&
            strcmp(stored, now.value) != 0)
            text_append(found, sizeof found, "%s%s %.80s (not %.80s)", found[0] ? ", " : "",
                now.name, stored, now.value);
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
        const bool off = rows[r].kind == OPTION_FLAG && strcmp(stored, "false") == 0;
        if (!off && !option_read(&rows[r], stored, options)) {
            struct error problem;
            option_refuse(&rows[r], stored, &problem);
            status = error_set(error, STATUS_CHECKPOINT, "%s: offset 8: %.1000s", options->resume,
                problem.message);
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
        if (rows[r].kind == OPTION_CHOICE)
            option_list_names(&rows[r], "|", "|", value, sizeof value);
        else if (rows[r].value)
            snprintf(value, sizeof value, "%s", rows[r].value);
        snprintf(option, sizeof option, "--%s%s%s", rows[r].name, value[0] ? " " : "", value);
        fallback[0] = '\0';
        if (option_takes_value(&rows[r]))
            option_write(&rows[r], &defaults, fallback, sizeof fallback);
        fprintf(file, "  %s\n", option);
        for (const char *line = rows[r].help; *line;) { /* each line of the help */
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
