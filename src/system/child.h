/* Does work of foreign code in a process of its own, because that code may crash, end its process
 * or never return. */
#ifndef SYSTEM_CHILD_H
#define SYSTEM_CHILD_H

#include <stddef.h>

enum child_end {
    CHILD_DONE,   /* the work has returned */
    CHILD_BROKEN, /* the work has ended its process */
    CHILD_LATE,   /* the work had not returned in time, and was killed */
    CHILD_NONE    /* no process could be started */
};

/* Calls work(context) in a copy of this process, for at most `seconds`. The copy's output is kept
 * apart from ours, and it leaves no core file. how[size] becomes one line that says how the copy
 * ended, to follow the name of the work: "ended with signal 11 (SIGSEGV)", and the last line that
 * it printed. It is empty when the work is done. The copy has only one thread, so this is for a
 * process that has no others yet. */
enum child_end child_do(
    void (*work)(void *context), void *context, double seconds, char *how, size_t size);

#endif
