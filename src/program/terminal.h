/* What a terminal can show. */
#ifndef PROGRAM_TERMINAL_H
#define PROGRAM_TERMINAL_H

#include <stdbool.h>

/* Whether the descriptor is of a terminal that knows escape codes: TERM says so. */
bool terminal_has_codes(int descriptor);

/* The letters that a line of it has room for; 80 where it does not say. */
int terminal_columns(int descriptor);

#endif
