/* The threads and the memory that a control group allows, on trees of both versions; the cores of
 * machines of several kinds; and what this process may have, here and on such a machine. */
#include "support.h"
#include "system/cores.h"
#include "system/memory.h"
#include "system/quota.h"
#include "trainer/host.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#ifdef TEST_WRAPS_HOST
#include <omp.h>
#include <sched.h>
#endif

static void write_file(const char *name, const char *text) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s", support_folder, name);
    for (char *slash = strchr(path + strlen(support_folder) + 1, '/'); slash;
        slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(path, 0777);
        *slash = '/';
    }
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static const char *in_folder(const char *name) {
    static char paths[2][512];
    static int turn;
    char *path = paths[turn++ % 2];
    snprintf(path, sizeof paths[0], "%s/%s", support_folder, name);
    return path;
}

static int threads(void) {
    return quota_threads(in_folder("membership"), in_folder("root"));
}

static unsigned long long memory(void) {
    return quota_memory(in_folder("membership"), in_folder("root"));
}

static void test_version_2(void **state) {
    (void)state;
    assert_int_equal(threads(), INT_MAX); /* nothing is there */
    write_file("membership", "0::/a/b\n");
    assert_int_equal(threads(), INT_MAX);
    write_file("root/a/b/cpu.max", "max 100000\n");
    assert_int_equal(threads(), INT_MAX);
    write_file("root/a/b/cpu.max", "400000 100000\n");
    assert_int_equal(threads(), 4);
    write_file("root/a/cpu.max", "150000 100000\n"); /* an outer limit holds, too; 1.5 is 2 */
    assert_int_equal(threads(), 2);
    write_file("root/cpu.max", "10000 100000\n"); /* as a container sees its own */
    assert_int_equal(threads(), 1);
    write_file("membership", "0::/elsewhere\n");
    assert_int_equal(threads(), 1);
}

static void test_version_1(void **state) {
    (void)state;
    write_file("membership", "7:memory:/m\n5:cpuset:/set\n4:cpu,cpuacct:/job\n");
    write_file("root/cpu/set/cpu.cfs_quota_us", "100000\n"); /* not this process's group */
    write_file("root/cpu/set/cpu.cfs_period_us", "100000\n");
    write_file("root/cpu/job/cpu.cfs_quota_us", "-1\n");
    write_file("root/cpu/job/cpu.cfs_period_us", "100000\n");
    assert_int_equal(threads(), INT_MAX);
    write_file("root/cpu/job/cpu.cfs_quota_us", "250000\n");
    assert_int_equal(threads(), 3);
    write_file("membership", "4:cpuacct,cpu:/job/step/task\n"); /* outer limits hold, too */
    assert_int_equal(threads(), 3);
    write_file("root/cpu/job/step/cpu.cfs_quota_us", "200000\n");
    write_file("root/cpu/job/step/cpu.cfs_period_us", "100000\n");
    assert_int_equal(threads(), 2);
    write_file("root/cpu/job/step/task/cpu.cfs_quota_us", "800000\n");
    write_file("root/cpu/job/step/task/cpu.cfs_period_us", "100000\n");
    assert_int_equal(threads(), 2);
    write_file("root/cpu/cpu.cfs_quota_us", "100000\n");
    write_file("root/cpu/cpu.cfs_period_us", "100000\n");
    assert_int_equal(threads(), 1);
}

/* Where the old and the new hierarchy are mounted together, each has its say. */
static void test_both_versions(void **state) {
    (void)state;
    write_file("membership", "4:cpu,cpuacct:/job\n0::/a/b\n");
    write_file("root/cpu/job/cpu.cfs_quota_us", "500000\n");
    write_file("root/cpu/job/cpu.cfs_period_us", "100000\n");
    assert_int_equal(threads(), 5);
    write_file("root/a/cpu.max", "300000 100000\n");
    assert_int_equal(threads(), 3);
    write_file("root/cpu/job/cpu.cfs_quota_us", "200000\n");
    assert_int_equal(threads(), 2);
}

