#include "system/barrier.h"

#include "system/relax.h"

#include <limits.h>
#include <stdbool.h>
#include <time.h>

#if BARRIER_HAS_FUTEX
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

enum {
    ASLEEP = 1,   /* in `round`: somebody sleeps, and is to be woken at its end */
    NEXT = 2,     /* from a round to the next */
    SPIN = 30000, /* nanoseconds: about what it takes to fall asleep and to be woken */
    LOOKS = 8     /* at the round, for each look at the clock */
};

/* --- Sleeping: as long as the round is `asleep`, which is odd --- */

#if BARRIER_HAS_FUTEX

_Static_assert(sizeof(atomic_uint) == 4, "a futex has 32 bits");

static void sleep_while(struct barrier *barrier, unsigned asleep) {
    /* The system lets nobody fall asleep once the round has changed. */
    while (atomic_load_explicit(&barrier->round, memory_order_acquire) == asleep)
        syscall(SYS_futex, &barrier->round, FUTEX_WAIT_PRIVATE, asleep, NULL, NULL, 0);
}

static void wake_all(struct barrier *barrier) {
    syscall(SYS_futex, &barrier->round, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

void barrier_open(struct barrier *barrier, int processors) {
    atomic_init(&barrier->arrived, 0);
    atomic_init(&barrier->round, NEXT);
    barrier->processors = processors;
}

void barrier_close(struct barrier *barrier) {
    (void)barrier;
}

#else

static void sleep_while(struct barrier *barrier, unsigned asleep) {
    pthread_mutex_lock(&barrier->mutex);
    while (atomic_load_explicit(&barrier->round, memory_order_acquire) == asleep)
        pthread_cond_wait(&barrier->round_ended, &barrier->mutex);
    pthread_mutex_unlock(&barrier->mutex);
}

static void wake_all(struct barrier *barrier) {
    /* With the mutex, so that nobody is between his look at the round and his sleep. */
    pthread_mutex_lock(&barrier->mutex);
    pthread_cond_broadcast(&barrier->round_ended);
    pthread_mutex_unlock(&barrier->mutex);
}

void barrier_open(struct barrier *barrier, int processors) {
    atomic_init(&barrier->arrived, 0);
    atomic_init(&barrier->round, NEXT);
    barrier->processors = processors;
    pthread_mutex_init(&barrier->mutex, NULL);
    pthread_cond_init(&barrier->round_ended, NULL);
}

void barrier_close(struct barrier *barrier) {
    pthread_cond_destroy(&barrier->round_ended);
    pthread_mutex_destroy(&barrier->mutex);
}

#endif

/* --- Spinning --- */

/* Spinning ends by the clock, because a pause takes 10 to 140 cycles, and a thread that lost its
 * processor in between has waited enough. */
uint64_t barrier_clock(void) {
    struct timespec now;
    timespec_get(&now, TIME_UTC);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static bool has_ended(struct barrier *barrier, unsigned round) {
    return (atomic_load_explicit(&barrier->round, memory_order_acquire) & ~(unsigned)ASLEEP) !=
           round;
}

/* Whether the round ends within SPIN. */
static bool spin_while(struct barrier *barrier, unsigned round) {
    const uint64_t begin = barrier_clock();
    do
        for (int look = 0; look < LOOKS; look++) {
            if (has_ended(barrier, round))
                return true;
            relax();
        }
    while (barrier_clock() - begin < SPIN); /* also ends when the clock is set back */
    return false;
}

/* --- Meeting --- */

void barrier_arrive(struct barrier *barrier, unsigned round, int all) {
    if (atomic_fetch_add_explicit(&barrier->arrived, 1, memory_order_acq_rel) + 1 < all)
        return;
    atomic_store_explicit(&barrier->arrived, 0, memory_order_relaxed);
    const unsigned next = (round + 1) * NEXT;
    if (atomic_exchange_explicit(&barrier->round, next, memory_order_release) & ASLEEP)
        wake_all(barrier);
}

void barrier_wait(struct barrier *barrier, unsigned round, int threads) {
    unsigned seen = round * NEXT;
    if (has_ended(barrier, seen) || (threads <= barrier->processors && spin_while(barrier, seen)))
        return;
    /* Unless the round has ended by now, who ends it must see that somebody sleeps. */
    const unsigned asleep = seen | ASLEEP;
    atomic_compare_exchange_strong_explicit(
        &barrier->round, &seen, asleep, memory_order_relaxed, memory_order_relaxed);
    sleep_while(barrier, asleep);
}
