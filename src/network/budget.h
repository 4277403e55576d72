/* The memory of a network. */
#ifndef NETWORK_BUDGET_H
#define NETWORK_BUDGET_H

#include "network/shape.h"
#include "system/budget.h"

enum network_array {
    NETWORK_PARAMETERS, /* [network_parameters_length] */
    NETWORK_VALUES,     /* of each layer what it gives, [batch, width], one after another */
    NETWORK_GRADIENTS,  /* of the objective by each hidden layer's values before activation */
    NETWORK_OWN,        /* so many belong to the network; those of a batch come from its caller */
    NETWORK_X = NETWORK_OWN, /* [batch, inputs] */
    NETWORK_LABELS,          /* [batch, 1] */
    NETWORK_SCORE,           /* [batch, 2] */
    NETWORK_ARRAYS
};

/* The arrays that are on the device, at least, while a network of this shape trains. */
void network_list(const struct network_shape *shape, struct budget_row arrays[NETWORK_ARRAYS]);

#endif
