#include "communicator/shared.h"

#include "system/relax.h"

#include <limits.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { LINE = 128 }; /* bytes, two lines of a processor's cache, which some fetch together */

/* A rank's bytes, from the first multiple of LINE on. */
struct area {
    _Alignas(LINE) atomic_uint meetings; /* that the rank has come to; it begins anew after all */
    _Alignas(LINE) float values[];
};

struct shared {
    int rank, ranks;
    size_t elements;
    unsigned meetings;
    shared_rest *rest;
    struct area *areas[]; /* [ranks] */
};

/* A whole number of lines. */
static size_t padded(size_t elements) {
    enum { FLOATS = LINE / sizeof(float) };
    return (elements + FLOATS - 1) / FLOATS * FLOATS;
}

size_t shared_bytes(size_t elements) {
    return LINE + sizeof(struct area) + 2 * padded(elements) * sizeof(float);
}

/* All ranks move it alike, since the system maps whole pages. */
static struct area *aligned(void *address) {
    return (struct area *)(((uintptr_t)address + LINE - 1) / LINE * LINE);
}

struct shared *shared_create(
    void *const *addresses, int rank, int ranks, size_t elements, shared_rest *rest) {
    struct shared *shared = malloc(sizeof *shared + (size_t)ranks * sizeof *shared->areas);
    if (!shared)
        return NULL;
    *shared = (struct shared){rank, ranks, elements, 0, rest};
    for (int r = 0; r < ranks; r++)
        shared->areas[r] = aligned(addresses[r]);
    return shared;
}

void shared_free(struct shared *shared) {
    free(shared);
}

float *shared_values(const struct shared *shared) {
    return shared->areas[shared->rank]->values;
}

float *shared_sums(const struct shared *shared) {
    return shared->areas[0]->values + padded(shared->elements);
}

static bool is_within(
    const struct shared *shared, const float *all, const float *some, size_t count) {
    return some >= all && some + count <= all + shared->elements;
}

bool shared_has(const struct shared *shared, const float *values, const float *sums, size_t count) {
    return is_within(shared, shared_values(shared), values, count) &&
           is_within(shared, shared_sums(shared), sums, count);
}

static bool has_come(const struct area *area, unsigned meeting) {
    return atomic_load_explicit(&area->meetings, memory_order_acquire) - meeting <= UINT_MAX / 2;
}

/* Waits until all ranks have come. There may be more of them than processors. */
static void meet(struct shared *shared) {
    enum { PATIENCE = 1000 }; /* looks until another process may have the processor */
    const unsigned meeting = ++shared->meetings;
    atomic_store_explicit(&shared->areas[shared->rank]->meetings, meeting, memory_order_release);
    for (int r = 0; r < shared->ranks; r++)
        for (int looks = 1; !has_come(shared->areas[r], meeting); looks++) {
            relax();
            if (looks % PATIENCE != 0)
                continue;
            if (shared->rest)
                shared->rest();
            sched_yield();
        }
}

/* Where rank r's part of the elements begins: at a line of its own. */
static size_t part(const struct shared *shared, size_t count, int r) {
    enum { FLOATS = LINE / sizeof(float) };
    const size_t lines = (count + FLOATS - 1) / FLOATS;
    const size_t begin = lines * (size_t)r / (size_t)shared->ranks * FLOATS;
    return begin < count ? begin : count;
}

/* sums[count] = those of the elements from `first` on. */
static void add_up(const struct shared *shared, size_t first, float *sums, size_t count) {
    const float *one = shared->areas[0]->values + first, *two = shared->areas[1]->values + first;
    for (size_t i = 0; i < count; i++)
        sums[i] = one[i] + two[i];
    for (int r = 2; r < shared->ranks; r++) {
        const float *more = shared->areas[r]->values + first;
        for (size_t i = 0; i < count; i++)
            sums[i] += more[i];
    }
}

/* In blocks, which stay in the cache. Who comes to the first meeting has done with the sums before.
 */
void shared_sum(struct shared *shared, const float *values, float *sums, size_t count) {
    enum { BLOCK = 1024 };
    const size_t offset = (size_t)(values - shared_values(shared));
    const size_t end = part(shared, count, shared->rank + 1);
    meet(shared);
    for (size_t first = part(shared, count, shared->rank); first < end; first += BLOCK)
        add_up(shared, offset + first, sums + first, end - first < BLOCK ? end - first : BLOCK);
    meet(shared);
}
