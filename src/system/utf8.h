/* Text of any bytes (names of files and of hardware) where UTF-8 is asked for. */
#ifndef SYSTEM_UTF8_H
#define SYSTEM_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes of the character that `text` begins with, 1 to 4; 0 where that is none as JSON wants it: no
 * needlessly long form, no surrogate, nothing above U+10FFFF. */
size_t utf8_length(const char *text);

/* Whether all of it is UTF-8. */
bool utf8_is(const char *text);

/* Copies `text` into shown[size], cut to fit between characters, with a '?' for each byte that is
 * not UTF-8 and, where it is to be one line that a person reads, for each character that a terminal
 * takes for a command or that turns text around. Gives `shown`. */
const char *utf8_show(const char *text, bool one_line, char *shown, size_t size);

#endif
