#include "system/quota.h"

#include "system/file.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* quota / period rounded up, or INT_MAX where there is no limit. */
static int limit_of(long long quota, long long period) {
    if (quota <= 0 || period <= 0)
        return INT_MAX;
    const long long threads = (quota + period - 1) / period;
    return threads < INT_MAX ? (int)threads : INT_MAX;
}

/* The limit set in one folder of the control group tree, version 2 or 1. */
static int folder_limit(const char *folder) {
    char path[PATH_MAX + 32], line[64], period_line[64];
    long long quota, period;
    snprintf(path, sizeof path, "%s/cpu.max", folder);
    if (file_read_line(path, line, sizeof line))
        return sscanf(line, "%lld %lld", &quota, &period) == 2 ? limit_of(quota, period)
                                                               : INT_MAX; /* "max 100000" */
    snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", folder);
    const bool has_quota = file_read_line(path, line, sizeof line);
    snprintf(path, sizeof path, "%s/cpu.cfs_period_us", folder);
    if (has_quota && file_read_line(path, period_line, sizeof period_line))
        return limit_of(strtoll(line, NULL, 10), strtoll(period_line, NULL, 10));
    return INT_MAX;
}

/* Whether a list like "cpu,cpuacct" has "cpu" in it; "cpuset" is another. */
static bool names_cpu(const char *controllers) {
    while (*controllers) {
        const size_t length = strcspn(controllers, ",");
        if (length == 3 && strncmp(controllers, "cpu", 3) == 0)
            return true;
        controllers += length + (controllers[length] == ',');
    }
    return false;
}

int quota_threads(const char *membership, const char *root) {
    int limit = INT_MAX;
    FILE *file = fopen(membership, "r");
    char line[PATH_MAX];
    while (file && fgets(line, sizeof line, file)) { /* "0::/path" or "4:cpu,cpuacct:/path" */
        line[strcspn(line, "\n")] = '\0';
        char *controllers = strchr(line, ':');
        char *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group)
            continue;
        *group++ = '\0';
        const bool version2 = controllers[1] == '\0';
        if (!version2 && !names_cpu(controllers + 1))
            continue;
        for (;;) {
            char folder[PATH_MAX];
            const int length =
                snprintf(folder, sizeof folder, "%s%s%s", root, version2 ? "" : "/cpu", group);
            if (length > 0 && (size_t)length < sizeof folder) {
                const int found = folder_limit(folder);
                limit = found < limit ? found : limit;
            }
            char *slash = strrchr(group, '/');
            if (!slash)
                break;
            *slash = '\0';
        }
    }
    if (file)
        fclose(file);
    return limit;
}
