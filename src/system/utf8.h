/* Shows text that may have any bytes (names of files and of hardware) as UTF-8. */
#ifndef SYSTEM_UTF8_H
#define SYSTEM_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* The number of bytes, 1 to 4, of the character that `text` begins with. 0 when it is no character
 * that JSON allows: a form that is longer than needed, a surrogate, or one above U+10FFFF. */
size_t utf8_length(const char *text);

/* Whether all of the text is UTF-8. */
bool utf8_is(const char *text);

/* Copies `text` into shown[size], and cuts it between characters if it does not fit. Each byte that
 * is not UTF-8 becomes '?'. With `one_line`, for a line that a person reads, so does each character
 * that a terminal takes for a command or that turns the direction of text. Returns `shown`. */
const char *utf8_show(const char *text, bool one_line, char *shown, size_t size);

#endif
