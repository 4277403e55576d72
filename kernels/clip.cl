/* The norm of a gradient, and its limit: trainer/device.h has the formulas. */
#include "dialect.h"

#define SQUARE_SUMS 256 /* of trainer/device.h */
#ifndef GROUP
#define GROUP 64 /* items: a power of two */
#endif

/* The sum of what the items of a group have, which all of them get. */
DEVICE float sum_of_group(LOCAL float *sums, float own) {
    const uint item = get_local_id(0);
    sums[item] = own;
    BARRIER();
    for (uint half_of = GROUP / 2; half_of > 0; half_of /= 2) {
        if (item < half_of)
            sums[item] += sums[item + half_of];
        BARRIER();
    }
    return sums[0];
}

/* sums[k] = the sum of the squares of that share of the rows of values[rows, columns]. Each group
 * does one. */
KERNEL_OF_GROUP(square_sums, GROUP, 1)
(GLOBAL const float *values, ulong values_at, GLOBAL float *sums, ulong sums_at, ulong rows,
    ulong columns) {
    SHARED_ARRAY(float, shared, GROUP);
    const uint k = get_group_id(0);
    const ulong end = rows * (k + 1) / SQUARE_SUMS * columns;
    float own = 0.0f;
    for (ulong i = rows * k / SQUARE_SUMS * columns + get_local_id(0); i < end; i += GROUP)
        own += values[values_at + i] * values[values_at + i];
    const float sum = sum_of_group(shared, own);
    if (get_local_id(0) == 0)
        sums[sums_at + k] = sum;
}

/* values[count] *= min(1, largest / (norm + 1e-6)), with the norm of the sums. Each group finds it
 * for itself, and does `each` values for each of its items. A norm that is no number stays none. */
KERNEL_OF_GROUP(clip, GROUP, 1)
(GLOBAL const float *sums, ulong sums_at, GLOBAL float *values, ulong values_at, ulong count,
    uint each, float largest) {
    SHARED_ARRAY(float, shared, GROUP);
    const uint item = get_local_id(0);
    float own = 0.0f;
    for (uint k = item; k < SQUARE_SUMS; k += GROUP)
        own += sums[sums_at + k];
    const float factor = largest / (sqrt(sum_of_group(shared, own)) + 1e-6f);
    if (factor >= 1.0f)
        return;
    const ulong first = (ulong)get_group_id(0) * each * GROUP;
    for (uint e = 0; e < each; e++) {
        const ulong i = first + (ulong)e * GROUP + item;
        if (i < count)
            values[values_at + i] *= factor;
    }
}
