/* The two origins of a data set. Both fill images whose memory is there and whose count is set. */
#ifndef DATASET_ORIGIN_H
#define DATASET_ORIGIN_H

#include "trainer/dataset.h"

enum { CIFAR10_FILES = CIFAR10_TRAIN_FILES + 1 }; /* the last one is the test set */

/* Reads the first records of the six files in `folder`, with `threads` threads. */
enum status cifar10_read(const char *folder, int threads, struct images *train, struct images *test,
    struct error *error);

/* Whether the six files are there, in the right size. */
enum status cifar10_check(const char *folder, struct error *error);

/* Makes `images` from the seed; `part` tells the training set (0) from the test set (1). The same
 * on every machine: whole numbers only. */
void synthetic_fill(uint64_t seed, uint32_t part, int threads, struct images *images);

#endif
