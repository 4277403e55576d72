/* Which samples each rank takes, and what the ranks make of them together. */
#ifndef TRAINING_SHARE_H
#define TRAINING_SHARE_H

#include "trainer/training.h"

struct span {
    size_t first, count;
};

/* Of a batch, the samples from `first` on, those that rank number `rank` of `ranks` takes: B r / n
 * to B (r + 1) / n. They may be none. */
struct span share_of(struct span batch, size_t rank, size_t ranks);

/* The same by a plan, for this rank. */
struct span share_planned(const struct training_plan *plan, struct span batch);

/* Gives every rank what each has computed of its own samples: of values[samples.count, columns],
 * which belong to whole batches, those of other ranks' samples may be anything before. */
enum status share_results(const struct training_plan *plan, struct span samples, size_t columns,
    float *values, struct error *error);

/* Whether any rank's observer (NULL: there is none) wants the training to end. Ranks that ask must
 * all ask. */
enum status share_stop(const struct training_plan *plan, const struct training_observer *observer,
    bool *stop, struct error *error);

/* STATUS_DEVICE, naming the first rank whose parameters[length] differ from those of rank 0. */
enum status share_compare(
    const struct training_plan *plan, const float *parameters, size_t length, struct error *error);

/* Fills *spread with the least, the median and the greatest of the ranks' numbers. */
enum status share_spread(const struct training_plan *plan, double own,
    struct training_spread *spread, struct error *error);

#endif
