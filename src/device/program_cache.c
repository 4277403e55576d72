#include "device/program_cache.h"

#include "system/file.h"
#include "system/hash.h"
#include "system/places.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* The most that the cache may hold. It needs a limit, because after an update of a driver nobody
 * asks for the old programs again. */
enum { ENTRIES_LIMIT = 512, BYTES_LIMIT = 64 * 1024 * 1024 };

/* An entry is a file: this header, the key, the content, and a checksum of all three. On a machine
 * with the other byte order its lengths don't fit, and it is refused. The checksum protects against
 * accidents: a bad disk, a file cut short. The file's owner and mode protect against malice. */
struct header {
    char magic[16]; /* names the format and its version */
    uint64_t key_length;
    uint64_t length; /* of the content */
};

static const struct header empty = {.magic = "trainer code v1"};

enum { FRAME = sizeof(struct header) + sizeof(uint64_t) }; /* bytes beside key and content */

/* --- Keys --- */

char *program_cache_key(const char *const *parts, size_t count, size_t *key_length) {
    size_t size = 1, used = 0;
    for (size_t p = 0; p < count; p++)
        size += strlen(parts[p]) + 1;
    char *key = malloc(size);
    if (!key)
        return NULL;
    for (size_t p = 0; p < count; p++)
        used += (size_t)snprintf(key + used, size - used, "%s\n", parts[p]);
    *key_length = used;
    return key;
}

/* --- Where entries are --- */

/* Gives the cache's folder. The first *given characters of its path are a folder that is not ours
 * to make, such as the home. False when the environment names no place. */
static bool find_folder(char folder[PATH_MAX], size_t *given) {
    return places_cache("trainer/programs", folder, PATH_MAX, given);
}

static const char hex_digits[] = "0123456789abcdef";
static const char suffix[] = ".program";
enum { NAME_DIGITS = 16, NAME_SIZE = 64 };

/* Writes the name of a key's file, which is a hash of the key. Two keys may share a name: then the
 * later entry replaces the earlier one. */
static void name_of(const char *key, size_t key_length, char name[NAME_SIZE]) {
    snprintf(name, NAME_SIZE, "%016" PRIx64 "%s", hash_on(hash_start, key, key_length), suffix);
}

static bool path_of(const char *folder, const char *name, char path[PATH_MAX]) {
    const int length = snprintf(path, PATH_MAX, "%s/%s", folder, name);
    return length > 0 && length < PATH_MAX;
}

/* Whether a file's name is that of an entry, or of the temporary file that file_replace leaves of
 * an entry when the machine goes down. */
static bool is_our_name(const char *name) {
    if (strlen(name) >= NAME_SIZE || strspn(name, hex_digits) != NAME_DIGITS ||
        strncmp(name + NAME_DIGITS, suffix, strlen(suffix)) != 0)
        return false;
    const char *rest = name + NAME_DIGITS + strlen(suffix);
    return *rest == '\0' || strncmp(rest, FILE_PARTIAL, strlen(FILE_PARTIAL)) == 0;
}

/* --- Loading --- */

