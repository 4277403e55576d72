#include "communicator/places.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

void place_find(int local_rank, struct place *place) {
    *place = (struct place){.local_rank = local_rank};
    if (gethostname(place->host, sizeof place->host - 1) != 0 || !place->host[0])
        snprintf(place->host, sizeof place->host, "unknown");
    host_processors(place->processors);
}

void places_describe(const struct place *places, struct communicator_info *info) {
    const struct place *own = &places[info->rank];
    unsigned char together[sizeof own->processors] = {0};
    info->hosts = info->sharing = 0;
    for (int r = 0; r < info->ranks; r++) {
        const struct place *other = &places[r];
        info->hosts += other->local_rank == 0;
        if (strcmp(other->host, own->host) != 0)
            continue;
        info->sharing += memcmp(other->processors, own->processors, sizeof together) == 0;
        for (size_t b = 0; b < sizeof together; b++)
            together[b] |= other->processors[b];
    }
    memcpy(info->host, own->host, sizeof info->host);
    info->bound_cores = host_cores(together);
    info->host_cores = host_cores(NULL);
}
