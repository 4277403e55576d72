/* The layout of a safetensors file of ours: the length of the header (8 bytes), the header (JSON),
 * then the data of the tensors. */
#ifndef CHECKPOINT_LAYOUT_H
#define CHECKPOINT_LAYOUT_H

#include "trainer/checkpoint.h"

enum { LENGTH_BYTES = 8, HEADER_LIMIT = 100000000 }; /* both are the format's */

#define METADATA_NAME "__metadata__"

/* Names in the metadata. */
#define EPOCHS_NAME CHECKPOINT_EPOCHS /* a tensor has this name, too */
#define BATCHES_NAME "trainer.batches"
#define SAMPLES_NAME "trainer.samples"
#define SECONDS_NAME "trainer.seconds"
#define GENERATOR_NAME "trainer.generator"
#define GENERATOR "Philox4x32-10"
#define SCORES_NAME "trainer.scores" /* the name of a tensor */

enum { EPOCH_COLUMNS = 3, SCORE_COLUMNS = 2 };
_Static_assert(sizeof(struct training_epoch) == EPOCH_COLUMNS * sizeof(double), "a row of F64");

struct tensor {
    char name[48];
    bool is_double;       /* F64, else F32 */
    size_t rows, columns; /* columns is 0 for a tensor of one dimension */
    uint64_t begin;       /* where it starts, in bytes from the start of the data */
};

/* The tensors of a file: weights and bias of each layer; of a run, the states of its optimiser,
 * likewise, each under its prefix, and the epochs and scores. */
struct layout {
    struct tensor *tensors;
    size_t count;
    uint64_t bytes; /* bytes of the data, which has no holes */
};

/* The prefix of array number `array`: 0 are the parameters, which have none, and the states of the
 * optimiser come after them. The names of the states are those of torch.optim. */
const char *layout_prefix(enum optimizer optimizer, size_t array);

/* Makes the layout of a file with a network of this shape, and with a run of an optimiser that has
 * `epochs` epochs and `samples` samples of an interrupted one. 0 epochs or samples have no tensor.
 * Weights alone are as of OPTIMIZER_GRADIENT_DESCENT, which has no state. Each tensor begins where
 * the one before it ends. False when memory is refused. The caller frees layout->tensors. */
bool layout_create(const struct network_shape *shape, enum optimizer optimizer, size_t epochs,
    size_t samples, struct layout *layout);

/* The most bytes that the file will have. The header is not written yet, so its size is estimated,
 * with room for the settings of a run if `is_run`. */
uint64_t layout_file_bytes(const struct layout *layout, bool is_run);

/* The index among the tensors of the layer's weights in an array. Its bias is the next. */
size_t layout_weight(const struct network_shape *shape, size_t array, size_t layer);

size_t tensor_elements(const struct tensor *tensor);
uint64_t tensor_bytes(const struct tensor *tensor);

/* to[columns, rows] = the transpose of from[rows, columns]. A file has weights as [out, in], and
 * the network has them as [in, out]. */
void layout_transpose(const float *from, size_t rows, size_t columns, float *to);

#endif
