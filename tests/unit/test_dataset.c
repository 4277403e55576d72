/* The data reader on good and bad files, and the synthetic set. */
#include "support.h"
#include "trainer/dataset.h"
#include "trainer/random.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct error error;

static const char *path_of(const char *name) {
    static char paths[2][512]; /* for two calls in one expression */
    static int used;
    used = 1 - used;
    snprintf(paths[used], sizeof paths[used], "%s/%s", support_folder, name);
    return paths[used];
}

/* A byte of the test files: a label below 10 at the start of a record, else any. */
static uint8_t byte_at(int file, size_t offset) {
    const uint32_t mixed = (uint32_t)(offset * 2654435761u + (size_t)file * 40503u);
    const uint8_t byte = (uint8_t)(mixed >> 13);
    return offset % CIFAR10_RECORD == 0 ? byte % CIFAR10_CLASSES : byte;
}

static const char *const names[] = {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
    "data_batch_4.bin", "data_batch_5.bin", "test_batch.bin"};

static void write_file(int number) {
    uint8_t *bytes = malloc(CIFAR10_FILE_BYTES);
    for (size_t i = 0; i < CIFAR10_FILE_BYTES; i++)
        bytes[i] = byte_at(number, i);
    remove(path_of(names[number])); /* a file by another one of its kind */
    FILE *file = fopen(path_of(names[number]), "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, CIFAR10_FILE_BYTES, file), CIFAR10_FILE_BYTES);
    assert_int_equal(fclose(file), 0);
    free(bytes);
}

static enum status load(size_t samples, int threads, struct dataset **dataset) {
    const struct dataset_options options = {
        .data = support_folder, .samples = samples, .threads = threads};
    return dataset_load(&options, dataset, &error);
}

static void check_images(const struct images *images, int first_file) {
    for (size_t i = 0; i < images->count; i++) {
        const int file = first_file + (int)(i / CIFAR10_FILE_RECORDS);
        const size_t start = i % CIFAR10_FILE_RECORDS * CIFAR10_RECORD;
        assert_int_equal(images->labels[i], byte_at(file, start));
        for (size_t j = 0; j < CIFAR10_PIXELS; j++)
            if (images->pixels[i * CIFAR10_PIXELS + j] != byte_at(file, start + 1 + j))
                fail_msg("image %zu, pixel %zu", i, j);
    }
}

static void test_good_files(void **state) {
    (void)state;
    struct dataset *dataset;
    assert_ok(load(0, 3, &dataset));
    assert_int_equal(dataset->train.count, 50000);
    assert_int_equal(dataset->test.count, 10000);
    assert_string_equal(dataset->origin, "files");
    check_images(&dataset->train, 0);
    check_images(&dataset->test, 5);
    dataset_free(dataset);
}

static void test_fewer_samples(void **state) {
    (void)state;
    struct dataset *dataset;
    assert_ok(load(12345, 2, &dataset));
    assert_int_equal(dataset->train.count, 12345);
    assert_int_equal(dataset->test.count, 10000);
    check_images(&dataset->train, 0);
    dataset_free(dataset);
    assert_ok(load(1, 1, &dataset));
    assert_int_equal(dataset->train.count, 1);
    assert_int_equal(dataset->test.count, 1);
    check_images(&dataset->train, 0);
    dataset_free(dataset);
}

/* Loading must fail, naming the file and saying `text`; then the file is made good again. */
static void refused(int number, const char *text) {
    struct dataset *dataset;
    assert_fails(load(0, 2, &dataset), STATUS_DATASET, names[number]);
    assert_fails(load(0, 2, &dataset), STATUS_DATASET, text);
    assert_null(dataset);
    rmdir(path_of(names[number]));
    write_file(number);
}

static void test_missing(void **state) {
    (void)state;
    for (int number = 0; number < 6; number++) {
        assert_int_equal(unlink(path_of(names[number])), 0);
        refused(number, "No such file");
    }
}

static void test_wrong_sizes(void **state) {
    (void)state;
    static const struct {
        off_t size;
        const char *text;
    } sizes[] = {{0, "ends at offset 0;"},
        {CIFAR10_FILE_BYTES - 1,
            "ends at offset 30729999; expected 30730000 bytes (10000 records of 3073)"},
        {CIFAR10_FILE_BYTES + 1, "ends at offset 30730001;"}, {30740000, "CIFAR-100"}};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        assert_int_equal(truncate(path_of("data_batch_3.bin"), sizes[s].size), 0);
        refused(2, sizes[s].text);
    }
}

