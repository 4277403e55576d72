/* The mean of the scores that network_train and network_evaluate give for each sample. */
#ifndef TRAINING_SCORE_H
#define TRAINING_SCORE_H

#include "trainer/training.h"

/* *score = the means of scores[samples, 2]. False when a loss is not finite; *not_finite is then
 * the index of the first sample whose loss is not. */
bool score_average(const float *scores, size_t samples, struct score *score, size_t *not_finite);

/* Says in words what a loss is that is not finite. */
const char *score_not_finite(float loss);

#endif
