#include "system/team.h"

#include <omp.h>
#include <pthread.h>
#include <stddef.h>

static void *wait_for(void *mutex) {
    pthread_mutex_lock(mutex);
    pthread_mutex_unlock(mutex);
    return NULL;
}

/* Of more than TRIED, the others are taken to be as good. */
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
    static _Thread_local int had = 1; /* OpenMP keeps the threads of the calling one's teams */
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
