/* Whatever the system makes of the six files of CIFAR-10, the reader gives exactly what it was
 * given, with labels below 10, or says which file is to blame; it writes nowhere else, reads
 * nothing else, and closes what it opened.
 *
 * The system is simulated, by functions in the place of the C library's (ld --wrap): the files are
 * too large to be made a thousand times a second. The input is
 *   bytes 0, 1   the numbers of images of the training and of the test set (read_input)
 *   byte 2       whether train.bin and test.bin are there, memory is refused, and the files are
 *                only looked at (the flags below)
 *   six times    what a file is (enum thing), and its size where it is SIZED
 *   a byte       the number of those that follow: what becomes of each read (simulate_read)
 *   the rest     what is in the files (label_at, pixels_at)
 * and zeros where it ends too early, with which all goes well. */
#include "dataset/origin.h"
#include "fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDER "/simulated"

enum { FILES = CIFAR10_TRAIN_FILES + 1, COUNT_LIMIT = 250, PATTERN_LIMIT = 1024 };

static const char *const names[FILES] = {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
    "data_batch_4.bin", "data_batch_5.bin", "test_batch.bin"};

enum flags {
    HAS_TRAIN_BIN = 1,
    HAS_TEST_BIN = 2,
    NO_CALLOC = 4,
    NO_ALIGNED_ALLOC = 8,
    ONLY_CHECK = 16,
};

/* What there is at a path. All bytes from 128 on are GOOD, so that most files are. */
enum thing { GOOD, SIZED, MISSING, FORBIDDEN, LOOP, UNKNOWN, FOLDER_, FIFO, SOCKET, THINGS };

static struct file {
    enum thing thing;
    uint64_t bytes;
    size_t wanted;    /* records */
    size_t delivered; /* bytes */
    bool open, failed;
} files[FILES];

static struct {
    bool active; /* whether memory may be refused */
    uint8_t flags;
    const uint8_t *reads; /* what becomes of each */
    size_t reads_left;
    uint8_t pattern[PATTERN_LIMIT + CIFAR10_PIXELS]; /* repeated */
    size_t period;
} system_;

/* --- What is in the files --- */

/* Most bytes make a label below 10, the others one from 10 on. */
static uint8_t label_at(size_t file, size_t record) {
    const uint8_t byte = system_.pattern[(record + 13 * file) % system_.period];
    return byte < 240 ? byte % CIFAR10_CLASSES : byte - 240 + CIFAR10_CLASSES;
}

static const uint8_t *pixels_at(size_t file, size_t record) {
    return system_.pattern + (31 * record + 7 * file) % system_.period;
}

static void copy_bytes(size_t file, size_t offset, uint8_t *to, size_t bytes) {
    while (bytes > 0) {
        const size_t record = offset / CIFAR10_RECORD, start = offset % CIFAR10_RECORD;
        const size_t left = start == 0 ? 1 : CIFAR10_RECORD - start;
        const size_t count = left < bytes ? left : bytes;
        if (start == 0)
            *to = label_at(file, record);
        else
            memcpy(to, pixels_at(file, record) + start - 1, count);
        to += count;
        offset += count;
        bytes -= count;
    }
}

/* --- The system --- */

/* Descriptors that no process has so many files to reach. */
enum { FIRST_DESCRIPTOR = 1 << 24 };

static bool is_simulated(int descriptor) {
    return descriptor >= FIRST_DESCRIPTOR && descriptor < FIRST_DESCRIPTOR + FILES;
}

static struct file *file_of(int descriptor) {
    struct file *file = &files[descriptor - FIRST_DESCRIPTOR];
    FUZZ_REQUIRE(file->open, "%s is not open", names[file - files]);
    return file;
}

static int simulate_open(const char *name) {
    size_t f = 0;
    while (f < FILES && strcmp(names[f], name) != 0)
        f++;
    FUZZ_REQUIRE(f < FILES && !files[f].open, "%s is opened", name);
    static const int reasons[THINGS] = {
        [MISSING] = ENOENT, [FORBIDDEN] = EACCES, [LOOP] = ELOOP, [SOCKET] = ENXIO};
    errno = reasons[files[f].thing];
    files[f].open = errno == 0;
    return files[f].open ? FIRST_DESCRIPTOR + (int)f : -1;
}

static int simulate_fstat(const struct file *file, struct stat *status) {
    static const mode_t modes[THINGS] = {
        [GOOD] = S_IFREG, [SIZED] = S_IFREG, [FOLDER_] = S_IFDIR, [FIFO] = S_IFIFO};
    if (file->thing == UNKNOWN) {
        errno = EIO;
        return -1;
    }
    *status = (struct stat){.st_mode = modes[file->thing], .st_size = (off_t)file->bytes};
    return 0;
}

