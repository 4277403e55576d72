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
/* Names of tensors. */
#define SCORES_NAME "trainer.scores"
#define VALIDATION_NAME "trainer.validation"
#define BEST_PREFIX "trainer.best."

enum { EPOCH_COLUMNS = 3, SCORE_COLUMNS = 2, VALIDATION_COLUMNS = 3 };
_Static_assert(sizeof(struct training_epoch) == EPOCH_COLUMNS * sizeof(double), "a row of F64");
_Static_assert(
    sizeof(struct training_validation) == VALIDATION_COLUMNS * sizeof(double), "a row of F64");

struct tensor {
    char name[48];
    bool is_double;       /* F64, else F32 */
    size_t rows, columns; /* columns is 0 for a tensor of one dimension */
    uint64_t begin;       /* where it starts, in bytes from the start of the data */
};

/* What is in a file, of a network whose shape is known. Weights alone have none of it. */
struct contents {
    enum optimizer optimizer; /* whose states are there */
    bool best;                /* so are the best parameters */
    size_t epochs, validated, samples;
};

/* The tensors of a file: weights and bias of each layer; of a run, the states of its optimiser and
 * the best parameters, likewise, each under its prefix, and the epochs, validations and scores. */
struct layout {
    struct tensor *tensors;
    size_t count;
    uint64_t bytes; /* bytes of the data, which has no holes */
};

/* The prefix of array number `array` of a network's: 0 are the parameters, which have none, and the
 * states of the optimiser come after them. The names of the states are those of torch.optim. */
const char *layout_prefix(enum optimizer optimizer, size_t array);

/* The number of such arrays in a file. The best parameters are the last. */
size_t layout_arrays(const struct contents *contents);

/* Makes the layout of a file with a network of this shape. Of what there are 0, there is no tensor.
 * Each tensor begins where the one before it ends. False when memory is refused. The caller frees
 * layout->tensors. */
bool layout_create(
    const struct network_shape *shape, const struct contents *contents, struct layout *layout);

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
