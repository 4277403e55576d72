/* The command line: what each option takes and refuses, where it goes, and what help says of it. */
#include "program/options.h"
#include "support.h"

#include <stdio.h>
#include <string.h>

static struct options options;
static struct error error;

/* Parses up to eleven words; NULL ends them. */
#define PARSE(...) parse((const char *[12]){__VA_ARGS__})

static enum status parse(const char *const words[12]) {
    static char copies[13][512] = {"trainer"};
    char *arguments[14] = {copies[0]};
    int count = 1;
    for (; words[count - 1]; count++) {
        snprintf(copies[count], sizeof copies[count], "%s", words[count - 1]);
        arguments[count] = copies[count];
    }
    return options_parse(count, arguments, &options, &error);
}

static void test_refused(void **state) {
    (void)state;
    static const char many[] =
        "2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,"
        "2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,"
        "2,"
        "2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2";
    static const struct {
        const char *option, *value, *expected;
    } values[] = {
        {"epochs", "1x", "a whole number from 0 to 1000000"},
        {"epochs", "1000001", "a whole number from 0 to 1000000"},
        {"epochs", "-1", "a whole number from 0"},
        {"epochs", "+1", "a whole number from 0"},
        {"epochs", "", "a whole number from 0"},
        {"epochs", " 1", "a whole number from 0"},
        {"epochs", "1e3", "a whole number from 0"},
        {"epochs", "99999999999999999999999", "a whole number from 0"},
        {"batch-size", "0", "a whole number from 1 to 50000"},
        {"batch-size", "50001", "a whole number from 1 to 50000"},
        {"layers", "64,,32",
            "up to 127 widths from 1 to 65536 with commas between, like 64,32, or "
            "none"},
        {"layers", "", "up to 127 widths"},
        {"layers", "64,", "up to 127 widths"},
        {"layers", ",64", "up to 127 widths"},
        {"layers", "0", "up to 127 widths"},
        {"layers", "65537", "up to 127 widths"},
        {"layers", "none,3", "up to 127 widths"},
        {"layers", many, "up to 127 widths"},
        {"threads", "-1", "a whole number from 1 to 1024"},
        {"threads", "0", "a whole number from 1 to 1024"},
        {"threads", "1025", "a whole number from 1 to 1024"},
        {"samples", "0", "a whole number from 1 to 50000"},
        {"samples", "50001", "a whole number from 1 to 50000"},
        {"checkpoint-every", "0", "a whole number from 1 to 1000000"},
        {"activation", "gelu", "sigmoid, tanh or relu"},
        {"activation", "none", "sigmoid, tanh or relu"},
        {"learning-rate", "fast", "a number from 0 to 1e+06"},
        {"learning-rate", "nan", "a number from 0 to 1e+06"},
        {"learning-rate", "-1", "a number from 0 to 1e+06"},
        {"learning-rate", "0x1p3", "a number from 0 to 1e+06"},
        {"learning-rate", "1e400", "a number from 0 to 1e+06"},
        {"learning-rate", "1e-400", "a number from 0 to 1e+06"},
        {"learning-rate", "1000001", "a number from 0 to 1e+06"},
        {"initial", "xavier", "normal, glorot or he"},
        {"optimizer", "adam", "sgd or adamw"},
        {"label-smoothing", "1.1", "a number from 0 to 1"},
        {"dropout", "-0.1", "a number from 0 to 1"},
        {"dropout", "half", "a number from 0 to 1"},
        {"clip-norm", "-1", "a number from 0 to 1e+30"},
        {"clip-norm", "nan", "a number from 0 to 1e+30"},
        {"momentum", "-0.1", "a number from 0 to 1"},
        {"momentum", "1.1", "a number from 0 to 1"},
        {"weight-decay", "-1", "a number from 0 to 1e+06"},
        {"weight-decay", "inf", "a number from 0 to 1e+06"},
        {"beta1", "2", "a number from 0 to 1"},
        {"beta2", "x", "a number from 0 to 1"},
        {"epsilon", "-1e-8", "a number from 0 to 1"},
        {"schedule", "cos", "constant, step, cosine or linear"},
        {"warmup-epochs", "0.5", "a whole number from 0 to 1000000"},
        {"validation", "-1", "a whole number from 0 to 49999"},
        {"validation", "50000", "a whole number from 0 to 49999"},
        {"target-accuracy", "1.5", "a number from 0 to 1"},
        {"patience", "x", "a whole number from 0 to 1000000"},
        {"color", "red", "grey or rgb"},
        {"tail", "cut", "wrap, short or drop"},
        {"batches", "some", "auto, resident or streamed"},
        {"gemm", "", "a value"},
        {"data", "", "a value"},
        {"seed", "-3", "a whole number from 0 to 9223372036854775807"},
        {"seed", "9223372036854775808", "a whole number from 0 to 9223372036854775807"},
        {"format", "xml", "table, json, csv or markdown"},
        {"device", "", "a device of --list-devices, gpu or auto"},
    };
    for (size_t v = 0; v < sizeof values / sizeof *values; v++) {
        char option[64], message[1024];
        snprintf(option, sizeof option, "--%s", values[v].option);
        snprintf(message, sizeof message, "%s '%s': expected %s", option, values[v].value,
            values[v].expected);
        assert_fails(PARSE(option, values[v].value), STATUS_USAGE, message);
        assert_ptr_equal(strstr(error.message, message), error.message);
    }
}

