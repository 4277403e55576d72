/* The machine that the program runs on. */
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
    unsigned long long memory_bytes;
};

/* Fills what can be found out; a text that can't be is "unknown", the memory 0, the cores 1. */
void host_describe(struct host *host);

/* The number of threads that can compute at full speed in this process: physical cores within its
 * affinity mask, and no more than its control group's CPU quota (rounded up). At least 1. */
int host_usable_threads(void);

#ifdef __cplusplus
}
#endif
#endif
