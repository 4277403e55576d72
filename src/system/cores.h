/* Counts physical cores. Linux counts each hardware thread of a core as a processor. */
#ifndef SYSTEM_CORES_H
#define SYSTEM_CORES_H

#include <stdbool.h>

/* The number of cores that the processors with a true element in allowed[count] belong to. A
 * processor whose core is not known counts as a core. `folder` is where the kernel describes
 * processors ("/sys/devices/system/cpu"). */
int cores_count(const bool *allowed, int count, const char *folder);

#endif
