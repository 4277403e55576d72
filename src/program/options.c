#include "program/options.h"

#include "program/option_checks.h"
#include "program/option_table.h"
#include "program/quote.h"
#include "system/nearest.h"
#include "system/text.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

bool options_choose_device(const struct options *options) {
    return strcmp(options->device, "auto") == 0 || strcmp(options->device, "gpu") == 0;
}

size_t options_images(const struct options *options) {
    return options->samples > 0 ? options->samples : CIFAR10_TRAIN;
}

size_t options_training_images(const struct options *options) {
    return options_images(options) - options->plan.validation;
}

/* --- The command line --- */

/* The error for a word that is not an option. It names the option that may have been meant. */
static enum status refuse_option(const char *argument, struct error *error) {
    const char *names[OPTIONS_MAX], *meant = NULL;
    char name[64];
    for (size_t r = 0; r < option_rows_count; r++)
        names[r] = option_rows[r].name;
    if (strncmp(argument, "--", 2) == 0) {
        snprintf(name, sizeof name, "%.*s", (int)strcspn(argument + 2, "="), argument + 2);
        meant = nearest(name, names, option_rows_count);
    }
    return error_set(error, STATUS_USAGE, "%s is not an option%s%s%s; see --help", argument,
        meant ? " (did you mean --" : "", meant ? meant : "", meant ? "?)" : "");
}

enum status options_parse(int argc, char **argv, struct options *options, struct error *error) {
    enum { FIRST = 256 }; /* above the code of any letter */
    struct option long_options[OPTIONS_MAX + 1] = {{0}};
    for (size_t r = 0; r < option_rows_count; r++)
        long_options[r] = (struct option){option_rows[r].name,
            option_takes_value(&option_rows[r]) ? required_argument : no_argument, NULL,
            FIRST + (int)r};
    *options = option_defaults;
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
            found = FIRST + (int)option_rows_count - 1; /* --help, the last row */
        if (found == ':')
            return error_set(error, STATUS_USAGE, "%s: expected a value", argv[current]);
        if (found < FIRST)
            return optopt >= FIRST
                       ? error_set(error, STATUS_USAGE,
                             "%s has a value, but takes none; see --help", argv[current])
                       : refuse_option(argv[current], error);
        const struct option_row *row = &option_rows[found - FIRST];
        if (!option_read(row, optarg ? optarg : "", options))
            return option_refuse(row, optarg, error);
        options->given |= (uint64_t)1 << (row - option_rows);
    }
    if (optind < argc)
        return error_set(error, STATUS_USAGE,
            "'%s' is not an option; all settings are options: see --help", argv[optind]);
    if (options->resume && options->init)
        return error_set(error, STATUS_USAGE, "--init and --resume both have first weights");
    /* A run that continues is checked later, when options_restore has the rest of its options. */
    const bool continues = options->resume && options->action == ACTION_TRAIN;
    return continues ? STATUS_OK : options_check(options, error);
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
    for (size_t r = 0; r < option_rows_count; r++) {
        struct checkpoint_setting *setting = &settings[count];
        if (option_rows[r].kept == KEPT_NOT)
            continue;
        name_of(&option_rows[r], setting->name);
        option_write(&option_rows[r], options, setting->value, sizeof setting->value);
        /* A path that was cut is useless, so it is not stored, and has to be given again. */
        count += setting->value[0] && strlen(setting->value) + 1 < sizeof setting->value;
    }
    return count;
}

/* Whether the command line gives this option a value of its own. "auto" leaves the choice open, so
 * a run that continues keeps what it had. */
static bool is_given(const struct options *options, size_t row) {
    struct checkpoint_setting now;
    option_write(&option_rows[row], options, now.value, sizeof now.value);
    return (options->given >> row & 1) &&
           !(option_rows[row].kept == KEPT_FIRM && strcmp(now.value, "auto") == 0);
}

/* Whether a stored text means the same as `now`: earlier versions wrote some numbers otherwise. */
static bool is_same_value(const struct options *options, size_t row, const char *stored,
    const struct checkpoint_setting *now) {
    struct options other = *options;
    struct checkpoint_setting written;
    if (strcmp(stored, now->value) == 0 || option_rows[row].kind != OPTION_REAL)
        return strcmp(stored, now->value) == 0;
    if (!option_read(&option_rows[row], stored, &other))
        return false;
    option_write(&option_rows[row], &other, written.value, sizeof written.value);
    return strcmp(written.value, now->value) == 0;
}

/* STATUS_USAGE, naming them, when options of the command line contradict the run that is
 * continued. */
static enum status check_given(
    const struct options *options, const struct checkpoint *checkpoint, struct error *error) {
    char found[1024] = "";
    quoted_text quoted;
    for (size_t r = 0; r < option_rows_count; r++) {
        struct checkpoint_setting now, usual;
        const char *stored = checkpoint_setting(checkpoint, name_of(&option_rows[r], now.name));
        option_write(&option_rows[r], options, now.value, sizeof now.value);
        option_write(&option_rows[r], &option_defaults, usual.value, sizeof usual.value);
        if (!stored && checkpoint_setting(checkpoint, CHECKPOINT_EPOCHS))
            stored = usual.value; /* a run's, whose version had no such option */
        if (option_rows[r].kept == KEPT_FIRM && stored && is_given(options, r) &&
            !is_same_value(options, r, stored, &now))
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
    for (size_t r = 0; r < option_rows_count && status == STATUS_OK; r++) {
        stored_name name;
        const char *stored = checkpoint_setting(checkpoint, name_of(&option_rows[r], name));
        if (option_rows[r].kept == KEPT_NOT || !stored || is_given(options, r))
            continue;
        const bool off = option_rows[r].kind == OPTION_FLAG && strcmp(stored, "false") == 0;
        if (!off && !option_read(&option_rows[r], stored, options)) {
            struct error problem;
            option_refuse(&option_rows[r], stored, &problem);
            status = error_set(error, STATUS_CHECKPOINT, "%s: offset 8: %.1000s", options->resume,
                problem.message);
        }
    }
    return status == STATUS_OK ? options_check(options, error) : status;
}

/* --- Help --- */

void options_print_help(FILE *file) {
    fputs("Usage: trainer [options]\n\n"
          "Trains a dense net on CIFAR-10 and says how long each phase took on the device.\n\n",
        file);
    for (size_t r = 0; r < option_rows_count; r++) {
        char value[64] = "", option[96], fallback[64];
        if (option_rows[r].kind == OPTION_CHOICE)
            option_list_names(&option_rows[r], "|", "|", value, sizeof value);
        else if (option_rows[r].value)
            snprintf(value, sizeof value, "%s", option_rows[r].value);
        snprintf(
            option, sizeof option, "--%s%s%s", option_rows[r].name, value[0] ? " " : "", value);
        fallback[0] = '\0';
        if (option_takes_value(&option_rows[r]))
            option_write(&option_rows[r], &option_defaults, fallback, sizeof fallback);
        fprintf(file, "  %s\n", option);
        for (const char *line = option_rows[r].help; *line;) { /* each line of the help */
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
