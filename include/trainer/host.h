/* The machine that the program runs on. No function here fails: what can't be found out has a value
 * that says so. */
#ifndef TRAINER_HOST_H
#define TRAINER_HOST_H

#ifdef __cplusplus
extern "C" {
#endif

struct host {
    char name[72]; /* host name */
    char os[256];  /* system, release and architecture, as uname gives them */
    char cpu[128]; /* processor model */
    int cores;     /* logical processors that are online */
    /* Memory of the whole machine, even if this process may use less. */
    unsigned long long memory_bytes;
};

/* Fills what can be found out. A text that can't be is "unknown", `memory_bytes` is then 0, and
 * `cores` 1. */
void host_describe(struct host *host);

/* The number of threads that can compute at full speed in this process, at least 1. On Linux: the
 * physical cores within its affinity mask, but no more than the CPU quota of its control group,
 * rounded up. On macOS: the performance cores. Elsewhere: the logical processors. */
int host_usable_threads(void);

/* Sets bit p % 8 of mask[p / 8] for each logical processor p that this process may run on: all bits
 * where that is not known. */
enum { HOST_PROCESSORS_MAX = 1024 };
void host_processors(unsigned char mask[HOST_PROCESSORS_MAX / 8]);

/* The number of physical cores that these processors belong to; NULL: that the machine has, of
 * which this process may use fewer. At least 1. On macOS: the performance cores, of the machine.
 * Elsewhere than on Linux and macOS: the logical processors, likewise. */
int host_cores(const unsigned char *mask);

/* Bytes of memory that this process can still take: the least of what these limits leave to it
 * beyond its own usage: the machine's memory, its control group (versions 1 and 2, and the groups
 * around it), and its own limits (ulimit -v, -d). Other processes are not counted. ULLONG_MAX where
 * no limit is known. *limit (NULL is fine) names the limit that is the least. */
unsigned long long host_memory_left(const char **limit);

#ifdef __cplusplus
}
#endif
#endif
