/* Asks what a terminal can show. */
#ifndef PROGRAM_TERMINAL_H
#define PROGRAM_TERMINAL_H

#include <stdbool.h>

/* Whether the descriptor is a terminal that knows escape codes, by what TERM says. */
bool terminal_has_codes(int descriptor);

/* The number of letters in a line of the terminal; 80 where it does not tell. */
int terminal_columns(int descriptor);

#endif
