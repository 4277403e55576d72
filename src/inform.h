/* What the program can say without training, on standard output. */
#ifndef INFORM_H
#define INFORM_H

/* Every device there is, and each one that is missing, with the reason. */
void inform_devices(void);

/* Version, commit, compiler and flags, and each device's library. */
void inform_version(void);

#endif
