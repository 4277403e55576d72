/* What OpenMP does to the processors that a Linux process may use. (host.c) */
#ifndef SYSTEM_BINDING_H
#define SYSTEM_BINDING_H

#include <sched.h>
#include <stdbool.h>

/* The processors of OpenMP's places, when it binds threads (OMP_PROC_BIND, OMP_PLACES): it has then
 * bound this very thread to one of them, and its own mask says nothing of its team's. False when it
 * doesn't bind. */
bool binding_processors(cpu_set_t *mask);

#endif
