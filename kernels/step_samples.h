/* The second phase of a step (step.cl): all of the net but its weights' gradients, for some
 * samples. */

/* Floats from a row of `n` in shared memory to the next. */
#define ROW(n) (((n) + ROW_UNIT - 1) / ROW_UNIT * ROW_UNIT + ROW_PAD)

#define FLIGHT 16 /* loads of an item that are under way at once */

/* The weights of a layer in shared memory, as row-major weights[in, ROW(out)]. Where vectors are
 * more than a float, the transpose follows: [out, ROW(in)]. */
DEVICE void copy_weights(GLOBAL const float *from, uint in, uint out, LOCAL float *to, uint item) {
#if SAMPLES_ITEMS > 1
    for (uint e = item; e < in * out; e += FLIGHT * SAMPLES_ITEMS) {
        float loads[FLIGHT];
        UNROLL
        for (uint f = 0; f < FLIGHT; f++)
            loads[f] = e + f * SAMPLES_ITEMS < in * out ? from[e + f * SAMPLES_ITEMS] : 0.0f;
        UNROLL
        for (uint f = 0; f < FLIGHT; f++) {
            const uint at = e + f * SAMPLES_ITEMS;
            if (at < in * out)
                to[at / out * ROW(out) + at % out] = loads[f];
        }
    }
#else
    LOCAL float *const transposed = to + in * ROW(out);
    for (uint i = 0; i < in; i++)
        for (uint j = 0; j < out; j++)
            to[i * ROW(out) + j] = from[i * out + j];
    for (uint j = 0; j < out; j++)
        for (uint i = 0; i < in; i++)
            transposed[j * ROW(in) + i] = from[i * out + j];
#endif
}

#define WEIGHTS_SIZE(in, out) ((in) * ROW(out) + (WIDTH > 1 ? (out) * ROW(in) : 0))

/* Runs `body` for each vector of left[EACH, depth] * right[depth, columns], whose element (k, j) is
 * right[k * right_k + j * right_n]. In the body `sum` is the products of row e and of the WIDTH
 * columns from c on. */
#define FOR_EACH_PRODUCT(left, right, right_n, right_k, depth, columns, body)                      \
    {                                                                                              \
        const uint across_ = ((columns) + LAYER_N * WIDTH - 1) / (LAYER_N * WIDTH);                \
        for (uint b_ = item; b_ < EACH / LAYER_M * across_; b_ += SAMPLES_ITEMS) {                 \
            const uint m_ = b_ / across_ * LAYER_M, n_ = b_ % across_ * (LAYER_N * WIDTH);         \
            vector block_[LAYER_M][LAYER_N];                                                       \
            CLEAR(block_, LAYER_M, LAYER_N);                                                       \
            multiply_layer(block_, (left) + m_ * ROW(depth), ROW(depth), 1,                        \
                (right) + n_ * (right_n), right_n, right_k, depth);                                \
            UNROLL_SUMS                                                                            \
            for (uint e_ = 0; e_ < LAYER_M * LAYER_N; e_++) {                                      \
                const uint e = m_ + e_ / LAYER_N, c = n_ + e_ % LAYER_N * WIDTH;                   \
                const vector sum = block_[e_ / LAYER_N][e_ % LAYER_N];                             \
                if (e < count && c < (columns)) {                                                  \
                    body                                                                           \
                }                                                                                  \
            }                                                                                      \
        }                                                                                          \
    }

/* The values of the first layer of `count` samples from the `first` on: the activation of the
 * tiles' sums[TILES, batch, out], and of the bias. */
DEVICE void add_tiles(GLOBAL const float *sums, GLOBAL const float *parameters,
    GLOBAL float *values, LOCAL float *y, uint first, uint count, uint batch, uint item) {
    const uint out = widths[1], across = (out + WIDTH - 1) / WIDTH;
    const ulong tile = (ulong)batch * out;
    for (uint b = item; b < count * across; b += SAMPLES_ITEMS) {
        const uint e = b / across, c = b % across * WIDTH, left = out - c;
        GLOBAL const float *from = sums + (ulong)(first + e) * out + c;
        vector z = load_some(from, left);
        UNROLL_BY(1) /* a turn has all the loads that there are registers for */
        for (uint t = 1; t < TILES; t += FLIGHT) {
            vector loads[FLIGHT];
            UNROLL
            for (uint f = 0; f < FLIGHT; f++)
                loads[f] = t + f < TILES ? load_some(from + (t + f) * tile, left) : (vector)(0.0f);
            UNROLL
            for (uint f = 0; f < FLIGHT; f++)
                if (t + f < TILES)
                    z += loads[f];
        }
        const vector value =
            activate(z + load_some(parameters + bias_at[0] + c, left), activations[0]);
        STORE_VECTOR(value, y + e * ROW(out) + c);
        store_some(value, values + values_at[0] + (ulong)(first + e) * out + c, left);
    }
}

/* The numbers of softmax_cross_entropy (samples.cl). */
struct loss {
    float scale, on, off;
};

/* The loss of `count` samples with the logits z, and its gradient, to d_z and to the values of the
 * last layer. The items of a sample divide its classes, and each finds the largest logit. `power`
 * is memory for as much as d_z is. */
