/* What a Linux control group lets this process have: the tightest limit on the way from the control
 * group that the file `membership` names ("/proc/self/cgroup") up to `root`, where control groups
 * are mounted ("/sys/fs/cgroup"; versions 1 and 2). Inside a container the group's own path may not
 * be there; its limit is then found at the root. */
#ifndef SYSTEM_QUOTA_H
#define SYSTEM_QUOTA_H

/* The number of processors that the quota of CPU time comes to, rounded up. INT_MAX where there is
 * none. */
int quota_threads(const char *membership, const char *root);

/* Bytes of memory. ULLONG_MAX where there is no limit. */
unsigned long long quota_memory(const char *membership, const char *root);

#endif
