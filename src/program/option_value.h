/* The value of an option: as it is typed, and as struct options has it. */
#ifndef PROGRAM_OPTION_VALUE_H
#define PROGRAM_OPTION_VALUE_H

#include "program/options.h"

/* What a value may be, and the type of the member that has it. */
enum option_kind {
    OPTION_TEXT,   /* const char * */
    OPTION_SPEC,   /* char[DEVICE_SPEC_MAX]: of a device */
    OPTION_SIZE,   /* size_t from low to high */
    OPTION_COUNT,  /* int from low to high */
    OPTION_SEED,   /* uint64_t */
    OPTION_REAL,   /* double from low to high */
    OPTION_CHOICE, /* an enum with names */
    OPTION_LAYERS, /* the hidden widths of a network_shape */
    OPTION_FLAG,   /* bool, set without a value */
    OPTION_ACTION, /* the action `low`, without a value */
};

/* Whether a checkpoint keeps an option, and whether a run that goes on may have another value. */
enum kept {
    KEPT_NOT,
    KEPT_FIRM, /* what the weights or their times depend on: no run changes it in its midst */
    KEPT_FREE, /* what may change when a run goes on; where it is not given, it stays */
};

struct option_row {
    const char *name;
    enum option_kind kind;
    enum kept kept;
    size_t offset; /* in struct options */
    const char *value, *help;
    double low, high;
    const char *const *names;
    int first_name; /* that may be chosen */
};

/* Whether it is typed with a value at all. */
bool option_takes_value(const struct option_row *row);

/* Puts the value that is typed as `text` into its member. False when it is none that the option
 * takes; the member is then undefined. A text stays where it is. */
bool option_read(const struct option_row *row, const char *text, struct options *options);

/* Writes the value as it would be typed into text[size], cut to fit; empty where none is set, and
 * help says in words what that means. */
void option_write(
    const struct option_row *row, const struct options *options, char *text, size_t size);

/* The error for a value that option_read has not taken: STATUS_USAGE, with what is expected. */
enum status option_refuse(const struct option_row *row, const char *value, struct error *error);

/* Writes the names of an OPTION_CHOICE into text[size]: `between` stands between two of them, and
 * `last` before the last one. */
void option_list_names(
    const struct option_row *row, const char *between, const char *last, char *text, size_t size);

#endif
