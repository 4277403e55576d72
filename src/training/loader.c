#include "training/loader.h"

#include "system/memory.h"
#include "trainer/random.h"

#include <stdlib.h>
#include <string.h>

/* --- Making ready --- */

static size_t inputs_of(const struct loader_options *options) {
    return options->color == COLOR_GREY ? CIFAR10_PLANE : CIFAR10_PIXELS;
}

/* Samples that are on the device unless the pass is streamed. */
static size_t resident_samples(const struct loader_options *options) {
    return options->shuffle ? options->images->count : options->samples;
}

size_t loader_device_bytes(const struct loader_options *options, bool streamed) {
    const size_t row = inputs_of(options) + 1; /* with the label */
    const size_t all = streamed ? 0 : resident_samples(options) * row;
    const size_t one = streamed || options->shuffle ? options->batch_size * row : 0;
    const size_t order = options->shuffle && !streamed ? options->samples : 0;
    return (all + one + order) * sizeof(float);
}

/* With the labels that are only there until they are sent. */
size_t loader_host_bytes(const struct loader_options *options, bool streamed) {
    const size_t count = options->images->count;
    const size_t ordered = count > options->samples ? count : options->samples;
    const size_t labels = streamed ? options->samples : resident_samples(options);
    return labels * sizeof(uint32_t) + (options->shuffle ? ordered * sizeof(uint32_t) : 0) +
           (options->shuffle && streamed ? options->samples * CIFAR10_PIXELS : 0);
}

/* Whether the whole pass, its order and its scores have room on the device, and so much more that
 * this is not the last of its memory. */
static bool fits(struct device *device, const struct loader_options *options, size_t others) {
    const struct device_memory memory = device_memory(device);
    const size_t images = resident_samples(options) * inputs_of(options) * sizeof(float);
    const size_t scores = 4 * options->samples * sizeof(float);
    return images <= memory.buffer_bytes &&
           loader_device_bytes(options, false) + scores + options->others + others <=
               memory.free_bytes / 10 * 9;
}

bool loader_is_streamed(
    struct device *device, const struct loader_options *options, size_t others) {
    return options->batches == BATCHES_STREAMED ||
           (options->batches == BATCHES_AUTO && !fits(device, options, others));
}

static enum status allocate_view(
    struct device *device, size_t rows, size_t columns, struct view *view, struct error *error) {
    struct buffer *buffer;
    const enum status status = device_allocate(device, rows * columns, &buffer, error);
    if (status == STATUS_OK)
        *view = device_view(buffer, rows, columns);
    return status;
}

static enum status allocate_batch(
    struct loader *loader, size_t samples, struct batch *batch, struct error *error) {
    const enum status status =
        allocate_view(loader->device, samples, inputs_of(&loader->options), &batch->x, error);
    return status == STATUS_OK ? allocate_view(loader->device, samples, 1, &batch->labels, error)
                               : status;
}

/* The labels of a pass in the images' order. The caller frees them. */
static uint32_t *repeat_labels(const struct images *images, size_t samples) {
    uint32_t *labels = malloc(samples * sizeof *labels);
    for (size_t i = 0; labels && i < samples; i++)
        labels[i] = images->labels[i % images->count];
    return labels;
}

/* destination = the pixels of samples from `first` on, in the images' order. */
static enum status send_pixels(
    struct loader *loader, size_t first, struct view destination, struct error *error) {
    const struct images *images = loader->options.images;
    enum status status = STATUS_OK;
    for (size_t done = 0, count; done < destination.rows && status == STATUS_OK; done += count) {
        const size_t from = (first + done) % images->count, left = destination.rows - done;
        count = left < images->count - from ? left : images->count - from;
        status = device_upload_pixels(loader->device, images->pixels + from * CIFAR10_PIXELS,
            loader->options.color, view_rows(destination, done, count), error);
    }
    return status;
}

/* Every sample to the device. Waits until they are there. */
static enum status send_all(struct loader *loader, struct error *error) {
    const size_t samples = resident_samples(&loader->options);
    uint32_t *labels = repeat_labels(loader->options.images, samples);
    if (!labels)
        return error_memory(error, "labels", samples * sizeof *labels);
    enum status status = allocate_batch(loader, samples, &loader->all, error);
    if (status == STATUS_OK)
        status = device_upload(loader->device, loader->all.labels, labels, error);
    if (status == STATUS_OK)
        status = send_pixels(loader, 0, loader->all.x, error);
    struct error ignored;
    const enum status waited =
        device_synchronise(loader->device, status == STATUS_OK ? error : &ignored);
    free(labels);
    return status == STATUS_OK ? waited : status;
}

