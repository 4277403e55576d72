/* Teams of OpenMP threads whose size is known for sure. */
#ifndef SYSTEM_TEAM_H
#define SYSTEM_TEAM_H

/* Starts a team of `wanted` threads (at least 1), and returns the number that it really has. That
 * is fewer where OpenMP (OMP_THREAD_LIMIT) or the system (a limit of processes) gives no more. It
 * must be called before a team is used, because OpenMP ends the process when it can't start a
 * thread. */
int team_start(int wanted);

/* The number of threads, up to `wanted`, that this process can start besides those that it has.
 * They are started and ended again. */
int team_startable(int wanted);

/* Returns `threads`, for num_threads() of a parallel region. It also makes sure that the region
 * gets all of them: OpenMP may otherwise give fewer when the machine is busy (OMP_DYNAMIC). That
 * holds from now on for all regions of the calling thread. */
int team_whole(int threads);

#endif
