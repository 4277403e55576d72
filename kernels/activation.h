/* The activations. Their numbers are those of `enum activation` (trainer/device.h). The host passes
 * them as options of the compiler: ACTIVATION_SIGMOID, ACTIVATION_TANH, ACTIVATION_RELU. */

DEVICE vector activate(vector z, uint activation) {
    if (activation == ACTIVATION_SIGMOID)
        return 1.0f / (1.0f + exp(-z));
    if (activation == ACTIVATION_TANH)
        return tanh(z);
    if (activation == ACTIVATION_RELU)
        return z < 0.0f ? (vector)(0.0f) : z; /* NaN stays NaN */
    return z;
}

/* The derivative of the activation at the point where the activation is `value`. */
DEVICE vector slope(vector value, uint activation) {
    if (activation == ACTIVATION_SIGMOID)
        return value * (1.0f - value);
    if (activation == ACTIVATION_TANH)
        return 1.0f - value * value;
    if (activation == ACTIVATION_RELU)
        return value > 0.0f ? (vector)(1.0f) : (vector)(0.0f);
    return (vector)(1.0f);
}
