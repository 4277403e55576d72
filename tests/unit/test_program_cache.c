/* Programs kept between runs: what was stored is loaded whole, and nothing else is. */
#include "device/gpu/program_cache.h"
#include "support.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NOBODY = 65534, FILES = 512, MEBIBYTE = 1024 * 1024 };

static char folder[512]; /* where entries are */

/* The next one that the system would give. */
static int next_descriptor(void) {
    const int next = open("/dev/null", O_RDONLY);
    close(next);
    return next;
}

static int descriptor_before;

static int set_up(void **state) {
    if (support_make_folder(state) != 0)
        return -1;
    snprintf(folder, sizeof folder, "%s/cache/trainer/programs", support_folder);
    char cache[512];
    snprintf(cache, sizeof cache, "%s/cache", support_folder);
    descriptor_before = next_descriptor();
    return setenv("XDG_CACHE_HOME", cache, 1);
}

/* No test may leave anything open. */
static int tear_down(void **state) {
    const bool clean = next_descriptor() == descriptor_before;
    return support_remove_folder(state) == 0 && clean ? 0 : -1;
}

/* --- Entries and their files --- */

static void store(const char *key, const char *content) {
    program_cache_store(key, strlen(key), content, strlen(content));
}

static bool loads(const char *key, const char *content) {
    void *found;
    size_t length;
    if (!program_cache_load(key, strlen(key), &found, &length))
        return false;
    const bool equal = length == strlen(content) && memcmp(found, content, length) == 0;
    free(found);
    return equal;
}

static bool is_absent(const char *key) {
    void *found;
    size_t length;
    if (!program_cache_load(key, strlen(key), &found, &length))
        return true;
    free(found);
    return false;
}

static uint64_t fnv1a(const void *bytes, size_t length) {
    const unsigned char *byte = bytes;
    uint64_t hash = 0xcbf29ce484222325;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ byte[i]) * 0x100000001b3;
    return hash;
}

static const char *in_folder(const char *name) {
    static char path[1024];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static const char *path_of(const char *key) {
    char name[64];
    snprintf(name, sizeof name, "%016" PRIx64 ".program", fnv1a(key, strlen(key)));
    return in_folder(name);
}

static int count_files(const char *of) {
    DIR *directory = opendir(of);
    if (!directory)
        return -1;
    int count = 0;
    for (struct dirent *entry; (entry = readdir(directory));)
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(directory);
    return count;
}

static bool exists(const char *path) {
    struct stat status;
    return lstat(path, &status) == 0;
}

static unsigned mode_of(const char *path) {
    struct stat status;
    assert_int_equal(lstat(path, &status), 0);
    return status.st_mode & 07777;
}

static size_t read_bytes(const char *path, unsigned char *bytes, size_t room) {
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    const size_t count = fread(bytes, 1, room, file);
    fclose(file);
    assert_true(count < room);
    return count;
}

/* As our own file: nothing about it but its bytes may be a reason not to load it. */
static void write_bytes(const char *path, const void *bytes, size_t count) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, count, file), count);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, 0600), 0);
}

static void seal(unsigned char *entry, size_t length) {
    const uint64_t checksum = fnv1a(entry, length - sizeof checksum);
    memcpy(entry + length - sizeof checksum, &checksum, sizeof checksum);
}