static void write_byte(int number, size_t offset, uint8_t byte) {
    const int descriptor = open(path_of(names[number]), O_WRONLY);
    assert_int_equal(pwrite(descriptor, &byte, 1, (off_t)offset), 1);
    close(descriptor);
}

static void test_wrong_labels(void **state) {
    (void)state;
    write_byte(1, 0, 10);
    refused(1, "offset 0: label 10; expected 0 to 9");
    write_byte(5, 9999 * (size_t)CIFAR10_RECORD, 255);
    refused(5, "offset 30726927: label 255; expected 0 to 9 (record 9999; is this");
    /* Of two, the first in the order of the files is told, however the threads run. */
    write_byte(0, 7 * (size_t)CIFAR10_RECORD, 11);
    write_byte(4, 0, 12);
    refused(0, "offset 21511: label 11");
    write_file(4);
}

static void test_not_files(void **state) {
    (void)state;
    unlink(path_of("data_batch_2.bin"));
    assert_int_equal(mkdir(path_of("data_batch_2.bin"), 0777), 0);
    refused(1, "is a directory");
    unlink(path_of("data_batch_2.bin"));
    assert_int_equal(mkfifo(path_of("data_batch_2.bin"), 0666), 0);
    refused(1, "is a FIFO");
    unlink(path_of("data_batch_2.bin"));
    assert_int_equal(symlink("data_batch_2.bin", path_of("data_batch_2.bin")), 0);
    refused(1, strerror(ELOOP));
}

static void test_unreadable(void **state) {
    (void)state;
    struct dataset *dataset;
    const uid_t user = geteuid();
    assert_int_equal(chmod(support_folder, 0755), 0);
    assert_int_equal(chmod(path_of("test_batch.bin"), 0), 0);
    if (user == 0) /* who may read everything */
        assert_int_equal(seteuid(65534), 0);
    const enum status status = load(0, 2, &dataset);
    assert_int_equal(seteuid(user), 0);
    assert_fails(status, STATUS_DATASET, "test_batch.bin: Permission denied");
    write_file(5);
}

static void test_cifar100_folder(void **state) {
    (void)state;
    struct dataset *dataset;
    assert_int_equal(rename(path_of("data_batch_1.bin"), path_of("train.bin")), 0);
    assert_int_equal(link(path_of("train.bin"), path_of("test.bin")), 0);
    assert_fails(load(0, 1, &dataset), STATUS_DATASET, "CIFAR-100");
    unlink(path_of("test.bin"));
    unlink(path_of("train.bin"));
    write_file(0);
}

static void test_no_folder(void **state) {
    (void)state;
    struct dataset *dataset;
    const struct dataset_options options = {.data = "/nonexistent/cifar", .threads = 1};
    assert_fails(dataset_load(&options, &dataset, &error), STATUS_DATASET,
        "/nonexistent/cifar/data_batch_1.bin");
}

/* A path is taken whole, or not at all. */
static void test_long_path(void **state) {
    (void)state;
    struct dataset *dataset;
    char *path = malloc(6000);
    memset(path, '/', 6000);
    for (int cut = 0; cut < 2; cut++) {
        path[cut ? 1023 : 1022] = '\0';
        const struct dataset_options options = {.data = path, .threads = 1};
        assert_fails(dataset_load(&options, &dataset, &error), STATUS_DATASET,
            cut ? "has over 1022 bytes" : "No such file");
        memset(path, '/', 6000);
    }
    free(path);
}

