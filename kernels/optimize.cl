/* The steps of optimisers, as trainer/device.h has their formulas. Each item changes one parameter,
 * and what is remembered of it. */
#include "dialect.h"

KERNEL(gradient_descent)
(GLOBAL const float *gradient, ulong gradient_at, GLOBAL const float *rates, ulong rates_at,
    GLOBAL float *parameters, ulong parameters_at, ulong count) {
    const ulong i = get_global_id(0);
    if (i < count)
        parameters[parameters_at + i] += rates[rates_at] * gradient[gradient_at + i];
}

KERNEL(momentum)
(GLOBAL const float *gradient, ulong gradient_at, GLOBAL const float *rates, ulong rates_at,
    GLOBAL float *parameters, ulong parameters_at, GLOBAL float *velocities, ulong velocities_at,
    ulong count) {
    const ulong i = get_global_id(0);
    if (i >= count)
        return;
    GLOBAL const float *const rate = rates + rates_at;
    const float parameter = parameters[parameters_at + i];
    const float g = gradient[gradient_at + i] + rate[1] * parameter;
    const float velocity = rate[2] * velocities[velocities_at + i] + g;
    velocities[velocities_at + i] = velocity;
    parameters[parameters_at + i] = parameter + rate[0] * (rate[3] * g + rate[4] * velocity);
}

KERNEL(adamw)
(GLOBAL const float *gradient, ulong gradient_at, GLOBAL const float *rates, ulong rates_at,
    GLOBAL float *parameters, ulong parameters_at, GLOBAL float *means, ulong means_at,
    GLOBAL float *squares, ulong squares_at, ulong count) {
    const ulong i = get_global_id(0);
    if (i >= count)
        return;
    GLOBAL const float *const rate = rates + rates_at;
    const float g = gradient[gradient_at + i];
    const float old_mean = means[means_at + i], old_square = squares[squares_at + i];
    const float mean = old_mean + rate[3] * (g - old_mean);
    const float square = old_square + rate[4] * (g * g - old_square);
    means[means_at + i] = mean;
    squares[squares_at + i] = square;
    parameters[parameters_at + i] = rate[0] * parameters[parameters_at + i] +
                                    rate[1] * mean / (rate[2] * sqrt(square) + rate[5]);
}
