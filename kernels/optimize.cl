/* The steps of optimisers, an item for each parameter. */
#include "dialect.h"
#include "vector.h"
#include "optimizer.h"

KERNEL(optimize)
(GLOBAL const float *gradient, ulong gradient_at, GLOBAL const float *rates, ulong rates_at,
    GLOBAL float *parameters, ulong parameters_at, ulong count, uint optimizer STATES(parameters)) {
    const ulong i = get_global_id(0);
    if (i < count)
        TAKE_STEP(parameters, i, gradient[gradient_at + i],
            load_rates(rates + rates_at, optimizer), optimizer, 1);
}
