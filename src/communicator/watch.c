#include "communicator/watch.h"

#include "system/clock.h"

#include <stddef.h>
#include <time.h>

/* Waits for a tenth of a second, or until the watch is closed. */
static bool is_closed_soon(struct watch *watch) {
    enum { TICK = 100000000, SECOND = 1000000000 }; /* nanoseconds */
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until); /* condition variables have this clock everywhere */
    until.tv_nsec += TICK;
    until.tv_sec += until.tv_nsec / SECOND;
    until.tv_nsec %= SECOND;
    pthread_mutex_lock(&watch->mutex);
    if (!watch->closed)
        pthread_cond_timedwait(&watch->closing, &watch->mutex, &until);
    const bool closed = watch->closed;
    pthread_mutex_unlock(&watch->mutex);
    return closed;
}

static void *keep_watch(void *context) {
    enum { LONGEST = 1 }; /* seconds from one look to the next, if nobody stops the process */
    struct watch *watch = context;
    double begun = 0.0, waited = 0.0, looked = clock_seconds();
    while (!is_closed_soon(watch)) {
        const double now = clock_seconds(), since = atomic_load(&watch->begun);
        const double from = since == begun ? looked : since;
        waited = (since == begun ? waited : 0.0) + (now - from < LONGEST ? now - from : LONGEST);
        begun = since;
        looked = now;
        const double limit = atomic_load(&watch->limit);
        if (begun > 0.0 && waited > limit) {
            watch->late(watch->context, atomic_load(&watch->what), limit);
            break;
        }
    }
    return NULL;
}

bool watch_open(struct watch *watch) {
    watch->closed = false;
    atomic_init(&watch->begun, 0.0);
    atomic_init(&watch->limit, 0.0);
    atomic_init(&watch->what, "");
    pthread_mutex_init(&watch->mutex, NULL);
    pthread_cond_init(&watch->closing, NULL);
    if (pthread_create(&watch->thread, NULL, keep_watch, watch) == 0)
        return true;
    pthread_cond_destroy(&watch->closing);
    pthread_mutex_destroy(&watch->mutex);
    return false;
}

void watch_close(struct watch *watch) {
    pthread_mutex_lock(&watch->mutex);
    watch->closed = true;
    pthread_cond_signal(&watch->closing);
    pthread_mutex_unlock(&watch->mutex);
    pthread_join(watch->thread, NULL);
    pthread_cond_destroy(&watch->closing);
    pthread_mutex_destroy(&watch->mutex);
}

void watch_begin(struct watch *watch, const char *what, double limit) {
    atomic_store(&watch->what, what);
    atomic_store(&watch->limit, limit);
    atomic_store(&watch->begun, clock_seconds());
}

void watch_end(struct watch *watch) {
    atomic_store(&watch->begun, 0.0);
}

void watch_renew(struct watch *watch) {
    double begun = atomic_load(&watch->begun);
    if (begun > 0.0) /* and is not ended meanwhile */
        atomic_compare_exchange_strong(&watch->begun, &begun, clock_seconds());
}