/* Host memory of what is sent later. */
static enum status keep_host(struct loader *loader, struct error *error) {
    const struct loader_options *options = &loader->options;
    const size_t samples = options->samples, count = options->images->count;
    size_t wanted = 0;
    bool got = true;
    if (options->shuffle) {
        const size_t ordered = count > samples ? count : samples;
        wanted += ordered * sizeof *loader->host_order;
        loader->host_order = malloc(ordered * sizeof *loader->host_order);
        got = loader->host_order != NULL;
    }
    if (loader->streamed) {
        wanted += samples * sizeof *loader->labels;
        loader->labels = repeat_labels(options->images, samples);
        got = got && loader->labels;
    }
    if (loader->streamed && options->shuffle) {
        wanted += samples * CIFAR10_PIXELS;
        loader->pixels = memory_allocate(samples * CIFAR10_PIXELS);
        got = got && loader->pixels;
    }
    return got ? STATUS_OK : error_memory(error, "the order of the samples", wanted);
}

enum status loader_create(struct device *device, const struct loader_options *options,
    struct loader *loader, struct error *error) {
    *loader = (struct loader){.device = device, .options = *options};
    loader->streamed = loader_is_streamed(device, options, 0);
    enum status status = keep_host(loader, error);
    if (status == STATUS_OK && !loader->streamed)
        status = send_all(loader, error);
    if (status == STATUS_OK && (loader->streamed || options->shuffle))
        status = allocate_batch(loader, options->batch_size, &loader->one, error);
    if (status == STATUS_OK && options->shuffle && !loader->streamed)
        status = allocate_view(device, options->samples, 1, &loader->order, error);
    return status;
}

void loader_free(struct loader *loader) {
    device_release(loader->all.x.buffer);
    device_release(loader->all.labels.buffer);
    device_release(loader->one.x.buffer);
    device_release(loader->one.labels.buffer);
    device_release(loader->order.buffer);
    free(loader->host_order);
    free(loader->labels);
    free(loader->pixels);
}

/* --- A pass --- */

/* A new order of the images, completed from its own start. */
enum status loader_begin(struct loader *loader, size_t pass, struct error *error) {
    const struct loader_options *options = &loader->options;
    const struct images *images = options->images;
    uint32_t *order = loader->host_order;
    if (!options->shuffle)
        return STATUS_OK;
    random_permutation(options->seed, RANDOM_ORDER, (uint32_t)pass, order, images->count);
    for (size_t i = images->count; i < options->samples; i++)
        order[i] = order[i - images->count];
    if (!loader->streamed)
        return device_upload(loader->device, loader->order, order, error);
    for (size_t i = 0; i < options->samples; i++) {
        loader->labels[i] = images->labels[order[i]];
        memcpy(loader->pixels + i * CIFAR10_PIXELS,
            images->pixels + (size_t)order[i] * CIFAR10_PIXELS, CIFAR10_PIXELS);
    }
    return STATUS_OK;
}

static struct batch rows_of(const struct batch *batch, size_t first, size_t count) {
    return (struct batch){
        view_rows(batch->x, first, count), view_rows(batch->labels, first, count)};
}

static enum status gather(
    struct loader *loader, size_t first, const struct batch *batch, struct error *error) {
    const struct view order = view_rows(loader->order, first, batch->x.rows);
    const enum status status =
        device_gather_rows(loader->device, loader->all.x, order, batch->x, error);
    return status == STATUS_OK
               ? device_gather_rows(loader->device, loader->all.labels, order, batch->labels, error)
               : status;
}

static enum status send(
    struct loader *loader, size_t first, const struct batch *batch, struct error *error) {
    const enum status status =
        device_upload(loader->device, batch->labels, loader->labels + first, error);
    if (status != STATUS_OK)
        return status;
    return loader->pixels
               ? device_upload_pixels(loader->device, loader->pixels + first * CIFAR10_PIXELS,
                     loader->options.color, batch->x, error)
               : send_pixels(loader, first, batch->x, error);
}

enum status loader_take(
    struct loader *loader, size_t first, size_t count, struct batch *batch, struct error *error) {
    if (!loader->streamed && !loader->options.shuffle) {
        *batch = rows_of(&loader->all, first, count);
        return STATUS_OK;
    }
    *batch = rows_of(&loader->one, 0, count);
    return loader->streamed ? send(loader, first, batch, error)
                            : gather(loader, first, batch, error);
}