static void test_words(void **state) {
    (void)state;
    assert_fails(PARSE("--nonsense"), STATUS_USAGE, "--nonsense is not an option; see --help");
    assert_fails(PARSE("--bach-size", "3"), STATUS_USAGE,
        "--bach-size is not an option (did you mean --batch-size?); see --help");
    assert_fails(PARSE("-x"), STATUS_USAGE, "-x is not an option; see --help");
    assert_fails(PARSE("extra", "--nonsense"), STATUS_USAGE, "'extra' is not an option; all");
    assert_fails(PARSE("--epochs", "3", "extra"), STATUS_USAGE, "'extra' is not an option; all");
    assert_fails(PARSE("--epochs"), STATUS_USAGE, "--epochs: expected a value");
    assert_fails(
        PARSE("--quiet=yes"), STATUS_USAGE, "--quiet=yes has a value, but takes none; see --help");
    assert_fails(PARSE("--samples", "100", "--tail", "drop"), STATUS_USAGE,
        "--tail drop: batches of 300 leave none of 100 samples; lower --batch-size");
}

static void test_optimizers(void **state) {
    (void)state;
    assert_ok(PARSE("--momentum", "0.9", "--nesterov", "--weight-decay", "5e-4"));
    assert_int_equal(options.shape.optimizer, OPTIMIZER_MOMENTUM);
    assert_ok(PARSE("--weight-decay", "5e-4")); /* whose step is momentum's, without any */
    assert_int_equal(options.shape.optimizer, OPTIMIZER_MOMENTUM);
    assert_ok(PARSE("--optimizer", "adamw", "--beta1", "0", "--beta2", "0.9", "--epsilon", "0"));
    assert_int_equal(options.shape.optimizer, OPTIMIZER_ADAMW);
    assert_ok(PARSE("--schedule", "cosine", "--warmup-epochs", "5"));
    assert_ok(PARSE("--initial", "he"));
    assert_int_equal(options.shape.initial, INITIAL_HE);
    assert_fails(PARSE("--initial", "he", "--init", "a"), STATUS_USAGE, "leave out --initial");
    assert_ok(PARSE("--dropout", "0.5", "--clip-norm", "1", "--flip"));
    assert_true(options.shape.dropout == 0.5 && options.shape.clip_norm == 1.0);
    assert_true(options.plan.flip);
    assert_fails(PARSE("--dropout", "1"), STATUS_USAGE, "--dropout 1: it is less than 1");
    assert_fails(PARSE("--dropout", "0.5", "--layers", "none"), STATUS_USAGE,
        "--dropout needs --layers: there is no hidden one");
    assert_fails(PARSE("--dropout", "0.5", "--step", "fused"), STATUS_USAGE,
        "--step fused has no --dropout");
    assert_fails(PARSE("--clip-norm", "5", "--step", "fused"), STATUS_USAGE,
        "--step fused has no --clip-norm");
    assert_fails(PARSE("--nesterov"), STATUS_USAGE, "--nesterov needs a --momentum of more than 0");
    assert_fails(PARSE("--momentum", "1"), STATUS_USAGE, "--momentum 1: it is less than 1");
    assert_fails(PARSE("--optimizer", "adamw", "--beta1", "1"), STATUS_USAGE,
        "--beta1 1: it is less than 1");
    assert_fails(PARSE("--optimizer", "adamw", "--beta2", "1"), STATUS_USAGE,
        "--beta2 1: it is less than 1");
    assert_fails(PARSE("--optimizer", "adamw", "--momentum", "0.9"), STATUS_USAGE,
        "--optimizer adamw has no --momentum");
    assert_fails(PARSE("--optimizer", "adamw", "--nesterov"), STATUS_USAGE,
        "--optimizer adamw has no --nesterov");
    static const char *const adamws[] = {"--beta1", "--beta2", "--epsilon"};
    for (int a = 0; a < 3; a++)
        assert_fails(PARSE(adamws[a], "0.5"), STATUS_USAGE, "add --optimizer adamw");
    assert_fails(PARSE("--epochs", "2", "--warmup-epochs", "3"), STATUS_USAGE,
        "--warmup-epochs 3: there are only 2 --epochs");
}