static ssize_t simulate_read(struct file *file, void *to, size_t bytes, off_t offset) {
    const uint8_t what = system_.reads_left > 0 ? *system_.reads : 0;
    system_.reads += system_.reads_left > 0;
    system_.reads_left -= system_.reads_left > 0;
    FUZZ_REQUIRE(
        offset >= 0 && bytes > 0 && (size_t)offset + bytes <= file->wanted * CIFAR10_RECORD,
        "%zu bytes from %lld on of %zu records", bytes, (long long)offset, file->wanted);
    switch (what) {
    case 255:
        errno = EINTR;
        return -1;
    case 254:
        errno = EIO;
        file->failed = true;
        return -1;
    case 253: /* another process made it shorter */
        file->failed = true;
        return 0;
    }
    const size_t got = bytes - bytes * what / 256; /* at least 1 */
    copy_bytes((size_t)(file - files), (size_t)offset, to, got);
    file->delivered += got;
    return (ssize_t)got;
}

/* Of the C library, under the names that the linker gives them. */
#define WRAPPED(result, name, ...)                                                                 \
    result __real_##name(__VA_ARGS__);                                                             \
    result __wrap_##name(__VA_ARGS__);                                                             \
    result __wrap_##name(__VA_ARGS__)

WRAPPED(int, open, const char *path, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    const unsigned mode = flags & O_CREAT ? va_arg(arguments, unsigned) : 0;
    va_end(arguments);
    return strncmp(path, FOLDER "/", sizeof FOLDER) == 0 ? simulate_open(path + sizeof FOLDER)
                                                         : __real_open(path, flags, mode);
}

WRAPPED(int, stat, const char *path, struct stat *status) {
    if (strncmp(path, FOLDER "/", sizeof FOLDER) != 0)
        return __real_stat(path, status);
    const char *name = path + sizeof FOLDER;
    return (strcmp(name, "train.bin") == 0 && system_.flags & HAS_TRAIN_BIN) ||
                   (strcmp(name, "test.bin") == 0 && system_.flags & HAS_TEST_BIN)
               ? 0
               : -1;
}

WRAPPED(int, fstat, int descriptor, struct stat *status) {
    return is_simulated(descriptor) ? simulate_fstat(file_of(descriptor), status)
                                    : __real_fstat(descriptor, status);
}

WRAPPED(ssize_t, pread, int descriptor, void *to, size_t bytes, off_t offset) {
    return is_simulated(descriptor) ? simulate_read(file_of(descriptor), to, bytes, offset)
                                    : __real_pread(descriptor, to, bytes, offset);
}

WRAPPED(int, close, int descriptor) {
    if (!is_simulated(descriptor))
        return __real_close(descriptor);
    file_of(descriptor)->open = false;
    return 0;
}

WRAPPED(void *, calloc, size_t count, size_t size) {
    return system_.active && system_.flags & NO_CALLOC ? NULL : __real_calloc(count, size);
}

/* The reader's large block is one for all executions: to have it made takes longer than to read. */
static struct {
    void *memory;
    size_t bytes;
    bool used;
} block;

WRAPPED(void *, aligned_alloc, size_t alignment, size_t size) {
    if (!system_.active)
        return __real_aligned_alloc(alignment, size);
    if (system_.flags & NO_ALIGNED_ALLOC)
        return NULL;
    if (!block.memory) {
        block.memory = __real_aligned_alloc(alignment, size);
        block.bytes = size;
    }
    FUZZ_REQUIRE(!block.used && size == block.bytes, "%zu bytes", size);
    block.used = true;
    return block.memory;
}

WRAPPED(void, free, void *memory) {
    if (memory && memory == block.memory)
        block.used = false;
    else
        __real_free(memory);
}

/* --- The input --- */

struct input {
    const uint8_t *data;
    size_t size;
};

static uint8_t take(struct input *input) {
    if (input->size == 0)
        return 0;
    input->size--;
    return *input->data++;
}

static void read_file(struct input *input, struct file *file, size_t wanted) {
    const uint8_t byte = take(input);
    *file = (struct file){
        .thing = byte < 128 ? (enum thing)(byte % THINGS) : GOOD,
        .bytes = CIFAR10_FILE_BYTES,
        .wanted = wanted,
    };
    if (file->thing == SIZED) {
        file->bytes = 0;
        for (int b = 0; b < 8; b++)
            file->bytes |= (uint64_t)take(input) << 8 * b;
        file->bytes &= INT64_MAX; /* as no file has a negative size */
    }
}

static void read_pattern(struct input *input) {
    static const uint8_t usual[] = {1, 2, 3, 5, 7, 11, 13};
    if (input->size == 0)
        *input = (struct input){usual, sizeof usual};
    system_.period = input->size < PATTERN_LIMIT ? input->size : PATTERN_LIMIT;
    for (size_t i = 0; i < sizeof system_.pattern; i += system_.period) {
        const size_t left = sizeof system_.pattern - i;
        memcpy(system_.pattern + i, input->data, left < system_.period ? left : system_.period);
    }
}

