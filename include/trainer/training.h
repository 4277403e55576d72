/* Training: the epoch loop over a data set, and what each phase took. */
#ifndef TRAINER_TRAINING_H
#define TRAINER_TRAINING_H

#include "trainer/dataset.h"
#include "trainer/network.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What becomes of the last batch of an epoch when the samples don't fill it. */
enum tail {
    TAIL_WRAP,  /* it is completed from the start of the data */
    TAIL_SHORT, /* it is smaller */
    TAIL_DROP,  /* it is left out */
};
extern const char *const tail_names[]; /* "wrap", "short", "drop", NULL */

/* Where the batches are during an epoch. */
enum batches {
    BATCHES_AUTO,     /* on the device if they fit, else streamed */
    BATCHES_RESIDENT, /* all of them on the device, made before the first epoch */
    BATCHES_STREAMED, /* on the host: each is sent when its turn comes, within the epoch */
};
extern const char *const batches_names[]; /* "auto", "resident", "streamed", NULL */

struct training_plan {
    size_t epochs, batch_size;
    double learning_rate;
    enum color color;
    enum tail tail;
    enum batches batches;
    bool shuffle;  /* a new order each epoch, else the order of the files */
    uint64_t seed; /* of that order */
};

/* Means over the samples of a pass, each taken before its batch's step. */
struct score {
    double loss;     /* of -log p[label] */
    double accuracy; /* share of samples whose largest p is the label's */
};

struct training_epoch {
    double seconds;
    struct score score;
};

struct training_result {
    size_t batches, samples;                       /* of one epoch; a wrapped tail counts again */
    bool streamed;                                 /* the batches were, else resident */
    double recording, batching, release, evaluate; /* seconds; see the README */
    size_t epochs_done;
    struct training_epoch *epochs; /* [plan.epochs], epochs_done of them filled */
    bool tested;
    struct score test;
};

/* Told of progress, on the calling thread; any may be NULL. */
struct training_observer {
    void *context;
    void (*batch)(void *context, size_t epoch, size_t batch, size_t batches);
    void (*epoch)(void *context, size_t epoch, const struct training_epoch *result);
};

/* The number of batches in an epoch over `samples`; 0 when TAIL_DROP leaves none. */
size_t training_batches(const struct training_plan *plan, size_t samples);

/* Checks that the device has room for training a network of this shape by this plan, and its
 * products at every shape that this has: network_check for each size of batch, and device_check
 * where the device's library is in doubt (device_info). What a device chooses or compiles for a
 * shape when it first occurs is then done. */
enum status training_check(struct device *device, const struct network_shape *shape,
    const struct dataset *dataset, const struct training_plan *plan, struct error *error);

/* Makes the batches on the network's device, trains for plan->epochs, and takes the test score.
 * `result` is filled as far as it went, whatever is returned, and ended by training_result_free.
 * STATUS_USAGE when the plan leaves no batch, or the network has fewer classes than the data.
 * STATUS_DIVERGED, naming epoch and batch, when a loss is not finite; the parameters are then those
 * at the end of that epoch. `observer->batch` is only told by devices that work while they are
 * called (device_info.synchronous); for the others it would say nothing true. */
enum status training_run(struct network *network, const struct dataset *dataset,
    const struct training_plan *plan, const struct training_observer *observer,
    struct training_result *result, struct error *error);
void training_result_free(struct training_result *result);

#ifdef __cplusplus
}
#endif
#endif