static void test_validation(void **state) {
    (void)state;
    assert_ok(PARSE(
        "--validation", "5000", "--target-accuracy", "0.5", "--patience", "3", "--keep-best"));
    assert_int_equal(options_images(&options), 50000);
    assert_int_equal(options_training_images(&options), 45000);
    assert_ok(PARSE("--validation", "99", "--samples", "100", "--batch-size", "1"));
    assert_int_equal(options_training_images(&options), 1);
    assert_fails(PARSE("--validation", "100", "--samples", "100"), STATUS_USAGE,
        "--validation 100 leaves none of 100 images to train with");
    assert_fails(
        PARSE("--validation", "30", "--samples", "100", "--tail", "drop", "--batch-size", "71"),
        STATUS_USAGE, "batches of 71 leave none of 70 samples");
    assert_fails(
        PARSE("--target-accuracy", "0.5"), STATUS_USAGE, "--target-accuracy needs --validation N");
    assert_fails(PARSE("--patience", "2"), STATUS_USAGE, "--patience needs --validation N");
    assert_fails(PARSE("--keep-best"), STATUS_USAGE, "--keep-best needs --validation N");
    assert_fails(PARSE("--peak", "--log", "a"), STATUS_USAGE, "--peak trains nothing");
    assert_fails(PARSE("--log", "a", "--save", "a"), STATUS_USAGE,
        "--log a: it is also to have the weights");
    assert_fails(PARSE("--log", "a", "--checkpoint", "a"), STATUS_USAGE,
        "--log a: it is also to have the weights");
}

/* The benchmark. */
static void test_defaults(void **state) {
    (void)state;
    assert_ok(PARSE(NULL));
    assert_int_equal(options.action, ACTION_TRAIN);
    assert_string_equal(options.device, "auto");
    assert_string_equal(options.gemm, "auto");
    assert_string_equal(options.precision, "fp32");
    assert_string_equal(options.step, "auto");
    assert_string_equal(options.submission, "auto");
    assert_int_equal(options.threads, 0);
    assert_int_equal(options.samples, 0);
    assert_int_equal(options.plan.epochs, 5);
    assert_int_equal(options.plan.batch_size, 300);
    static const size_t widths[] = {1024, 64, 32, 10};
    assert_int_equal(options.shape.layers, 3);
    assert_memory_equal(options.shape.widths, widths, sizeof widths);
    assert_int_equal(options.shape.activation, ACTIVATION_SIGMOID);
    assert_true(options.plan.learning_rate == 0.01);
    assert_int_equal(options.shape.optimizer, OPTIMIZER_GRADIENT_DESCENT);
    assert_int_equal(options.plan.schedule, SCHEDULE_CONSTANT);
    assert_int_equal(options.plan.warm_up_epochs, 0);
    assert_int_equal(options.plan.validation, 0);
    assert_true(options.plan.target_accuracy == 0.0 && options.plan.patience == 0);
    assert_false(options.plan.keep_best);
    assert_null(options.log);
    assert_int_equal(options.plan.color, COLOR_GREY);
    assert_int_equal(options.plan.tail, TAIL_WRAP);
    assert_int_equal(options.plan.batches, BATCHES_AUTO);
    assert_false(options.plan.shuffle);
    assert_int_equal(options.plan.seed, 1);
    assert_int_equal(options.checkpoint_every, 1);
    assert_int_equal(options.format, FORMAT_TABLE);
    assert_false(options.dry_run || options.quiet);
    const char *const paths[] = {
        options.data, options.init, options.save, options.checkpoint, options.resume};
    for (size_t p = 0; p < sizeof paths / sizeof *paths; p++)
        assert_null(paths[p]);
}

