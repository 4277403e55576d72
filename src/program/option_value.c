#include "program/option_value.h"

#include "system/locale.h"
#include "system/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool option_takes_value(const struct option_row *row) {
    return row->kind != OPTION_FLAG && row->kind != OPTION_ACTION;
}

void option_list_names(
    const struct option_row *row, const char *between, const char *last, char *text, size_t size) {
    text[0] = '\0';
    for (int n = row->first_name; row->names[n]; n++)
        text_append(text, size, "%s%s",
            n == row->first_name ? ""
            : row->names[n + 1]  ? between
                                 : last,
            row->names[n]);
}

enum status option_refuse(const struct option_row *row, const char *value, struct error *error) {
    char expected[256] = "a value";
    switch (row->kind) {
    case OPTION_SIZE:
    case OPTION_COUNT:
        snprintf(
            expected, sizeof expected, "a whole number from %.0f to %.0f", row->low, row->high);
        break;
    case OPTION_SEED:
        snprintf(expected, sizeof expected, "a whole number from 0 to %llu",
            (unsigned long long)INT64_MAX);
        break;
    case OPTION_REAL:
        snprintf(expected, sizeof expected, "a number from %g to %g", row->low, row->high);
        break;
    case OPTION_CHOICE:
        option_list_names(row, ", ", " or ", expected, sizeof expected);
        break;
    case OPTION_LAYERS:
        snprintf(expected, sizeof expected,
            "up to %d widths from 1 to %d with commas between, like 64,32, or none",
            NETWORK_MAX_LAYERS - 1, NETWORK_MAX_WIDTH);
        break;
    case OPTION_SPEC:
        snprintf(expected, sizeof expected, "a device of --list-devices, gpu or auto");
        break;
    default:
        break;
    }
    return error_set(error, STATUS_USAGE, "--%s '%s': expected %s", row->name, value, expected);
}

/* --- Reading --- */

/* Reads a decimal number of digits only, up to INT64_MAX. */
static bool read_whole(const char *text, const char **end, unsigned long long *value) {
    if (*text < '0' || *text > '9') /* strtoull would accept signs and spaces */
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
    /* Strtod would accept hex, inf, nan and spaces. */
    if (!*text || strspn(text, "0123456789.eE+-") != strlen(text))
        return false;
    errno = 0;
    *value = strtod(text, &end);
    return *end == '\0' && errno == 0; /* ERANGE: too large or too small for a double */
}

/* Reads a device as it was typed, with its kind in lower case, because records and checkpoints have
 * it so. */
static bool read_spec(const char *text, char spec[DEVICE_SPEC_MAX]) {
    const size_t length = strlen(text), kind = strcspn(text, ":");
    if (length < 1 || length >= DEVICE_SPEC_MAX)
        return false;
    memcpy(spec, text, length + 1);
    for (size_t i = 0; i < kind; i++)
        spec[i] = locale_lower(spec[i]);
    return true;
}

bool option_read(const struct option_row *row, const char *text, struct options *options) {
    void *member = (char *)options + row->offset;
    const char *end;
    unsigned long long whole = 0;
    double real;
    switch (row->kind) {
    case OPTION_TEXT:
        *(const char **)member = text;
        return *text != '\0';
    case OPTION_SPEC:
        return read_spec(text, member);
    case OPTION_SIZE:
    case OPTION_COUNT:
        if (!read_whole(text, &end, &whole) || *end || (double)whole < row->low ||
            (double)whole > row->high)
            return false;
        if (row->kind == OPTION_SIZE)
            *(size_t *)member = (size_t)whole;
        else
            *(int *)member = (int)whole;
        return true;
    case OPTION_SEED:
        if (!read_whole(text, &end, &whole) || *end)
            return false;
        *(uint64_t *)member = whole;
        return true;
    case OPTION_REAL:
        if (!read_real(text, &real) || real < row->low || real > row->high)
            return false;
        *(double *)member = real;
        return true;
    case OPTION_CHOICE:
        for (int n = row->first_name; row->names[n]; n++)
            if (strcmp(text, row->names[n]) == 0) {
                *(int *)member = n;
                return true;
            }
        return false;
    case OPTION_LAYERS:
        return read_layers(text, member);
    case OPTION_FLAG: /* the command line gives it no value, but a checkpoint does */
        *(bool *)member = true;
        return !*text || strcmp(text, "true") == 0;
    case OPTION_ACTION:
        *(enum action *)member = (enum action)row->low;
        return true;
    }
    return false;
}

/* OPTION_CHOICE writes an enum through a pointer to int. */
_Static_assert(sizeof(enum color) == sizeof(int), "an enum is an int");

/* --- Writing --- */

void option_write(
    const struct option_row *row, const struct options *options, char *text, size_t size) {
    const void *member = (const char *)options + row->offset;
    text[0] = '\0';
    switch (row->kind) {
    case OPTION_TEXT:
        if (*(const char *const *)member)
            snprintf(text, size, "%s", *(const char *const *)member);
        break;
    case OPTION_SPEC:
        snprintf(text, size, "%s", (const char *)member);
        break;
    case OPTION_SIZE:
        if ((double)*(const size_t *)member >= row->low) /* below it: the option was not given */
            snprintf(text, size, "%zu", *(const size_t *)member);
        break;
    case OPTION_COUNT:
        if (*(const int *)member > 0)
            snprintf(text, size, "%d", *(const int *)member);
        break;
    case OPTION_SEED:
        snprintf(text, size, "%llu", (unsigned long long)*(const uint64_t *)member);
        break;
    case OPTION_REAL: /* the shortest text that is read as this number */
        for (int digits = 6; digits <= 17; digits++) {
            snprintf(text, size, "%.*g", digits, *(const double *)member);
            if (strtod(text, NULL) == *(const double *)member)
                break;
        }
        break;
    case OPTION_CHOICE:
        snprintf(text, size, "%s", row->names[*(const int *)member]);
        break;
    case OPTION_LAYERS: {
        const struct network_shape *shape = member;
        for (size_t l = 1; l < shape->layers; l++)
            text_append(text, size, "%s%zu", l > 1 ? "," : "", shape->widths[l]);
        if (shape->layers == 1)
            snprintf(text, size, "none");
        break;
    }
    case OPTION_FLAG:
        snprintf(text, size, "%s", *(const bool *)member ? "true" : "false");
        break;
    case OPTION_ACTION:
        break;
    }
}
