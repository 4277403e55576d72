#include "trainer/host.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#if defined(__linux__)
#include <sched.h>
#elif defined(__APPLE__)
#include <sys/sysctl.h>
#include <sys/types.h>
#endif

static int online_processors(void) {
    const long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count > 0 && count < INT_MAX ? (int)count : 1;
}

#if defined(__linux__)

/* The first line of a small file, without its newline; false when it can't be read. */
static bool read_line(const char *path, char *line, size_t size) {
    FILE *file = fopen(path, "r");
    if (!file)
        return false;
    const bool read = fgets(line, (int)size, file) != NULL;
    fclose(file);
    if (read)
        line[strcspn(line, "\n")] = '\0';
    return read;
}

/* "model name" on x86; an ARM kernel names no model there, but the board's name is as telling. */
static void describe_cpu(char *cpu, size_t size) {
    FILE *file = fopen("/proc/cpuinfo", "r");
    char line[256];
    bool found = false;
    while (file && !found && fgets(line, sizeof line, file)) {
        const char *colon = strchr(line, ':');
        if (colon && strncmp(line, "model name", 10) == 0) {
            snprintf(cpu, size, "%.100s", colon + 1 + strspn(colon + 1, " \t"));
            found = true;
        }
    }
    if (file)
        fclose(file);
    if (!found && read_line("/sys/firmware/devicetree/base/model", line, sizeof line))
        snprintf(cpu, size, "%.100s", line);
    cpu[strcspn(cpu, "\n")] = '\0';
}

/* Whether `processor` is the first of its core's hardware threads that `mask` allows. */
static bool first_of_core(int processor, const cpu_set_t *mask) {
    char path[128], siblings[256];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list",
        processor);
    if (!read_line(path, siblings, sizeof siblings))
        return true;
    for (char *text = siblings; *text;) { /* "0,32" or "0-1" */
        char *end;
        const long first = strtol(text, &end, 10);
        const long last = *end == '-' ? strtol(end + 1, &end, 10) : first;
        for (long sibling = first; sibling <= last && sibling < processor; sibling++)
            if (sibling >= 0 && sibling < CPU_SETSIZE && CPU_ISSET((int)sibling, mask))
                return false;
        if (end == text)
            break;
        text = *end == ',' ? end + 1 : end;
    }
    return true;
}

static int allowed_cores(void) {
    cpu_set_t mask;
    if (sched_getaffinity(0, sizeof mask, &mask) != 0) /* more processors than the mask holds */
        return online_processors();
    int cores = 0;
    for (int processor = 0; processor < CPU_SETSIZE; processor++)
        cores += CPU_ISSET(processor, &mask) && first_of_core(processor, &mask);
    return cores > 0 ? cores : 1;
}

/* quota / period rounded up, or INT_MAX where there is no limit. */
static int quota_threads(long long quota, long long period) {
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
    if (read_line(path, line, sizeof line))
        return sscanf(line, "%lld %lld", &quota, &period) == 2 ? quota_threads(quota, period)
                                                               : INT_MAX; /* "max 100000" */
    snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", folder);
    const bool has_quota = read_line(path, line, sizeof line);
    snprintf(path, sizeof path, "%s/cpu.cfs_period_us", folder);
    if (has_quota && read_line(path, period_line, sizeof period_line))
        return quota_threads(strtoll(line, NULL, 10), strtoll(period_line, NULL, 10));
    return INT_MAX;
}

/* The tightest limit on the way from this process's control group up to the root. Inside a
 * container the path may not exist; its own limit is then found at the root. */
static int quota_limit(void) {
    int limit = INT_MAX;
    FILE *file = fopen("/proc/self/cgroup", "r");
    char line[PATH_MAX];
    while (file && fgets(line, sizeof line, file)) { /* "0::/path" or "4:cpu,cpuacct:/path" */
        line[strcspn(line, "\n")] = '\0';
        char *controllers = strchr(line, ':');
        char *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group)
            continue;
        *group++ = '\0';
        const bool version2 = controllers[1] == '\0';
        if (!version2 && !strstr(controllers, "cpu"))
            continue;
        for (;;) {
            char folder[PATH_MAX];
            const int length = snprintf(folder, sizeof folder, "/sys/fs/cgroup%s%s",
                version2 ? "" : "/cpu", group);
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

int host_usable_threads(void) {
    const int cores = allowed_cores(), quota = quota_limit();
    return quota < cores ? quota : cores;
}

#elif defined(__APPLE__)

static void describe_cpu(char *cpu, size_t size) {
    char text[128];
    size_t length = sizeof text;
    if (sysctlbyname("machdep.cpu.brand_string", text, &length, NULL, 0) == 0)
        snprintf(cpu, size, "%s", text);
}

int host_usable_threads(void) {
    int cores = 0;
    size_t length = sizeof cores;
    /* The performance cores: a slow core in a team makes all wait. Intel Macs have one kind. */
    if (sysctlbyname("hw.perflevel0.physicalcpu", &cores, &length, NULL, 0) != 0) {
        length = sizeof cores;
        if (sysctlbyname("hw.physicalcpu", &cores, &length, NULL, 0) != 0)
            cores = online_processors();
    }
    return cores > 0 ? cores : 1;
}

#else

static void describe_cpu(char *cpu, size_t size) {
    (void)cpu;
    (void)size;
}

int host_usable_threads(void) {
    return online_processors();
}

#endif

void host_describe(struct host *host) {
    *host = (struct host){.name = "unknown", .os = "unknown", .cpu = "unknown"};
    struct utsname system;
    if (uname(&system) == 0) {
        snprintf(host->name, sizeof host->name, "%s", system.nodename);
        snprintf(
            host->os, sizeof host->os, "%s %s %s", system.sysname, system.release, system.machine);
    }
    describe_cpu(host->cpu, sizeof host->cpu);
    host->cores = online_processors();
    const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    if (pages > 0 && page > 0)
        host->memory_bytes = (unsigned long long)pages * (unsigned long long)page;
}
