/* The memory of the self-check (device_check), for what is said of it before it is made. */
#ifndef DEVICE_CHECK_H
#define DEVICE_CHECK_H

#include "system/budget.h"

enum check_array {
    CHECK_X,       /* [batch, in] */
    CHECK_WEIGHTS, /* [in, out] */
    CHECK_BIAS,    /* [1, out] */
    CHECK_D_Y,     /* [batch, out] */
    CHECK_Y,       /* [batch, out] */
    CHECK_D_X,     /* [batch, in] */
    CHECK_SCALE,   /* [1, 1] */
    CHECK_MATRICES,
    /* Any of its results once more. On the host it is what is compared; a device that times several
     * ways to multiply lets them write there. */
    CHECK_RESULT = CHECK_MATRICES,
    CHECK_ARRAYS
};

/* The arrays that the check of a layer takes of the device, and again of the host. */
void check_list(size_t in, size_t out, struct budget_row arrays[CHECK_ARRAYS]);

#endif
