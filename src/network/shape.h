/* Where the values that a network computes are in their buffer. For its parameters,
 * trainer/network.h says that. */
#ifndef NETWORK_SHAPE_H
#define NETWORK_SHAPE_H

#include "trainer/network.h"

enum { NETWORK_UNIT = 64 }; /* elements: each part of a layer starts on a multiple of it */

/* The elements that all layers before `layer` give for one sample, where each layer's are padded to
 * a multiple of NETWORK_UNIT. For `layer` == layers that is the sum of all layers. In a buffer for
 * B samples, the values of layer `layer` start at B times this number. */
size_t network_values_offset(const struct network_shape *shape, size_t layer);

#endif
