/* Which way a matrix product is computed, where there are several: the fastest, by measurement. */
#ifndef DEVICE_GPU_CHOICE_H
#define DEVICE_GPU_CHOICE_H

#include "device/gpu/gemm.h"

/* What was chosen so far, for each shape of products. Ended by product_choices_free; NULL is fine
 * there. */
struct product_choices;
enum status product_choices_create(
    struct products *products, struct product_choices **choices, struct error *error);
void product_choices_free(struct product_choices *choices);

/* The method for this product. For the first of a shape it is what was chosen before
 * (choice_cache.h); else all methods are timed on the operands, with memory of their own for the
 * result, and the fastest is kept. The choice is named in the device's info. */
enum status product_choose(struct product_choices *choices, enum product product,
    const struct product_views *views, size_t *method, struct error *error);

#endif
