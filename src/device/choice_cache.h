/* The algorithms that earlier runs have chosen. They are taken again, so that runs give the same
 * bits. */
#ifndef DEVICE_CHOICE_CACHE_H
#define DEVICE_CHOICE_CACHE_H

#include "device/autotune.h"

/* Gives the algorithm that was chosen for `what`, a shape as text. The choice of the run that this
 * one continues (choices.h) comes first. Next is that of any run on this device with these
 * algorithms, from the program cache. False when there is none. */
bool choice_recall(struct device *device, const struct algorithms *algorithms, const char *what,
    size_t *algorithm);

/* Keeps a choice in the program cache. When that fails, the next run chooses again. */
void choice_keep(const struct device *device, const struct algorithms *algorithms, const char *what,
    size_t algorithm);

#endif
