#include "system/team.h"

#include <omp.h>
#include <pthread.h>
#include <stddef.h>

static void *wait_for(void *mutex) {
    pthread_mutex_lock(mutex);
    pthread_mutex_unlock(mutex);
    return NULL;
}

/* No more than TRIED threads are tried. If all of these start, the others are assumed to start,
 * too. */
int team_startable(int wanted) {
    enum { TRIED = 1024 };
    pthread_t threads[TRIED];
    pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER;
    const int most = wanted < TRIED ? wanted : TRIED;
    int started = 0;
    pthread_mutex_lock(&held);
    while (started < most && pthread_create(&threads[started], NULL, wait_for, &held) == 0)
        started++;
    pthread_mutex_unlock(&held);
    for (int t = 0; t < started; t++)
        pthread_join(threads[t], NULL);
    return started < most ? started : wanted;
}

int team_whole(int threads) {
    omp_set_dynamic(0);
    return threads;
}

int team_start(int wanted) {
    /* Threads of the largest team so far, which OpenMP keeps for the calling thread. */
    static _Thread_local int had = 1;
    const int startable = wanted > had ? had + team_startable(wanted - had) : wanted;
    int size = 1;
#pragma omp parallel num_threads(team_whole(startable))
    {
#pragma omp single
        size = omp_get_num_threads();
    }
    had = size > had ? size : had;
    return size;
}
