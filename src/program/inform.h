/* What the program can say without training. */
#ifndef PROGRAM_INFORM_H
#define PROGRAM_INFORM_H

#include <stdio.h>

/* Every device there is, and each one that is missing, with the reason. */
void inform_devices(FILE *file);

/* Version, commit, compiler and flags, and each device's library. */
void inform_version(FILE *file);

#endif
