/* Host memory for arrays that are streamed through. */
#ifndef SYSTEM_MEMORY_H
#define SYSTEM_MEMORY_H

#include <stddef.h>

/* `bytes` of memory with undefined contents, aligned to a cache line (64 bytes); large blocks are
 * aligned to huge pages, which the system is asked to use. The caller ends it with free().
 * NULL when memory is refused; a request for 0 bytes is taken as one of 64. */
void *memory_allocate(size_t bytes);

#endif
