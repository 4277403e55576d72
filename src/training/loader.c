#include "training/loader.h"

#include "system/budget.h"
#include "system/memory.h"
#include "trainer/random.h"
#include "training/share.h"

#include <stdlib.h>
#include <string.h>

static size_t inputs_of(const struct loader_options *options) {
    return image_inputs(options->images->format, options->color);
}

/* Whether batches are gathered from all images, by an order: so that it is a new one, or that a
 * batch is a copy, of which images may be turned. */
static bool is_gathered(const struct loader_options *options) {
    return options->shuffle || options->flip;
}

/* --- The rank's own samples --- */

/* Batch number `b` of the pass. */
static struct span batch_of(const struct loader_options *options, size_t b) {
    const size_t first = b * options->batch_size, left = options->samples - first;
    return (struct span){first, left < options->batch_size ? left : options->batch_size};
}

static struct span own_of(const struct loader_options *options, size_t b) {
    return share_of(batch_of(options, b), options->rank, options->ranks);
}

static size_t count_batches(const struct loader_options *options) {
    return (options->samples + options->batch_size - 1) / options->batch_size;
}

/* How many of the pass's samples are the rank's own. */
static size_t count_own(const struct loader_options *options) {
    size_t count = 0;
    for (size_t b = 0; b < count_batches(options); b++)
        count += own_of(options, b).count;
    return count;
}

/* The number, among the rank's own samples, of sample `first` of the pass. */
static size_t own_number(const struct loader_options *options, size_t first) {
    const size_t b = first / options->batch_size;
    return b * own_of(options, 0).count + first - own_of(options, b).first;
}

/* --- Memory --- */

/* The arrays of a loader: first those on the device, then those on the host. An array that a loader
 * does without has no elements. */
enum array {
    ALL_X,      /* [samples, inputs]: the rank's of a pass; if batches are gathered, every image */
    ALL_LABELS, /* [samples, 1]: their labels */
    ONE_X,      /* [batch_size, inputs]: the batch that was taken last */
    ONE_LABELS, /* [batch_size, 1]: its labels */
    ORDER,      /* [samples of a pass, 1]: the index of the image that each sample is */
    PASS,       /* [1, 1]: the number of the pass, by which others draw */
    DEVICE_ARRAYS,
    HOST_LABELS =
        DEVICE_ARRAYS, /* the labels to be sent; freed after that, unless batches are streamed */
    HOST_ORDER,        /* the elements of ORDER; as many as there are images, if that is more */
    HOST_PIXELS,       /* the pixels of a shuffled, streamed pass in its order, a byte each */
    ARRAYS
};

static void list_arrays(
    const struct loader_options *options, bool streamed, struct budget_row arrays[ARRAYS]) {
    const size_t images = options->images->count, samples = options->samples;
    const bool gathered = is_gathered(options);
    const size_t resident = streamed ? 0 : gathered ? images : count_own(options);
    const size_t most = (options->batch_size + options->ranks - 1) / options->ranks;
    const size_t one = streamed || gathered ? most : 0;
    const size_t ordered = gathered ? (images > samples ? images : samples) : 0;
    const size_t inputs = inputs_of(options), number = sizeof(float), index = sizeof(uint32_t);
    arrays[ALL_X] = (struct budget_row){resident * inputs, 0, number};
    arrays[ALL_LABELS] = (struct budget_row){resident, 0, index};
    arrays[ONE_X] = (struct budget_row){one * inputs, 0, number};
    arrays[ONE_LABELS] = (struct budget_row){one, 0, index};
    arrays[ORDER] = (struct budget_row){gathered && !streamed ? samples : 0, 0, index};
    arrays[PASS] = (struct budget_row){options->flip || options->draws, 0, index};
    arrays[HOST_LABELS] = (struct budget_row){streamed ? samples : resident, 0, index};
    arrays[HOST_ORDER] = (struct budget_row){ordered, 0, index};
    const size_t copied = options->shuffle && streamed ? samples : 0;
    arrays[HOST_PIXELS] = (struct budget_row){copied * image_bytes(options->images->format), 0, 1};
}

size_t loader_device_bytes(const struct loader_options *options, bool streamed) {
    struct budget_row arrays[ARRAYS];
    list_arrays(options, streamed, arrays);
    return budget_bytes(arrays, DEVICE_ARRAYS, 0);
}

size_t loader_host_bytes(const struct loader_options *options, bool streamed) {
    struct budget_row arrays[ARRAYS];
    list_arrays(options, streamed, arrays);
    return budget_bytes(arrays + DEVICE_ARRAYS, ARRAYS - DEVICE_ARRAYS, 0);
}

/* Whether a whole pass, its order and its scores fit on the device. They must take no more than
 * 9/10 of its free memory, so that they are not the last of it. */
static bool fits(struct device *device, const struct loader_options *options, size_t others) {
    const struct device_memory memory = device_memory(device);
    struct budget_row arrays[ARRAYS];
    list_arrays(options, false, arrays);
    const size_t scores = 4 * options->samples * sizeof(float);
    return budget_bytes(&arrays[ALL_X], 1, 0) <= memory.buffer_bytes &&
           budget_bytes(arrays, DEVICE_ARRAYS, 0) + scores + options->others + others <=
               memory.free_bytes / 10 * 9;
}

