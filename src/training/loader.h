/* Gives the batches of a pass over a data set: they are all on the device, or each is sent there
 * when its turn comes. */
#ifndef TRAINING_LOADER_H
#define TRAINING_LOADER_H

#include "trainer/training.h"

/* Samples on a device. */
struct batch {
    struct view x;      /* [samples, inputs] */
    struct view labels; /* [samples, 1] */
};

struct loader_options {
    const struct images *images; /* they must stay as long as the loader */
    enum color color;
    size_t samples;    /* of a pass: from the first image on, and from the first again */
    size_t batch_size; /* at most, in loader_take */
    enum batches batches;
    size_t others; /* bytes that others will take of the device's memory in the meantime */
    bool shuffle;  /* a new order for each pass */
    uint64_t seed; /* of the orders */
};

struct loader {
    struct device *device;
    struct loader_options options;
    bool streamed;
    /* What it has of the arrays that loader.c lists: */
    struct batch all, one; /* unless streamed: every sample; the batch that was taken */
    struct view order;
    uint32_t *host_order, *labels;
    uint8_t *pixels;
};

/* Whether the batches of such a loader will be sent one at a time, on a device of which others take
 * `others` bytes more. */
bool loader_is_streamed(struct device *device, const struct loader_options *options, size_t others);

/* Bytes that such a loader takes of the device, and of the host. */
size_t loader_device_bytes(const struct loader_options *options, bool streamed);
size_t loader_host_bytes(const struct loader_options *options, bool streamed);

/* Makes everything ready, and waits until what is sent now is there. Ended by loader_free, whatever
 * is returned. */
enum status loader_create(struct device *device, const struct loader_options *options,
    struct loader *loader, struct error *error);
void loader_free(struct loader *loader);

/* Begins pass number `pass`. Everything taken in the one before must be done with. */
enum status loader_begin(struct loader *loader, size_t pass, struct error *error);

/* Samples `first` to first + count of the pass, enqueued; valid until the next call. */
enum status loader_take(
    struct loader *loader, size_t first, size_t count, struct batch *batch, struct error *error);

#endif
