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
    struct watch *watch = context;
    while (!is_closed_soon(watch)) {
        const double begun = atomic_load(&watch->begun), limit = atomic_load(&watch->limit);
        if (begun > 0.0 && clock_seconds() - begun > limit) {
            watch->late(watch->context, atomic_load(&watch->what), limit);
            break;
        }
    }
    return NULL;
}

bool watch_open(struct watch *watch) {
    watch->closed = false;
    atomic_store(&watch->begun, 0.0);
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

void watch_begin(struct watch *watch, const char *what) {
    atomic_store(&watch->what, what);
    atomic_store(&watch->begun, clock_seconds());
}

void watch_end(struct watch *watch) {
    atomic_store(&watch->begun, 0.0);
}
