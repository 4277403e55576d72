/* Optimisers and schedules: which numbers a device is given for a step (enum optimizer,
 * trainer/device.h). The formulas are those of PyTorch 2's torch.optim.SGD and torch.optim.AdamW,
 * as their documentation has them; g is the gradient of the objective (network_train). */
#ifndef TRAINER_OPTIMIZER_H
#define TRAINER_OPTIMIZER_H

#include "trainer/device.h"

#ifdef __cplusplus
extern "C" {
#endif

enum optimizer_method {
    METHOD_SGD,   /* g += weight_decay p;  velocity = momentum velocity + g;
                   * p -= learning_rate (nesterov ? g + momentum velocity : velocity) */
    METHOD_ADAMW, /* Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019 */
};
extern const char *const optimizer_names[]; /* "sgd", "adamw", NULL */

struct optimizer_plan {
    enum optimizer_method method;
    double weight_decay;
    double momentum; /* of sgd; 0: plain gradient descent */
    bool nesterov;
    double beta1, beta2, epsilon; /* of adamw */
};

/* What a device does for it. Without momentum and weight decay, sgd is gradient descent. */
enum optimizer optimizer_of(const struct optimizer_plan *plan);

/* Fills the rates of that optimiser for step number `step`, which counts from 1. */
void optimizer_fill_rates(const struct optimizer_plan *plan, double learning_rate, size_t step,
    float rates[OPTIMIZER_RATES_MAX]);

/* How the learning rate changes in the course of a run. Let u be the share of the steps after the
 * warm-up that are done: 0 in the first, 1 after the last. */
enum schedule {
    SCHEDULE_CONSTANT, /* 1 */
    SCHEDULE_STEP,     /* 1, from u = 1/2 on 0.1, from u = 3/4 on 0.01 */
    SCHEDULE_COSINE,   /* (1 + cos(pi u)) / 2: Loshchilov and Hutter, "SGDR", 2017, without restarts
                        */
    SCHEDULE_LINEAR,   /* 1 - u */
};
extern const char *const schedule_names[]; /* "constant", "step", "cosine", "linear", NULL */

/* The factor of the learning rate in step number `step`, which counts from 0, of `steps`. In the
 * first `warm_up` steps it rises in equal parts to 1; the schedule comes after them. */
double schedule_factor(enum schedule schedule, size_t warm_up, size_t steps, size_t step);

#ifdef __cplusplus
}
#endif
#endif
