/* Places of files: held, with room, tried, and written to whatever happens meanwhile. */
#include "support.h"
#include "system/reservation.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ROOM = 100000 };

static struct error error;
static char path[400];
static const struct file_part parts[] = {{"some ", 5}, {NULL, 0}, {"bytes", 5}};
static const struct file_part others[] = {{"others", 6}};

static struct reservation *reserve(void) {
    struct reservation *place;
    assert_ok(reservation_open(path, ROOM, &place, &error));
    return place;
}

static void make_file(const char *name, const char *content) {
    FILE *file = fopen(name, "w");
    assert_non_null(file);
    fputs(content, file);
    assert_int_equal(fclose(file), 0);
}

static void assert_content(const char *name, const char *content) {
    char found[64] = "";
    FILE *file = fopen(name, "r");
    assert_non_null(file);
    found[fread(found, 1, sizeof found - 1, file)] = '\0';
    fclose(file);
    assert_string_equal(found, content);
}

/* Of the folder: what the place itself has there is counted, too. */
static int count_files(void) {
    DIR *directory = opendir(support_folder);
    int count = 0;
    for (struct dirent *entry; (entry = readdir(directory));)
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(directory);
    return count;
}

static struct stat status_of(const char *name) {
    struct stat status;
    assert_int_equal(stat(name, &status), 0);
    return status;
}

