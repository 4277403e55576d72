/* The steps of optimisers. Each item changes one parameter. */
#include "dialect.h"

/* parameters[count] += *scale * gradient[count] */
KERNEL(gradient_descent)
(GLOBAL const float *gradient, ulong gradient_at, GLOBAL const float *scale, ulong scale_at,
    GLOBAL float *parameters, ulong parameters_at, ulong count) {
    const ulong i = get_global_id(0);
    if (i < count)
        parameters[parameters_at + i] += scale[scale_at] * gradient[gradient_at + i];
}
