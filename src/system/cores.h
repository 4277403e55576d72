/* The physical cores among processors, as Linux counts these: one for each hardware thread. */
#ifndef SYSTEM_CORES_H
#define SYSTEM_CORES_H

#include <stdbool.h>

/* Of how many cores the processors are for which allowed[count] has true; of a core of which
 * nothing is known, each is one. `folder` is where the kernel describes them
 * ("/sys/devices/system/cpu"). */
int cores_count(const bool *allowed, int count, const char *folder);

#endif
