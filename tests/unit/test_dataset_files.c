/* The data reader on every kind of bad file, and on files that change while they are read. An error
 * names the file and says where or why, and nothing stays open after it. */
#include "support.h"
#include "trainer/dataset.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { FILES = 6, SEED = 20261125 };

static const char *const names[FILES] = {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
    "data_batch_4.bin", "data_batch_5.bin", "test_batch.bin"};
static char paths[FILES][400];
static struct error error;
static int threads = 2;

static const char *in_folder(const char *name) {
    static char path[400];
    snprintf(path, sizeof path, "%s/%s", support_folder, name);
    return path;
}

/* A good file with holes only, which cost nothing: labels and pixels of 0. */
static void make_file(const char *path, off_t bytes) {
    unlink(path);
    const int descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL, 0666);
    assert_true(descriptor >= 0);
    assert_int_equal(ftruncate(descriptor, bytes), 0);
    close(descriptor);
}

/* Uniform below `limit`, which is small: the bias does not matter. */
static uint32_t next_random(uint32_t limit) {
    static uint64_t state = SEED;
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 33) % limit;
}

static enum status load(size_t samples, struct dataset **dataset) {
    const struct dataset_options options = {
        .data = support_folder, .samples = samples, .threads = threads};
    return dataset_load(&options, dataset, &error);
}

static int open_descriptors(void) {
    int count = 0;
    for (int descriptor = 0; descriptor < 256; descriptor++)
        count += fcntl(descriptor, F_GETFD) != -1;
    return count;
}

/* Loading must fail with an error that has both the file's path and `text`. */
static void refused(int number, const char *text) {
    struct dataset *dataset;
    const int before = open_descriptors();
    const enum status status = load(200, &dataset);
    assert_fails(status, STATUS_DATASET, paths[number]);
    assert_fails(status, STATUS_DATASET, text);
    assert_null(dataset);
    assert_int_equal(open_descriptors(), before);
}

static void accepted(void) {
    struct dataset *dataset;
    assert_ok(load(200, &dataset));
    dataset_free(dataset);
}

/* --- Sizes --- */

static void check_size(int number, off_t bytes) {
    char text[80];
    assert_int_equal(truncate(paths[number], bytes), 0);
    snprintf(text, sizeof text, ": ends at offset %" PRIu64 "; expected 30730000 bytes",
        (uint64_t)bytes);
    refused(number, text);
    assert_int_equal(truncate(paths[number], CIFAR10_FILE_BYTES), 0);
}

static void test_truncated(void **state) {
    (void)state;
    static const off_t edges[] = {0, 1, CIFAR10_RECORD - 1, CIFAR10_RECORD, CIFAR10_RECORD + 1,
        200 * CIFAR10_RECORD, CIFAR10_FILE_BYTES - CIFAR10_RECORD, CIFAR10_FILE_BYTES - 1};
    print_message("seed %d\n", SEED);
    for (int number = 0; number < FILES; number++)
        for (size_t e = 0; e < sizeof edges / sizeof *edges; e++)
            check_size(number, edges[e]);
    for (int n = 0; n < 1000; n++)
        check_size(n % FILES, (off_t)next_random(CIFAR10_FILE_BYTES));
    accepted();
}

static void test_too_long(void **state) {
    (void)state;
    static const off_t sizes[] = {CIFAR10_FILE_BYTES + 1, CIFAR10_FILE_BYTES + CIFAR10_RECORD,
        2 * (off_t)CIFAR10_FILE_BYTES, (off_t)1 << 32,
        ((off_t)1 << 32) + CIFAR10_FILE_BYTES}; /* the right size in 32 bits */
    for (int number = 0; number < FILES; number++)
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
            check_size(number, sizes[s]);
}

/* --- Labels --- */

static void write_byte(int number, off_t offset, uint8_t byte) {
    const int descriptor = open(paths[number], O_WRONLY);
    assert_int_equal(pwrite(descriptor, &byte, 1, offset), 1);
    close(descriptor);
}

/* Every label that there is not, in the first records of a file, which are all that is read. */
static void test_labels(void **state) {
    (void)state;
    print_message("seed %d\n", SEED);
    for (int label = 10; label < 256; label++) {
        const int number = label % 2 ? 0 : FILES - 1;
        const off_t offset = (off_t)next_random(200) * CIFAR10_RECORD;
        char text[80];
        snprintf(text, sizeof text, "offset %ld: label %d; expected 0 to 9", (long)offset, label);
        write_byte(number, offset, (uint8_t)label);
        refused(number, text);
        write_byte(number, offset, (uint8_t)(label % 10));
    }
    accepted();
    write_byte(0, 200 * CIFAR10_RECORD, 10); /* is not read, and no error */
    accepted();
    write_byte(0, 200 * CIFAR10_RECORD, 0);
}