/* Where the data is looked for. */
static void test_default_path(void **state) {
    (void)state;
    char path[512];
    struct dataset *dataset;
    setenv("XDG_CACHE_HOME", "/nonexistent", 1);
    setenv("TRAINER_DATA_DIR", "", 1); /* names none */
    assert_false(dataset_default_path(path, sizeof path));
    unsetenv("TRAINER_DATA_DIR");
    assert_false(dataset_default_path(path, sizeof path));
    assert_string_equal(path, "/nonexistent/trainer/cifar-10-batches-bin");
    char home[512];
    snprintf(home, sizeof home, "%s", getenv("HOME") ? getenv("HOME") : "");
    setenv("XDG_CACHE_HOME", "relative", 1);
    setenv("HOME", "relative", 1);
    assert_false(dataset_default_path(path, sizeof path));
    assert_string_equal(path, "");
    setenv("HOME", home, 1);
    setenv("XDG_CACHE_HOME", "/nonexistent", 1);
    const struct dataset_options options = {.threads = 2, .samples = 10};
    assert_ok(dataset_load(&options, &dataset, &error));
    assert_string_equal(dataset->origin, "synthetic");
    dataset_free(dataset);
    setenv("TRAINER_DATA_DIR", support_folder, 1);
    assert_ok(dataset_load(&options, &dataset, &error));
    assert_string_equal(dataset->origin, "files");
    assert_string_equal(dataset->path, support_folder);
    dataset_free(dataset);
    setenv("TRAINER_DATA_DIR", "/nonexistent", 1); /* named, so it must be there */
    assert_fails(dataset_load(&options, &dataset, &error), STATUS_DATASET, "/nonexistent/");
    unsetenv("TRAINER_DATA_DIR");
}

static uint64_t hash(const uint8_t *bytes, size_t count) { /* FNV-1a */
    uint64_t value = 14695981039346656037u;
    for (size_t i = 0; i < count; i++)
        value = (value ^ bytes[i]) * 1099511628211u;
    return value;
}

/* The synthetic set is the same everywhere: with any number of threads, and as it ever was. */
static void test_synthetic(void **state) {
    (void)state;
    struct dataset_options options = {.data = "synthetic", .seed = 1, .threads = 1, .samples = 500};
    struct dataset *one, *three;
    assert_ok(dataset_load(&options, &one, &error));
    options.threads = 3;
    assert_ok(dataset_load(&options, &three, &error));
    assert_int_equal(hash(one->train.pixels, 500 * CIFAR10_PIXELS), 0xb74aaff8d0068fbcu);
    assert_int_equal(hash(one->train.labels, 500), 0x1f09243716b2f843u);
    assert_memory_equal(one->train.pixels, three->train.pixels, 500 * CIFAR10_PIXELS);
    assert_memory_equal(one->test.pixels, three->test.pixels, 500 * CIFAR10_PIXELS);
    assert_memory_not_equal(one->train.pixels, one->test.pixels, 500 * CIFAR10_PIXELS);
    int counts[CIFAR10_CLASSES] = {0};
    for (int i = 0; i < 500; i++)
        counts[one->train.labels[i]]++;
    for (int class = 0; class < CIFAR10_CLASSES; class ++)
        assert_in_range(counts[class], 20, 90);
    dataset_free(one);
    dataset_free(three);
}

static int set_up(void **state) {
    if (support_make_folder(state) != 0)
        return -1;
    for (int number = 0; number < 6; number++)
        write_file(number);
    return 0;
}

#ifdef TEST_WRAPS_MEMORY

static atomic_int allocations, lacking; /* since then; the one that gets nothing, from 1 on */
void *__real_memory_allocate(size_t bytes);
void *__wrap_memory_allocate(size_t bytes);

