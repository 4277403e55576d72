/* What is costly to find out about a device, kept in files between runs: its compiled programs, and
 * small notes. Knows nothing of what it keeps. */
#ifndef DEVICE_PROGRAM_CACHE_H
#define DEVICE_PROGRAM_CACHE_H

#include <stdbool.h>
#include <stddef.h>

/* The key is any bytes. It must hold all that the content depends on: a program's whole text, its
 * options, the device, the driver's version. What was stored under another key is never loaded. */

/* Gives what was last stored under the key, to be ended by free(). False when there is none, or
 * nothing that can be trusted: damaged, of another user, or writable by others. */
bool program_cache_load(const char *key, size_t key_length, void **content, size_t *length);

/* Keeps the content for a later load, by this process or another; any number of them may store and
 * load at once. When it can't be kept, nothing is left behind and nothing is said: it is made
 * again the next time. Entries beyond what the cache may hold are removed, oldest first. */
void program_cache_store(const char *key, size_t key_length, const void *content, size_t length);

#endif