/* --- What is no file --- */

/* The file number `number` is whatever `make` makes at its path. */
static void check_kind(int number, int (*make)(const char *path), const char *text) {
    assert_int_equal(unlink(paths[number]), 0);
    assert_int_equal(make(paths[number]), 0);
    refused(number, text);
    assert_int_equal(remove(paths[number]), 0);
    make_file(paths[number], CIFAR10_FILE_BYTES);
}

static int make_folder(const char *path) {
    return mkdir(path, 0777);
}

static int make_fifo(const char *path) {
    return mkfifo(path, 0666);
}

static int make_socket(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int length = snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    const int descriptor = socket(AF_UNIX, SOCK_STREAM, 0);
    const int failed = length >= (int)sizeof address.sun_path ||
                       bind(descriptor, (const struct sockaddr *)&address, sizeof address) != 0;
    close(descriptor);
    return failed;
}

static int make_null_link(const char *path) {
    return symlink("/dev/null", path);
}

static int make_endless_link(const char *path) {
    return symlink("/dev/zero", path);
}

static int make_dangling_link(const char *path) {
    return symlink("nowhere/file", path);
}

static int make_link_to_itself(const char *path) {
    return symlink(strrchr(path, '/') + 1, path);
}

static int make_link_round(const char *path) {
    const int failed = symlink(path, in_folder("round"));
    return failed ? failed : symlink("round", path);
}

static int make_link_to_folder(const char *path) {
    return symlink(".", path);
}

static void test_kinds(void **state) {
    (void)state;
    for (int number = 0; number < FILES; number++) {
        check_kind(number, make_folder, "is a directory");
        check_kind(number, make_fifo, "is a FIFO");
        check_kind(number, make_socket, "; expected a CIFAR-10 file"); /* systems differ */
        check_kind(number, make_null_link, "is a device");
        check_kind(number, make_endless_link, "is a device");
        check_kind(number, make_dangling_link, strerror(ENOENT));
        check_kind(number, make_link_to_itself, strerror(ELOOP));
        check_kind(number, make_link_round, strerror(ELOOP));
        assert_int_equal(unlink(in_folder("round")), 0);
        check_kind(number, make_link_to_folder, "is a directory");
    }
    accepted();
}

/* A link to a link to a good file is as good. */
static void test_good_links(void **state) {
    (void)state;
    for (int number = 0; number < FILES; number++) {
        char file[64], link[64], path[400];
        snprintf(file, sizeof file, "file-%d", number);
        snprintf(link, sizeof link, "link-%d", number);
        assert_int_equal(rename(paths[number], in_folder(file)), 0);
        assert_int_equal(symlink(file, in_folder(link)), 0);
        snprintf(path, sizeof path, "%s", in_folder(link));
        assert_int_equal(symlink(path, paths[number]), 0);
    }
    accepted();
    for (int number = 0; number < FILES; number++)
        make_file(paths[number], CIFAR10_FILE_BYTES);
}

/* --- Files that change ---
 *
 * Something happens to data_batch_1.bin at a certain read: once all files are open, as the first
 * read is of none before. tests/CMakeLists.txt has the linker bring the reads by here (--wrap);
 * where it can't, there is none, and these tests are skipped. */

static pthread_mutex_t reading = PTHREAD_MUTEX_INITIALIZER; /* one read at a time */
static int reads;                                           /* so far, in this load */
static int moment = -1, failed;                             /* the read before which... */
static int (*happen)(void);                                 /* ...this does */

ssize_t __real_pread(int descriptor, void *to, size_t bytes, off_t offset);
ssize_t __wrap_pread(int descriptor, void *to, size_t bytes, off_t offset);
ssize_t __wrap___pread_chk(int descriptor, void *to, size_t bytes, off_t offset, size_t size);

#ifdef TEST_WRAPS_READS
ssize_t __wrap_pread(int descriptor, void *to, size_t bytes, off_t offset) {
    pthread_mutex_lock(&reading);
    if (reads++ == moment)
        failed = happen();
    const ssize_t got = __real_pread(descriptor, to, bytes, offset);
    pthread_mutex_unlock(&reading);
    return got;
}

