/* The steps of optimisers, an item for each parameter. */
#include "dialect.h"
#include "vector.h"
#include "optimizer.h"

KERNEL(optimize)
(GLOBAL const float *gradient, ulong gradient_at, GLOBAL const float *rates, ulong rates_at,
    GLOBAL float *parameters, ulong parameters_at, ulong count, uint optimizer STATES(parameters)) {
    const ulong i = get_global_id(0);
    if (i >= count)
        return;
    struct rates loaded;
    load_rates(&loaded, rates + rates_at, optimizer);
    TAKE_STEP(parameters, i, gradient[gradient_at + i], loaded, optimizer, 1);
}
