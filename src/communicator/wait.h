/* For devices that exchange with other ranks by a library of their own: its waits are watched as
 * the communicator's own exchanges are. */
#ifndef COMMUNICATOR_WAIT_H
#define COMMUNICATOR_WAIT_H

#include "trainer/communicator.h"

/* From communicator_wait until communicator_waited, the calling thread waits for other ranks. It
 * should take no longer than communicator_options.limit; ten times that where `meeting` says that
 * ranks may come late. `what` is its name, a constant. */
void communicator_wait(struct communicator *communicator, const char *what, bool meeting);
void communicator_waited(struct communicator *communicator);

/* Lets the time of a wait begin anew: something has been exchanged. Any thread may call it, also
 * while nothing is waited for. */
void communicator_progress(struct communicator *communicator);

#endif