/* Each to its own place, and the outermost values that are accepted. */
static void test_places(void **state) {
    (void)state;
    assert_ok(PARSE("--device", "OpenCL:1", "--gemm", "own", "--precision", "tf32"));
    assert_string_equal(options.device, "opencl:1");
    assert_ok(PARSE("--device", "OpenCL:GeForce"));
    assert_string_equal(options.device, "opencl:GeForce");
    assert_ok(PARSE("--device", "OpenCL:1", "--gemm", "own", "--precision", "tf32"));
    assert_string_equal(options.gemm, "own");
    assert_string_equal(options.precision, "tf32");
    assert_ok(PARSE("--step", "fused"));
    assert_string_equal(options.step, "fused");
    assert_ok(PARSE("--submission", "stream", "--data", "folder", "--init", "first"));
    assert_string_equal(options.submission, "stream");
    assert_string_equal(options.data, "folder");
    assert_string_equal(options.init, "first");
    assert_ok(PARSE("--save", "last", "--checkpoint", "kept", "--checkpoint-every", "1000000"));
    assert_string_equal(options.save, "last");
    assert_string_equal(options.checkpoint, "kept");
    assert_int_equal(options.checkpoint_every, 1000000);
    assert_ok(PARSE("--resume", "run"));
    assert_string_equal(options.resume, "run");
    assert_ok(PARSE("--epochs", "1000000", "--batch-size", "50000", "--samples", "50000"));
    assert_int_equal(options.plan.epochs, 1000000);
    assert_int_equal(options.plan.batch_size, 50000);
    assert_int_equal(options.samples, 50000);
    assert_ok(PARSE("--epochs", "0", "--batch-size", "1", "--samples", "1"));
    assert_int_equal(options.plan.epochs, 0);
    assert_int_equal(options.plan.batch_size, 1);
    assert_int_equal(options.samples, 1);
    assert_ok(PARSE("--threads", "1024", "--layers", "65536,1", "--seed", "9223372036854775807"));
    assert_int_equal(options.threads, 1024);
    assert_int_equal(options.shape.layers, 3);
    assert_int_equal(options.shape.widths[1], 65536);
    assert_int_equal(options.shape.widths[2], 1);
    assert_int_equal(options.shape.widths[3], 10);
    assert_true(options.plan.seed == INT64_MAX);
    assert_ok(PARSE("--threads", "1", "--layers", "none", "--seed", "0"));
    assert_int_equal(options.threads, 1);
    assert_int_equal(options.shape.layers, 1);
    assert_int_equal(options.shape.widths[1], 10);
    assert_int_equal(options.plan.seed, 0);
    assert_ok(PARSE("--activation", "tanh", "--color", "rgb", "--tail", "short"));
    assert_int_equal(options.shape.activation, ACTIVATION_TANH);
    assert_int_equal(options.plan.color, COLOR_RGB);
    assert_int_equal(options.shape.widths[0], 3072);
    assert_int_equal(options.plan.tail, TAIL_SHORT);
    assert_ok(PARSE("--batches", "streamed", "--format", "csv", "--learning-rate", "1e6"));
    assert_int_equal(options.plan.batches, BATCHES_STREAMED);
    assert_int_equal(options.format, FORMAT_CSV);
    assert_true(options.plan.learning_rate == 1e6);
    assert_ok(PARSE("--learning-rate", "0", "--shuffle", "--quiet", "--dry-run"));
    assert_true(options.plan.learning_rate == 0.0);
    assert_true(options.plan.shuffle && options.quiet && options.dry_run);
    assert_ok(PARSE("--shuffle"));
    assert_true(options.plan.shuffle && !options.quiet && !options.dry_run);
    assert_ok(PARSE("--quiet"));
    assert_true(options.quiet && !options.plan.shuffle && !options.dry_run);
}