/* What some distributions' compilers make of it by default (_FORTIFY_SOURCE). */
ssize_t __wrap___pread_chk(int descriptor, void *to, size_t bytes, off_t offset, size_t size) {
    (void)size;
    return __wrap_pread(descriptor, to, bytes, offset);
}
#endif

/* Loads all records while `what` happens before read number `when`, and says what came of it. */
static enum status load_while(int (*what)(void), int when, struct dataset **dataset) {
    reads = 0;
    failed = 0;
    moment = when;
    happen = what;
    const enum status status = load(CIFAR10_FILE_RECORDS, dataset);
    moment = -1;
#ifndef TEST_WRAPS_READS
    skip();
#endif
    assert_true(reads > when);
    assert_int_equal(failed, 0);
    return status;
}

/* A file full of `byte`. */
static void fill_file(const char *path, int byte) {
    uint8_t *bytes = malloc(CIFAR10_FILE_BYTES);
    memset(bytes, byte, CIFAR10_FILE_BYTES);
    FILE *file = fopen(path, "wb");
    assert_int_equal(fwrite(bytes, 1, CIFAR10_FILE_BYTES, file), CIFAR10_FILE_BYTES);
    assert_int_equal(fclose(file), 0);
    free(bytes);
}

/* Whether all bytes are this one. */
static bool is_filled(const uint8_t *bytes, size_t count, uint8_t byte) {
    return bytes[0] == byte && memcmp(bytes, bytes + 1, count - 1) == 0;
}

static int replace(void) {
    return rename(in_folder("twos"), paths[0]);
}

/* The file that was opened is read, whatever its name is given to: as a whole. */
static void test_replaced(void **state) {
    (void)state;
    static const int moments[] = {0, 1, 50, 99, 100};
    for (size_t m = 0; m < sizeof moments / sizeof *moments; m++) {
        fill_file(paths[0], 1);
        fill_file(in_folder("twos"), 2);
        for (uint8_t byte = 1; byte <= 2; byte++) {
            struct dataset *dataset;
            assert_ok(byte == 1 ? load_while(replace, moments[m], &dataset)
                                : load(CIFAR10_FILE_RECORDS, &dataset));
            assert_true(is_filled(dataset->train.labels, CIFAR10_FILE_RECORDS, byte));
            assert_true(is_filled(
                dataset->train.pixels, CIFAR10_FILE_RECORDS * (size_t)CIFAR10_PIXELS, byte));
            dataset_free(dataset);
        }
    }
    make_file(paths[0], CIFAR10_FILE_BYTES);
}

static off_t shrunk_size;

static int shrink(void) {
    return truncate(paths[0], shrunk_size);
}

/* It is an error wherever it ends, unless what is gone had been read. */
static void test_shrinks(void **state) {
    (void)state;
    static const off_t sizes[] = {0, 1, CIFAR10_RECORD, 5000 * CIFAR10_RECORD + 7,
        CIFAR10_FILE_BYTES - CIFAR10_RECORD, CIFAR10_FILE_BYTES - 1};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        struct dataset *dataset;
        const int before = open_descriptors();
        shrunk_size = sizes[s];
        const enum status status = load_while(shrink, 0, &dataset);
        assert_int_equal(open_descriptors(), before);
        assert_fails(status, STATUS_DATASET, paths[0]);
        assert_fails(status, STATUS_DATASET, "the file ended here while it was read");
        const char *offset = strstr(error.message, ": offset ");
        assert_non_null(offset);
        assert_true(strtol(offset + 9, NULL, 10) == shrunk_size);
        assert_null(dataset);
        make_file(paths[0], CIFAR10_FILE_BYTES);
    }
    threads = 1; /* reads one file after the other */
    struct dataset *dataset;
    shrunk_size = 0;
    assert_ok(load_while(shrink, CIFAR10_FILE_RECORDS / 100, &dataset));
    threads = 2;
    assert_int_equal(dataset->train.count, CIFAR10_FILE_RECORDS);
    dataset_free(dataset);
    make_file(paths[0], CIFAR10_FILE_BYTES);
}

static int set_up(void **state) {
    if (support_make_folder(state) != 0)
        return -1;
    for (int number = 0; number < FILES; number++) {
        snprintf(paths[number], sizeof paths[number], "%s", in_folder(names[number]));
        make_file(paths[number], CIFAR10_FILE_BYTES);
    }
    accepted(); /* OpenMP's threads are there from now on */
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_labels),
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_good_links),
        cmocka_unit_test(test_replaced),
        cmocka_unit_test(test_shrinks),
    };
    return cmocka_run_group_tests_name("dataset files", tests, set_up, support_remove_folder);
}