DEVICE void find_loss(LOCAL const float *z, LOCAL float *power, LOCAL float *d_z,
    GLOBAL float *values, GLOBAL const uint *labels, GLOBAL const uint *index, GLOBAL float *score,
    uint first, uint count, struct loss loss, uint item) {
    const uint classes = widths[LAYERS], row = ROW(classes);
    const uint lanes = SAMPLES_ITEMS > 1 ? classes : 1;
    for (uint b = item; b < count * lanes; b += SAMPLES_ITEMS) {
        const uint e = b / lanes * row;
        float largest = z[e];
        for (uint j = 1; j < classes; j++)
            largest = z[e + j] > largest ? z[e + j] : largest;
        for (uint j = b % lanes; j < classes; j += lanes)
            power[e + j] = exp(z[e + j] - largest);
    }
    BARRIER();
    for (uint b = item; b < count * lanes; b += SAMPLES_ITEMS) {
        const uint e = b / lanes * row, lane = b % lanes, s = first + b / lanes;
        const uint label = labels[ROW_OF(index, s)];
        float sum = 0.0f;
        for (uint j = 0; j < classes; j++)
            sum += power[e + j];
        for (uint j = lane; j < classes; j += lanes)
            d_z[e + j] = loss.scale * (power[e + j] / sum - (j == label ? loss.on : loss.off));
        if (lane > 0)
            continue;
        uint best = 0;
        for (uint j = 1; j < classes; j++)
            if (z[e + j] > z[e + best])
                best = j;
        score[2 * (ulong)s] = log(sum) - (z[e + label] - z[e + best]);
        score[2 * (ulong)s + 1] = best == label ? 1.0f : 0.0f;
    }
    BARRIER();
    for (uint b = item; b < count * classes; b += SAMPLES_ITEMS)
        values[values_at[LAYERS - 1] + (ulong)first * classes + b] =
            d_z[b / classes * row + b % classes];
}

/* Copies the weights of all layers but the first to shared memory. Gives where they end. */
DEVICE LOCAL float *copy_layers(GLOBAL const float *parameters, LOCAL float *to, uint item) {
    for (uint l = 1; l < LAYERS; l++) {
        copy_weights(parameters + weights_at[l], widths[l], widths[l + 1], to, item);
        to += WEIGHTS_SIZE(widths[l], widths[l + 1]);
    }
    return to;
}

/* A group's samples, from the `first` on. With the first layer's sums[TILES, batch, out] of
 * step_weights come forward of all layers, softmax_cross_entropy (samples.cl), with the same
 * meaning of score[batch, 2], and backward of all layers but the first. Shared memory
 * has the layers' weights from `weights` on, and then, from `y` on, room for the values of each
 * layer, and for the gradients of one layer and of the one before it. */
DEVICE void do_samples(LOCAL const float *weights, LOCAL float *y, GLOBAL const float *sums,
    GLOBAL const float *parameters, GLOBAL float *values, GLOBAL float *gradients,
    GLOBAL const uint *labels, GLOBAL const uint *index, GLOBAL float *score, uint first,
    uint batch, struct loss loss) {
    const uint item = get_local_id(0);
    const uint count = batch - first < EACH ? batch - first : EACH;
    add_tiles(sums, parameters, values, y, first, count, batch, item);
    for (uint l = 1; l < LAYERS; l++) {
        const uint in = widths[l], out = widths[l + 1], activation = activations[l];
        LOCAL const float *const x = y;
        y += EACH * ROW(in);
        BARRIER();
        FOR_EACH_PRODUCT(x, weights, 1, ROW(out), in, out, {
            const vector z = sum + load_some(parameters + bias_at[l] + c, out - c);
            const vector value = activate(z, activation);
            STORE_VECTOR(value, y + e * ROW(out) + c);
            if (l + 1 < LAYERS)
                store_some(value, values + values_at[l] + (ulong)(first + e) * out + c, out - c);
        })
        weights += WEIGHTS_SIZE(in, out);
    }

    LOCAL float *d_x = y + EACH * ROW(widths[LAYERS]), *d_y = d_x + EACH * ROW_MAX;
    BARRIER();
    find_loss(y, d_x, d_y, values, labels, index, score, first, count, loss, item);

    for (uint l = LAYERS - 1; l > 0; l--) {
        const uint in = widths[l], out = widths[l + 1], activation = activations[l - 1];
        weights -= WEIGHTS_SIZE(in, out);
        y -= EACH * ROW(in);
        LOCAL const float *const transposed = WIDTH > 1 ? weights + in * ROW(out) : weights;
        FOR_EACH_PRODUCT(
            d_y, transposed, WIDTH > 1 ? 1 : ROW(out), WIDTH > 1 ? ROW(in) : 1, out, in, {
                const vector value = sum * slope(LOAD_VECTOR(y + e * ROW(in) + c), activation);
                STORE_VECTOR(value, d_x + e * ROW(in) + c);
                store_some(
                    value, gradients + gradients_at[l - 1] + (ulong)(first + e) * in + c, in - c);
            })
        BARRIER();
        LOCAL float *const swapped = d_y;
        d_y = d_x;
        d_x = swapped;
    }
}
