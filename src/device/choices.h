/* The algorithms that a device has chosen by timing them, from run to run (device_choices). They
 * are a text: first the device's kind, name and library, a line each, then a line for each choice,
 * with what it is for, a space and the algorithm's name. */
#ifndef DEVICE_CHOICES_H
#define DEVICE_CHOICES_H

#include "device/device_type.h"

/* --- For find.c ---------------------------------------------------------------------------- */

/* Keeps the choices of an earlier run (NULL: there are none) for a device that has just been
 * opened. Choices of another device are ignored, with a warning. The caller ends this with
 * choices_free. */
enum status choices_take_over(struct device *device, const char *choices, struct error *error);
void choices_free(struct device *device);

/* --- For the devices ----------------------------------------------------------------------- */

enum { CHOICE_NAME = 64 };

/* Writes to `name` the algorithm that an earlier run has chosen for `what`, like "dense_forward 300
 * 1024 64". False when it has chosen none. */
bool choices_find(const struct device *device, const char *what, char name[CHOICE_NAME]);

/* Adds a warning that the algorithm of this name no longer exists. */
void choices_miss(struct device *device, const char *name);

#endif
