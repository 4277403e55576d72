/* Text that is put together piece by piece in an array. */
#ifndef SYSTEM_TEXT_H
#define SYSTEM_TEXT_H

#include <stddef.h>

/* Adds to the end of the text in text[size] what printf would print. What has no room is cut off.
 * The text always ends in a zero byte. */
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
void text_append(char *text, size_t size, const char *format, ...);

#endif
