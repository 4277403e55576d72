/* Teams of OpenMP's threads that are as large as is said of them. */
#ifndef SYSTEM_TEAM_H
#define SYSTEM_TEAM_H

/* Starts a team of `wanted` threads (at least 1), and gives the number that it really has: fewer
 * where OpenMP (OMP_THREAD_LIMIT) or the system (a limit of processes) gives no more. Without this
 * first, OpenMP ends the process when it can't start a thread. */
int team_start(int wanted);

/* How many threads this process can have besides those that it has, up to `wanted`: they are
 * started, and ended again. */
int team_startable(int wanted);

/* For a region's num_threads(): the number itself. OpenMP, which may otherwise take threads away
 * when the machine is busy (OMP_DYNAMIC), does not do that from now on to regions of the calling
 * thread. */
int team_whole(int threads);

#endif
