/* Reads what follows "kind:" in the spec of a device: numbers, or part of a name. It is the same
 * for all vendors. */
#ifndef DEVICE_SPEC_H
#define DEVICE_SPEC_H

#include <stdbool.h>
#include <stddef.h>

/* Reads "N", "N:M" and so on: from one to `count` decimal numbers with colons between, each of
 * digits only. Numbers that are not there become -1. A number that is too large for a long becomes
 * LONG_MAX, which is the number of no device. False, with all of them -1, when `text` is anything
 * else. */
bool spec_numbers(const char *text, long *numbers, size_t count);

/* Whether `text` occurs in `name`, in upper or lower case (ASCII). `text` is not empty. */
bool spec_is_part(const char *text, const char *name);

#endif
