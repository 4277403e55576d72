/* Where the batches of a pass over a data set come from: they are all on the device, or each is
 * sent there when its turn comes. */
#ifndef TRAINING_SOURCE_H
#define TRAINING_SOURCE_H

#include "trainer/training.h"

/* Samples on a device. */
struct batch {
    struct view x;      /* [samples, inputs] */
    struct view labels; /* [samples, 1] */
};

struct source_options {
    const struct images *images; /* they must stay as long as the source */
    enum color color;
    size_t samples;    /* of a pass: from the first image on, and from the first again */
    size_t batch_size; /* at most, in source_take */
    enum batches batches;
    size_t others; /* bytes that others will take of the device's memory in the meantime */
    bool shuffle;  /* a new order for each pass */
    uint64_t seed; /* of the orders */
};

struct source {
    struct device *device;
    struct source_options options;
    bool streamed;
    struct batch all;     /* unless streamed: every sample of a pass in order, or every image when
                           * passes are shuffled */
    struct batch one;     /* streamed or shuffled: the batch that was taken */
    struct view order;    /* shuffled, not streamed: [samples, 1], which image comes when */
    uint32_t *host_order; /* shuffled: the same, or all of the images where that is more */
    uint32_t *labels;     /* streamed: those of a pass, in its order */
    uint8_t *pixels;      /* streamed and shuffled: the same */
};

/* Whether the batches of such a source will be sent one at a time, on a device of which others take
 * `others` bytes more. */
bool source_is_streamed(struct device *device, const struct source_options *options, size_t others);

/* Bytes that such a source takes of the device, and of the host, at most. */
size_t source_device_bytes(const struct source_options *options, bool streamed);
size_t source_host_bytes(const struct source_options *options, bool streamed);

/* Makes everything ready, and waits until what is sent now is there. Ended by source_free, whatever
 * is returned. */
enum status source_create(struct device *device, const struct source_options *options,
    struct source *source, struct error *error);
void source_free(struct source *source);

/* Begins pass number `pass`. Everything taken in the one before must be done with. */
enum status source_begin(struct source *source, size_t pass, struct error *error);

/* Samples `first` to first + count of the pass, enqueued; valid until the next call. */
enum status source_take(
    struct source *source, size_t first, size_t count, struct batch *batch, struct error *error);

#endif
