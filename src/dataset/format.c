#include "dataset/origin.h"

const char *const color_names[] = {[COLOR_GREY] = "grey", [COLOR_RGB] = "rgb", NULL};

static const char *const file_names[] = {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
    "data_batch_4.bin", "data_batch_5.bin", "test_batch.bin"};
_Static_assert(sizeof file_names / sizeof *file_names == CIFAR10_FILES, "each file has a name");

const struct image_format cifar10_format = {
    .channels = CIFAR10_PIXELS / CIFAR10_PLANE,
    .side = CIFAR10_SIDE,
    .grey = {0.299, 0.587, 0.114},
    .classes = CIFAR10_CLASSES,
    .train = CIFAR10_TRAIN,
    .test = CIFAR10_TEST,
    .file_records = CIFAR10_FILE_RECORDS,
    .files = file_names,
};

size_t image_plane(const struct image_format *format) {
    return format->side * format->side;
}

size_t image_bytes(const struct image_format *format) {
    return format->channels * image_plane(format);
}

size_t image_record(const struct image_format *format) {
    return 1 + image_bytes(format);
}

size_t image_inputs(const struct image_format *format, enum color color) {
    return color == COLOR_GREY ? image_plane(format) : image_bytes(format);
}
