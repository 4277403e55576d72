/* Signals that ask the program to end: SIGINT (Ctrl-C), SIGTERM (a batch system) and SIGHUP (a
 * terminal that is closed). */
#ifndef PROGRAM_INTERRUPT_H
#define PROGRAM_INTERRUPT_H

/* Handles them from now on: each ends the program at once, with 128 + its number. One that the
 * program was started to ignore (nohup, a shell's background job) stays ignored. SIGPIPE and
 * SIGXFSZ are ignored: writing then fails, which is reported. */
void interrupt_catch(void);

/* From now on there is something to lose: the first signal is only noted, for interrupt_signal, and
 * another one ends the program at once, unless it comes so soon that it is of the same cause: a
 * closed terminal's SIGHUP is sent by the system and by the shell, that of a batch system to a
 * process and to its group. What a library has done with these signals since is undone. */
void interrupt_defer(void);

/* A file that a signal removes when it ends the program at once, and one that it no longer does.
 * The path stays the caller's, and the same meanwhile. There may be up to four. */
void interrupt_remove(const char *path);
void interrupt_leave(const char *path);

/* The signal that was noted; 0: none. */
int interrupt_signal(void);

#endif
