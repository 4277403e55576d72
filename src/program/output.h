/* What the program prints on standard output, which is for that alone: a driver or a library that
 * prints there, too, would damage a record. It is put together in memory and handed to the system
 * whole: a line of a record is one write, so that programs which append to the same file at the
 * same time never mix their lines. */
#ifndef PROGRAM_OUTPUT_H
#define PROGRAM_OUTPUT_H

#include "trainer/error.h"

#include <stdbool.h>
#include <stdio.h>

struct output {
    FILE *file;     /* to print to */
    int descriptor; /* of what is standard output to who started the program */
    char *text;     /* what was printed since the last flush */
    size_t length;
    int unprinted; /* errno of the first output that failed; 0: none did */
};

/* From now on descriptor 1, with what others print there, is standard error. STATUS_FAILED when
 * memory or a descriptor is refused. To be closed whatever is returned. */
enum status output_open(struct output *output, struct error *error);

/* Writes what was printed, and notes why that can't be done. */
void output_flush(struct output *output);

/* Flushes, and ends it. STATUS_FAILED, with the system's reason, when anything that was printed
 * since it was opened could not be written. */
enum status output_close(struct output *output, struct error *error);

#endif
