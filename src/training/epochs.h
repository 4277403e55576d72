/* The epochs of a training: what they need on the device, and their steps. */
#ifndef TRAINING_EPOCHS_H
#define TRAINING_EPOCHS_H

#include "training/evaluation.h"

struct epochs {
    struct network *network;
    struct device *device; /* the device of the network */
    const struct training_plan *plan;
    const struct training_observer *observer; /* NULL: there is none */
    struct training_result *result; /* its `batches` and `samples` are filled by the caller */
    struct evaluation *validation;  /* of the images that are held back; NULL: there are none */
    struct loader loader;
    struct view scores; /* [samples of an epoch + 1, 2]; the last is of a sample that is none */
    bool pinned;        /* so is the host's memory that they are fetched to */
    float *compared;    /* the parameters, to be compared with other ranks'; NULL: there are none */
    float *rates;       /* [batches of an epoch, R]: the optimiser's, of each step */
    struct view device_rates;   /* the same on the device */
    double computed, exchanged; /* seconds of this rank in its epochs */
    /* Of all steps of an epoch, and of those that an interrupted epoch had left. NULL: the steps
     * are enqueued one by one. */
    struct recording *recording, *rest;
    /* [batches of an epoch]: of each step, where batches are streamed to a device that may do whole
     * steps in a way of its own. An entry may be NULL, and so may the array. */
    struct recording **steps;
};

/* Makes the batches of these images ready on the device. If there are epochs to run, records the
 * steps of an epoch. The times of both go to the result. The caller ends it with epochs_free,
 * whatever is returned. */
enum status epochs_prepare(struct epochs *epochs, const struct images *images, struct error *error);

/* Runs epochs for plan->warm_up seconds, or until the observer stops them, and puts back what they
 * changed. */
enum status epochs_warm_up(struct epochs *epochs, struct error *error);

/* Runs the epochs that are left from result->reached on, each followed by its validation, and
 * updates that on the way. */
enum status epochs_run(struct epochs *epochs, struct error *error);

void epochs_free(struct epochs *epochs);

#endif
