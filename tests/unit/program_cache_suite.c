#include "program_cache_suite.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char folder[512];

/* The next one that the system would give. */
static int next_descriptor(void) {
    const int next = open("/dev/null", O_RDONLY);
    close(next);
    return next;
}

static int descriptor_before;

int set_up(void **state) {
    if (support_make_folder(state) != 0)
        return -1;
    snprintf(folder, sizeof folder, "%s/cache/trainer/programs", support_folder);
    char cache[512];
    snprintf(cache, sizeof cache, "%s/cache", support_folder);
    descriptor_before = next_descriptor();
    return setenv("XDG_CACHE_HOME", cache, 1);
}

int tear_down(void **state) {
    const bool clean = next_descriptor() == descriptor_before;
    return support_remove_folder(state) == 0 && clean ? 0 : -1;
}

/* --- Entries and their files --- */

void store(const char *key, const char *content) {
    program_cache_store(key, strlen(key), content, strlen(content));
}

bool loads(const char *key, const char *content) {
    void *found;
    size_t length;
    if (!program_cache_load(key, strlen(key), &found, &length))
        return false;
    const bool equal = length == strlen(content) && memcmp(found, content, length) == 0;
    free(found);
    return equal;
}

bool is_absent(const char *key) {
    void *found;
    size_t length;
    if (!program_cache_load(key, strlen(key), &found, &length))
        return true;
    free(found);
    return false;
}

uint64_t fnv1a(const void *bytes, size_t length) {
    const unsigned char *byte = bytes;
    uint64_t hash = 0xcbf29ce484222325;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ byte[i]) * 0x100000001b3;
    return hash;
}

const char *in_folder(const char *name) {
    static char path[1024];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

const char *path_of(const char *key) {
    char name[64];
    snprintf(name, sizeof name, "%016" PRIx64 ".program", fnv1a(key, strlen(key)));
    return in_folder(name);
}

int count_files(const char *of) {
    DIR *directory = opendir(of);
    if (!directory)
        return -1;
    int count = 0;
    for (struct dirent *entry; (entry = readdir(directory));)
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(directory);
    return count;
}

bool exists(const char *path) {
    struct stat status;
    return lstat(path, &status) == 0;
}

unsigned mode_of(const char *path) {
    struct stat status;
    assert_int_equal(lstat(path, &status), 0);
    return status.st_mode & 07777;
}

void write_bytes(const char *path, const void *bytes, size_t count) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, count, file), count);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, 0600), 0);
}
