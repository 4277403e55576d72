/* What follows "kind:" in the name of a device: numbers, or part of a name. Of no vendor. */
#ifndef DEVICE_SPEC_H
#define DEVICE_SPEC_H

#include <stdbool.h>
#include <stddef.h>

/* Reads "N", "N:M" and so on: from one to `count` numbers with colons between, each of nothing but
 * decimal digits. Those that are not there are -1; one that is too large for a long is LONG_MAX,
 * which counts no device. False when `text` is anything else, and all of them are -1 then. */
bool spec_numbers(const char *text, long *numbers, size_t count);

/* Whether `text`, which is not empty, is a part of `name`, in upper or lower case of ASCII. */
bool spec_is_part(const char *text, const char *name);

#endif
