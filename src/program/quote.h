/* Words of a command line that is shown, to be typed. */
#ifndef PROGRAM_QUOTE_H
#define PROGRAM_QUOTE_H

#include <limits.h>

/* Room for a path, each of whose letters may take four. */
typedef char quoted_text[4 * PATH_MAX + 3];

/* The word as a shell takes it: as it is, or between single quotes. */
const char *quote(const char *word, quoted_text quoted);

#endif
