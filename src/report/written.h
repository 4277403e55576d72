/* What becomes of a record that is written to a file. */
#ifndef REPORT_WRITTEN_H
#define REPORT_WRITTEN_H

#include "trainer/error.h"

#include <stdbool.h>
#include <stdio.h>

/* Flushes the file, and gives STATUS_FAILED, with the system's reason where it has one, when that
 * or anything before it failed: memory for the record (`whole` is false then), or writing. To be
 * called with errno as what failed left it, and 0 before. */
enum status written_check(bool whole, FILE *file, struct error *error);

#endif