bool loader_is_streamed(
    struct device *device, const struct loader_options *options, size_t others) {
    return options->batches == BATCHES_STREAMED ||
           (options->batches == BATCHES_AUTO && !fits(device, options, others));
}

/* --- Making ready --- */

/* Allocates host memory for an array. NULL for an array without elements, and when memory is
 * refused; *status then says so. */
static void *allocate_on_host(
    const struct budget_row *array, const char *name, enum status *status, struct error *error) {
    const size_t bytes = budget_bytes(array, 1, 0);
    if (bytes == 0 || *status != STATUS_OK)
        return NULL;
    void *memory = memory_allocate(bytes);
    if (!memory)
        *status = error_memory(error, name, bytes);
    return memory;
}

/* Allocates an array on the device, and makes *view a view of it. For an array without elements,
 * *view stays as it is. */
static enum status allocate_on_device(struct device *device, const struct budget_row *array,
    size_t columns, struct view *view, struct error *error) {
    const size_t elements = budget_elements(array, 0);
    struct buffer *buffer;
    if (elements == 0)
        return STATUS_OK;
    const enum status status = device_allocate(device, elements, &buffer, error);
    if (status == STATUS_OK)
        *view = device_view(buffer, elements / columns, columns);
    return status;
}

static enum status allocate(struct loader *loader, struct error *error) {
    const size_t inputs = inputs_of(&loader->options);
    const struct {
        size_t columns;
        struct view *view;
    } on_device[DEVICE_ARRAYS] = {[ALL_X] = {inputs, &loader->all.x},
        [ALL_LABELS] = {1, &loader->all.labels},
        [ONE_X] = {inputs, &loader->one.x},
        [ONE_LABELS] = {1, &loader->one.labels},
        [ORDER] = {1, &loader->order},
        [PASS] = {1, &loader->pass}};
    struct budget_row arrays[ARRAYS];
    enum status status = STATUS_OK;
    list_arrays(&loader->options, loader->streamed, arrays);
    loader->labels = allocate_on_host(&arrays[HOST_LABELS], "labels", &status, error);
    loader->host_order =
        allocate_on_host(&arrays[HOST_ORDER], "the order of the samples", &status, error);
    loader->pixels =
        allocate_on_host(&arrays[HOST_PIXELS], "the samples in their order", &status, error);
    for (size_t a = 0; a < DEVICE_ARRAYS && status == STATUS_OK; a++)
        status = allocate_on_device(
            loader->device, &arrays[a], on_device[a].columns, on_device[a].view, error);
    return status;
}

/* Sends the bytes of images to the device. */
static enum status send_images(
    struct loader *loader, const uint8_t *pixels, struct view destination, struct error *error) {
    const struct image_format *format = loader->options.images->format;
    const struct image_scaling *scaling = &loader->options.scaling;
    struct pixel_format pixel = {.channels = format->channels,
        .plane = image_plane(format),
        .mixed = loader->options.color == COLOR_GREY,
        .weights = {format->grey[0], format->grey[1], format->grey[2]},
        .normalized = scaling->used};
    memcpy(pixel.means, scaling->means, sizeof pixel.means);
    memcpy(pixel.deviations, scaling->deviations, sizeof pixel.deviations);
    return device_upload_pixels(loader->device, pixels, &pixel, destination, error);
}

/* Sends to `destination` the pixels of the samples from `first` on, in the order of the images.
 * After the last image comes the first again. */
static enum status send_pixels(
    struct loader *loader, size_t first, struct view destination, struct error *error) {
    const struct images *images = loader->options.images;
    enum status status = STATUS_OK;
    for (size_t done = 0, count; done < destination.rows && status == STATUS_OK; done += count) {
        const size_t from = (first + done) % images->count, left = destination.rows - done;
        count = left < images->count - from ? left : images->count - from;
        status = send_images(loader, images->pixels + from * image_bytes(images->format),
            view_rows(destination, done, count), error);
    }
    return status;
}

/* Sends the pixels of all that is resident: the rank's samples of each batch one after another, or
 * every image. */
static enum status send_resident(struct loader *loader, struct error *error) {
    const struct loader_options *options = &loader->options;
    if (options->ranks == 1 || is_gathered(options))
        return send_pixels(loader, 0, loader->all.x, error);
    enum status status = STATUS_OK;
    for (size_t b = 0; b < count_batches(options) && status == STATUS_OK; b++) {
        const struct span own = own_of(options, b);
        if (own.count > 0)
            status = send_pixels(loader, own.first,
                view_rows(loader->all.x, own_number(options, own.first), own.count), error);
    }
    return status;
}

