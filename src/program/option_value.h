/* The value of an option: as text that is typed, and as a member of struct options. */
#ifndef PROGRAM_OPTION_VALUE_H
#define PROGRAM_OPTION_VALUE_H

#include "program/options.h"

/* What values an option takes, and the type of its member of struct options. */
enum option_kind {
    OPTION_TEXT,   /* const char * */
    OPTION_SPEC,   /* char[DEVICE_SPEC_MAX]: the spec of a device */
    OPTION_SIZE,   /* size_t from low to high */
    OPTION_COUNT,  /* int from low to high */
    OPTION_SEED,   /* uint64_t */
    OPTION_REAL,   /* double from low to high */
    OPTION_CHOICE, /* an enum with names */
    OPTION_LAYERS, /* the hidden widths of a network_shape */
    OPTION_FLAG,   /* bool, set without a value */
    OPTION_ACTION, /* the action `low`, without a value */
};

/* Whether a checkpoint keeps an option, and whether a run that continues may have another value. */
enum kept {
    KEPT_NOT,
    KEPT_FIRM, /* the weights or the times depend on it, so a run that continues can't change it */
    KEPT_FREE, /* a run that continues may change it; where it is not given, it stays */
};

struct option_row {
    const char *name;
    enum option_kind kind;
    enum kept kept;
    size_t offset; /* of the member in struct options */
    const char *value, *help;
    double low, high;
    const char *const *names;
    int first_name; /* index of the first name that may be chosen */
};

/* Whether the option is typed with a value. */
bool option_takes_value(const struct option_row *row);

/* Reads the value that was typed as `text` into the option's member. False when the option does not
 * take it; the member is then undefined. For an OPTION_TEXT the member points to `text`, which must
 * outlive the options. */
bool option_read(const struct option_row *row, const char *text, struct options *options);

/* Writes the value to text[size] as it would be typed, cut to fit. The text is empty when no value
 * is set; the option's help then says in words what that means. */
void option_write(
    const struct option_row *row, const struct options *options, char *text, size_t size);

/* The error for a value that option_read did not take: STATUS_USAGE, with what is expected. */
enum status option_refuse(const struct option_row *row, const char *value, struct error *error);

/* Writes the names of an OPTION_CHOICE to text[size]. `between` is put between two of them, and
 * `last` before the last one. */
void option_list_names(
    const struct option_row *row, const char *between, const char *last, char *text, size_t size);

#endif
