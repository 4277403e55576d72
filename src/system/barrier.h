/* A barrier for a team of threads: who comes to it waits until all have come.
 *
 * Who waits spins for some microseconds, and then sleeps. Threads that come at nearly the same time
 * meet without the system's help. Where other work shares the processors, a thread that waits soon
 * leaves its own to the thread that it waits for. OpenMP's own barrier spins for milliseconds
 * before it sleeps, which is all of a time slice. */
#ifndef SYSTEM_BARRIER_H
#define SYSTEM_BARRIER_H

#include <pthread.h>
#include <stdatomic.h>

/* Linux has the futex; with BARRIER_WITHOUT_FUTEX it does as other systems do. */
#if defined __linux__ && !defined BARRIER_WITHOUT_FUTEX
#define BARRIER_HAS_FUTEX 1
#else
#define BARRIER_HAS_FUTEX 0
#endif

/* Each number has a line of the processor's cache to itself: those who spin read the round, while
 * others come and count themselves. */
struct barrier {
    _Alignas(64) atomic_int arrived; /* threads that have come in this round */
    _Alignas(64) atomic_uint round;  /* goes up by 2 when all have come; odd: somebody sleeps */
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

/* Waits until `threads` threads have called it, the caller among them; all give the same number.
 * Afterwards each can read what the others wrote before. */
void barrier_wait(struct barrier *barrier, int threads);

#endif