static void test_memory_2(void **state) {
    (void)state;
    assert_true(memory() == ULLONG_MAX);
    write_file("membership", "0::/a/b\n");
    write_file("root/a/b/memory.max", "max\n");
    assert_true(memory() == ULLONG_MAX);
    write_file("root/a/b/memory.max", "800000000\n");
    assert_true(memory() == 800000000);
    write_file("root/a/memory.max", "900000000\n"); /* an outer limit that is wider is none */
    assert_true(memory() == 800000000);
    write_file("root/a/memory.max", "419430400\n"); /* another holds, too */
    assert_true(memory() == 419430400);
    write_file("membership", "0::/a/b/c\n"); /* whose own folder is not to be seen */
    assert_true(memory() == 419430400);
    write_file("root/memory.max", "20000000000000000000000\n"); /* as good as none */
    assert_true(memory() == 419430400);
}

static void test_memory_1(void **state) {
    (void)state;
    write_file("membership", "7:memory:/m/n\n4:cpu,cpuacct:/job\n0::/\n");
    write_file("root/memory/m/n/memory.limit_in_bytes", "9223372036854771712\n"); /* none */
    write_file("root/cpu/job/memory.limit_in_bytes", "1000\n"); /* another controller's */
    assert_true(memory() == 9223372036854771712ull);
    write_file("root/memory/m/memory.limit_in_bytes", "419430400\n");
    assert_true(memory() == 419430400);
}

#ifdef TEST_LIMITS_MEMORY
/* What is left is less than a limit of ours, by what there is already; and it says which. */
static void test_memory_left(void **state) {
    (void)state;
    static const struct {
        int resource;
        const char *name;
    } limits[] = {{RLIMIT_AS, "the limit of addresses, ulimit -v"},
        {RLIMIT_DATA, "the limit of data, ulimit -d"}};
    const char *name;
    const unsigned long long before = host_memory_left(&name);
    assert_true(before > 0 && before <= host_memory_left(NULL) + (1 << 20));
    for (size_t l = 0; l < sizeof limits / sizeof *limits; l++) {
        struct rlimit old, low;
        assert_int_equal(getrlimit(limits[l].resource, &old), 0);
        low = old;
        low.rlim_cur = 1; /* is less than there is: nothing is taken away, and no more is given */
        assert_int_equal(setrlimit(limits[l].resource, &low), 0);
        const unsigned long long left = host_memory_left(&name);
        assert_int_equal(setrlimit(limits[l].resource, &old), 0);
        assert_true(left == 0);
        assert_string_equal(name, limits[l].name);
    }
}
#endif

/* --- Cores --- */

/* Describes processors by their siblings' lists, in a folder of this name. */
static void write_processors(const char *folder, const char *const *siblings, int count) {
    for (int processor = 0; processor < count; processor++) {
        char name[128];
        snprintf(name, sizeof name, "%s/cpu%d/topology/thread_siblings_list", folder, processor);
        write_file(name, siblings[processor]);
    }
}

/* The cores of those whose digit is 1. */
static int cores(const char *allowed) {
    bool processors[16];
    const int count = (int)strlen(allowed);
    for (int processor = 0; processor < count; processor++)
        processors[processor] = allowed[processor] == '1';
    return cores_count(processors, count, in_folder("cpu"));
}

static void test_cores(void **state) {
    (void)state;
    assert_int_equal(cores("1111"), 4); /* nothing is known */
    static const char *const far[] = {
        "0,4\n", "1,5\n", "2,6\n", "3,7\n", "0,4\n", "1,5\n", "2,6\n", "3,7\n"};
    write_processors("cpu", far, 8);
    assert_int_equal(cores("11111111"), 4);
    assert_int_equal(cores("11110000"), 4);
    assert_int_equal(cores("10001000"), 1);
    assert_int_equal(cores("00001100"), 2); /* whose first threads are not ours */
    assert_int_equal(cores("01001100"), 2);
    assert_int_equal(cores("00000000"), 0);
    static const char *const near[] = {"0-1\n", "0-1\n", "2-3\n", "2-3\n", "4\n", "5\n"};
    write_processors(
        "cpu", near, 6); /* large cores with two threads each, and small ones with one */
    assert_int_equal(cores("111111"), 4);
    assert_int_equal(cores("010111"), 4);
    static const char *const four[] = {"0-1,4-5\n", "0-1,4-5\n", "2-3,6-7\n", "2-3,6-7\n",
        "0-1,4-5\n", "0-1,4-5\n", "2-3,6-7\n", "2-3,6-7"};
    write_processors("cpu", four, 8); /* with four threads each */
    assert_int_equal(cores("11111111"), 2);
    assert_int_equal(cores("00001111"), 2);
    assert_int_equal(cores("00000101"), 2);
    assert_int_equal(cores("01000100"), 1);
}

