/* A line on a terminal that says how far the training is and how long it will still take. */
#ifndef PROGRAM_PROGRESS_H
#define PROGRAM_PROGRESS_H

#include "trainer/training.h"

#include <stdio.h>

struct progress {
    FILE *file;          /* a terminal that knows escape codes; NULL: say nothing */
    double first;        /* epochs that were done before, and of the next a part */
    size_t epochs;       /* in all */
    double start, shown; /* clock_seconds: of the training, and of the last line */
    bool visible;        /* a line stands on the terminal */
};

/* For a training that goes on from where `first` epochs are done (2.5: the third, half of it), of
 * `epochs` in all. Says nothing when `quiet`, or when `file` is not a terminal that knows escape
 * codes. */
void progress_begin(struct progress *progress, FILE *file, bool quiet, double first, size_t epochs);

/* `epoch` epochs and `batch` of `batches` of the next are done. */
void progress_show(struct progress *progress, size_t epoch, size_t batch, size_t batches);

/* Takes the line away, for other output or for good. */
void progress_hide(struct progress *progress);

#endif
