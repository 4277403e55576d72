/* Keeps drivers out of this process that would harm it. A driver is foreign code. As soon as
 * anything is asked of OpenCL, its loader calls the drivers of all vendors. If one of them crashes,
 * ends the process or never returns, it takes the program with it. So the drivers are asked first
 * in a process of their own. Those that fail are named to the user, and the loader is not told of
 * them. */
#ifndef DEVICE_OPENCL_DRIVERS_H
#define DEVICE_OPENCL_DRIVERS_H

#include <stddef.h>

/* As in struct device_type. The first call asks the drivers, unless the answer is known from an
 * earlier run. A known answer holds until a driver, its environment or the system changes. That a
 * driver is too slow holds for ten minutes. */
const char *opencl_driver_environment(const char **value);

/* Line number `index`, from 0 on, of those that say which drivers are left out, and why. NULL:
 * there are no more. */
const char *opencl_left_out(size_t index);

/* Adds all these lines to the text in text[size], each behind "; ". */
void opencl_append_left_out(char *text, size_t size);

#endif
