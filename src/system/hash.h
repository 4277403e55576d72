/* A hash of bytes: FNV-1a, of 64 bits. It tells apart what differs by accident; malice can make two
 * texts with the same one. */
#ifndef SYSTEM_HASH_H
#define SYSTEM_HASH_H

#include <stddef.h>
#include <stdint.h>

/* The hash of no bytes, with which each begins. */
static const uint64_t hash_start = 0xcbf29ce484222325;

/* `hash` is that of some bytes: gives the hash of the same with these behind them. */
static inline uint64_t hash_on(uint64_t hash, const void *bytes, size_t length) {
    const unsigned char *byte = bytes;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ byte[i]) * 0x100000001b3;
    return hash;
}

#endif