/* Sends what is resident to the device, and waits until it is there. */
static enum status send_all(struct loader *loader, struct error *error) {
    if (!loader->all.x.buffer) /* a rank may have no sample of a small set */
        return STATUS_OK;
    enum status status = device_upload(loader->device, loader->all.labels, loader->labels, error);
    if (status == STATUS_OK)
        status = send_resident(loader, error);
    struct error ignored;
    const enum status waited =
        device_synchronise(loader->device, status == STATUS_OK ? error : &ignored);
    free(loader->labels);
    loader->labels = NULL;
    return status == STATUS_OK ? waited : status;
}

/* Fills the labels that are sent: of all samples of a pass, of all images, or of what is the
 * rank's.
 */
static void fill_labels(struct loader *loader) {
    const struct loader_options *options = &loader->options;
    const struct images *images = options->images;
    const bool all = loader->streamed || is_gathered(options);
    const size_t count = loader->streamed ? options->samples : loader->all.labels.rows;
    for (size_t i = 0; i < count && all; i++)
        loader->labels[i] = images->labels[i % images->count];
    for (size_t b = 0, i = 0; b < count_batches(options) && !all; b++)
        for (size_t j = 0; j < own_of(options, b).count; j++)
            loader->labels[i++] = images->labels[(own_of(options, b).first + j) % images->count];
}

enum status loader_create(struct device *device, const struct loader_options *options,
    struct loader *loader, struct error *error) {
    const struct images *images = options->images;
    *loader = (struct loader){.device = device, .options = *options};
    loader->streamed = loader_is_streamed(device, options, 0);
    const enum status status = allocate(loader, error);
    if (status != STATUS_OK)
        return status;
    fill_labels(loader);
    if (!loader->streamed)
        return send_all(loader, error);
    const uint8_t *pixels = loader->pixels ? loader->pixels : images->pixels;
    const size_t count = loader->pixels ? options->samples : images->count;
    if (device_pin(device, pixels, count * image_bytes(images->format)))
        loader->pinned = pixels;
    return STATUS_OK;
}

void loader_free(struct loader *loader) {
    if (loader->pinned)
        device_unpin(loader->device, loader->pinned);
    buffer_free(loader->all.x.buffer);
    buffer_free(loader->all.labels.buffer);
    buffer_free(loader->one.x.buffer);
    buffer_free(loader->one.labels.buffer);
    buffer_free(loader->order.buffer);
    buffer_free(loader->pass.buffer);
    free(loader->host_order);
    free(loader->labels);
    free(loader->pixels);
}

/* --- A pass --- */

/* Makes the order of a pass, a new one if passes are shuffled. Where a pass has more samples than
 * images, the order continues from its own start. */
static void make_order(struct loader *loader, size_t pass) {
    const struct loader_options *options = &loader->options;
    const size_t images = options->images->count;
    uint32_t *order = loader->host_order;
    if (options->shuffle)
        random_permutation(options->seed, RANDOM_ORDER, (uint32_t)pass, order, images);
    for (size_t i = 0; i < images && !options->shuffle; i++)
        order[i] = (uint32_t)i;
    for (size_t i = images; i < options->samples; i++)
        order[i] = order[i - images];
}

enum status loader_begin(struct loader *loader, size_t pass, struct error *error) {
    const struct loader_options *options = &loader->options;
    const struct images *images = options->images;
    const uint32_t *order = loader->host_order;
    enum status status = STATUS_OK;
    loader->host_pass = (uint32_t)pass;
    if (loader->pass.buffer)
        status = device_upload(loader->device, loader->pass, &loader->host_pass, error);
    if (status != STATUS_OK || !is_gathered(options))
        return status;
    make_order(loader, pass);
    if (!loader->streamed)
        return device_upload(loader->device, loader->order, order, error);
    if (!options->shuffle)
        return STATUS_OK;
    const size_t bytes = image_bytes(images->format);
    for (size_t i = 0; i < options->samples; i++) {
        loader->labels[i] = images->labels[order[i]];
        memcpy(loader->pixels + i * bytes, images->pixels + (size_t)order[i] * bytes, bytes);
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
               ? send_images(loader,
                     loader->pixels + first * image_bytes(loader->options.images->format), batch->x,
                     error)
               : send_pixels(loader, first, batch->x, error);
}

struct batch loader_batch(const struct loader *loader, size_t first, size_t count) {
    return loader->streamed || is_gathered(&loader->options)
               ? rows_of(&loader->one, 0, count)
               : rows_of(&loader->all, own_number(&loader->options, first), count);
}

struct draws loader_draws(const struct loader *loader, size_t first) {
    return (struct draws){loader->options.seed, first, loader->pass};
}

enum status loader_take(
    struct loader *loader, size_t first, size_t count, struct batch *batch, struct error *error) {
    const struct loader_options *options = &loader->options;
    enum status status = STATUS_OK;
    *batch = loader_batch(loader, first, count);
    if (loader->streamed)
        status = send(loader, first, batch, error);
    else if (is_gathered(options))
        status = gather(loader, first, batch, error);
    if (status != STATUS_OK || !options->flip)
        return status;
    const struct draws draws = loader_draws(loader, first);
    return device_flip(loader->device, batch->x, &draws, options->images->format->side, error);
}
