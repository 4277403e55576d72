/* Parts of a record in words, as more than one of its forms has them. */
#ifndef REPORT_WORDS_H
#define REPORT_WORDS_H

#include "trainer/record.h"

/* Room for any text of a record that comes from outside. */
typedef char shown_text[sizeof((struct dataset){0}.path)];

/* The widths as "1024-64-32-10", cut to fit. */
enum { LAYERS_TEXT = 6 * (NETWORK_MAX_LAYERS + 1) };
const char *layers_text(const struct network_shape *shape, char *text, size_t size);

/* What held the clocks down, like "power, temperature". */
const char *limits_text(unsigned limits, const char *between, char text[64]);

#endif