void *__wrap_memory_allocate(size_t bytes) {
    return ++allocations == lacking ? NULL : __real_memory_allocate(bytes);
}

/* The message has the bytes of all that is lacking: the pixels and the labels of either set. */
static void test_out_of_memory(void **state) {
    (void)state;
    const struct dataset_options options = {.data = "synthetic", .samples = 7, .threads = 1};
    for (lacking = 1; lacking <= 4; lacking++) {
        struct dataset *dataset;
        allocations = 0;
        assert_fails(dataset_load(&options, &dataset, &error), STATUS_FAILED,
            "out of memory: 21511 bytes for images");
        assert_null(dataset);
    }
    lacking = 0;
}

#endif

/* Means and deviations straight from their definition, in either colour; of images that are all
 * alike; and the same bits for any number of threads. */
static void test_scaling(void **state) {
    (void)state;
    enum { COUNT = 37, PLANE = 16 };
    const struct image_format format = {.channels = 3, .side = 4, .grey = {0.5, 0.375, 0.125}};
    uint8_t pixels[COUNT * 3 * PLANE];
    for (size_t i = 0; i < sizeof pixels; i++) {
        uint32_t bits[4];
        random_bits(99, RANDOM_CHECK, 0, i, bits);
        pixels[i] = (uint8_t)(i / PLANE % 3 == 1 ? bits[0] % 90 : bits[0]);
    }
    const struct images images = {.format = &format, .count = COUNT, .pixels = pixels};
    for (enum color color = COLOR_GREY; color <= COLOR_RGB; color++) {
        const struct image_scaling found = images_scaling(&images, color, 1);
        for (size_t c = 0; c < (color == COLOR_GREY ? 1 : 3); c++) {
            double values[COUNT * PLANE], mean = 0.0, variance = 0.0;
            for (size_t v = 0; v < COUNT * PLANE; v++) {
                const uint8_t *at = pixels + v / PLANE * 3 * PLANE + v % PLANE;
                values[v] = color == COLOR_RGB
                                ? at[c * PLANE] / 255.0
                                : (0.5 * at[0] + 0.375 * at[PLANE] + 0.125 * at[2 * PLANE]) / 255.0;
                mean += values[v] / (COUNT * PLANE);
            }
            for (size_t v = 0; v < COUNT * PLANE; v++)
                variance += pow(values[v] - mean, 2.0) / (COUNT * PLANE);
            assert_true(fabs(found.means[c] - mean) < 1e-12);
            assert_true(fabs(found.deviations[c] - sqrt(variance)) < 1e-12);
        }
        for (int threads = 2; threads < 5; threads++) {
            const struct image_scaling again = images_scaling(&images, color, threads);
            assert_memory_equal(again.means, found.means, sizeof found.means);
            assert_memory_equal(again.deviations, found.deviations, sizeof found.deviations);
        }
    }
    for (int value = 0; value < 256; value++) {
        memset(pixels, value, sizeof pixels);
        const struct image_scaling alike = images_scaling(&images, COLOR_GREY, 2);
        assert_true(fabs(alike.means[0] - value / 255.0) < 1e-12 && alike.deviations[0] == 1.0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_files),
        cmocka_unit_test(test_fewer_samples),
        cmocka_unit_test(test_missing),
        cmocka_unit_test(test_wrong_sizes),
        cmocka_unit_test(test_wrong_labels),
        cmocka_unit_test(test_not_files),
        cmocka_unit_test(test_unreadable),
        cmocka_unit_test(test_cifar100_folder),
        cmocka_unit_test(test_no_folder),
        cmocka_unit_test(test_long_path),
        cmocka_unit_test(test_default_path),
        cmocka_unit_test(test_synthetic),
        cmocka_unit_test(test_scaling),
#ifdef TEST_WRAPS_MEMORY
        cmocka_unit_test(test_out_of_memory),
#endif
    };
    return cmocka_run_group_tests_name("dataset", tests, set_up, support_remove_folder);
}
