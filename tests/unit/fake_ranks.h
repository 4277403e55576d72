/* A module without an MPI: this process is one of some ranks, and the others do as they are told.
 */
#ifndef FAKE_RANKS_H
#define FAKE_RANKS_H

#include "communicator/create.h"

#include <stdatomic.h>

enum { FAKE_RANKS = 4 };

/* What the others give when something is gathered, and what whoever it comes from broadcasts. NULL:
 * what this rank gives. */
struct fake_ranks {
    int rank;
    const void *gathered[FAKE_RANKS];
    const void *broadcast;
    const char *problem; /* every exchange fails with this; NULL: none does */
    bool one_host;       /* that all ranks are on; else there are two */
    bool refuses;        /* shared memory, to all ranks */
    int shares;          /* how often they have asked */
    bool (*wait)(void);  /* called within each sum; false: it fails; NULL: nothing is */
    int ended;           /* the code with which all ranks were ended; -1: they were not */
    int closed;
    char late[512];       /* what was said of an exchange that took too long, */
    _Atomic bool is_late; /* once it was */
};
extern struct fake_ranks fake_ranks;

/* The communicator of rank number `rank`, of FAKE_RANKS on two hosts. */
struct communicator *fake_communicator(int rank);
/* The same, with a limit in seconds for what it exchanges. */
struct communicator *fake_communicator_of(int rank, double limit);
/* The same, with all ranks on one host. */
struct communicator *fake_communicator_on_one_host(int rank);

#endif
