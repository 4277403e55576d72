/* The epochs of a training: everything on the device that they need, and the steps of each. */
#ifndef TRAINING_EPOCHS_H
#define TRAINING_EPOCHS_H

#include "training/loader.h"

struct epochs {
    struct network *network;
    struct device *device; /* the network's */
    const struct training_plan *plan;
    const struct training_observer *observer; /* NULL: there is none */
    struct training_result *result;           /* says how many batches and samples an epoch has */
    struct loader loader;
    struct view scores;          /* [samples of an epoch, 2] */
    float *scales;               /* [batches of an epoch]: -learning rate of each step */
    struct view device_scales;   /* [batches of an epoch, 1]: the same, on the device */
    struct recording *recording; /* of all steps of an epoch; NULL: they are enqueued one by one */
};

/* Makes the batches of these images ready on the device, and records an epoch's steps if there are
 * epochs to run. Both are timed in the result. Ended by epochs_free, whatever is returned. */
enum status epochs_prepare(struct epochs *epochs, const struct images *images, struct error *error);

/* Runs what is left of the epochs from result->reached on, and moves that along. */
enum status epochs_run(struct epochs *epochs, struct error *error);

void epochs_free(struct epochs *epochs);

#endif
