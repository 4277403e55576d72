/* A hash of bytes: FNV-1a, 64 bits. It tells apart texts that differ by accident. Someone who wants
 * to can make two texts with the same hash. */
#ifndef SYSTEM_HASH_H
#define SYSTEM_HASH_H

#include <stddef.h>
#include <stdint.h>

/* The hash of no bytes, with which every hash begins. */
static const uint64_t hash_start = 0xcbf29ce484222325;

/* Given the hash of some bytes, returns the hash of those bytes followed by these. */
static inline uint64_t hash_on(uint64_t hash, const void *bytes, size_t length) {
    const unsigned char *byte = bytes;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ byte[i]) * 0x100000001b3;
    return hash;
}

#endif
