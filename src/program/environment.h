/* Sets the process's environment for the libraries of devices. */
#ifndef PROGRAM_ENVIRONMENT_H
#define PROGRAM_ENVIRONMENT_H

/* Sets the variables that the libraries of the device named by `spec` read when it is opened. With
 * NULL, sets those that all libraries read when they are asked for their versions (see
 * device_environment). To be called before there are other threads. */
void environment_set(const char *spec);

#endif
