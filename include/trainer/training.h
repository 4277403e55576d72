/* Training: the epochs over a data set, and the time that each phase takes.
 *
 * A pass takes the samples of a set once, in batches. An epoch is a pass over the training set,
 * with a step of the network after each batch. All times are seconds of a monotonic clock.
 * README.md, "What each second means", says from when to when each phase goes. */
#ifndef TRAINER_TRAINING_H
#define TRAINER_TRAINING_H

#include "trainer/dataset.h"
#include "trainer/network.h"
#include "trainer/optimizer.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What to do with the last batch of an epoch when the samples don't fill it. */
enum tail {
    TAIL_WRAP,  /* complete it with the first samples of the pass */
    TAIL_SHORT, /* take it with fewer samples */
    TAIL_DROP,  /* leave it out */
};
extern const char *const tail_names[]; /* "wrap", "short", "drop", NULL */

/* Where the batches are during an epoch. */
enum batches {
    BATCHES_AUTO,     /* resident if they fit on the device, else streamed */
    BATCHES_RESIDENT, /* all of them on the device, sent before the first epoch */
    BATCHES_STREAMED, /* on the host; each batch is sent within the epoch, when its turn comes */
};
extern const char *const batches_names[]; /* "auto", "resident", "streamed", NULL */

struct training_plan {
    size_t epochs;                   /* 0: only the test score is computed */
    size_t batch_size;               /* samples of a step, at least 1 */
    double learning_rate;            /* gradient descent: parameters -= learning_rate * gradient */
    struct optimizer_plan optimizer; /* optimizer_of is the network's */
    enum schedule schedule;          /* of the learning rate, */
    size_t warm_up_epochs;           /* which rises to its value in so many epochs first */
    /* Seconds of epochs, before the first one that counts, from which nothing is kept: the clocks
     * of a device may rise only under load. 0: none. */
    double warm_up;
    enum color color;
    bool normalize; /* scale the images by images_scaling of the training set */
    enum tail tail;
    enum batches batches;
    bool shuffle;  /* take the samples in a new order each epoch, else in the order of the files */
    bool flip;     /* turn each image left to right, or not, by chance, anew in each epoch */
    uint64_t seed; /* of that order, and of chance: of what the network drops, too */

    /* Images of the training set that are held back (dataset_hold_back), and scored after every
     * epoch; 0: none, and then none of what follows is asked for. */
    size_t validation;
    double target_accuracy; /* of them, at which the training ends; 0: none */
    size_t patience;        /* epochs without a better accuracy, after which it ends; 0: none */
    bool keep_best; /* the parameters of the epoch with the best accuracy are kept and tested */

    /* The ranks that train together, the device's as well; NULL: this process is alone. Of a batch
     * of B samples rank r of n takes those from B r / n to B (r + 1) / n. What follows from chance,
     * and the order of the samples, depends on the samples and not on the ranks. */
    struct communicator *communicator;
};

/* What a training came to its end by. */
enum training_end { ENDED_NOT, ENDED_EPOCHS, ENDED_TARGET, ENDED_PATIENCE };
extern const char *const training_end_names[]; /* "", "epochs", "target", "patience" */

/* Means over the samples of a pass. Each sample is scored before the step of its batch. */
struct score {
    double loss;     /* of -log p[label] */
    double accuracy; /* share of samples whose largest p is the label's */
};

struct training_epoch {
    /* From the start of the epoch until its scores are on the host and the device is idle. */
    double seconds;
    struct score score;
};

/* The score on the images that are held back, after an epoch, and the time that it took. */
struct training_validation {
    double seconds;
    struct score score;
};

/* Where a run stands between two of its steps. Together with the parameters and the states of the
 * optimiser, it is all that is needed to continue as if the run had never stopped. The order of the
 * samples is not in it, because it follows from the seed and the number of the epoch. */
struct training_position {
    size_t epochs_done;
    struct training_epoch *epochs;     /* [epochs_done] */
    size_t batches_done, samples_done; /* done of the next epoch */
    float *scores;                     /* [samples_done, 2], as of network_train */
    double seconds;                    /* the time that those batches took */
    size_t validated; /* as epochs_done where images are held back, unless a loss was not finite */
    struct training_validation *validations; /* [validated] */
    /* With keep_best: an array of network_length, of which the parameters are those of the best
     * epoch, once one is validated. */
    float *best;
};
void training_position_free(struct training_position *position);

/* The index of the epoch with the best accuracy in validation, the first of equals; and of the
 * first one that has come to the plan's target, `validated` if none has. */
size_t training_best_epoch(const struct training_position *position);
size_t training_target_epoch(
    const struct training_plan *plan, const struct training_position *position);

/* Whether `position` can occur in plan->epochs epochs over `samples` samples: STATUS_USAGE if
 * not. */
enum status training_check_position(const struct training_plan *plan, size_t samples,
    const struct training_position *position, struct error *error);

/* The clocks of the device, as they were read before the first epoch, between epochs, though not
 * after every short one, and after the last. */
struct training_clocks {
    size_t readings; /* 0: the device can't tell, and nothing else is known */
    struct device_clocks least, most;
    unsigned limits; /* all that there were, bits of enum clock_limit */
};

/* Over the ranks. */
struct training_spread {
    double least, median, greatest;
};

