/* The memory of a network. */
#ifndef NETWORK_BUDGET_H
#define NETWORK_BUDGET_H

#include "network/shape.h"
#include "system/budget.h"

enum network_array {
    NETWORK_PARAMETERS, /* [network_length]: with the states */
    NETWORK_VALUES,     /* the outputs [batch, width] of each layer, one layer after another */
    /* The gradients of the objective by each hidden layer's values before its activation. */
    NETWORK_GRADIENTS,
    NETWORK_DROPPED, /* the hidden layers' outputs after dropout; no elements where there is none */
    /* The gradient of all parameters; no elements where nothing is done with it as a whole. */
    NETWORK_GRADIENT,
    NETWORK_SUMS, /* [SQUARE_SUMS]: of its norm; no elements where that has no limit */
    /* The number of arrays that the network has itself; those of a batch come from its caller. */
    NETWORK_OWN,
    NETWORK_X = NETWORK_OWN, /* [batch, inputs] */
    NETWORK_LABELS,          /* [batch, 1] */
    NETWORK_SCORE,           /* [batch, 2] */
    NETWORK_ARRAYS
};

/* Fills `arrays` with the arrays that are at least on the device while a network of this shape
 * trains. */
void network_list(const struct network_shape *shape, struct budget_row arrays[NETWORK_ARRAYS]);

#endif
