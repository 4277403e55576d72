/* Quotes words of a command line that is shown to be typed. */
#ifndef PROGRAM_QUOTE_H
#define PROGRAM_QUOTE_H

#include <limits.h>

/* Room for a path each of whose letters takes four, and for two quotes and the end. */
typedef char quoted_text[4 * PATH_MAX + 3];

/* Writes the word as a shell reads it: as it is, or between single quotes. Returns `quoted`. */
const char *quote(const char *word, quoted_text quoted);

#endif
