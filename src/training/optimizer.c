#include "trainer/optimizer.h"

#include <math.h>

const char *const optimizer_names[] = {[METHOD_SGD] = "sgd", [METHOD_ADAMW] = "adamw", NULL};
const char *const schedule_names[] = {[SCHEDULE_CONSTANT] = "constant",
    [SCHEDULE_STEP] = "step",
    [SCHEDULE_COSINE] = "cosine",
    [SCHEDULE_LINEAR] = "linear",
    NULL};

enum optimizer optimizer_of(const struct optimizer_plan *plan) {
    if (plan->method == METHOD_ADAMW)
        return OPTIMIZER_ADAMW;
    return plan->momentum > 0.0 || plan->weight_decay > 0.0 ? OPTIMIZER_MOMENTUM
                                                            : OPTIMIZER_GRADIENT_DESCENT;
}

/* Computed in double precision, as PyTorch does, and rounded once. */
void optimizer_fill_rates(const struct optimizer_plan *plan, double learning_rate, size_t step,
    float rates[OPTIMIZER_RATES_MAX]) {
    switch (optimizer_of(plan)) {
    case OPTIMIZER_ADAMW:
        rates[0] = (float)(1.0 - learning_rate * plan->weight_decay);
        rates[1] = (float)(-learning_rate / (1.0 - pow(plan->beta1, (double)step)));
        rates[2] = (float)(1.0 / sqrt(1.0 - pow(plan->beta2, (double)step)));
        rates[3] = (float)(1.0 - plan->beta1);
        rates[4] = (float)(1.0 - plan->beta2);
        rates[5] = (float)plan->epsilon;
        break;
    case OPTIMIZER_MOMENTUM:
        rates[0] = (float)-learning_rate;
        rates[1] = (float)plan->weight_decay;
        rates[2] = (float)plan->momentum;
        rates[3] = plan->nesterov ? 1.0f : 0.0f;
        rates[4] = plan->nesterov ? (float)plan->momentum : 1.0f;
        break;
    default:
        rates[0] = -(float)learning_rate;
    }
}

double schedule_factor(enum schedule schedule, size_t warm_up, size_t steps, size_t step) {
    if (step < warm_up)
        return (double)(step + 1) / (double)warm_up;
    const double u = (double)(step - warm_up) / (double)(steps - warm_up);
    switch (schedule) {
    case SCHEDULE_STEP:
        return u < 0.5 ? 1.0 : u < 0.75 ? 0.1 : 0.01;
    case SCHEDULE_COSINE:
        return 0.5 * (1.0 + cos(acos(-1.0) * u));
    case SCHEDULE_LINEAR:
        return 1.0 - u;
    default:
        return 1.0;
    }
}
