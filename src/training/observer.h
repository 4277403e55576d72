/* Asks the observer of a training. */
#ifndef TRAINING_OBSERVER_H
#define TRAINING_OBSERVER_H

#include "trainer/training.h"

/* Whether the observer, if there is one, wants the training to end. */
static inline bool observer_stops(const struct training_observer *observer) {
    return observer && observer->stop && observer->stop(observer->context);
}

#endif
