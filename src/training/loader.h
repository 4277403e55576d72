/* A loader gives the batches of a pass over a data set. Either all of them are on the device, or
 * each is sent when its turn comes. */
#ifndef TRAINING_LOADER_H
#define TRAINING_LOADER_H

#include "trainer/training.h"

/* Samples on a device. */
struct batch {
    struct view x;      /* [samples, inputs] */
    struct view labels; /* [samples, 1] */
};

/* The operations by which a batch on the device is made: where a plan shuffles or flips, its images
 * and labels are gathered, and images are turned. */
size_t loader_operations(const struct training_plan *plan);

struct loader_options {
    const struct images *images; /* they must outlive the loader */
    enum color color;
    struct image_scaling scaling;
    /* Samples of a pass: from the first image on, and after the last one from the first again. */
    size_t samples;
    size_t batch_size;  /* samples of a step, of all ranks together */
    size_t rank, ranks; /* this rank; loader_take will be asked only for its share of a batch */
    enum batches batches;
    size_t others; /* bytes of the device's memory that others will take while the loader exists */
    bool shuffle;  /* a new order for each pass */
    bool flip;     /* each pass turns half of the images, by chance (device_flip) */
    bool draws;    /* others draw, too (loader_draws) */
    uint64_t seed; /* of the orders, and what is drawn */
};

struct loader {
    struct device *device;
    struct loader_options options;
    bool streamed;
    /* The arrays of the loader, as loader.c lists them. */
    struct batch all, one; /* every sample (unless streamed); the batch that was taken last */
    struct view order, pass;
    uint32_t *host_order, *labels;
    uint32_t host_pass; /* what is sent to `pass`: the number of the pass */
    uint8_t *pixels;
    const uint8_t *pinned; /* what device_pin holds; NULL: nothing */
};

/* Whether such a loader will stream its batches, when others take `others` bytes more of the
 * device's memory. */
bool loader_is_streamed(struct device *device, const struct loader_options *options, size_t others);

/* Bytes that such a loader takes on the device, and on the host. */
size_t loader_device_bytes(const struct loader_options *options, bool streamed);
size_t loader_host_bytes(const struct loader_options *options, bool streamed);

/* Allocates everything. Unless batches are streamed, sends all samples and waits until they are
 * there. The caller ends it with loader_free, whatever is returned. */
enum status loader_create(struct device *device, const struct loader_options *options,
    struct loader *loader, struct error *error);
void loader_free(struct loader *loader);

/* Begins pass number `pass`. The batches of the pass before it must no longer be in use. */
enum status loader_begin(struct loader *loader, size_t pass, struct error *error);

/* The batch that loader_take will give for samples from `first` to first + count - 1. Nothing is
 * brought there. */
struct batch loader_batch(const struct loader *loader, size_t first, size_t count);

/* What is drawn for samples of the pass from `first` on, where the options say that something is.
 */
struct draws loader_draws(const struct loader *loader, size_t first);

/* Gives the samples from `first` to first + count - 1 of the pass. What it takes to bring them
 * there is enqueued. The batch is valid until the next call. */
enum status loader_take(
    struct loader *loader, size_t first, size_t count, struct batch *batch, struct error *error);

#endif
