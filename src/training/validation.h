/* What follows each epoch where images are held back: the network's score on them, the best
 * parameters, and whether the training has come to its end. */
#ifndef TRAINING_VALIDATION_H
#define TRAINING_VALIDATION_H

#include "training/evaluation.h"

/* Scores the network after the last epoch of result->reached, and notes that there. With
 * plan->keep_best, it also fetches the parameters if they are the best so far. The time goes to the
 * result. STATUS_DIVERGED when a loss is not finite. */
enum status validation_score(
    struct evaluation *validation, struct training_result *result, struct error *error);

/* Whether the training has come to its end at this position, and by what; ENDED_NOT if not. */
enum training_end validation_end(
    const struct training_plan *plan, const struct training_position *position);

#endif
