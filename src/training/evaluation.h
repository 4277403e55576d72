/* The evaluation of a network: its score on images that it is not trained with. */
#ifndef TRAINING_EVALUATION_H
#define TRAINING_EVALUATION_H

#include "training/loader.h"

struct evaluation {
    struct network *network;
    const struct training_plan *plan;
    const char *what; /* the set, for messages: "test" */
    struct loader loader;
    const struct images *images;
    struct view device_scores;   /* [images, 2] */
    float *scores;               /* [images, 2] */
    struct view device_outputs;  /* [images, classes]: as of network_evaluate; if they are kept */
    float *outputs;              /* likewise; NULL: they are not kept */
    struct recording *recording; /* of all batches; NULL: they are enqueued one by one */
    const struct training_observer *observer;
};

/* Makes the batches of these images, of the plan's size and so scaled, ready on the network's
 * device. With `again`, they will be scored more than once, and so are recorded where that can be.
 * Without it, evaluation_confusion can tell what they are taken for. The caller ends it with
 * evaluation_free, whatever is returned. */
enum status evaluation_create(struct evaluation *evaluation, struct network *network,
    const struct images *images, const struct image_scaling *scaling,
    const struct training_plan *plan, const char *what, bool again, struct error *error);

/* *score = the network's present score on the images. STATUS_DIVERGED when a loss is not finite,
 * STATUS_INTERRUPTED when the observer (NULL: there is none) stops it. */
enum status evaluation_score(struct evaluation *evaluation,
    const struct training_observer *observer, struct score *score, struct error *error);

/* Fills confusion[classes, classes], of the network's classes: how many images with the label of
 * the row are taken for the class of the column. They have been scored. */
void evaluation_confusion(const struct evaluation *evaluation, uint32_t *confusion);

void evaluation_free(struct evaluation *evaluation);

#endif
