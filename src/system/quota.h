/* The CPU time that a Linux control group lets this process have. */
#ifndef SYSTEM_QUOTA_H
#define SYSTEM_QUOTA_H

/* The number of processors that the quota comes to, rounded up: the tightest limit on the way from
 * the control group that the file `membership` names ("/proc/self/cgroup") up to `root`, where
 * control groups are mounted ("/sys/fs/cgroup"; versions 1 and 2). INT_MAX where there is none.
 * Inside a container the group's own path may not be there; its limit is then found at the root. */
int quota_threads(const char *membership, const char *root);

#endif
