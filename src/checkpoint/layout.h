/* What lies where in a safetensors file of ours: the header's length (8 bytes), the header (JSON),
 * then the tensors' data. */
#ifndef CHECKPOINT_LAYOUT_H
#define CHECKPOINT_LAYOUT_H

#include "trainer/checkpoint.h"

enum { LENGTH_BYTES = 8, HEADER_LIMIT = 100000000 }; /* the format's */

#define METADATA_NAME "__metadata__"

/* Names in the metadata. */
#define EPOCHS_NAME CHECKPOINT_EPOCHS /* and of a tensor */
#define BATCHES_NAME "trainer.batches"
#define SAMPLES_NAME "trainer.samples"
#define SECONDS_NAME "trainer.seconds"
#define GENERATOR_NAME "trainer.generator"
#define GENERATOR "Philox4x32-10"
#define SCORES_NAME "trainer.scores" /* of a tensor */

enum { EPOCH_COLUMNS = 3, SCORE_COLUMNS = 2 };
_Static_assert(sizeof(struct training_epoch) == EPOCH_COLUMNS * sizeof(double), "a row of F64");

struct tensor {
    char name[32];
    bool is_double;       /* F64, else F32 */
    size_t rows, columns; /* columns is 0 where there is one dimension */
    uint64_t begin;       /* where it starts in the file's data, in bytes */
};

/* The tensors of a file: weights and bias of each layer, then those of a run. */
struct layout {
    struct tensor *tensors;
    size_t count;
    uint64_t bytes; /* of the data, without holes */
};

/* The layout of a file that has this network, and a run of so many epochs and samples; 0 of them
 * have no tensor. Each tensor begins where the one before ends. False when memory is refused. The
 * caller frees layout->tensors. */
bool layout_create(
    const struct network_shape *shape, size_t epochs, size_t samples, struct layout *layout);

/* What the file will have in bytes, at most, as far as that can be told before its run is
 * described: with a header that has the settings of a run, if it is one. */
uint64_t layout_file_bytes(const struct layout *layout, bool is_run);

/* The layer's weights, and its bias, among the tensors. */
size_t layout_weight(size_t layer);
size_t layout_bias(size_t layer);

size_t tensor_elements(const struct tensor *tensor);
uint64_t tensor_bytes(const struct tensor *tensor);

/* to[columns, rows] = the transpose of from[rows, columns]: a file has weights as [out, in], the
 * network as [in, out]. */
void layout_transpose(const float *from, size_t rows, size_t columns, float *to);

#endif
