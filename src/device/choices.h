/* What a device has chosen by time, from run to run: see device_choices. A text: the device's kind,
 * name and library, a line each, and after them a line for each choice: what it is for, a space,
 * and the algorithm's name. */
#ifndef DEVICE_CHOICES_H
#define DEVICE_CHOICES_H

#include "device/device_type.h"

/* --- For find.c ---------------------------------------------------------------------------- */

/* Keeps what an earlier run has chosen (NULL: nothing) for a device that has just been opened. What
 * was chosen on another device is left, with a warning. Ended by choices_free. */
enum status choices_take_over(struct device *device, const char *choices, struct error *error);
void choices_free(struct device *device);

/* --- For the devices ----------------------------------------------------------------------- */

enum { CHOICE_NAME = 64 };

/* The algorithm that an earlier run has chosen for `what`, like "dense_forward 300 1024 64"; false
 * when it has chosen none. */
bool choices_find(const struct device *device, const char *what, char name[CHOICE_NAME]);

/* Warns that there is no such algorithm any more. */
void choices_miss(struct device *device, const char *name);

#endif