struct training_result {
    size_t batches, samples; /* of one epoch; samples that complete the last batch count again */
    bool streamed;           /* the batches were streamed, else they were resident */
    /* Seconds to record an epoch's operations; record_summary.open has them, too. */
    double recording;
    double batching, warm_up, release, evaluate; /* seconds of these phases */
    double unfinished; /* seconds that this run spent in an epoch that did not end */
    double validate;   /* seconds that this run spent on validation */
    /* Of several ranks: seconds of this run's epochs in which a rank computed and in which it
     * exchanged, waiting for others included (all 0 where the device exchanges by itself, which
     * is then part of its computing); and seconds, between the epochs, in which ranks
     * wait for one another and compare their parameters. */
    struct training_spread computing, exchanging;
    double meet;
    enum training_end ended;
    struct image_scaling scaling;
    struct training_clocks clocks;
    struct training_position reached;
    /* `test` is filled: the score of the test set, with the parameters after the last epoch, or
     * with the best. */
    bool tested;
    struct score test; /* if `tested` */
    /* [classes, classes], of the network's: how many test images with the label of the row were
     * taken for the class of the column; NULL unless `tested`. */
    uint32_t *confusion;
};

/* Functions that are told of the progress, on the calling thread; each may be NULL. When `epoch` is
 * called, the network is at result->reached, and its parameters may be downloaded. */
struct training_observer {
    void *context;
    /* `batch` of `batches` batches are done in epoch `epoch`, counted from 0. */
    void (*batch)(void *context, size_t epoch, size_t batch, size_t batches);
    /* Epoch `epoch`, counted from 0, is done. It is the last of result->reached.epochs. */
    void (*epoch)(void *context, size_t epoch, const struct training_result *result);
    /* Whether the training shall end. It is asked between epochs, those of the warm-up, too, before
     * each batch of the test set, and after each batch of an epoch that is enqueued batch by
     * batch. */
    bool (*stop)(void *context);
};

/* The most samples of a batch that a rank takes: what a network is created for. */
size_t training_share(const struct training_plan *plan);

/* The number of batches in an epoch over `samples` samples; 0 when TAIL_DROP leaves none. */
size_t training_batches(const struct training_plan *plan, size_t samples);

/* Whether the host has the memory that so many processes take first, on any device: each has
 * `images` images of this form, and the parameters of the network. STATUS_DEVICE, saying what
 * limits the memory, if not. A program asks this before it allocates any of it, because the system
 * may promise memory that it does not have, and then end the process that uses it. */
enum status training_check_host(const struct network_shape *shape,
    const struct image_format *format, size_t images, int processes, struct error *error);

/* STATUS_USAGE where the plan leaves no batch, or a rank without a sample. Checks whether device
 * and host have the memory to train a network of this shape by this plan (network_check_budget,
 * with what the training takes besides). Then checks the device's matrix products at every shape
 * that the training will have: network_check for each size of batch, and device_check at
 * device_info.suspect_side if there is one. So what a device chooses or compiles when a shape first
 * occurs is done before the first epoch. */
enum status training_check(struct device *device, const struct network_shape *shape,
    const struct dataset *dataset, const struct training_plan *plan, struct error *error);

/* The bytes that a run takes at its height. `host` is host memory, with the data set and the
 * parameters. `device` is the device's memory; a host device takes it from the host as well. What
 * libraries and drivers take for themselves is not counted. */
struct training_memory {
    size_t host, device;
    bool streamed; /* the batches will be streamed */
};

/* The memory that a run will take, told before there is a network and while nothing of the device's
 * memory is in use. The images of the data set need not be loaded (dataset_plan). */
struct training_memory training_memory(struct device *device, const struct network_shape *shape,
    const struct dataset *dataset, const struct training_plan *plan);

/* Makes the batches on the network's device, trains until plan->epochs epochs are done, and
 * computes the test score. Where images are held back, they are scored between the epochs, and the
 * training may end before its last one. The run begins at `start`, for which the network must have
 * the right parameters; NULL: at the first batch. `result` is filled as far as the run came,
 * whatever is returned, and the caller ends it with training_result_free.
 *
 * STATUS_USAGE when the plan leaves no batch, the network has fewer classes than the data, or
 * `start` is no position of this plan. STATUS_DIVERGED, naming epoch and batch, when a loss is not
 * finite; the parameters are then those at the end of that epoch.
 *
 * With plan->warm_up, the first epoch is run again and again for so long, each time from the same
 * parameters, which are then put back: the run gives the same bits as without it. A device that is
 * given an epoch at a time ends its last one.
 *
 * Ranks all call it, with the same plan. Each has the same scores and comes to the same end. The
 * losses are those of one process but for rounding. After each epoch the ranks compare their
 * parameters: STATUS_DEVICE where they differ. When any rank's observer stops, all do, after an
 * epoch, or with a device that is synchronous after a batch. Each of these ends is known to all
 * ranks. Any other failure is this rank's own: it should call communicator_abort.
 *
 * STATUS_INTERRUPTED when observer->stop returns true. Everything that was enqueued is then done,
 * and the parameters are those at result->reached. A device that works while it is called stops
 * after a batch; one that is given an epoch at a time stops after that epoch.
 *
 * `observer->batch` is called only for devices that work while they are called
 * (device_info.synchronous). For the others, nobody knows which batch they are at. */
enum status training_run(struct network *network, const struct dataset *dataset,
    const struct training_plan *plan, const struct training_position *start,
    const struct training_observer *observer, struct training_result *result, struct error *error);
void training_result_free(struct training_result *result);

#ifdef __cplusplus
}
#endif
#endif
