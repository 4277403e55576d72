/* The cpu device's work, done by threads that take turns. For tests that are linked with
 * --wrap=queue_run.
 *
 * In place of a team, the test does all threads' work itself. Between two waits (queue.h) a thread
 * may be as far ahead of another as can be; with the first thread ahead of all, and with the last
 * one, any two of them meet in either order. A wait that is missing is seen without any luck. */
#ifndef TURNS_H
#define TURNS_H

#include "device/cpu/queue.h"

/* Who is ahead. TOGETHER: nobody, each entry is done by all before the next one. TEAM: who knows;
 * the device's own team does the work. */
extern enum turns { TOGETHER, FIRST_AHEAD, LAST_AHEAD, TEAM } turns;

/* What was done in turns so far: entries before which nobody waited, and entries of some kinds. */
extern struct turns_seen {
    size_t unheld;
    size_t by_columns, ordered;
    size_t copied; /* without an index: copies that a plan makes (plan.c) */
} turns_seen;

const char *turns_text(void);

#endif
