/* What launched this process, as the environment tells. */
#ifndef COMMUNICATOR_LAUNCHER_H
#define COMMUNICATOR_LAUNCHER_H

#include "trainer/communicator.h"

struct launcher {
    const char *name; /* for messages: "Open MPI's mpirun" */
    int ranks;        /* how many processes it says that it has started; 0: it does not say */
    /* The MPI by which the ranks of this launcher meet; and whether it is the only one that can. */
    enum communicator_library library;
    bool only;
};

/* Fills *launcher. False when nothing has launched the process as one of several ranks, or as the
 * only one. STATUS_USAGE in *status when it was launched with others, but without a way for an MPI
 * to meet them. */
bool launcher_find(struct launcher *launcher, enum status *status, struct error *error);

#endif
