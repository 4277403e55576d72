/* The data set: CIFAR-10 from its files (binary version,
 * https://www.cs.toronto.edu/~kriz/cifar.html), or a built-in synthetic set of the same shapes, so
 * that the program runs with nothing downloaded.
 */
#ifndef TRAINER_DATASET_H
#define TRAINER_DATASET_H

#include "trainer/error.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    CIFAR10_SIDE = 32,
    CIFAR10_PLANE = CIFAR10_SIDE * CIFAR10_SIDE, /* bytes of one colour of an image */
    CIFAR10_PIXELS = 3 * CIFAR10_PLANE,          /* red, green, blue plane, each row-major */
    CIFAR10_RECORD = 1 + CIFAR10_PIXELS,         /* label, pixels */
    CIFAR10_CLASSES = 10,
    CIFAR10_FILE_RECORDS = 10000,
    CIFAR10_FILE_BYTES = CIFAR10_FILE_RECORDS * CIFAR10_RECORD, /* 30,730,000 */
    CIFAR10_TRAIN_FILES = 5,
    CIFAR10_TRAIN = CIFAR10_TRAIN_FILES * CIFAR10_FILE_RECORDS,
    CIFAR10_TEST = CIFAR10_FILE_RECORDS,
};

/* The form of a data set: what its images are, and its files, which hold records of a label byte
 * and the bytes of an image. */
struct image_format {
    size_t channels, side;    /* an image is so many planes of side x side bytes, row-major */
    double grey[3];           /* of each channel: its weight where an image becomes grey */
    size_t classes;           /* labels are below it */
    size_t train, test;       /* images of each set */
    size_t file_records;      /* of each file */
    const char *const *files; /* names: of the training set in their order, then the test set's */
};
extern const struct image_format cifar10_format; /* the synthetic set's, too */

/* What a network is given of an image. */
enum color { COLOR_GREY, COLOR_RGB };
extern const char *const color_names[]; /* "grey", "rgb", NULL */

/* Bytes of a channel, of an image, and of an image with its label. */
size_t image_plane(const struct image_format *format);
size_t image_bytes(const struct image_format *format);
size_t image_record(const struct image_format *format);

/* Numbers that a network is given of an image. */
size_t image_inputs(const struct image_format *format, enum color color);

/* The synthetic set, of a seed, in whole numbers only, so that it is the same on every machine. Its
 * random bytes are those of random_bits, each word's lowest first, 16 a block; divisions cut off.
 *
 * A class has a prototype, smooth colours from -128 to 127. Of each plane p (red, green, blue) the
 * 25 bytes from block 2 p on of RANDOM_PROTOTYPES, part: the class, are corners, five rows of five,
 * 8 pixels apart, and a pixel is the bilinear mean of the four around it,
 *     sum of corner * (8 - rows from it) * (8 - columns from it), / 64, less 128.
 *
 * Image i has the blocks from 193 i on of RANDOM_NOISE, part: 0 for training, 1 for test. In the
 * first, byte 0 modulo 10 is its class, its label, and 16 + byte 1 modulo 48 its contrast. The 3072
 * bytes of the others are its noise, and a pixel is
 *     64 + (contrast * prototype + 64 * (noise - 128)) / 128, cut to 0 .. 255. */

struct images {
    size_t count;
    uint8_t *pixels; /* [count, image_bytes] */
    uint8_t *labels; /* [count], each below the number of classes */
    const struct image_format *format;
};

struct dataset {
    struct images train, test;
    const char *origin; /* "files" or "synthetic" */
    char path[1024];    /* the folder of the files; empty for the synthetic set */
    double seconds;     /* from the first file opened to the last pixel and label in memory */
};

struct dataset_options {
    const char *data; /* a folder, "synthetic", or NULL: as dataset_default_path looks for it */
    size_t samples;   /* of the training and of the test set, each from its start; 0: all */
    uint64_t seed;    /* of the synthetic set */
    int threads;      /* that read, at least 1; there are fewer where no more can be had */
};

/* Where the data set is looked for when none is named: $TRAINER_DATA_DIR, else
 * trainer/cifar-10-batches-bin in $XDG_CACHE_HOME, where that is an absolute path, else in
 * $HOME/.cache. Writes it to `path`, which is empty when these name no place; returns whether it
 * must be there: true for $TRAINER_DATA_DIR, false for the folder in the cache. */
int dataset_default_path(char *path, size_t size);

/* Loads the data set: what `data` names, else what is at the default path, else the synthetic set.
 * With `samples`, training and test set are cut to their first `samples`. The caller ends it with
 * dataset_free. STATUS_DATASET, naming the file, the offset and what was expected, when a file is
 * missing, unreadable, not a regular file, of the wrong size, or holds a label over 9. */
enum status dataset_load(
    const struct dataset_options *options, struct dataset **dataset, struct error *error);
void dataset_free(struct dataset *dataset);

/* What dataset_load would load, but for the images, whose arrays stay NULL: it reads nothing, and
 * looks at no more than the files' sizes. The same errors as far as those tell. Ended in the same
 * way. */
enum status dataset_plan(
    const struct dataset_options *options, struct dataset **dataset, struct error *error);

/* Bytes of memory that a data set of these sizes takes. */
size_t dataset_bytes(const struct dataset *dataset);

/* A number that tells data sets apart: it depends on all labels and about every 4,000th pixel of
 * both sets (FNV-1a, 64 bits). */
uint64_t dataset_fingerprint(const struct dataset *dataset);

#ifdef __cplusplus
}
#endif
#endif