#ifdef TEST_WRAPS_HOST

/* --- Another machine: calls of the library that ask about this one --- */

static bool elsewhere; /* the files of /proc and /sys are in the test's folder, with 8 processors */
static bool bound;     /* there: this thread to one of the two places that OpenMP has for a team */

FILE *__real_fopen(const char *path, const char *mode);
FILE *__wrap_fopen(const char *path, const char *mode);
int __real_sched_getaffinity(pid_t process, size_t size, cpu_set_t *mask);
int __wrap_sched_getaffinity(pid_t process, size_t size, cpu_set_t *mask);
omp_proc_bind_t __real_omp_get_proc_bind(void);
omp_proc_bind_t __wrap_omp_get_proc_bind(void);
int __real_omp_get_num_places(void);
int __wrap_omp_get_num_places(void);
int __real_omp_get_place_num_procs(int place);
int __wrap_omp_get_place_num_procs(int place);
void __real_omp_get_place_proc_ids(int place, int *ids);
void __wrap_omp_get_place_proc_ids(int place, int *ids);

FILE *__wrap_fopen(const char *path, const char *mode) {
    const bool theirs = strncmp(path, "/proc/", 6) == 0 || strncmp(path, "/sys/", 5) == 0;
    return __real_fopen(elsewhere && theirs ? in_folder(path + 1) : path, mode);
}

int __wrap_sched_getaffinity(pid_t process, size_t size, cpu_set_t *mask) {
    if (!elsewhere)
        return __real_sched_getaffinity(process, size, mask);
    CPU_ZERO(mask);
    for (int processor = 0; processor < (bound ? 1 : 8); processor++)
        CPU_SET(processor, mask);
    return 0;
}

omp_proc_bind_t __wrap_omp_get_proc_bind(void) {
    if (!elsewhere)
        return __real_omp_get_proc_bind();
    return bound ? omp_proc_bind_close : omp_proc_bind_false;
}

int __wrap_omp_get_num_places(void) {
    return elsewhere ? 2 : __real_omp_get_num_places();
}

int __wrap_omp_get_place_num_procs(int place) {
    return elsewhere ? 3 : __real_omp_get_place_num_procs(place);
}

void __wrap_omp_get_place_proc_ids(int place, int *ids) {
    if (!elsewhere)
        __real_omp_get_place_proc_ids(place, ids);
    for (int i = 0; elsewhere && i < 3; i++)
        ids[i] = 3 * place + i;
}

static int leave(void **state) {
    elsewhere = bound = false;
    return support_remove_folder(state);
}

/* Threads are as many as there are cores, and no more than any group around allows. */
static void test_usable_threads(void **state) {
    (void)state;
    static const char *const siblings[] = {
        "0,4\n", "1,5\n", "2,6\n", "3,7\n", "0,4\n", "1,5\n", "2,6\n", "3,7\n"};
    elsewhere = true;
    assert_int_equal(host_usable_threads(), 8); /* nothing is known */
    write_processors("sys/devices/system/cpu", siblings, 8);
    assert_int_equal(host_usable_threads(), 4);
    write_file("proc/self/cgroup", "0::/user/session\n");
    write_file("sys/fs/cgroup/user/session/cpu.max", "600000 100000\n");
    assert_int_equal(host_usable_threads(), 4);
    write_file("sys/fs/cgroup/user/session/cpu.max", "max 100000\n");
    write_file("sys/fs/cgroup/user/cpu.max", "250000 100000\n");
    assert_int_equal(host_usable_threads(), 3);
    write_file("proc/self/cgroup", "4:cpu,cpuacct:/job/step\n0::/\n");
    write_file("sys/fs/cgroup/cpu/job/cpu.cfs_quota_us", "150000\n");
    write_file("sys/fs/cgroup/cpu/job/cpu.cfs_period_us", "100000\n");
    assert_int_equal(host_usable_threads(), 2);
}

/* Of a team that is bound, the places count, and not the one that this thread has. */
static void test_bound_threads(void **state) {
    (void)state;
    elsewhere = true;
    assert_int_equal(host_usable_threads(), 8);
    bound = true;
    assert_int_equal(host_usable_threads(), 6);
}

