/* Work of foreign code that may crash, end its process or never return: done in a process of its
 * own, so that ours goes on. */
#ifndef SYSTEM_CHILD_H
#define SYSTEM_CHILD_H

#include <stddef.h>

enum child_end {
    CHILD_DONE,   /* the work has returned */
    CHILD_BROKEN, /* it has ended its process */
    CHILD_LATE,   /* it had not returned in time, and was ended */
    CHILD_NONE    /* there was no process to be had */
};

/* Calls work(context) in a copy of this process, whose output is kept from ours and which leaves no
 * core file; `seconds` is what it may take. `how`, in one line, says what became of it, to follow
 * its name: "ended with signal 11 (SIGSEGV)", and the last that it printed; empty when it is done.
 * A copy has one thread, so that this is for a process that has no other yet. */
enum child_end child_do(
    void (*work)(void *context), void *context, double seconds, char *how, size_t size);

#endif
