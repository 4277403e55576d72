/* Starting the program again. */
#ifndef SYSTEM_RESTART_H
#define SYSTEM_RESTART_H

/* Starts the program again, with the arguments `argv` and a variable more in its environment: for
 * what only reads it before main() begins. Returns, with nothing changed, where that can't be done.
 */
void restart_with(const char *name, const char *value, char **argv);

#endif
