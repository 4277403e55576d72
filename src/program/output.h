/* What the program prints on standard output. Nothing else may print there: a driver or a library
 * that did would damage a record. The output is put together in memory, and a record is handed to
 * the system in one write, so that programs which append to the same file at the same time never
 * mix their lines. */
#ifndef PROGRAM_OUTPUT_H
#define PROGRAM_OUTPUT_H

#include "trainer/error.h"

#include <stdbool.h>
#include <stdio.h>

struct output {
    FILE *file;     /* the program prints to this */
    int descriptor; /* the standard output that the program was started with */
    char *text;     /* what was printed since the last flush */
    size_t length;
    bool muted;    /* nothing of it is written */
    int unprinted; /* errno of the first output that failed; 0: none did */
};

/* Keeps standard output for the program alone: from now on descriptor 1, to which others may print,
 * is standard error. STATUS_FAILED when memory or a descriptor is refused. The caller ends it with
 * output_close, whatever is returned. */
enum status output_open(struct output *output, struct error *error);

/* From here on nothing is written, and all of it is fine. */
void output_mute(struct output *output);

/* Writes what was printed since the last flush. If that fails, notes the reason in `unprinted`. */
void output_flush(struct output *output);

/* Flushes and ends the output. STATUS_FAILED, with the system's reason, when anything that was
 * printed since output_open could not be written. */
enum status output_close(struct output *output, struct error *error);

#endif