static void limit_files(rlim_t bytes) {
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void test_writing(void **state) {
    (void)state;
    struct reservation *place = reserve();
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(count_files(), 2); /* the temporary file, and the lock */
    for (int time = 0; time < 3; time++) {
        assert_ok(reservation_write(place, parts, 3, &error));
        assert_content(path, "some bytes");
        assert_ok(reservation_write(place, others, 1, &error));
        assert_content(path, "others");
        assert_int_equal(count_files(), 3);
    }
    assert_ok(reservation_finish(place, parts, 3, &error));
    assert_content(path, "some bytes");
    reservation_close(place);
    assert_int_equal(count_files(), 1);
    reservation_close(NULL);
}

/* There is room before the first time, and before the next. */
static void test_room(void **state) {
    (void)state;
    struct reservation *place = reserve();
    for (int time = 0; time < 2; time++) {
        const struct stat status = status_of(reservation_partial(place));
        assert_int_equal(status.st_size, ROOM);
        assert_true(status.st_blocks * 512 >= ROOM);
        assert_ok(reservation_write(place, parts, 3, &error));
    }
    reservation_close(place);
    unlink(path);
    limit_files(ROOM - 1);
    const enum status status = reservation_open(path, ROOM, &place, &error);
    limit_files(RLIM_INFINITY);
    assert_fails(status, STATUS_FAILED, "weights: reserve 100000 bytes: File too large");
    assert_null(place);
    assert_int_equal(count_files(), 0);
}

/* One at a time has it, whoever they are. */
static void test_held(void **state) {
    (void)state;
    char process[64];
    struct reservation *place = reserve(), *second;
    snprintf(process, sizeof process, "weights: process %ld has it until it ends", (long)getpid());
    for (int time = 0; time < 2; time++) {
        assert_fails(reservation_open(path, ROOM, &second, &error), STATUS_USAGE, process);
        assert_ok(reservation_write(place, parts, 3, &error)); /* none of it is touched */
    }
    assert_ok(reservation_finish(place, parts, 3, &error));
    assert_fails(reservation_open(path, ROOM, &second, &error), STATUS_USAGE, process);
    reservation_close(place);
    reservation_close(reserve());
    assert_int_equal(count_files(), 1);
}

/* What killed processes left is removed, and nothing else. */
static void test_leftovers(void **state) {
    (void)state;
    static const char *const left[] = {".partial-1-0", ".partial-12-34", ".partial-lock"};
    static const char *const kept[] = {
        "2.partial-1-0", ".partial-1", ".partial-1-0x", ".partial-lock2", ".kept-1"};
    char name[450];
    for (size_t n = 0; n < sizeof left / sizeof *left; n++) {
        snprintf(name, sizeof name, "%s%s", path, left[n]);
        make_file(name, "123456789\n");
    }
    for (size_t n = 0; n < sizeof kept / sizeof *kept; n++) {
        snprintf(name, sizeof name, "%s%s", path, kept[n]);
        make_file(name, "");
    }
    reservation_close(reserve());
    assert_int_equal(count_files(), sizeof kept / sizeof *kept);
    for (size_t n = 0; n < sizeof kept / sizeof *kept; n++) {
        snprintf(name, sizeof name, "%s%s", path, kept[n]);
        assert_int_equal(unlink(name), 0);
    }
}

/* A replaced file's mode and owner are the new one's; a new file's are the user's. */
static void test_modes(void **state) {
    (void)state;
    static const mode_t modes[] = {0600, 0664, 0644, 0400, 0666, 0640};
    const mode_t before = umask(022);
    for (size_t m = 0; m < sizeof modes / sizeof *modes; m++) {
        make_file(path, "");
        assert_int_equal(chmod(path, modes[m]), 0);
        if (geteuid() == 0)
            assert_int_equal(chown(path, 12345, 23456), 0);
        const struct stat old = status_of(path);
        struct reservation *place = reserve();
        for (int time = 0; time < 2; time++) {
            assert_ok(reservation_write(place, parts, 3, &error));
            const struct stat new = status_of(path);
            assert_int_equal(new.st_mode, old.st_mode);
            assert_int_equal(new.st_uid, old.st_uid);
            assert_int_equal(new.st_gid, old.st_gid);
        }
        reservation_close(place);
        assert_int_equal(unlink(path), 0);
    }
    umask(027);
    struct reservation *place = reserve();
    assert_ok(reservation_write(place, parts, 3, &error));
    reservation_close(place);
    umask(before);
    assert_int_equal(status_of(path).st_mode & 0777, 0640);
}

/* What is no regular file is left alone, and nothing made beside it. */
static void test_no_place(void **state) {
    (void)state;
    struct reservation *place;
    assert_fails(reservation_open("/nonexistent/w", ROOM, &place, &error), STATUS_FAILED,
        "can't write /nonexistent/w: open: No such file");
    assert_fails(reservation_open(support_folder, ROOM, &place, &error), STATUS_FAILED,
        "not a regular file");
    assert_fails(
        reservation_open("/dev/null", ROOM, &place, &error), STATUS_FAILED, "not a regular file");
    assert_int_equal(symlink("/dev/null", path), 0);
    assert_fails(
        reservation_open(path, ROOM, &place, &error), STATUS_FAILED, "it is a symbolic link");
    assert_int_equal(unlink(path), 0);
    place = reserve();
    assert_int_equal(symlink("/dev/null", path), 0); /* meanwhile */
    assert_fails(
        reservation_write(place, parts, 3, &error), STATUS_FAILED, "it is a symbolic link");
    assert_int_equal(unlink(path), 0);
    assert_ok(reservation_write(place, parts, 3, &error));
    reservation_close(place);
    assert_int_equal(count_files(), 1);
}

/* A disk that fills up in spite of all: the old file stays, and another time may do. */
static void test_cut_short(void **state) {
    (void)state;
    struct reservation *place = reserve();
    assert_ok(reservation_write(place, others, 1, &error));
    limit_files(7);
    const enum status status = reservation_write(place, parts, 3, &error);
    limit_files(RLIM_INFINITY);
    assert_fails(status, STATUS_FAILED, "weights: write: File too large");
    assert_content(path, "others");
    assert_ok(reservation_write(place, parts, 3, &error));
    assert_content(path, "some bytes");
    reservation_close(place);
    assert_int_equal(count_files(), 1);
}

/* What can't be renamed at last is whole beside it, under a name that nothing had. */
static void test_kept_beside(void **state) {
    (void)state;
    char kept[450], wanted[500];
    for (int number = 1; number <= 2; number++) {
        struct reservation *place = reserve();
        assert_int_equal(mkdir(path, 0700), 0);
        snprintf(kept, sizeof kept, "%s.kept-%d", path, number);
        snprintf(wanted, sizeof wanted, "not a regular file; it is in %s instead", kept);
        assert_fails(
            reservation_finish(place, number == 1 ? parts : others, number == 1 ? 3 : 1, &error),
            STATUS_FAILED, wanted);
        reservation_close(place);
        assert_int_equal(rmdir(path), 0);
        assert_int_equal(count_files(), number);
        reservation_close(reserve()); /* which removes none */
    }
    assert_content(kept, "others");
    assert_int_equal(unlink(kept), 0);
    snprintf(kept, sizeof kept, "%s.kept-1", path);
    assert_content(kept, "some bytes");
    assert_int_equal(unlink(kept), 0);
}

/* Where nothing can be written any more, it is in another folder; or the error says that it isn't.
 */
static void test_kept_apart(void **state) {
    (void)state;
    char folder[300], file[400], kept[300], wanted[400];
    struct reservation *place;
    snprintf(folder, sizeof folder, "%s/gone", support_folder);
    snprintf(file, sizeof file, "%s/weights", folder);
    snprintf(kept, sizeof kept, "%s/weights.kept-1", support_folder);
    snprintf(wanted, sizeof wanted, "rename: No such file or directory; it is in %s instead", kept);
    for (int time = 0; time < 2; time++) {
        assert_int_equal(mkdir(folder, 0700), 0);
        assert_ok(reservation_open(file, ROOM, &place, &error));
        assert_int_equal(unlink(reservation_partial(place)), 0);
        assert_int_equal(unlink(reservation_lock(place)), 0);
        assert_int_equal(rmdir(folder), 0);
        assert_int_equal(setenv("TMPDIR", time == 0 ? support_folder : "/nonexistent", 1), 0);
        assert_fails(reservation_finish(place, parts, 3, &error), STATUS_FAILED,
            time == 0 ? wanted : "; nor could it be kept beside it or in /nonexistent");
        reservation_close(place);
    }
    unsetenv("TMPDIR");
    assert_content(kept, "some bytes");
    assert_int_equal(status_of(kept).st_mode & 0777, 0600); /* others write there, too */
    assert_int_equal(unlink(kept), 0);
}

static int begin_empty(void **state) {
    (void)state;
    unlink(path);
    return count_files();
}

static int set_up(void **state) {
    if (support_make_folder(state) != 0)
        return -1;
    signal(SIGXFSZ, SIG_IGN);
    snprintf(path, sizeof path, "%s/weights", support_folder);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_writing, begin_empty),
        cmocka_unit_test_setup(test_room, begin_empty),
        cmocka_unit_test_setup(test_held, begin_empty),
        cmocka_unit_test_setup(test_leftovers, begin_empty),
        cmocka_unit_test_setup(test_modes, begin_empty),
        cmocka_unit_test_setup(test_no_place, begin_empty),
        cmocka_unit_test_setup(test_cut_short, begin_empty),
        cmocka_unit_test_setup(test_kept_beside, begin_empty),
        cmocka_unit_test_setup(test_kept_apart, begin_empty),
    };
    return cmocka_run_group_tests_name("reservation", tests, set_up, support_remove_folder);
}