static void read_input(struct input *input, size_t *train, size_t *test) {
    const unsigned many = take(input); /* seldom more than a chunk of 100, which takes long */
    *train = many < 240 ? 1 + many % 8 : 10 + (many - 240) * 16;
    *test = 1 + take(input) % 8;
    system_.flags = take(input);
    for (int f = 0; f < FILES; f++)
        read_file(input, &files[f], f == 0 ? *train : f == CIFAR10_TRAIN_FILES ? *test : 0);
    const size_t reads = take(input);
    system_.reads_left = reads < input->size ? reads : input->size;
    system_.reads = input->data;
    input->data += system_.reads_left;
    input->size -= system_.reads_left;
    read_pattern(input);
}

/* --- What is right --- */

static bool is_refused(const struct file *file) {
    return file->thing != GOOD && (file->thing != SIZED || file->bytes != CIFAR10_FILE_BYTES);
}

static bool is_broken(const struct file *file) {
    bool broken = file->failed;
    for (size_t record = 0; record < file->wanted && !broken; record++)
        broken = label_at((size_t)(file - files), record) >= CIFAR10_CLASSES;
    return broken;
}

/* The first of the files that is wrong; FILES: none is. All are opened before any is read. */
static size_t find_wrong(bool (*is_wrong)(const struct file *)) {
    size_t f = 0;
    while (f < FILES && !is_wrong(&files[f]))
        f++;
    return f;
}

static enum status right_status(size_t *wrong) {
    *wrong = FILES;
    if (system_.flags & NO_CALLOC)
        return STATUS_FAILED;
    *wrong = find_wrong(is_refused);
    if (*wrong < FILES)
        return STATUS_DATASET;
    if (system_.flags & ONLY_CHECK)
        return STATUS_OK;
    if (system_.flags & NO_ALIGNED_ALLOC)
        return STATUS_FAILED;
    *wrong = find_wrong(is_broken);
    return *wrong < FILES ? STATUS_DATASET : STATUS_OK;
}

/* Memory for images, with guards before and after. */
enum { GUARD = 64, GUARD_BYTE = 0xA5 };
struct guarded {
    uint8_t pixels[GUARD + COUNT_LIMIT * CIFAR10_PIXELS + GUARD];
    uint8_t labels[GUARD + COUNT_LIMIT + GUARD];
};

static struct images make_images(struct guarded *guarded, size_t count) {
    memset(guarded->pixels, GUARD_BYTE, GUARD + count * CIFAR10_PIXELS + GUARD);
    memset(guarded->labels, GUARD_BYTE, GUARD + count + GUARD);
    return (struct images){count, guarded->pixels + GUARD, guarded->labels + GUARD};
}

static void check_guards(const uint8_t *bytes, size_t count) {
    for (size_t i = 0; i < GUARD; i++)
        FUZZ_REQUIRE(bytes[-1 - (ptrdiff_t)i] == GUARD_BYTE && bytes[count + i] == GUARD_BYTE,
            "written %zu bytes beyond %zu", i, count);
}

static void check_images(const struct images *images, size_t file) {
    FUZZ_REQUIRE(files[file].delivered == images->count * CIFAR10_RECORD, "%zu bytes read of %s",
        files[file].delivered, names[file]);
    for (size_t i = 0; i < images->count; i++) {
        FUZZ_REQUIRE(images->labels[i] < CIFAR10_CLASSES, "label %d", images->labels[i]);
        FUZZ_REQUIRE(images->labels[i] == label_at(file, i), "label of %zu", i);
        FUZZ_REQUIRE(
            memcmp(images->pixels + i * CIFAR10_PIXELS, pixels_at(file, i), CIFAR10_PIXELS) == 0,
            "pixels of %zu", i);
    }
}

void fuzz_try(const uint8_t *data, size_t size) {
    static struct guarded pair[2];
    struct input input = {data, size};
    size_t train_count, test_count, wrong;
    struct error error;
    error.message[0] = '\0';
    read_input(&input, &train_count, &test_count);
    struct images train = make_images(&pair[0], train_count);
    struct images test = make_images(&pair[1], test_count);

    system_.active = true;
    const bool only_check = system_.flags & ONLY_CHECK;
    const enum status status =
        only_check ? cifar10_check(FOLDER, &error) : cifar10_read(FOLDER, 1, &train, &test, &error);
    system_.active = false;

    const enum status right = right_status(&wrong);
    FUZZ_REQUIRE(status == right, "status %d, not %d: %s", status, right, error.message);
    FUZZ_REQUIRE(status == STATUS_OK || error.message[0], "refused, with no reason");
    FUZZ_REQUIRE(wrong == FILES || strstr(error.message, names[wrong]), "names another file: %s",
        error.message);
    check_guards(train.pixels, train_count * CIFAR10_PIXELS);
    check_guards(train.labels, train_count);
    check_guards(test.pixels, test_count * CIFAR10_PIXELS);
    check_guards(test.labels, test_count);
    FUZZ_REQUIRE(!block.used, "the block is not freed");
    for (int f = 0; f < FILES; f++)
        FUZZ_REQUIRE(!files[f].open, "%s is left open", names[f]);
    if (status == STATUS_OK && !only_check) {
        check_images(&train, 0);
        check_images(&test, CIFAR10_TRAIN_FILES);
    }
}