static void set_time(const char *path, time_t modified) {
    const struct timespec times[] = {{.tv_sec = modified}, {.tv_sec = modified}};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
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

/* --- Places --- */

static void test_places(void **state) {
    (void)state;
    char home[512], absent[600], made[600], before[4096];
    snprintf(home, sizeof home, "%s/home", support_folder);
    snprintf(absent, sizeof absent, "%s/absent", home);
    snprintf(made, sizeof made, "%s/.cache/trainer/programs", home);
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(support_folder), 0); /* where relative ones would show */
    static const char *const not_absolute[] = {"relative", "./cache", "", NULL};
    for (int i = 0; i < 4; i++) {
        if (not_absolute[i])
            setenv("XDG_CACHE_HOME", not_absolute[i], 1);
        else
            unsetenv("XDG_CACHE_HOME");
        for (int j = 0; j < 4; j++) { /* no home, or none that will do */
            const char *const homes[] = {".", "", absent, NULL};
            if (homes[j])
                setenv("HOME", homes[j], 1);
            else
                unsetenv("HOME");
            store("key", "content");
            assert_true(is_absent("key"));
            assert_int_equal(count_files(support_folder), 0);
        }
        setenv("HOME", home, 1);
        store("key", "content");
        assert_int_equal(count_files(support_folder), 0); /* a home isn't ours to make */
        assert_int_equal(mkdir(home, 0700), 0);
        store("key", "content");
        assert_true(loads("key", "content"));
        assert_int_equal(count_files(made), 1);
        assert_int_equal(count_files(support_folder), 1);
        support_remove_folder(NULL);
        assert_int_equal(mkdir(support_folder, 0700), 0);
        assert_int_equal(chdir(support_folder), 0);
    }
    char endless[PATH_MAX + 64]; /* where the folder, or only its entries, have too long a path */
    snprintf(endless, sizeof endless, "%s/", support_folder);
    for (size_t i = strlen(endless); i < sizeof endless; i++)
        endless[i] = i % 100 == 0 ? '/' : 'x';
    for (size_t length = PATH_MAX - 40; length < sizeof endless; length++) {
        const char next = endless[length];
        endless[length] = '\0';
        setenv("XDG_CACHE_HOME", endless, 1);
        store("key", "content");
        assert_true(is_absent("key"));
        assert_int_equal(count_files(support_folder), 0);
        endless[length] = next;
    }
    setenv("XDG_CACHE_HOME", "/dev/null", 1); /* not a folder */
    store("key", "content");
    assert_true(is_absent("key"));
    assert_int_equal(chdir(before), 0);
}

/* As anyone but root, who may write anywhere. */
static int unwritable_in_child(void) {
    if (geteuid() == 0 && (setgid(NOBODY) != 0 || setuid(NOBODY) != 0))
        return 77;
    if (count_files(folder) != 1) /* TMPDIR is root's alone */
        return 77;
    store("key", "another");
    store("new", "content");
    return loads("key", "content") && is_absent("new") && count_files(folder) == 1 ? 0 : 1;
}

static void test_unwritable_folder(void **state) {
    (void)state;
    store("key", "content");
    static const char *const made[] = {"", "/cache", "/cache/trainer", "/cache/trainer/programs"};
    char path[600];
    for (int i = 0; i < 4 && geteuid() == 0; i++) {
        snprintf(path, sizeof path, "%s%s", support_folder, made[i]);
        assert_int_equal(chown(path, NOBODY, NOBODY), 0);
    }
    if (geteuid() == 0)
        assert_int_equal(chown(path_of("key"), NOBODY, NOBODY), 0);
    assert_int_equal(chmod(folder, 0500), 0);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(unwritable_in_child());
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(mode_of(folder), 0500);
    chmod(folder, 0700);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        skip();
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* A disk that fills up: the old entry stays, and nothing else does. */
static void test_full_disk(void **state) {
    (void)state;
    char content[1000] = "";
    memset(content, 'x', sizeof content - 1);
    store("key", "content");
    struct rlimit limit, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    small = limit;
    small.rlim_cur = 100;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    store("key", content);
    store("new", content);
    setrlimit(RLIMIT_FSIZE, &limit);
    assert_int_equal(count_files(folder), 1);
    assert_true(loads("key", "content"));
    assert_true(is_absent("new"));
}

/* --- Its bounds --- */

static const char *numbered(int number) {
    static char key[32];
    snprintf(key, sizeof key, "key %d", number);
    return key;
}

static void test_bound_of_files(void **state) {
    (void)state;
    /* Older than all, and not ours, or no files. */
    static const char *const others[] = {"notes.txt", "0123456789abcdef",
        "0123456789abcdef.programs", "0123456789ABCDEF.program", "123456789abcdef.program",
        "00123456789abcdef.program"};
    const char *const partial = "0123456789abcdef.program.partial-1-0";
    const int left_alone = 8;
    store(numbered(0), "content");
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        write_bytes(in_folder(others[i]), "", 0);
        set_time(in_folder(others[i]), 1);
    }
    assert_int_equal(mkdir(in_folder("fedcba9876543210.program"), 0700), 0);
    set_time(in_folder("fedcba9876543210.program"), 1);
    assert_int_equal(symlink("notes.txt", in_folder("eedcba9876543210.program")), 0);
    write_bytes(in_folder(partial), "half", 4); /* of a process that was killed */
    set_time(in_folder(partial), 1000000);
    const time_t future = 4000000000; /* the new entry stays, whatever the clock says */
    for (int i = 0; i < FILES - 1; i++) {
        store(numbered(i), "content");
        set_time(path_of(numbered(i)), future + i * 37 % FILES);
    }
    assert_true(exists(in_folder(partial)));
    assert_int_equal(count_files(folder), FILES + left_alone);
    store(numbered(FILES - 1), "content");
    set_time(path_of(numbered(FILES - 1)), future + (FILES - 1) * 37 % FILES);
    assert_false(exists(in_folder(partial)));
    assert_int_equal(count_files(folder), FILES + left_alone);
    for (int more = 0; more < 10; more++) { /* each takes the place of the oldest */
        store(numbered(FILES + more), "content");
        set_time(path_of(numbered(FILES + more)), future + FILES + more);
        assert_int_equal(count_files(folder), FILES + left_alone);
        for (int i = 0; i < FILES; i++)
            assert_int_equal(exists(path_of(numbered(i))), i * 37 % FILES > more);
        for (int i = 0; i <= more; i++) {
            assert_true(loads(numbered(FILES + i), "content"));
            set_time(path_of(numbered(FILES + i)), future + FILES + i);
        }
    }
    store(numbered(FILES), "another"); /* in its own place */
    assert_int_equal(count_files(folder), FILES + left_alone);
}

