/* Host memory for large arrays that are read or written from end to end. */
#ifndef SYSTEM_MEMORY_H
#define SYSTEM_MEMORY_H

#include <stddef.h>

/* Allocates `bytes` of memory with undefined contents, aligned to a cache line (64 bytes). Large
 * blocks are aligned to huge pages, and the system is asked to use these. The caller ends it with
 * free(). NULL when memory is refused; a request for 0 bytes gives 64. */
void *memory_allocate(size_t bytes);

#endif
