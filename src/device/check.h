/* The memory of the self-check (device_check), so that others can tell beforehand how much it will
 * take. */
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
    /* Room for the results once more. On the host, each is downloaded to it in its turn. On the
     * device, it is where algorithms write that a device times. */
    CHECK_RESULT = CHECK_MATRICES,
    CHECK_ARRAYS
};

/* Fills `arrays` with the arrays that the check of a layer allocates: once on the device and once
 * on the host. */
void check_list(size_t in, size_t out, struct budget_row arrays[CHECK_ARRAYS]);

#endif