/* What is loaded is not the oldest any more. */
static void test_bound_spares_what_is_used(void **state) {
    (void)state;
    for (int i = 0; i < FILES; i++) {
        if (i < 2)
            store(numbered(i), "content");
        else
            write_bytes(path_of(numbered(i)), "", 0);
        set_time(path_of(numbered(i)), 1000000 + i);
    }
    assert_true(loads(numbered(0), "content"));
    store("key", "content");
    assert_true(exists(path_of(numbered(0))));
    assert_false(exists(path_of(numbered(1))));
}

/* A folder that has grown for some reason is brought back at once. */
static void test_bound_after_many(void **state) {
    (void)state;
    store("key", "content");
    for (int i = 0; i < 3 * FILES; i++)
        write_bytes(path_of(numbered(i)), "", 0);
    store("key", "another");
    assert_int_equal(count_files(folder), FILES);
    assert_true(loads("key", "another"));
}

static void test_bound_of_bytes(void **state) {
    (void)state;
    store("key", "content");
    for (int i = 0; i < 4; i++) {
        write_bytes(path_of(numbered(i)), "", 0);
        assert_int_equal(truncate(path_of(numbered(i)), 20 * MEBIBYTE), 0);
        set_time(path_of(numbered(i)), 1000000 + (i + 2) % 4);
    }
    store("key", "another");
    assert_true(loads("key", "another"));
    for (int i = 0; i < 4; i++)
        assert_int_equal(exists(path_of(numbered(i))), i != 2);
    assert_int_equal(truncate(path_of(numbered(3)), 64 * MEBIBYTE), 0);
    set_time(path_of(numbered(3)), 2000000);
    store("key", "content");
    assert_int_equal(count_files(folder), 1);
    assert_true(loads("key", "content"));
}

/* --- Many processes --- */

enum { PROCESSES = 8, ROUNDS = 200, LONGEST = 8000 };

/* Content `which` of the key: its length and every byte of it say so. */
static size_t length_of(int which) {
    return LONGEST - (size_t)which * 977;
}

static bool is_one_of_them(const unsigned char *content, size_t length) {
    const int which = length > 0 ? content[0] : -1;
    if (which < 0 || which >= PROCESSES || length != length_of(which))
        return false;
    for (size_t i = 0; i < length; i++)
        if (content[i] != which)
            return false;
    return true;
}

static int storing_child(int which) {
    unsigned char content[LONGEST];
    memset(content, which, sizeof content);
    for (int round = 0; round < ROUNDS; round++) {
        program_cache_store("key", 3, content, length_of(which));
        void *found;
        size_t length;
        if (!program_cache_load("key", 3, &found, &length))
            return 2; /* there is always one now */
        const bool whole = is_one_of_them(found, length);
        free(found);
        if (!whole)
            return 1;
    }
    return 0;
}

static void test_processes(void **state) {
    (void)state;
    const mode_t before = umask(022); /* with which an entry can be trusted from its first moment */
    pid_t children[PROCESSES];
    for (int i = 0; i < PROCESSES; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0)
            _exit(storing_child(i));
    }
    umask(before);
    for (int i = 0; i < PROCESSES; i++) {
        int status;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
    assert_int_equal(count_files(folder), 1);
    assert_false(is_absent("key"));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

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
        TEST(test_places),
        TEST(test_unwritable_folder),
        TEST(test_full_disk),
        TEST(test_bound_of_files),
        TEST(test_bound_spares_what_is_used),
        TEST(test_bound_after_many),
        TEST(test_bound_of_bytes),
        TEST(test_processes),
    };
    return cmocka_run_group_tests_name("program_cache", tests, NULL, NULL);
}
