/* Drivers that must not be loaded here. A driver is foreign code, which its loader calls as soon as
 * anything is asked of OpenCL, with those of all other vendors: one that crashes, ends the process
 * or never returns takes the program with it. So they are asked in a process of their own before;
 * those that fail are named, and left out of what the loader is told. */
#ifndef DEVICE_OPENCL_DRIVERS_H
#define DEVICE_OPENCL_DRIVERS_H

#include <stddef.h>

/* As in struct device_type. Asks the drivers when it is first called, unless it is known from an
 * earlier run how that ends: until a driver, its environment or the system changes; that one is too
 * slow, for ten minutes. */
const char *opencl_driver_environment(const char **value);

/* Number `index` of those that are left out, from 0 on, with the reason, in a line; NULL: there are
 * no more. */
const char *opencl_left_out(size_t index);

/* Adds all of them to the text in text[size], each behind "; ". */
void opencl_append_left_out(char *text, size_t size);

#endif
