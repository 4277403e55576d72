/* The steps of optimisers, as trainer/device.h has their formulas, by the numbers of enum
 * optimizer. */

#define GRADIENT_DESCENT 0
#define MOMENTUM 1
#define ADAMW 2
#define STORE_GRADIENT 3 /* no step: the gradient replaces the parameters */

/* The numbers of a step, which are read once. */
struct rates {
    float at[6];
};

DEVICE void load_rates(struct rates *rates, GLOBAL const float *from, uint optimizer) {
    const uint count = optimizer == ADAMW ? 6 : optimizer == MOMENTUM ? 5 : 1;
    UNROLL
    for (uint r = 0; r < 6; r++)
        rates->at[r] = r < count && optimizer != STORE_GRADIENT ? from[r] : 0.0f;
}

/* What a vector of parameters, of which the first `count` are in use, becomes by a step with its
 * gradient. The states of an optimiser that has fewer are not looked at. */
DEVICE vector step_of(vector parameter, vector gradient, struct rates rates, uint optimizer,
    GLOBAL float *state0, GLOBAL float *state1, uint count) {
    if (optimizer == MOMENTUM) {
        const vector g = gradient + rates.at[1] * parameter;
        const vector velocity = rates.at[2] * load_some(state0, count) + g;
        store_some(velocity, state0, count);
        return parameter + rates.at[0] * (rates.at[3] * g + rates.at[4] * velocity);
    }
    if (optimizer == ADAMW) {
        const vector old_mean = load_some(state0, count), old_square = load_some(state1, count);
        const vector mean = old_mean + rates.at[3] * (gradient - old_mean);
        const vector square = old_square + rates.at[4] * (gradient * gradient - old_square);
        store_some(mean, state0, count);
        store_some(square, state1, count);
        return rates.at[0] * parameter +
               rates.at[1] * mean / (rates.at[2] * sqrt(square) + rates.at[5]);
    }
    return optimizer == STORE_GRADIENT ? gradient : parameter + rates.at[0] * gradient;
}

/* The same, of parameters in memory. */
DEVICE void take_step(GLOBAL float *parameter, vector gradient, struct rates rates, uint optimizer,
    GLOBAL float *state0, GLOBAL float *state1, uint count) {
    if (optimizer == STORE_GRADIENT)
        store_some(gradient, parameter, count);
    else
        store_some(
            step_of(load_some(parameter, count), gradient, rates, optimizer, state0, state1, count),
            parameter, count);
}

/* The states of a kernel's parameters `of`, as further arguments of it; and a step of the
 * parameters from of[i] on. */
#define STATES(of)                                                                                 \
    , GLOBAL float *of##_state0, ulong of##_state0_at, GLOBAL float *of##_state1,                  \
        ulong of##_state1_at
#define TAKE_STEP(of, i, gradient, rates, optimizer, count)                                        \
    take_step(of + of##_at + (i), gradient, rates, optimizer, of##_state0 + of##_state0_at + (i),  \
        of##_state1 + of##_state1_at + (i), count)
