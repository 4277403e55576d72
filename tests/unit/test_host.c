/* The number of threads that a control group's quota allows, on trees of both versions. */
#include "support.h"
#include "system/quota.h"
#include "trainer/host.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
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

static int threads(void) {
    char membership[512], root[512];
    snprintf(membership, sizeof membership, "%s/membership", support_folder);
    snprintf(root, sizeof root, "%s/root", support_folder);
    return quota_threads(membership, root);
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
        cmocka_unit_test(test_host),
    };
    return cmocka_run_group_tests_name("host", tests, NULL, NULL);
}
