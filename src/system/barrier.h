/* A barrier for a team of threads that works in rounds: who comes to it waits until all that was to
 * do in the round is done, by whomever. So nobody waits for a thread that has nothing to do.
 *
 * Who waits spins for some microseconds, and then sleeps. Threads that come at nearly the same time
 * meet without the system's help. Where other work shares the processors, a thread that waits soon
 * leaves its own to the thread that it waits for. OpenMP's own barrier spins for milliseconds
 * before it sleeps, which is all of a time slice. */
#ifndef SYSTEM_BARRIER_H
#define SYSTEM_BARRIER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

/* Linux has the futex; with BARRIER_WITHOUT_FUTEX it does as other systems do. */
#if defined __linux__ && !defined BARRIER_WITHOUT_FUTEX
#define BARRIER_HAS_FUTEX 1
#else
#define BARRIER_HAS_FUTEX 0
#endif

/* Each number has a line of the processor's cache to itself: those who spin read the round, while
 * others arrive. */
struct barrier {
    _Alignas(64) atomic_int arrived; /* how much of this round is done */
    _Alignas(64) atomic_uint round;  /* twice its number; odd: somebody sleeps */
    int processors;                  /* that the threads have */
#if !BARRIER_HAS_FUTEX
    pthread_mutex_t mutex;
    pthread_cond_t round_ended;
#endif
};

/* Begins a barrier, which is good for any number of rounds. Of more threads than `processors` none
 * spins: it would keep one that has yet to come from its processor. The caller ends the barrier
 * with barrier_close when no thread is in it any more. */
void barrier_open(struct barrier *barrier, int processors);
void barrier_close(struct barrier *barrier);

/* Tells that one of the `all` things to do in a round is done. With the last of them the round has
 * ended. The first round is number 1; only who has seen a round's end arrives in the next one. */
void barrier_arrive(struct barrier *barrier, unsigned round, int all);

/* Waits until a round has ended; not at all if it has. At most `threads` threads wait for one.
 * Afterwards the caller can read what others wrote before they arrived in the round. */
void barrier_wait(struct barrier *barrier, unsigned round, int threads);

/* A clock for short times, in nanoseconds. It is that of the time of day: it may be set, and nobody
 * counts who reads it. */
uint64_t barrier_clock(void);

#endif
