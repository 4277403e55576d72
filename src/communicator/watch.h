/* A watch over exchanges: it notices when one takes too long, because a rank has died, a link is
 * cut, or somebody forgot to come. An MPI may wait for ever then. */
#ifndef COMMUNICATOR_WATCH_H
#define COMMUNICATOR_WATCH_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct watch {
    /* Called by the watch's own thread, once, with what has taken too long and its limit in
     * seconds. */
    void (*late)(void *context, const char *what, double limit);
    void *context;

    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t closing;
    bool closed;
    _Atomic double limit;       /* seconds, for what is watched */
    _Atomic double begun;       /* clock_seconds when that began; 0: nothing is watched */
    _Atomic(const char *) what; /* its name */
};

/* Starts the thread; false when the system refuses it. `late` and `context` are filled by
 * the caller, who ends it with watch_close. */
bool watch_open(struct watch *watch);
void watch_close(struct watch *watch);

/* From watch_begin to watch_end something is watched, whose name must be a constant. It should take
 * no longer than `limit` seconds. Time in which the process itself is stopped does not count: a
 * whole job may be, and go on later. */
void watch_begin(struct watch *watch, const char *what, double limit);
void watch_end(struct watch *watch);

/* Begins the time of what is watched anew, if anything is. Any thread may call it. */
void watch_renew(struct watch *watch);

#endif
