#include "system/restart.h"

#if defined(__linux__)

#include "system/binding.h"

#include <stdlib.h>
#include <unistd.h>

void restart_with(const char *name, const char *value, char **argv) {
    cpu_set_t before, places;
    const bool bound = binding_processors(&places) &&
                       sched_getaffinity(0, sizeof before, &before) == 0 &&
                       sched_setaffinity(0, sizeof places, &places) == 0;
    if (setenv(name, value, 1) == 0)
        execv("/proc/self/exe", argv);
    unsetenv(name);
    if (bound)
        sched_setaffinity(0, sizeof before, &before);
}

#else

void restart_with(const char *name, const char *value, char **argv) {
    (void)name, (void)value, (void)argv;
}

#endif