/* And memory is no more than any group around allows. */
static void test_usable_memory(void **state) {
    (void)state;
    const char *limit;
    elsewhere = true;
    write_file("proc/self/statm", "1000 30 20 0 0 10\n"); /* 20 pages are of files */
    write_file("proc/self/cgroup", "0::/user/session\n");
    write_file("sys/fs/cgroup/user/session/memory.max", "max\n");
    write_file("sys/fs/cgroup/user/memory.max", "20000000\n");
    const unsigned long long resident = 10ull * (unsigned long long)sysconf(_SC_PAGESIZE);
    assert_true(host_memory_left(&limit) == 20000000 - resident);
    assert_string_equal(limit, "the limit of the control group");
}

#ifndef TEST_IGNORES_LIMITS
/* Each limit of the process is held against what that limit counts. */
static void test_usable_limits(void **state) {
    (void)state;
    static const struct {
        int resource;
        unsigned long long pages; /* that are left */
        const char *name;
    } limits[] = {{RLIMIT_AS, 100, "the limit of addresses, ulimit -v"},
        {RLIMIT_DATA, 200, "the limit of data, ulimit -d"}};
    const unsigned long long page = (unsigned long long)sysconf(_SC_PAGESIZE);
    elsewhere = true;
    for (size_t l = 0; l < sizeof limits / sizeof *limits; l++) {
        struct rlimit old, low;
        const char *name;
        char text[128];
        assert_int_equal(getrlimit(limits[l].resource, &old), 0);
        low = old;
        low.rlim_cur = old.rlim_max < (rlim_t)1 << 40 ? old.rlim_max : (rlim_t)1 << 40;
        const unsigned long long pages = low.rlim_cur / page;
        snprintf(text, sizeof text, "%llu 30 20 0 0 %llu\n", pages - 100, pages - 200);
        write_file("proc/self/statm", text);
        assert_int_equal(setrlimit(limits[l].resource, &low), 0);
        const unsigned long long left = host_memory_left(&name);
        assert_int_equal(setrlimit(limits[l].resource, &old), 0);
        assert_true(left == low.rlim_cur - (pages - limits[l].pages) * page);
        assert_string_equal(name, limits[l].name);
    }
}
#endif

#endif

/* Of more than there are addresses there is none, and not what is left when the size has
 * overflowed. */
static void test_huge(void **state) {
    (void)state;
    static const size_t lacking[] = {0, 1, 63, 64, 4096, (2 << 20) - 1};
    for (size_t l = 0; l < sizeof lacking / sizeof *lacking; l++)
        assert_null(memory_allocate(SIZE_MAX - lacking[l]));
}

static void test_host(void **state) {
    (void)state;
    struct host host;
    host_describe(&host);
    assert_true(host.cores >= 1);
    assert_true(host.memory_bytes > 0);
    assert_true(strlen(host.cpu) > 0);
    struct utsname system;
    char os[sizeof host.os];
    assert_int_equal(uname(&system), 0);
    snprintf(os, sizeof os, "%.60s %.60s %.60s", system.sysname, system.release, system.machine);
    assert_string_equal(host.os, os);
    assert_string_equal(host.name, system.nodename);
    assert_in_range(host_usable_threads(), 1, host.cores);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_version_2, support_make_folder, support_remove_folder),
        cmocka_unit_test_setup_teardown(test_version_1, support_make_folder, support_remove_folder),
        cmocka_unit_test_setup_teardown(test_memory_2, support_make_folder, support_remove_folder),
        cmocka_unit_test_setup_teardown(test_memory_1, support_make_folder, support_remove_folder),
        cmocka_unit_test_setup_teardown(
            test_both_versions, support_make_folder, support_remove_folder),
        cmocka_unit_test_setup_teardown(test_cores, support_make_folder, support_remove_folder),
#ifdef TEST_WRAPS_HOST
        cmocka_unit_test_setup_teardown(test_usable_threads, support_make_folder, leave),
        cmocka_unit_test_setup_teardown(test_bound_threads, support_make_folder, leave),
        cmocka_unit_test_setup_teardown(test_usable_memory, support_make_folder, leave),
#ifndef TEST_IGNORES_LIMITS
        cmocka_unit_test_setup_teardown(test_usable_limits, support_make_folder, leave),
#endif
#endif
#ifdef TEST_LIMITS_MEMORY
        cmocka_unit_test(test_memory_left),
#endif
        cmocka_unit_test(test_huge),
        cmocka_unit_test(test_host),
    };
    return cmocka_run_group_tests_name("host", tests, NULL, NULL);
}
