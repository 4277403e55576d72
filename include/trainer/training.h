/* Training: the epoch loop over a data set, and what each phase took.
 *
 * A pass takes the samples of a set once, in batches. An epoch is a pass over the training set,
 * with a step of the network after each batch. All times are seconds of a monotonic clock; from
 * when to when each one goes is told in README.md, "What each second means".
 */
#ifndef TRAINER_TRAINING_H
#define TRAINER_TRAINING_H

#include "trainer/dataset.h"
#include "trainer/network.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What becomes of the last batch of an epoch when the samples don't fill it. */
enum tail {
    TAIL_WRAP,  /* it is completed from the start of the pass: of the data, or of its new order */
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
    size_t epochs;        /* 0: only the test set is done */
    size_t batch_size;    /* samples of a step, at least 1 */
    double learning_rate; /* a step takes so much of the gradient off the parameters */
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
    double seconds; /* until the device is idle again, and the scores are on the host */
    struct score score;
};

/* Where a run stands between two of its steps: with the parameters, all that is needed to go on
 * from there as if nothing had been. The order of the samples needs no state: it follows from the
 * seed and the epoch's number. */
struct training_position {
    size_t epochs_done;
    struct training_epoch *epochs;     /* [epochs_done] */
    size_t batches_done, samples_done; /* of the epoch after those */
    float *scores;                     /* [samples_done, 2], as of network_train */
    double seconds;                    /* that those batches took */
};
void training_position_free(struct training_position *position);

/* Whether it is a position in plan->epochs passes over `samples`: STATUS_USAGE if not. */
enum status training_check_position(const struct training_plan *plan, size_t samples,
    const struct training_position *position, struct error *error);

struct training_result {
    size_t batches, samples; /* of one epoch; a wrapped tail counts again */
    bool streamed;           /* the batches were, else resident */
    double recording; /* seconds to record an epoch's operations, a part of the record's `open` */
    double batching, release, evaluate; /* seconds of these phases */
    double unfinished;                  /* seconds of this run in an epoch that did not end */
    struct training_position reached;
    bool tested;       /* the test set was done, with the parameters after the last epoch */
    struct score test; /* of it, if so */
};

/* Told of progress, on the calling thread; any may be NULL. Between two epochs, in `epoch`, the
 * network is at result->reached, and its parameters may be downloaded. */
struct training_observer {
    void *context;
    /* `batch` batches of `batches` are done in epoch number `epoch`, from 0. */
    void (*batch)(void *context, size_t epoch, size_t batch, size_t batches);
    /* Epoch number `epoch`, from 0, is done: the last of result->reached.epochs. */
    void (*epoch)(void *context, size_t epoch, const struct training_result *result);
    bool (*stop)(void *context); /* whether to end: asked after each batch, if it is called alone */
};

/* The number of batches in an epoch over `samples`; 0 when TAIL_DROP leaves none. */
size_t training_batches(const struct training_plan *plan, size_t samples);

/* Whether the host has the memory for what a run begins with, on whatever device: so many images of
 * this form, and the parameters. STATUS_DEVICE, saying what limits it, if not. To be asked before
 * any of it is there: the system may promise memory that it has not, and end the process that uses
 * it. */
enum status training_check_host(const struct network_shape *shape,
    const struct image_format *format, size_t images, struct error *error);

/* Checks that device and host have the memory for training a network of this shape by this plan:
 * network_check_budget, with what the training itself takes. And checks the device's products at
 * every shape that the training has: network_check for each size of batch, and device_check where
 * the device's library is suspect (device_info). What a device chooses or compiles for a shape when
 * it first occurs is then done. */
enum status training_check(struct device *device, const struct network_shape *shape,
    const struct dataset *dataset, const struct training_plan *plan, struct error *error);

/* What a run takes at its height, in bytes: of host memory, with the data set and the parameters;
 * and of the device, which on a host device is host memory, too. What libraries and drivers take
 * for themselves is not counted. */
struct training_memory {
    size_t host, device;
    bool streamed; /* BATCHES_AUTO will come to BATCHES_STREAMED */
};

/* Foretells it for a network that is not yet there, on a device of which nothing is used; of the
 * data set, its images need not be there (dataset_plan). */
struct training_memory training_memory(struct device *device, const struct network_shape *shape,
    const struct dataset *dataset, const struct training_plan *plan);

/* Makes the batches on the network's device, trains until plan->epochs are done, and takes the test
 * score. It begins at `start`, at which the network's parameters must be; NULL: at the first batch.
 * `result` is filled as far as it went, whatever is returned, and ended by training_result_free.
 * STATUS_USAGE when the plan leaves no batch, the network has fewer classes than the data, or
 * `start` is no position of this plan.
 * STATUS_DIVERGED, naming epoch and batch, when a loss is not finite; the parameters are then those
 * at the end of that epoch.
 * STATUS_INTERRUPTED when observer->stop says so: what was enqueued is done (on a device that works
 * while it is called, a batch; on one that is given more at a time, up to an epoch), and the
 * parameters are those at result->reached.
 * `observer->batch` is only told by devices that work while they are called
 * (device_info.synchronous); for the others it would say nothing true. */
enum status training_run(struct network *network, const struct dataset *dataset,
    const struct training_plan *plan, const struct training_position *start,
    const struct training_observer *observer, struct training_result *result, struct error *error);
void training_result_free(struct training_result *result);

#ifdef __cplusplus
}
#endif
#endif
