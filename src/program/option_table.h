/* The table of options: each is a row, and nothing else needs to know of it. Options that make
 * sense only together are checked in option_checks.c. */
#ifndef PROGRAM_OPTION_TABLE_H
#define PROGRAM_OPTION_TABLE_H

#include "program/option_value.h"

/* In the order of --help, which is the last one. */
extern const struct option_row option_rows[];
extern const size_t option_rows_count; /* OPTIONS_MAX at most */

extern const struct options option_defaults;

#endif
