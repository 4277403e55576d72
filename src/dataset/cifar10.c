/* Reads CIFAR-10's binary version: five training files and one test file of 10,000 records each. A
 * record is a label byte and 3072 bytes of pixels. (A. Krizhevsky, "Learning multiple layers of
 * features from tiny images", 2009; the format: https://www.cs.toronto.edu/~kriz/cifar.html) */
#include "dataset/origin.h"
#include "system/file.h"
#include "system/locale.h"
#include "system/memory.h"
#include "system/team.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The size of CIFAR-100's test.bin, whose records have two label bytes. */
enum { CIFAR100_FILE_BYTES = 10000 * (2 + CIFAR10_PIXELS) };

/* One of the files, and where its records go in memory. */
struct data_file {
    char path[1024 + 32];
    int descriptor;
    size_t records; /* the number of records that are wanted */
    uint8_t *pixels, *labels;
};

static bool exists(const char *folder, const char *name) {
    char path[1024 + 32];
    struct stat status;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return stat(path, &status) == 0;
}

/* Opens a file and checks that it has the right size. It does not wait for the writer of a FIFO. */
static enum status open_file(const char *folder, struct data_file *file, struct error *error) {
    uint64_t bytes;
    const char *problem;
    int reason;
    file->descriptor = file_open_regular(file->path, &bytes, &problem, &reason);
    if (file->descriptor < 0 && reason == ENOENT && exists(folder, "train.bin") &&
        exists(folder, "test.bin"))
        return error_set(error, STATUS_DATASET,
            "%s: there is train.bin instead, so this is CIFAR-100; expected CIFAR-10's binary "
            "version, which tools/fetch-cifar10 fetches",
            file->path);
    if (file->descriptor < 0)
        return error_set(error, STATUS_DATASET,
            "%s: %s; expected a CIFAR-10 file of %d bytes: tools/fetch-cifar10 fetches the data "
            "set, --data synthetic does without",
            file->path, problem, CIFAR10_FILE_BYTES);
    if (bytes != CIFAR10_FILE_BYTES)
        return error_set(error, STATUS_DATASET,
            "%s: ends at offset %" PRIu64 "; expected %d bytes (%d records of %d)%s", file->path,
            bytes, CIFAR10_FILE_BYTES, CIFAR10_FILE_RECORDS, CIFAR10_RECORD,
            bytes == CIFAR100_FILE_BYTES ? "; this is the size of a CIFAR-100 file" : "");
    return STATUS_OK;
}

/* The records that are read at once: few enough to stay in a core's cache while they are copied. */
enum { CHUNK_RECORDS = 100, CHUNK_BYTES = CHUNK_RECORDS * CIFAR10_RECORD };

static enum status read_chunk(
    const struct data_file *file, size_t first, uint8_t *chunk, struct error *error) {
    const size_t left = file->records - first;
    const size_t count = left < CHUNK_RECORDS ? left : CHUNK_RECORDS;
    const size_t start = first * CIFAR10_RECORD, wanted = count * CIFAR10_RECORD;
    int reason;
    const size_t got = file_read_at(file->descriptor, start, chunk, wanted, &reason);
    if (got < wanted)
        return error_set(error, STATUS_DATASET, "%s: offset %zu: %s; expected %d bytes in all",
            file->path, start + got,
            reason ? locale_reason(reason) : "the file ended here while it was read",
            CIFAR10_FILE_BYTES);
    for (size_t i = 0; i < count; i++) {
        const uint8_t *record = chunk + i * CIFAR10_RECORD;
        if (record[0] >= CIFAR10_CLASSES)
            return error_set(error, STATUS_DATASET,
                "%s: offset %zu: label %d; expected 0 to %d (record %zu; is this CIFAR-10's "
                "binary version?)",
                file->path, start + i * CIFAR10_RECORD, record[0], CIFAR10_CLASSES - 1, first + i);
        file->labels[first + i] = record[0];
        memcpy(file->pixels + (first + i) * CIFAR10_PIXELS, record + 1, CIFAR10_PIXELS);
    }
    return STATUS_OK;
}

/* Reads the chunks of all files with all threads. Of several errors it reports the one that comes
 * first in the files. */
static enum status read_files(
    const struct data_file files[CIFAR10_FILES], int threads, struct error *error) {
    enum { FILE_CHUNKS = (CIFAR10_FILE_RECORDS + CHUNK_RECORDS - 1) / CHUNK_RECORDS };
    int failed = CIFAR10_FILES * FILE_CHUNKS;
    enum status result = STATUS_OK;
#pragma omp parallel num_threads(team_whole(threads))
    {
        uint8_t *chunk = memory_allocate(CHUNK_BYTES);
#pragma omp for schedule(dynamic)
        for (int task = 0; task < CIFAR10_FILES * FILE_CHUNKS; task++) {
            const struct data_file *file = &files[task / FILE_CHUNKS];
            const size_t first = (size_t)(task % FILE_CHUNKS) * CHUNK_RECORDS;
            struct error problem;
            enum status status = STATUS_OK;
            if (first < file->records)
                status = chunk ? read_chunk(file, first, chunk, &problem)
                               : error_memory(&problem, "reading the data set", CHUNK_BYTES);
            if (status != STATUS_OK) {
#pragma omp critical(trainer_read_failed)
                if (task < failed) {
                    failed = task;
                    result = status;
                    if (error)
                        *error = problem;
                }
            }
        }
        free(chunk);
    }
    return result;
}

/* Opens all files. The caller closes those that are open, whatever is returned. `train` and `test`
 * may be NULL when nothing is to be read. */
static enum status open_files(const char *folder, const struct images *train,
    const struct images *test, struct data_file files[CIFAR10_FILES], struct error *error) {
    enum status status = STATUS_OK;
    for (int f = 0; f < CIFAR10_FILES; f++)
        files[f].descriptor = -1;
    for (int f = 0; f < CIFAR10_FILES && status == STATUS_OK; f++) {
        struct data_file *file = &files[f];
        const struct images *images = f < CIFAR10_TRAIN_FILES ? train : test;
        const size_t before = f < CIFAR10_TRAIN_FILES ? (size_t)f * CIFAR10_FILE_RECORDS : 0;
        const size_t left = images && images->count > before ? images->count - before : 0;
        snprintf(file->path, sizeof file->path, "%s/%s", folder, cifar10_format.files[f]);
        file->records = left < CIFAR10_FILE_RECORDS ? left : CIFAR10_FILE_RECORDS;
        if (file->records > 0) {
            file->pixels = images->pixels + before * CIFAR10_PIXELS;
            file->labels = images->labels + before;
        }
        status = open_file(folder, file, error);
    }
    return status;
}

enum status cifar10_read(const char *folder, int threads, struct images *train, struct images *test,
    struct error *error) {
    struct data_file *files = calloc(CIFAR10_FILES, sizeof *files);
    if (!files)
        return error_memory(error, "reading the data set", CIFAR10_FILES * sizeof *files);
    enum status status = open_files(folder, train, test, files, error);
    if (status == STATUS_OK && train)
        status = read_files(files, threads, error);
    for (int f = 0; f < CIFAR10_FILES; f++)
        if (files[f].descriptor >= 0)
            close(files[f].descriptor);
    free(files);
    return status;
}

enum status cifar10_check(const char *folder, struct error *error) {
    return cifar10_read(folder, 0, NULL, NULL, error);
}
