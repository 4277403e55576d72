/* A cache, in files, of what is costly to find out about a device: its compiled programs, and which
 * algorithms were the fastest. It keeps bytes under a key, and knows nothing of their meaning. */
#ifndef DEVICE_PROGRAM_CACHE_H
#define DEVICE_PROGRAM_CACHE_H

#include <stdbool.h>
#include <stddef.h>

/* A key is any bytes. It must hold everything that the content depends on: a program's whole text,
 * its options, the device, the driver's version. What was stored under another key is never loaded.
 */

/* Makes a key of `count` texts. The caller frees it. NULL when memory is refused. */
char *program_cache_key(const char *const *parts, size_t count, size_t *key_length);

/* Gives what was last stored under the key, to be ended by free(). False when there is nothing, or
 * nothing that can be trusted: the file is damaged, belongs to another user, or may be written by
 * others. */
bool program_cache_load(const char *key, size_t key_length, void **content, size_t *length);

/* Stores the content for a later load, by this process or another. Any number of processes may
 * store and load at once. If it can't be stored, nothing is left behind and there is no error,
 * because the content can be made again. If the cache holds more than it may, the entries that were
 * not used for longest are removed. */
void program_cache_store(const char *key, size_t key_length, const void *content, size_t length);

#endif
