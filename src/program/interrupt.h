/* Signals that ask the program to end: SIGINT (Ctrl-C), SIGTERM (a batch system) and SIGHUP (a
 * terminal that is closed). */
#ifndef PROGRAM_INTERRUPT_H
#define PROGRAM_INTERRUPT_H

/* From now on each of these signals ends the program at once, with exit status 128 + its number. A
 * signal that the program was started to ignore (nohup, a shell's background job) stays ignored.
 * SIGPIPE and SIGXFSZ are ignored, too: writing then fails, and that is reported. */
void interrupt_catch(void);

/* To be called once there is something to lose. From now on the first signal is only noted, for
 * interrupt_signal, and another one ends the program at once. A signal that follows within a moment
 * has the same cause and does not count as another one: when a terminal is closed, both the system
 * and the shell send SIGHUP, and a batch system sends its signal to a process and to its group.
 * This call also undoes what a library has done with these signals. */
void interrupt_defer(void);

/* interrupt_remove names a file that is removed when a signal ends the program at once; after
 * interrupt_leave it is not. The text of the path stays the caller's, and must not change in
 * between. There may be up to four files. */
void interrupt_remove(const char *path);
void interrupt_leave(const char *path);

/* The signal that was noted; 0: none. */
int interrupt_signal(void);

#endif
