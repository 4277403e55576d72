/* What the scores of samples, as network_train and network_evaluate give them, come to. */
#ifndef TRAINING_SCORE_H
#define TRAINING_SCORE_H

#include "trainer/training.h"

/* *score = the means of scores[samples, 2]. False, with the index of the first such sample, when a
 * loss is not finite. */
bool score_average(const float *scores, size_t samples, struct score *score, size_t *not_finite);

/* What a loss is that is not finite, in words. */
const char *score_not_finite(float loss);

#endif
