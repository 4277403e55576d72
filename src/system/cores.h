/* Counts physical cores. Linux counts each hardware thread of a core as a processor. */
#ifndef SYSTEM_CORES_H
#define SYSTEM_CORES_H

#include <stdbool.h>

/* The number of cores that the processors with a true element in allowed[count] belong to. A
 * processor whose core is not known counts as a core. `folder` is where the kernel describes
 * processors ("/sys/devices/system/cpu"). */
int cores_count(const bool *allowed, int count, const char *folder);

/* Fills online[count]: which processors are online. Where that is not known, all are. */
void cores_online(const char *folder, bool *online, int count);

#endif
