/* The limits that Linux control groups set to this process. A limit is the tightest one on the way
 * from the process's control group up to `root`. The file `membership` names that group
 * ("/proc/self/cgroup"), and control groups (versions 1 and 2) are mounted at `root`
 * ("/sys/fs/cgroup"). Inside a container the group's own path may not exist; its limit is then
 * found at the root. */
#ifndef SYSTEM_QUOTA_H
#define SYSTEM_QUOTA_H

/* The quota of CPU time as a number of processors, rounded up. INT_MAX where there is no quota. */
int quota_threads(const char *membership, const char *root);

/* The limit of memory, in bytes. ULLONG_MAX where there is none. */
unsigned long long quota_memory(const char *membership, const char *root);

#endif
