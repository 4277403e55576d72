#include "trainer/host.h"

#include "system/cores.h"
#include "system/file.h"
#include "system/quota.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#if defined(__linux__)
#include <omp.h>
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

/* The "model name" of x86. An ARM kernel names no model there, but the name of the board says as
 * much. */
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
    if (!found && file_read_line("/sys/firmware/devicetree/base/model", line, sizeof line))
        snprintf(cpu, size, "%.100s", line);
    cpu[strcspn(cpu, "\n")] = '\0';
}

/* Fills `mask` with the processors of OpenMP's places, when OpenMP binds threads (OMP_PROC_BIND,
 * OMP_PLACES). It has then bound this very thread to one of them, so this thread's affinity mask
 * says nothing of its team's. False when OpenMP doesn't bind. */
static bool binding_processors(cpu_set_t *mask) {
    int ids[CPU_SETSIZE];
    CPU_ZERO(mask);
    if (omp_get_proc_bind() == omp_proc_bind_false)
        return false;
    for (int place = 0; place < omp_get_num_places(); place++) {
        const int count = omp_get_place_num_procs(place);
        if (count > CPU_SETSIZE)
            return false;
        omp_get_place_proc_ids(place, ids);
        for (int i = 0; i < count; i++)
            if (ids[i] >= 0 && ids[i] < CPU_SETSIZE)
                CPU_SET(ids[i], mask);
    }
    return CPU_COUNT(mask) > 0;
}

static int allowed_cores(void) {
    cpu_set_t mask;
    bool allowed[CPU_SETSIZE];
    if (!binding_processors(&mask) && sched_getaffinity(0, sizeof mask, &mask) != 0)
        return online_processors(); /* the machine has more processors than the mask can hold */
    for (int processor = 0; processor < CPU_SETSIZE; processor++)
        allowed[processor] = CPU_ISSET(processor, &mask);
    const int cores = cores_count(allowed, CPU_SETSIZE, "/sys/devices/system/cpu");
    return cores > 0 ? cores : 1;
}

void host_processors(unsigned char mask[HOST_PROCESSORS_MAX / 8]) {
    cpu_set_t allowed;
    const bool known = sched_getaffinity(0, sizeof allowed, &allowed) == 0;
    memset(mask, known ? 0 : 0xff, HOST_PROCESSORS_MAX / 8);
    for (int p = 0; p < CPU_SETSIZE && p < HOST_PROCESSORS_MAX && known; p++)
        if (CPU_ISSET(p, &allowed))
            mask[p / 8] |= (unsigned char)(1 << p % 8);
}

int host_cores(const unsigned char *mask) {
    bool wanted[HOST_PROCESSORS_MAX], online[HOST_PROCESSORS_MAX];
    cores_online("/sys/devices/system/cpu", online, HOST_PROCESSORS_MAX);
    for (int p = 0; p < HOST_PROCESSORS_MAX; p++)
        wanted[p] = online[p] && (!mask || (mask[p / 8] >> p % 8 & 1));
    const int cores = cores_count(wanted, HOST_PROCESSORS_MAX, "/sys/devices/system/cpu");
    return cores > 0 ? cores : 1;
}

int host_usable_threads(void) {
    const int cores = allowed_cores();
    const int quota = quota_threads("/proc/self/cgroup", "/sys/fs/cgroup");
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
    /* Only the performance cores, because all threads of a team wait for the slowest. Intel Macs
     * have one kind of core. */
    if (sysctlbyname("hw.perflevel0.physicalcpu", &cores, &length, NULL, 0) != 0) {
        length = sizeof cores;
        if (sysctlbyname("hw.physicalcpu", &cores, &length, NULL, 0) != 0)
            cores = online_processors();
    }
    return cores > 0 ? cores : 1;
}

int host_cores(const unsigned char *mask) {
    (void)mask;
    return host_usable_threads();
}

#else

static void describe_cpu(char *cpu, size_t size) {
    (void)cpu;
    (void)size;
}

int host_usable_threads(void) {
    return online_processors();
}

int host_cores(const unsigned char *mask) {
    (void)mask;
    return online_processors();
}

#endif

#if !defined(__linux__)
void host_processors(unsigned char mask[HOST_PROCESSORS_MAX / 8]) {
    memset(mask, 0xff, HOST_PROCESSORS_MAX / 8);
}
#endif

/* --- Memory --- */

/* The memory that the process has, in bytes; 0 where that is not known. `resident` is counted
 * without the pages of files, because the system can take these back. */
struct usage {
    unsigned long long addresses, resident, data;
};

static struct usage own_usage(void) {
    const long page = sysconf(_SC_PAGESIZE);
    const unsigned long long bytes = page > 0 ? (unsigned long long)page : 0;
    unsigned long long all, resident, shared, data; /* in pages; statm has text, lib and dt, too */
    char line[256];
    if (!file_read_line("/proc/self/statm", line, sizeof line) ||
        sscanf(line, "%llu %llu %llu %*u %*u %llu", &all, &resident, &shared, &data) != 4)
        return (struct usage){0, 0, 0};
    const unsigned long long anonymous = resident > shared ? resident - shared : 0;
    return (struct usage){all * bytes, anonymous * bytes, data * bytes};
}

static unsigned long long physical_bytes(void) {
    const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    return pages > 0 && page > 0 ? (unsigned long long)pages * (unsigned long long)page : 0;
}

static unsigned long long own_limit(int resource) {
    struct rlimit limit;
    return getrlimit(resource, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY
               ? (unsigned long long)limit.rlim_cur
               : ULLONG_MAX;
}

unsigned long long host_memory_left(const char **limit) {
    const struct usage usage = own_usage();
    const unsigned long long physical = physical_bytes();
    const struct {
        const char *name;
        unsigned long long bytes, used;
    } limits[] = {
        {"all of the machine's memory", physical > 0 ? physical : ULLONG_MAX, usage.resident},
        {"the limit of the control group", quota_memory("/proc/self/cgroup", "/sys/fs/cgroup"),
            usage.resident},
        {"the limit of addresses, ulimit -v", own_limit(RLIMIT_AS), usage.addresses},
        {"the limit of data, ulimit -d", own_limit(RLIMIT_DATA), usage.data},
    };
    unsigned long long least = ULLONG_MAX;
    const char *name = "no limit is known";
    for (size_t l = 0; l < sizeof limits / sizeof *limits; l++) {
        const unsigned long long bytes = limits[l].bytes, used = limits[l].used;
        const unsigned long long left = bytes == ULLONG_MAX ? bytes
                                        : bytes > used      ? bytes - used
                                                            : 0;
        if (left < least) {
            least = left;
            name = limits[l].name;
        }
    }
    if (limit)
        *limit = name;
    return least;
}

/* --- The machine --- */

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
    host->memory_bytes = physical_bytes();
}
