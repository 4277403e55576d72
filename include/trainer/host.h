/* The machine that the program runs on. Nothing here fails: what can't be found out has a value
 * that says so. */
#ifndef TRAINER_HOST_H
#define TRAINER_HOST_H

#ifdef __cplusplus
extern "C" {
#endif

struct host {
    char name[72];                   /* host name */
    char os[256];                    /* system, release and architecture, as uname gives them */
    char cpu[128];                   /* processor model */
    int cores;                       /* logical processors that are online */
    unsigned long long memory_bytes; /* of the machine, whatever this process may have of it */
};

/* Fills what can be found out; a text that can't be is "unknown", the memory 0, the cores 1. */
void host_describe(struct host *host);

/* The number of threads that can compute at full speed in this process: physical cores within its
 * affinity mask, and no more than its control group's CPU quota (rounded up). At least 1. */
int host_usable_threads(void);

/* Bytes of memory that this process can have besides what it has: the least that the machine's
 * memory, its control group (versions 1 and 2, and those around it) and its own limits (ulimit -v,
 * -d) leave to a process that is alone there; ULLONG_MAX where nothing is known. Says in *limit,
 * which may be NULL, which of them it is. */
unsigned long long host_memory_left(const char **limit);

#ifdef __cplusplus
}
#endif
#endif
