#include "trainer/dataset.h"

#include "dataset/origin.h"
#include "system/clock.h"
#include "system/hash.h"
#include "system/memory.h"
#include "system/places.h"
#include "system/team.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int dataset_default_path(char *path, size_t size) {
    const char *named = getenv("TRAINER_DATA_DIR");
    if (named && *named) {
        snprintf(path, size, "%s", named);
        return 1;
    }
    places_cache("trainer/cifar-10-batches-bin", path, size, NULL);
    return 0;
}

/* Fills dataset->path and dataset->origin. The path of the synthetic set is "". */
static enum status find(const char *data, struct dataset *dataset, struct error *error) {
    char *path = dataset->path;
    struct stat status;
    if (data)
        snprintf(path, sizeof dataset->path, "%s", strcmp(data, "synthetic") == 0 ? "" : data);
    else if (!dataset_default_path(path, sizeof dataset->path) && stat(path, &status) != 0)
        path[0] = '\0';
    dataset->origin = path[0] ? "files" : "synthetic";
    return strlen(path) + 1 < sizeof dataset->path
               ? STATUS_OK
               : error_set(error, STATUS_DATASET,
                     "the path of the data set has over 1022 bytes: %.80s...", path);
}

static enum status allocate(struct images *images, struct error *error) {
    const size_t count = images->count;
    images->pixels = memory_allocate(count * image_bytes(images->format));
    images->labels = memory_allocate(count);
    return images->pixels && images->labels
               ? STATUS_OK
               : error_memory(error, "images", count * image_record(images->format));
}

static size_t cut(size_t count, size_t samples) {
    return samples > 0 && samples < count ? samples : count;
}

/* Creates a data set that has its path and its counts, but no images. */
static enum status create(
    const struct dataset_options *options, struct dataset **dataset, struct error *error) {
    *dataset = calloc(1, sizeof **dataset);
    if (!*dataset)
        return error_memory(error, "the data set", sizeof **dataset);
    const struct image_format *format = &cifar10_format;
    (*dataset)->train =
        (struct images){.count = cut(format->train, options->samples), .format = format};
    (*dataset)->test =
        (struct images){.count = cut(format->test, options->samples), .format = format};
    return find(options->data, *dataset, error);
}

static enum status fill(
    const struct dataset_options *options, struct dataset *dataset, struct error *error) {
    struct images *train = &dataset->train, *test = &dataset->test;
    enum status status = allocate(train, error);
    if (status == STATUS_OK)
        status = allocate(test, error);
    if (status != STATUS_OK)
        return status;
    const int threads = team_start(options->threads);
    if (dataset->path[0]) {
        status = cifar10_read(dataset->path, threads, train, test, error);
    } else {
        synthetic_fill(options->seed, 0, threads, train);
        synthetic_fill(options->seed, 1, threads, test);
    }
    return status;
}

/* Frees the data set unless `status` is STATUS_OK, so that the caller gets only a good one. */
static enum status give(enum status status, struct dataset **dataset) {
    if (status != STATUS_OK) {
        dataset_free(*dataset);
        *dataset = NULL;
    }
    return status;
}

enum status dataset_load(
    const struct dataset_options *options, struct dataset **dataset, struct error *error) {
    enum status status = create(options, dataset, error);
    const double start = clock_seconds();
    if (status == STATUS_OK) {
        status = fill(options, *dataset, error);
        (*dataset)->seconds = clock_seconds() - start;
    }
    return give(status, dataset);
}

enum status dataset_plan(
    const struct dataset_options *options, struct dataset **dataset, struct error *error) {
    enum status status = create(options, dataset, error);
    if (status == STATUS_OK && (*dataset)->path[0])
        status = cifar10_check((*dataset)->path, error);
    return give(status, dataset);
}

void dataset_hold_back(struct dataset *dataset, size_t count) {
    struct images *train = &dataset->train, *held = &dataset->validation;
    *held = *train;
    held->count = count;
    train->count -= count;
    if (train->pixels) {
        held->pixels += train->count * image_bytes(train->format);
        held->labels += train->count;
    }
}

/* The training set with the images that are held back, which lie behind it. */
static struct images whole_training_set(const struct dataset *dataset) {
    struct images whole = dataset->train;
    whole.count += dataset->validation.count;
    return whole;
}

size_t dataset_bytes(const struct dataset *dataset) {
    return whole_training_set(dataset).count * image_record(dataset->train.format) +
           dataset->test.count * image_record(dataset->test.format);
}

static uint64_t mix(uint64_t hash, const uint8_t *bytes, size_t count, size_t stride) {
    for (size_t i = 0; i < count; i += stride)
        hash = hash_on(hash, bytes + i, 1);
    return hash;
}

uint64_t dataset_fingerprint(const struct dataset *dataset) {
    enum { STRIDE = 4093 }; /* a prime, and so no multiple of a row or a plane */
    const struct images whole = whole_training_set(dataset);
    const struct images *const sets[] = {&whole, &dataset->test};
    uint64_t hash = hash_start;
    for (size_t s = 0; s < 2; s++) {
        hash = mix(hash, sets[s]->labels, sets[s]->count, 1);
        hash = mix(hash, sets[s]->pixels, sets[s]->count * image_bytes(sets[s]->format), STRIDE);
    }
    return hash;
}

void dataset_free(struct dataset *dataset) {
    if (!dataset)
        return;
    free(dataset->train.pixels);
    free(dataset->train.labels);
    free(dataset->test.pixels);
    free(dataset->test.labels);
    free(dataset);
}
