/* Programs kept between runs: what was stored is loaded whole, and nothing else is. */
#include "program_cache_suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static size_t read_bytes(const char *path, unsigned char *bytes, size_t size) {
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    const size_t count = fread(bytes, 1, size, file);
    fclose(file);
    assert_true(count < size);
    return count;
}

static void seal(unsigned char *entry, size_t length) {
    const uint64_t checksum = fnv1a(entry, length - sizeof checksum);
    memcpy(entry + length - sizeof checksum, &checksum, sizeof checksum);
}

/* --- Contents --- */

static void test_round_trip(void **state) {
    (void)state;
    assert_true(is_absent("key"));
    assert_int_equal(count_files(support_folder), 0); /* loading makes nothing */
    store("key", "content");
    assert_true(loads("key", "content"));
    assert_true(exists(path_of("key")));
    assert_int_equal(count_files(folder), 1);
    assert_true(is_absent("kez"));
    assert_true(is_absent("ke"));
    assert_true(is_absent(""));
    store("key", "another");
    assert_true(loads("key", "another"));
    store("key", "");
    assert_true(loads("key", ""));
    store("", "of no key");
    assert_true(loads("", "of no key"));
    assert_true(loads("key", ""));
    assert_int_equal(count_files(folder), 2);
}

/* Every byte there is, in the key as well, and more than is written or read at once. */
static void test_any_bytes(void **state) {
    (void)state;
    const size_t length = 5 * MEBIBYTE;
    char key[256];
    unsigned char *stored = malloc(length);
    for (size_t i = 0; i < sizeof key; i++)
        key[i] = (char)i;
    for (size_t i = 0; i < length; i++)
        stored[i] = (unsigned char)(i ^ i >> 8 ^ i >> 16);
    program_cache_store(key, sizeof key, stored, length);
    void *loaded;
    size_t loaded_length;
    assert_true(program_cache_load(key, sizeof key, &loaded, &loaded_length));
    assert_int_equal(loaded_length, length);
    assert_memory_equal(loaded, stored, length);
    free(loaded);
    key[255] ^= 1;
    assert_false(program_cache_load(key, sizeof key, &loaded, &loaded_length));
    free(stored);
}

static void test_too_large(void **state) {
    (void)state;
    const size_t length = 64 * MEBIBYTE;
    char *content = calloc(length, 1);
    store("small", "content");
    program_cache_store("large", 5, content, length);
    program_cache_store(content, length, "large", 5);
    free(content);
    assert_int_equal(count_files(folder), 1);
    assert_true(loads("small", "content"));
}

/* --- Files that are no good --- */

static void test_damage(void **state) {
    (void)state;
    unsigned char entry[256];
    store("key", "content");
    const char *path = path_of("key");
    const size_t length = read_bytes(path, entry, sizeof entry);
    assert_true(length > strlen("key") + strlen("content"));
    for (size_t cut = 0; cut < length; cut++) {
        write_bytes(path, entry, cut);
        assert_true(is_absent("key"));
    }
    for (size_t bit = 0; bit < 8 * length; bit++) {
        entry[bit / 8] ^= (unsigned char)(1 << bit % 8);
        write_bytes(path, entry, length);
        assert_true(is_absent("key"));
        entry[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    for (size_t more = 1; more <= 16; more++) {
        memset(entry + length, 0, more);
        write_bytes(path, entry, length + more);
        assert_true(is_absent("key"));
        unsigned char sealed[256];
        memcpy(sealed, entry, length + more);
        seal(sealed, length + more);
        write_bytes(path, sealed, length + more);
        assert_true(is_absent("key"));
    }
    write_bytes(path, entry, length);
    assert_true(loads("key", "content"));
    write_bytes(path, "", 0);
    store("key", "content"); /* which is how a damaged entry heals */
    assert_true(loads("key", "content"));
}

/* Headers that lie, with a checksum that doesn't. */
static void test_sealed_lies(void **state) {
    (void)state;
    enum { KEY_LENGTH = 16, LENGTH = 24 }; /* offsets */
    static const uint64_t lies[] = {0, 1, 2, 4, 10, 11, 64, UINT32_MAX, (uint64_t)1 << 40,
        INT64_MAX, UINT64_MAX - 2, UINT64_MAX - 10, UINT64_MAX};
    unsigned char good[256], bad[256];
    store("key", "content");
    const char *path = path_of("key");
    const size_t length = read_bytes(path, good, sizeof good);
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++)
        for (int which = 0; which < 2; which++) {
            memcpy(bad, good, length);
            memcpy(bad + (which == 0 ? KEY_LENGTH : LENGTH), &lies[i], sizeof lies[i]);
            seal(bad, length);
            write_bytes(path, bad, length);
            assert_true(is_absent("key"));
        }
    for (int i = 0; i < KEY_LENGTH; i++) { /* the magic: another format or version */
        memcpy(bad, good, length);
        bad[i] ^= 1;
        seal(bad, length);
        write_bytes(path, bad, length);
        assert_true(is_absent("key"));
    }
    memcpy(bad, good, length);
    seal(bad, length);
    write_bytes(path, bad, length);
    assert_true(loads("key", "content"));
}

/* A file that ends before its key does, but whose lengths add up to its size, modulo 2^64. */
static void test_key_beyond_the_end(void **state) {
    (void)state;
    enum { LONG = 100, FRAME = 40 };
    char key[LONG + 1] = "";
    memset(key, 'k', LONG);
    store(key, "content");
    unsigned char entry[256];
    const char *path = path_of(key);
    assert_int_equal(read_bytes(path, entry, sizeof entry), FRAME + LONG + strlen("content"));
    for (size_t length = FRAME; length < FRAME + LONG; length++) {
        const uint64_t content_length = (uint64_t)length - FRAME - LONG;
        memcpy(entry + 24, &content_length, sizeof content_length);
        seal(entry, length);
        write_bytes(path, entry, length);
        assert_true(is_absent(key));
        memset(entry + 32, 'k', LONG);
    }
}

/* More than the cache may hold is not even read. */
static void test_huge_file(void **state) {
    (void)state;
    const size_t bytes = 65 * MEBIBYTE;
    unsigned char *entry = calloc(bytes, 1);
    store("key", "content");
    const char *path = path_of("key");
    const size_t length = read_bytes(path, entry, 256);
    const uint64_t content_length = bytes - (length - strlen("content"));
    memcpy(entry + 24, &content_length, sizeof content_length);
    seal(entry, bytes);
    write_bytes(path, entry, bytes);
    free(entry);
    assert_true(is_absent("key"));
    if (truncate(path, (off_t)1 << 40) == 0)
        assert_true(is_absent("key"));
}

/* As after a collision of two keys' names. */
static void test_file_of_another_key(void **state) {
    (void)state;
    static const char *const others[] = {"kez", "aey", "longer key", "k", ""};
    unsigned char entry[256];
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        store("key", "content");
        store(others[i], "content");
        const size_t length = read_bytes(path_of(others[i]), entry, sizeof entry);
        write_bytes(path_of("key"), entry, length);
        assert_true(is_absent("key"));
        assert_true(loads(others[i], "content"));
    }
    store("key", "content");
    assert_true(loads("key", "content"));
}

