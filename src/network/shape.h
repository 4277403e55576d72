/* Where a network of some shape has what it computes, beside what trainer/network.h tells of its
 * parameters. */
#ifndef NETWORK_SHAPE_H
#define NETWORK_SHAPE_H

#include "trainer/network.h"

enum { NETWORK_UNIT = 64 }; /* elements: whatever a layer has starts on a multiple of it */

/* Elements that the layers before `layer` give for a sample, each layer's padded to whole units;
 * for layer == layers, those of all of them. In a buffer for B samples, what layer `layer` gives
 * starts at B times this. */
size_t network_values_offset(const struct network_shape *shape, size_t layer);

#endif
