/* Where ranks are: their hosts, and the processors that each may use. */
#ifndef COMMUNICATOR_PLACES_H
#define COMMUNICATOR_PLACES_H

#include "trainer/communicator.h"
#include "trainer/host.h"

/* What a rank tells the others. */
struct place {
    char host[COMMUNICATOR_HOST_MAX];
    int local_rank;
    unsigned char processors[HOST_PROCESSORS_MAX / 8]; /* as of host_processors */
};

/* This rank's own. */
void place_find(int local_rank, struct place *place);

/* Fills what info says of hosts and cores, from the places of all ranks. */
void places_describe(const struct place *places, struct communicator_info *info);

#endif
