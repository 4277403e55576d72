/* What the program prints about devices and about itself, without training. */
#ifndef PROGRAM_INFORM_H
#define PROGRAM_INFORM_H

#include <stdio.h>

/* Prints every device there is, and for each that is missing the reason. */
void inform_devices(FILE *file);

/* Prints version, commit, compiler and flags, and the library of each kind of device. */
void inform_version(FILE *file);

#endif
