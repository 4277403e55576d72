/* The data set: CIFAR-10 from its files (binary version,
 * https://www.cs.toronto.edu/~kriz/cifar.html), or a built-in synthetic set of the same shapes,
 * with which the program runs without any download. */
#ifndef TRAINER_DATASET_H
#define TRAINER_DATASET_H

#include "trainer/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    CIFAR10_SIDE = 32,
    CIFAR10_PLANE = CIFAR10_SIDE * CIFAR10_SIDE, /* bytes of one colour of an image */
    /* Bytes of an image: red, green and blue plane, each row-major. */
    CIFAR10_PIXELS = 3 * CIFAR10_PLANE,
    CIFAR10_RECORD = 1 + CIFAR10_PIXELS, /* bytes of a record: a label, then the pixels */
    CIFAR10_CLASSES = 10,
    CIFAR10_FILE_RECORDS = 10000,
    CIFAR10_FILE_BYTES = CIFAR10_FILE_RECORDS * CIFAR10_RECORD, /* 30,730,000 */
    CIFAR10_TRAIN_FILES = 5,
    CIFAR10_TRAIN = CIFAR10_TRAIN_FILES * CIFAR10_FILE_RECORDS,
    CIFAR10_TEST = CIFAR10_FILE_RECORDS,
};

/* The form of a data set: its images and its files. A file holds records, and a record is a label
 * byte and then the bytes of an image. */
struct image_format {
    size_t channels, side;    /* an image is `channels` planes of side x side bytes, row-major */
    double grey[3];           /* the weight of each channel when an image is made grey */
    size_t classes;           /* each label is below this number */
    size_t train, test;       /* images in the training set and in the test set */
    size_t file_records;      /* records in each file */
    const char *const *files; /* their names: the training set's in order, then the test set's */
};
extern const struct image_format cifar10_format; /* of CIFAR-10, and of the synthetic set, too */

/* Whether the network's inputs are the grey values of an image or all its colours. */
enum color { COLOR_GREY, COLOR_RGB };
extern const char *const color_names[]; /* "grey", "rgb", NULL */

/* Bytes of a channel, of an image, and of an image with its label. */
size_t image_plane(const struct image_format *format);
size_t image_bytes(const struct image_format *format);
size_t image_record(const struct image_format *format);

/* The number of inputs that a network takes of an image. */
size_t image_inputs(const struct image_format *format, enum color color);

/* How the synthetic set is made from a seed. All numbers are integers, and divisions cut off, so
 * that the set is the same on every machine. Its random bytes come from random_bits (random.h): a
 * block has 16, and each of its words gives its lowest byte first.
 *
 * A class has a prototype: smooth colours from -128 to 127. For each plane p (0 red, 1 green, 2
 * blue), the first 25 bytes of stream RANDOM_PROTOTYPES, part = class, from block 2 p on, are 25
 * corners: five rows of five, 8 pixels apart. A pixel of the prototype is the bilinear mean of the
 * four corners around it:
 *     sum over these of corner * (8 - rows from it) * (8 - columns from it), / 64, less 128.
 *
 * Image i takes the 193 blocks from 193 i on of stream RANDOM_NOISE, part = 0 for training and 1
 * for test. From the first block, byte 0 modulo 10 is the image's class and label, and 16 + byte 1
 * modulo 48 is its contrast. The 3072 bytes of the other blocks are its noise. A pixel of the image
 * is
 *     64 + (contrast * prototype + 64 * (noise - 128)) / 128, cut to 0 .. 255. */

struct images {
    size_t count;
    uint8_t *pixels; /* [count, image_bytes] */
    uint8_t *labels; /* [count], each below the number of classes */
    const struct image_format *format;
};

/* The mean and the deviation of each channel of some images, of values from 0 to 1; of grey values
 * those are of channel 0. `used`: values are to become (value - mean) / deviation. */
enum { IMAGE_SCALED_CHANNELS = 3 };
struct image_scaling {
    bool used;
    double means[IMAGE_SCALED_CHANNELS], deviations[IMAGE_SCALED_CHANNELS];
};

/* The scaling of these images, to which they have the mean 0 and the deviation 1. Their sums are of
 * whole numbers, so it is the same for any number of threads. The deviation of images that are all
 * alike is 1. */
struct image_scaling images_scaling(const struct images *images, enum color color, int threads);

struct dataset {
    struct images train, test;
    struct images validation; /* of the training set's images, those that are held back; or none */
    const char *origin;       /* "files" or "synthetic" */
    char path[1024];          /* the folder of the files; empty for the synthetic set */
    double seconds; /* time from opening the first file to the last pixel and label in memory */
};

struct dataset_options {
    /* A folder, "synthetic", or NULL: the folder of dataset_default_path if there is one, else
     * synthetic. */
    const char *data;
    size_t samples; /* images of each set, from its start on; 0: all of them */
    uint64_t seed;  /* of the synthetic set */
    int threads;    /* threads that read, at least 1; fewer are used where the system gives fewer */
};

/* Writes to `path` where the data set is looked for when none is named: $TRAINER_DATA_DIR, else
 * trainer/cifar-10-batches-bin in $XDG_CACHE_HOME if that is an absolute path, else in
 * $HOME/.cache. `path` is empty when these variables name no place. Returns whether the data must
 * be there: true (1) for $TRAINER_DATA_DIR, false (0) for the folder in the cache. */
int dataset_default_path(char *path, size_t size);

/* Loads the data set that `data` names; when it is NULL, the one at the default path, or the
 * synthetic set if there is none. With `samples`, the training and the test set are each cut to
 * their first `samples` images. The caller ends the data set with dataset_free. STATUS_DATASET,
 * naming the file, the offset and what was expected, when a file is missing, unreadable, not a
 * regular file, of the wrong size, or holds a label over 9. */
enum status dataset_load(
    const struct dataset_options *options, struct dataset **dataset, struct error *error);
void dataset_free(struct dataset *dataset);

/* Holds the last `count` images of the training set back: they become the validation set. `count`
 * is less than the training set has. Of a data set that is only planned, too. */
void dataset_hold_back(struct dataset *dataset, size_t count);

/* As dataset_load, but without reading the images: the arrays `pixels` and `labels` stay NULL, and
 * only the files' sizes are looked at. The errors are the same, as far as the sizes show them. The
 * caller ends the data set with dataset_free. */
enum status dataset_plan(
    const struct dataset_options *options, struct dataset **dataset, struct error *error);

/* Bytes of host memory that the images and labels of the data set take, or will take once they are
 * loaded. */
size_t dataset_bytes(const struct dataset *dataset);

/* A number that tells data sets apart: a hash (FNV-1a, 64 bits) of all labels and of every 4,093rd
 * byte of the pixels of both sets. Images that are held back count as what they were. */
uint64_t dataset_fingerprint(const struct dataset *dataset);

#ifdef __cplusplus
}
#endif
#endif
