/* How environment variables change what a device's libraries and drivers do (see
 * device_variables). */
#ifndef DEVICE_ENVIRONMENT_H
#define DEVICE_ENVIRONMENT_H

#include "trainer/device.h"

/* STATUS_USAGE, naming the variable, when one that is set would make a device of this kind compute
 * in another way than the options ask for, which is what a record would say. */
enum status environment_check(
    const char *kind, const struct device_options *options, struct error *error);

/* The variables of device_variables that matter to this kind of device, a line each. The text is a
 * part of the key under which compiled code and timings are kept. The caller frees it. NULL when
 * memory is refused. */
char *environment_text(const char *kind);

#endif
