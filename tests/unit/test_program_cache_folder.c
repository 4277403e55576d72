/* The folder that programs are kept in: where it is, what it may hold, and that processes share it.
 */
#include "program_cache_suite.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FILES = 512 };

static void set_time(const char *path, time_t modified) {
    const struct timespec times[] = {{.tv_sec = modified}, {.tv_sec = modified}};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
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

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_places),
        TEST(test_unwritable_folder),
        TEST(test_full_disk),
        TEST(test_bound_of_files),
        TEST(test_bound_spares_what_is_used),
        TEST(test_bound_after_many),
        TEST(test_bound_of_bytes),
        TEST(test_processes),
    };
    return cmocka_run_group_tests_name("program_cache_folder", tests, NULL, NULL);
}
