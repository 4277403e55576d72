/* A line on a terminal that says how far the training is and how long it will still take. */
#ifndef PROGRAM_PROGRESS_H
#define PROGRAM_PROGRESS_H

#include "trainer/training.h"

#include <stdio.h>

struct progress {
    FILE *file;    /* a terminal that knows escape codes; NULL: say nothing */
    double first;  /* epochs that were done before the start, with the part of an interrupted one */
    size_t epochs; /* epochs of the whole run */
    double start, shown; /* clock_seconds when the training began, and when a line was last shown */
    bool visible;        /* the line is on the terminal now */
};

/* Begins the progress of a training that has done `first` of `epochs` epochs (2.5: two epochs and
 * half of the third). Nothing is shown when `quiet`, or when `file` is not a terminal that knows
 * escape codes. */
void progress_begin(struct progress *progress, FILE *file, bool quiet, double first, size_t epochs);

/* Shows that `epoch` epochs are done, and `batch` of `batches` batches of the next one. */
void progress_show(struct progress *progress, size_t epoch, size_t batch, size_t batches);

/* Removes the line, to make room for other output or for good. */
void progress_hide(struct progress *progress);

#endif