/* Neither loaded nor waited for; a store leaves it alone, and comes to nothing. */
static void test_no_file(void **state) {
    (void)state;
    char target[1024];
    store("key", "content");
    const char *path = path_of("key");
    for (int kind = 0; kind < 4; kind++) {
        unlink(path);
        snprintf(target, sizeof target, "%s/%s", support_folder, "target");
        if (kind == 0)
            assert_int_equal(mkdir(path, 0700), 0);
        else if (kind == 1)
            assert_int_equal(mkfifo(path, 0600), 0);
        else
            assert_int_equal(symlink(kind == 2 ? target : path, path), 0);
        alarm(1800); /* a FIFO without a writer would hold us for ever */
        assert_true(is_absent("key"));
        store("key", "content");
        alarm(0);
        assert_true(is_absent("key"));
        assert_false(exists(target));
        assert_int_equal(count_files(folder), 1);
        if (kind == 0)
            rmdir(path);
    }
}

/* --- Whose files they are --- */

static void test_trust(void **state) {
    (void)state;
    store("key", "content");
    const char *path = path_of("key");
    static const unsigned bad[] = {0620, 0602, 0666, 0660}, good[] = {0600, 0644, 0400, 0755};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(chmod(path, bad[i]), 0);
        assert_true(is_absent("key"));
    }
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(chmod(path, good[i]), 0);
        assert_true(loads("key", "content"));
    }
    if (geteuid() == 0 && chown(path, NOBODY, NOBODY) == 0)
        assert_true(is_absent("key"));
}

static void test_umask(void **state) {
    (void)state;
    const mode_t before = umask(0);
    store("key", "content");
    umask(before);
    assert_int_equal(mode_of(path_of("key")), 0600);
    assert_true(loads("key", "content"));
    char path[512];
    for (int depth = 0; depth < 3; depth++) {
        static const char *const made[] = {"cache", "cache/trainer", "cache/trainer/programs"};
        snprintf(path, sizeof path, "%s/%s", support_folder, made[depth]);
        assert_int_equal(mode_of(path), 0700);
    }
}

/* A folder that others can open is closed to them, as theirs is not used. */
static void test_folder_of_others(void **state) {
    (void)state;
    store("key", "content");
    assert_int_equal(chmod(folder, 0777), 0);
    store("key", "another");
    assert_int_equal(mode_of(folder), 0700);
    assert_true(loads("key", "another"));
    if (geteuid() == 0 && chown(folder, NOBODY, NOBODY) == 0) {
        store("key", "a third");
        store("new", "content");
        assert_true(loads("key", "another"));
        assert_true(is_absent("new"));
        assert_int_equal(count_files(folder), 1);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_round_trip),
        TEST(test_any_bytes),
        TEST(test_too_large),
        TEST(test_damage),
        TEST(test_sealed_lies),
        TEST(test_key_beyond_the_end),
        TEST(test_huge_file),
        TEST(test_file_of_another_key),
        TEST(test_no_file),
        TEST(test_trust),
        TEST(test_umask),
        TEST(test_folder_of_others),
    };
    return cmocka_run_group_tests_name("program_cache", tests, NULL, NULL);
}