static void test_actions(void **state) {
    (void)state;
    static const struct {
        const char *word;
        enum action action;
    } actions[] = {{"--peak", ACTION_PEAK}, {"--list-devices", ACTION_LIST_DEVICES},
        {"--version", ACTION_VERSION}, {"--help", ACTION_HELP}, {"-h", ACTION_HELP}};
    for (size_t a = 0; a < sizeof actions / sizeof *actions; a++) {
        assert_ok(PARSE(actions[a].word));
        assert_int_equal(options.action, actions[a].action);
    }
    static const char *const forms[] = {"csv", "markdown"};
    for (int f = 0; f < 2; f++) {
        assert_fails(PARSE("--peak", "--format", forms[f]), STATUS_USAGE,
            "--peak: --format is table or json");
        assert_fails(PARSE("--dry-run", "--format", forms[f]), STATUS_USAGE,
            "--dry-run: --format is table or json");
    }
    assert_ok(PARSE("--peak", "--format", "json"));
    assert_ok(PARSE("--dry-run", "--format", "json"));
}

/* --- What a checkpoint keeps --- */

/* As it would be typed: a number to its last digit. */
static void test_stored(void **state) {
    (void)state;
    static const char *const kept[][2] = {{"--device", "cpu"}, {"--gemm", "auto"},
        {"--precision", "fp32"}, {"--step", "auto"}, {"--submission", "auto"}, {"--threads", "3"},
        {"--data", "folder"}, {"--epochs", "5"}, {"--warm-up", "0"}, {"--batch-size", "300"},
        {"--layers", "9,8"}, {"--activation", "sigmoid"}, {"--initial", "normal"},
        {"--optimizer", "sgd"}, {"--momentum", "0.9"}, {"--nesterov", "true"},
        {"--weight-decay", "0"}, {"--beta1", "0.9"}, {"--beta2", "0.999"}, {"--epsilon", "1e-08"},
        {"--label-smoothing", "0"}, {"--dropout", "0"}, {"--clip-norm", "0"},
        {"--learning-rate", "0.012345678901234568"}, {"--schedule", "constant"},
        {"--warmup-epochs", "0"}, {"--validation", "0"}, {"--target-accuracy", "0"},
        {"--patience", "0"}, {"--keep-best", "false"}, {"--color", "grey"},
        {"--normalize", "false"}, {"--tail", "wrap"}, {"--batches", "auto"}, {"--shuffle", "false"},
        {"--flip", "false"}, {"--seed", "1"}, {"--checkpoint-every", "1"}};
    struct checkpoint_setting settings[OPTIONS_MAX];
    assert_ok(PARSE("--device=cpu", "--threads=3", "--data=folder", "--layers=9,8",
        "--learning-rate=0.012345678901234568", "--save=file", "--quiet", "--momentum=0.9",
        "--nesterov"));
    const size_t count = options_store(&options, settings);
    assert_int_equal(count, sizeof kept / sizeof *kept);
    for (size_t k = 0; k < count; k++) {
        assert_string_equal(settings[k].name, kept[k][0]);
        assert_string_equal(settings[k].value, kept[k][1]);
    }
    assert_ok(PARSE("--layers=none", "--samples=7", "--learning-rate=3e-5", "--shuffle"));
    const size_t others = options_store(&options, settings);
    static const char *const changed[][2] = {{"--samples", "7"}, {"--layers", "none"},
        {"--learning-rate", "3e-05"}, {"--shuffle", "true"}};
    size_t found = 0;
    for (size_t s = 0; s < others; s++) {
        assert_string_not_equal(settings[s].name, "--threads"); /* which have no value */
        assert_string_not_equal(settings[s].name, "--data");
        if (found < 4 && strcmp(settings[s].name, changed[found][0]) == 0)
            assert_string_equal(settings[s].value, changed[found++][1]);
    }
    assert_int_equal(found, 4);
}

