/* A library that a program takes for NVIDIA's NVML where it looks for that. $EMULATED_NVML has what
 * it says of the GPU on bus 1, reading by reading: "SM MEMORY REASONS" each, MHz and a hexadecimal
 * number, with "/" between; the last one is repeated. "lost" instead of one: it can't be read. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SUCCESS = 0, NOT_SUPPORTED = 3, NOT_FOUND = 6, UNINITIALIZED = 1 };

static int users;
static unsigned sm, memory;
static unsigned long long reasons;

int nvmlInit_v2(void);
int nvmlShutdown(void);
int nvmlDeviceGetHandleByPciBusId_v2(const char *bus, void **gpu);
int nvmlDeviceGetClockInfo(void *gpu, int type, unsigned *mhz);
int nvmlDeviceGetCurrentClocksEventReasons(void *gpu, unsigned long long *found);

int nvmlInit_v2(void) {
    if (!getenv("EMULATED_NVML"))
        return NOT_SUPPORTED;
    users++;
    return SUCCESS;
}

int nvmlShutdown(void) {
    return users-- > 0 ? SUCCESS : UNINITIALIZED;
}

int nvmlDeviceGetHandleByPciBusId_v2(const char *bus, void **gpu) {
    *gpu = &users;
    return strcmp(bus, "00000000:01:00.0") == 0 ? SUCCESS : NOT_FOUND;
}

/* The clock of the processor is read first. */
static int read_next(void) {
    static const char *next;
    if (!next)
        next = getenv("EMULATED_NVML");
    if (sscanf(next, "%u %u %llx", &sm, &memory, &reasons) != 3)
        return NOT_SUPPORTED;
    const char *after = strchr(next, '/');
    next = after ? after + 1 : next;
    return SUCCESS;
}

int nvmlDeviceGetClockInfo(void *gpu, int type, unsigned *mhz) {
    if (users == 0 || gpu != &users)
        return UNINITIALIZED;
    const int code = type == 1 ? read_next() : SUCCESS;
    *mhz = type == 1 ? sm : type == 2 ? memory : 0;
    return code;
}

int nvmlDeviceGetCurrentClocksEventReasons(void *gpu, unsigned long long *found) {
    *found = reasons;
    return users == 0 || gpu != &users ? UNINITIALIZED : SUCCESS;
}
