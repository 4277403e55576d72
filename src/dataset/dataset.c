#include "trainer/dataset.h"

#include "dataset/source.h"
#include "system/clock.h"
#include "system/memory.h"

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
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (cache && *cache)
        snprintf(path, size, "%s/trainer/cifar-10-batches-bin", cache);
    else
        snprintf(path, size, "%s/.cache/trainer/cifar-10-batches-bin", home ? home : "");
    return 0;
}

/* Fills dataset->path, with "" for the synthetic set. */
static enum status find(const char *data, struct dataset *dataset, struct error *error) {
    char *path = dataset->path;
    struct stat status;
    if (data)
        snprintf(path, sizeof dataset->path, "%s", strcmp(data, "synthetic") == 0 ? "" : data);
    else if (!dataset_default_path(path, sizeof dataset->path) && stat(path, &status) != 0)
        path[0] = '\0';
    dataset->source = path[0] ? "files" : "synthetic";
    return strlen(path) + 1 < sizeof dataset->path
               ? STATUS_OK
               : error_set(error, STATUS_DATASET,
                     "the path of the data set has over 1022 bytes: %.80s...", path);
}

static enum status allocate(struct images *images, size_t count, struct error *error) {
    images->count = count;
    images->pixels = memory_allocate(count * CIFAR10_PIXELS);
    images->labels = memory_allocate(count);
    return images->pixels && images->labels ? STATUS_OK
                                            : error_memory(error, "images", count * CIFAR10_RECORD);
}

static size_t cut(size_t count, size_t samples) {
    return samples > 0 && samples < count ? samples : count;
}

enum status dataset_load(
    const struct dataset_options *options, struct dataset **dataset, struct error *error) {
    *dataset = NULL;
    struct dataset *loaded = calloc(1, sizeof *loaded);
    if (!loaded)
        return error_memory(error, "the data set", sizeof *loaded);
    enum status status = find(options->data, loaded, error);
    const double start = clock_seconds();
    if (status == STATUS_OK)
        status = allocate(&loaded->train, cut(CIFAR10_TRAIN, options->samples), error);
    if (status == STATUS_OK)
        status = allocate(&loaded->test, cut(CIFAR10_TEST, options->samples), error);
    if (status == STATUS_OK && loaded->path[0]) {
        status = cifar10_read(loaded->path, options->threads, &loaded->train, &loaded->test, error);
    } else if (status == STATUS_OK) {
        synthetic_fill(options->seed, 0, options->threads, &loaded->train);
        synthetic_fill(options->seed, 1, options->threads, &loaded->test);
    }
    loaded->seconds = clock_seconds() - start;
    if (status != STATUS_OK) {
        dataset_free(loaded);
        return status;
    }
    *dataset = loaded;
    return STATUS_OK;
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
