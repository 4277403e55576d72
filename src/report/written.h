/* Checks whether a record was written to a file. */
#ifndef REPORT_WRITTEN_H
#define REPORT_WRITTEN_H

#include "trainer/error.h"

#include <stdbool.h>
#include <stdio.h>

/* Flushes the file. STATUS_FAILED, with the system's reason where there is one, when that fails or
 * something failed before: memory was refused (then `whole` is false), or a part could not be
 * written. The caller sets errno to 0 before it writes, and leaves it afterwards as a failing call
 * has set it. */
enum status written_check(bool whole, FILE *file, struct error *error);

#endif
