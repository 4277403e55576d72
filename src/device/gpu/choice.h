/* Which way a matrix product is computed, where there are several: the fastest, by measurement. */
#ifndef DEVICE_GPU_CHOICE_H
#define DEVICE_GPU_CHOICE_H

#include "device/gpu/products.h"

/* The method for this product. For the first of a shape it is what the run has chosen that this one
 * continues (choices.h), else what any run on this device has, from the program cache, so that runs
 * repeat each other to the bit; else all methods are timed on the operands, with memory of their
 * own for the result. The choice is named in the device's info. */
enum status product_choose(struct products *products, enum product product,
    const struct product_views *views, size_t *method, struct error *error);

#endif
