/* Training steps and devices as numbers, for tests of how a step is divided and of its kernels. */
#ifndef STEP_SHAPES_H
#define STEP_SHAPES_H

#include "device/gpu/step_plan.h"

enum { PARAMETERS, VALUES, GRADIENTS, X, LABELS, SCORE, SCALE, ALL_X, ALL_LABELS, INDEX, BUFFERS };
extern struct buffer step_buffers[BUFFERS]; /* which views name, and nobody reads */

/* A device of this type ("gpu", "cpu"), with so many units and bytes of shared memory. */
struct gpu gpu_of(const char *type, int units, size_t group_bytes);

/* A step of a net with widths[layers + 1]. Its arrays lie one after another. Hidden layers have
 * tanh. */
struct step make_step(size_t batch, size_t layers, const size_t *widths, bool gathered);

/* Gives a step another optimiser than gradient descent, with states that lie behind the parameters.
 */
void optimize_by(struct step *step, enum optimizer optimizer);

#endif
