/* An open file of weights, whose header has been read. */
#ifndef CHECKPOINT_OPEN_H
#define CHECKPOINT_OPEN_H

#include "checkpoint/layout.h"

#include <jansson.h>

struct checkpoint {
    char *path;
    int descriptor;
    uint64_t bytes; /* size of the file */
    uint64_t data;  /* offset of the data of the tensors */
    json_t *header;
};

/* Reads so many bytes at an offset of the file. STATUS_CHECKPOINT when it can't be read, or ends
 * before them. */
enum status checkpoint_read_at(const struct checkpoint *checkpoint, uint64_t offset, void *to,
    size_t bytes, struct error *error);

/* Opens a file that is open as `descriptor`, which is the checkpoint's from then on, also where
 * that fails. `path` is for messages. */
enum status checkpoint_open_descriptor(
    int descriptor, const char *path, struct checkpoint **checkpoint, struct error *error);

/* The optimiser whose states are in the file, and whether the best parameters are. */
enum optimizer checkpoint_optimizer(const struct checkpoint *checkpoint);
bool checkpoint_has_best(const struct checkpoint *checkpoint);

#endif
