/* What the program can say without training. */
#ifndef INFORM_H
#define INFORM_H

#include <stdio.h>

/* Every device there is, and each one that is missing, with the reason. */
void inform_devices(FILE *file);

/* Version, commit, compiler and flags, and each device's library. */
void inform_version(FILE *file);

#endif