/* Whether the file belongs to this user, and nobody else may write to it. */
static bool is_trusted(int descriptor) {
    struct stat status;
    return fstat(descriptor, &status) == 0 && status.st_uid == geteuid() &&
           (status.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

/* Whether the file's bytes are an undamaged entry of this key. */
static bool is_entry(const char *file, size_t bytes, const char *key, size_t key_length) {
    struct header header;
    uint64_t checksum;
    memcpy(&header, file, sizeof header);
    memcpy(&checksum, file + bytes - sizeof checksum, sizeof checksum);
    return memcmp(header.magic, empty.magic, sizeof header.magic) == 0 &&
           header.key_length == key_length && header.length == bytes - FRAME - key_length &&
           memcmp(file + sizeof header, key, key_length) == 0 &&
           checksum == hash_on(hash_start, file, bytes - sizeof checksum);
}

bool program_cache_load(const char *key, size_t key_length, void **content, size_t *length) {
    char folder[PATH_MAX], path[PATH_MAX], name[NAME_SIZE];
    size_t given;
    name_of(key, key_length, name);
    if (!find_folder(folder, &given) || !path_of(folder, name, path))
        return false;
    uint64_t bytes;
    const char *problem;
    int reason;
    const int descriptor = file_open_regular(path, &bytes, &problem, &reason);
    if (descriptor < 0)
        return false;
    /* How much memory to allocate is taken from the file's size. The lengths that it holds may be
     * damaged. */
    const bool fits = bytes <= BYTES_LIMIT && bytes >= FRAME && bytes - FRAME >= key_length;
    char *file = fits && is_trusted(descriptor) ? malloc(bytes) : NULL;
    const bool loaded = file && file_read_at(descriptor, 0, file, bytes, &reason) == bytes &&
                        is_entry(file, bytes, key, key_length);
    if (loaded)
        (void)futimens(descriptor, NULL); /* so that an entry in use is not the oldest */
    close(descriptor);
    if (!loaded) {
        free(file);
        return false;
    }
    *length = bytes - FRAME - key_length;
    memmove(file, file + sizeof(struct header) + key_length, *length);
    *content = file;
    return true;
}

/* --- Storing --- */

/* What must be known of a file in the folder to decide whether it is removed. */
struct entry {
    char name[NAME_SIZE];
    uint64_t bytes;
    time_t modified;
};

static int compare_age(const void *a, const void *b) {
    const time_t left = ((const struct entry *)a)->modified;
    const time_t right = ((const struct entry *)b)->modified;
    return (left > right) - (left < right);
}

/* Lists the files of the folder whose names are ours. The caller frees the list. NULL when there
 * are none, or memory is refused. */
static struct entry *list_entries(DIR *directory, size_t *count) {
    struct entry *entries = NULL;
    size_t capacity = 0;
    *count = 0;
    for (struct dirent *found; (found = readdir(directory));) {
        struct stat status;
        if (!is_our_name(found->d_name) ||
            fstatat(dirfd(directory), found->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0 ||
            !S_ISREG(status.st_mode) || status.st_uid != geteuid())
            continue;
        if (*count == capacity) {
            capacity = 2 * capacity + ENTRIES_LIMIT;
            struct entry *more = realloc(entries, capacity * sizeof *entries);
            if (!more) {
                free(entries);
                return NULL;
            }
            entries = more;
        }
        struct entry *entry = &entries[(*count)++];
        memcpy(entry->name, found->d_name, strlen(found->d_name) + 1);
        entry->bytes = (uint64_t)status.st_size;
        entry->modified = status.st_mtime;
    }
    return entries;
}

/* Removes the oldest files until the folder is within its limits. `kept` is the entry that was just
 * stored. It stays even if the clock was set back, so that it seems old. If the temporary file of
 * another process is removed before that process renames it, that process has stored nothing, which
 * does no harm. */
static void remove_oldest(const char *folder, const char *kept) {
    DIR *directory = opendir(folder);
    if (!directory)
        return;
    size_t count;
    struct entry *entries = list_entries(directory, &count);
    if (entries) {
        uint64_t bytes = 0;
        size_t left = count;
        for (size_t e = 0; e < count; e++)
            bytes += entries[e].bytes;
        qsort(entries, count, sizeof *entries, compare_age);
        for (size_t e = 0; e < count && (left > ENTRIES_LIMIT || bytes > BYTES_LIMIT); e++)
            if (strcmp(entries[e].name, kept) != 0 &&
                unlinkat(dirfd(directory), entries[e].name, 0) == 0) {
                left--;
                bytes -= entries[e].bytes;
            }
        free(entries);
    }
    closedir(directory);
}

void program_cache_store(const char *key, size_t key_length, const void *content, size_t length) {
    char folder[PATH_MAX], path[PATH_MAX], name[NAME_SIZE];
    size_t given;
    name_of(key, key_length, name);
    if (key_length > BYTES_LIMIT - FRAME || length > BYTES_LIMIT - FRAME - key_length ||
        !find_folder(folder, &given) || !path_of(folder, name, path) ||
        !file_make_private_folder(folder, given))
        return;
    struct header header = empty;
    header.key_length = key_length;
    header.length = length;
    uint64_t checksum = hash_on(hash_start, &header, sizeof header);
    checksum = hash_on(checksum, key, key_length);
    checksum = hash_on(checksum, content, length);
    const struct file_part parts[] = {{&header, sizeof header}, {key, key_length},
        {content, length}, {&checksum, sizeof checksum}};
    struct error unused;
    if (file_replace(path, parts, 4, &unused) != STATUS_OK)
        return;
    (void)chmod(path, 0600); /* a file that others may write to is never trusted */
    remove_oldest(folder, name);
}
