/* The threads and the memory that a control group allows, on trees of both versions; and what this
 * process may have. */
#include "support.h"
#include "system/quota.h"
#include "trainer/host.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

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
}

static void test_memory_2(void **state) {
    (void)state;
    assert_true(memory() == ULLONG_MAX);
    write_file("membership", "0::/a/b\n");
    write_file("root/a/b/memory.max", "max\n");
    assert_true(memory() == ULLONG_MAX);
    write_file("root/a/b/memory.max", "800000000\n");
    assert_true(memory() == 800000000);
    write_file("root/a/memory.max", "419430400\n"); /* an outer limit holds, too */
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

static void test_host(void **state) {
    (void)state;
    struct host host;
    host_describe(&host);
    assert_true(host.cores >= 1);
    assert_true(host.memory_bytes > 0);
    assert_true(strlen(host.name) > 0 && strlen(host.os) > 0 && strlen(host.cpu) > 0);
    assert_in_range(host_usable_threads(), 1, host.cores);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_version_2, support_make_folder, support_remove_folder),
        cmocka_unit_test_setup_teardown(test_version_1, support_make_folder, support_remove_folder),
        cmocka_unit_test_setup_teardown(test_memory_2, support_make_folder, support_remove_folder),
        cmocka_unit_test_setup_teardown(test_memory_1, support_make_folder, support_remove_folder),
        cmocka_unit_test(test_memory_left),
        cmocka_unit_test(test_host),
    };
    return cmocka_run_group_tests_name("host", tests, NULL, NULL);
}
