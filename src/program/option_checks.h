/* Options that depend on each other. */
#ifndef PROGRAM_OPTION_CHECKS_H
#define PROGRAM_OPTION_CHECKS_H

#include "program/options.h"

/* Fills in what follows from several options. STATUS_USAGE, naming them, when some contradict each
 * other. */
enum status options_check(struct options *options, struct error *error);

#endif
