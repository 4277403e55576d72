/* The clocks at which a device runs during the epochs. */
#ifndef TRAINING_CLOCKS_H
#define TRAINING_CLOCKS_H

#include "trainer/training.h"

/* Reads the clocks of the device between two epochs and notes them in `clocks`. To ask a driver may
 * take as long as a short epoch, so nothing is done when the clocks were read at *last, on
 * clock_seconds, and that is not long ago; unless it is `due` all the same. */
void clocks_note(struct device *device, bool due, double *last, struct training_clocks *clocks);

#endif
