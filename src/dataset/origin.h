/* The two origins of a data set: files, or a synthetic set. Both fill images whose memory is
 * allocated and whose count is set. */
#ifndef DATASET_ORIGIN_H
#define DATASET_ORIGIN_H

#include "trainer/dataset.h"

enum { CIFAR10_FILES = CIFAR10_TRAIN_FILES + 1 }; /* the last one is the test set */

/* Reads the first train->count and test->count records from the six files in `folder`, with
 * `threads` threads. */
enum status cifar10_read(const char *folder, int threads, struct images *train, struct images *test,
    struct error *error);

/* Checks that the six files are there and have the right size. */
enum status cifar10_check(const char *folder, struct error *error);

/* Makes `images` from the seed. `part` is 0 for the training set and 1 for the test set. It
 * computes in whole numbers only, so the images are the same on every machine. */
void synthetic_fill(uint64_t seed, uint32_t part, int threads, struct images *images);

#endif
