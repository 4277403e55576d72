#include "system/quota.h"

#include "system/file.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A function that reads the limit that one folder of the tree of control groups sets; ULLONG_MAX:
 * none. */
typedef unsigned long long folder_limit(const char *folder);

/* Reads the first line of a file in the folder; false when there is none. */
static bool read_line(const char *folder, const char *name, char *line, size_t size) {
    char path[PATH_MAX + 32];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return file_read_line(path, line, size);
}

/* --- What a folder says --- */

/* quota / period rounded up. */
static unsigned long long share_of(long long quota, long long period) {
    return quota > 0 && period > 0 ? (unsigned long long)((quota + period - 1) / period)
                                   : ULLONG_MAX;
}

static unsigned long long threads_of(const char *folder) {
    char line[64], period_line[64];
    long long quota, period;
    if (read_line(folder, "cpu.max", line, sizeof line))
        return sscanf(line, "%lld %lld", &quota, &period) == 2 ? share_of(quota, period)
                                                               : ULLONG_MAX; /* "max 100000" */
    if (read_line(folder, "cpu.cfs_quota_us", line, sizeof line) &&
        read_line(folder, "cpu.cfs_period_us", period_line, sizeof period_line))
        return share_of(strtoll(line, NULL, 10), strtoll(period_line, NULL, 10));
    return ULLONG_MAX;
}

/* Version 1 has no word for "no limit". It gives a number near that of all addresses, which limits
 * nothing. */
static unsigned long long memory_of(const char *folder) {
    char line[64];
    unsigned long long bytes;
    const bool found = read_line(folder, "memory.max", line, sizeof line) ||
                       read_line(folder, "memory.limit_in_bytes", line, sizeof line);
    return found && sscanf(line, "%llu", &bytes) == 1 ? bytes : ULLONG_MAX; /* "max" */
}

/* --- The way up --- */

/* Whether a list like "cpu,cpuacct" has `name` as an element; "cpuset" is not "cpu". */
static bool is_listed(const char *name, const char *controllers) {
    while (*controllers) {
        const size_t length = strcspn(controllers, ",");
        if (length == strlen(name) && strncmp(controllers, name, length) == 0)
            return true;
        controllers += length + (controllers[length] == ',');
    }
    return false;
}

static unsigned long long least_of(
    const char *membership, const char *root, const char *controller, folder_limit *limit_of) {
    unsigned long long least = ULLONG_MAX;
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
        if (!version2 && !is_listed(controller, controllers + 1))
            continue;
        for (;;) {
            char folder[PATH_MAX];
            const int length = snprintf(folder, sizeof folder, "%s%s%s%s", root,
                version2 ? "" : "/", version2 ? "" : controller, group);
            if (length > 0 && (size_t)length < sizeof folder) {
                const unsigned long long found = limit_of(folder);
                least = found < least ? found : least;
            }
            char *slash = strrchr(group, '/');
            if (!slash)
                break;
            *slash = '\0';
        }
    }
    if (file)
        fclose(file);
    return least;
}

int quota_threads(const char *membership, const char *root) {
    const unsigned long long threads = least_of(membership, root, "cpu", threads_of);
    return threads < INT_MAX ? (int)threads : INT_MAX;
}

unsigned long long quota_memory(const char *membership, const char *root) {
    return least_of(membership, root, "memory", memory_of);
}
