/* What the environment makes of a device's libraries and drivers: see device_variables. */
#ifndef DEVICE_ENVIRONMENT_H
#define DEVICE_ENVIRONMENT_H

#include "trainer/device.h"

/* STATUS_USAGE, naming the variable, when one that is set would have a device of this kind compute
 * in another way than a record says, with what the options ask of it. */
enum status environment_check(
    const char *kind, const struct device_options *options, struct error *error);

/* What matters of device_variables to this kind: for the key of what is kept of its compiled code
 * and its timings. A line each; the caller frees it. NULL when memory is refused. */
char *environment_text(const char *kind);

#endif
