/* The evaluation of a network: its score on images that it is not trained with. */
#ifndef TRAINING_EVALUATION_H
#define TRAINING_EVALUATION_H

#include "trainer/training.h"

/* *score = the network's score on these images, which are sent to its device in batches of the
 * plan's size. STATUS_DIVERGED when a loss is not finite, STATUS_INTERRUPTED when the observer
 * stops it. */
enum status evaluation_run(struct network *network, const struct images *images,
    const struct training_plan *plan, const struct training_observer *observer, struct score *score,
    struct error *error);

#endif
