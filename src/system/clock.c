#include "system/clock.h"

#include <time.h>

double clock_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    /* Divided, which rounds once: 1e-9 is no exact number. */
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}