/* --- Help --- */

/* Every option with what it takes, and the default that is said of it; NULL: none is. */
static const char *const help[][2] = {{"--device SPEC", "auto"}, {"--gemm NAME", "auto"},
    {"--precision NAME", "fp32"}, {"--step NAME", "auto"}, {"--submission NAME", "auto"},
    {"--threads N", "the number in --list-devices"},
    {"--communicator auto|none|openmpi|mpich", "auto"}, {"--exchange NAME", "auto"},
    {"--exchange-timeout SECONDS", "60"},
    {"--data DIR|synthetic", "$TRAINER_DATA_DIR, else ~/.cache/trainer/cifar-10-batches-bin\n"
                             "      or its like in $XDG_CACHE_HOME, else synthetic"},
    {"--samples N", "all"}, {"--epochs N", "5"}, {"--warm-up SECONDS", "0"},
    {"--batch-size N", "300"}, {"--layers N,N,...|none", "64,32"},
    {"--activation sigmoid|tanh|relu", "sigmoid"}, {"--initial normal|glorot|he", "normal"},
    {"--optimizer sgd|adamw", "sgd"}, {"--momentum X", "0"}, {"--nesterov", NULL},
    {"--weight-decay X", "0"}, {"--beta1 X", "0.9"}, {"--beta2 X", "0.999"},
    {"--epsilon X", "1e-08"}, {"--label-smoothing X", "0"}, {"--dropout X", "0"},
    {"--clip-norm X", "0"}, {"--learning-rate X", "0.01"},
    {"--schedule constant|step|cosine|linear", "constant"}, {"--warmup-epochs N", "0"},
    {"--validation N", "0"}, {"--target-accuracy X", "0"}, {"--patience N", "0"},
    {"--keep-best", NULL}, {"--color grey|rgb", "grey"}, {"--normalize", NULL},
    {"--tail wrap|short|drop", "wrap"}, {"--batches auto|resident|streamed", "auto"},
    {"--shuffle", NULL}, {"--flip", NULL}, {"--seed N", "1"}, {"--init FILE", NULL},
    {"--save FILE", NULL}, {"--checkpoint FILE", NULL}, {"--checkpoint-every N", "1"},
    {"--resume FILE", NULL}, {"--log FILE", NULL}, {"--format table|json|csv|markdown", "table"},
    {"--dry-run", NULL}, {"--quiet", NULL}, {"--peak", NULL}, {"--list-devices", NULL},
    {"--version", NULL}, {"--help", NULL}};

static void test_help(void **state) {
    (void)state;
    static char text[16384];
    FILE *file = fmemopen(text, sizeof text, "w");
    assert_non_null(file);
    options_print_help(file);
    assert_int_equal(fclose(file), 0);
    char *rest = strstr(text, "\n  --");
    for (size_t o = 0; o < sizeof help / sizeof *help; o++) {
        char head[128], said[256] = "(default: ";
        snprintf(head, sizeof head, "\n  %s\n", help[o][0]);
        assert_non_null(rest);
        if (strncmp(rest, head, strlen(head)) != 0)
            fail_msg("help has no \"%s\" here: %.100s", help[o][0], rest + 1);
        char *const next = strstr(rest + 1, "\n  --");
        if (next)
            *next = '\0';
        snprintf(said, sizeof said, "(default: %s)", help[o][1] ? help[o][1] : "");
        const char *const found = strstr(rest, "(default: ");
        if (help[o][1] ? !found || strncmp(found, said, strlen(said)) != 0 : found != NULL)
            fail_msg("expected %s: %s", help[o][1] ? said : "no default", rest + 1);
        if (next)
            *next = '\n';
        rest = next;
    }
    assert_null(rest);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_optimizers),
        cmocka_unit_test(test_validation),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_actions),
        cmocka_unit_test(test_stored),
        cmocka_unit_test(test_help),
    };
    return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
