/* A whole training step in two phases, instead of a kernel for each
 * product. Each phase is a kernel; or, with TOGETHER, one kernel does the phases of many steps.
 *
 *   step_weights  A group owns a tile of a layer's weights, TILE_M rows by TILE_N columns. It adds
 *                 up the tile's gradient over the batch, and takes the step. Then it multiplies the
 *                 tile, if it is of the first layer, with the next batch: its part of the first
 *                 layer's sums.
 *   step_samples  A group owns EACH samples. It adds up those parts, and does all that is left of
 *                 the net for its samples, forward and back.
 *
 * So a step has two exchanges through memory. Its large operands, the batch and the first layer's
 * weights, are read once for both of their products. The first launch of step_weights has no batch
 * to learn from, the last one none to go on with.
 *
 * Every sum has one order, whatever order the groups run in: samples in chunks, and in each as they
 * are divided among PARTS items; terms of a tile; tiles from the first row down.
 *
 * The host passes the net and all sizes as options (src/device/gpu/step_plan.c):
 *
 *   LAYERS, WIDTHS     the number of layers; the inputs of the first and the outputs of each
 *   ACTIVATIONS        of each layer, 0 (none) for the last
 *   WEIGHTS_AT, BIAS_AT                  where each layer's weights and bias begin in `parameters`
 *   VALUES_AT, GRADIENTS_AT              where each layer's y and d_y begin in `values` and
 *                                        `gradients`; the last layer's d_y replaces its y
 *   OPTIMIZER          how a step is taken (optimizer.h)
 *   STATES_APART       floats from a parameter to its state, and from there to the next one
 *   GATHERED           set where a batch is the rows of x and labels that an index names
 *   WIDTH              floats of a vector
 *   ITEMS              items of a group of step_weights
 *   TILE_M, TILE_N     rows and columns of a tile, in floats
 *   CHUNK              samples that are in shared memory at a time
 *   PARTS              items among which the samples of a chunk are divided
 *   BLOCK_M, BLOCK_N   rows and vectors of the block of a tile that an item adds up
 *   NEXT_M, NEXT_N     samples and vectors of the block of the next sums that an item adds up
 *   ROW_X              floats from one sample's inputs in shared memory to the next's
 *   WEIGHTS_MEMORY     floats of shared memory for a chunk or the parts' sums
 *   TILES              tiles down the first layer's weights that have weights, not the bias alone
 *   SAMPLES_ITEMS      items of a group of step_samples
 *   EACH               its samples
 *   LAYER_M, LAYER_N   samples and vectors of the block of a layer's sums that an item adds up
 *   ROW_PAD, ROW_UNIT  a row of n floats in shared memory has the next multiple of ROW_UNIT, and
 *                      ROW_PAD more
 *   ROW_MAX            the longest such row of any layer's outputs
 *   SAMPLES_MEMORY     floats of shared memory for the weights and values
 *   TOGETHER           set for step_epoch, instead of the two kernels: ITEMS is SAMPLES_ITEMS */
#include "dialect.h"
#include "activation.h"
#include "vector.h"
#include "optimizer.h"

CONSTANT uint widths[LAYERS + 1] = {WIDTHS};
CONSTANT uint activations[LAYERS] = {ACTIVATIONS};
CONSTANT uint weights_at[LAYERS] = {WEIGHTS_AT}, bias_at[LAYERS] = {BIAS_AT};
CONSTANT uint values_at[LAYERS] = {VALUES_AT}, gradients_at[LAYERS] = {GRADIENTS_AT};

/* The row of x that is sample s of the batch. Without an index, the batch is the rows themselves. */
#ifdef GATHERED
#define ROW_OF(index, s) ((index) ? (index)[s] : (s))
#else
#define ROW_OF(index, s) (s)
#endif

/* Stand before loops: over terms, so that four neighbours are one load; and over a block's complete
 * sums, each of which takes an activation. On a GPU these are in registers, which can't be indexed
 * while a kernel runs, so the loop is unrolled. A CPU has them in memory; unrolled, it would take
 * twice as long to compile. */
#if ITEMS > 1
#define UNROLL_TERMS UNROLL_BY(4)
#define UNROLL_SUMS UNROLL
#else
#define UNROLL_TERMS
#define UNROLL_SUMS UNROLL_BY(1)
#endif

/* Each phase waits for the one before it: for the launches before its own; or, in step_epoch, for
 * all groups, which count their arrivals. */
#ifdef TOGETHER
#define WAIT_FOR_PHASE(arrivals) wait_for_groups(arrivals)
#define LET_PHASE_BEGIN()

/* Waits until all groups of a launch are here. Then each can read what others have written before.
 * The groups add up to half of what a uint can count, and so its top bit turns when the last one
 * arrives, and the others are 0 again (as in the grid_group::sync of CUDA's cooperative groups). */
DEVICE void wait_for_groups(GLOBAL uint *arrivals) {
    const uint top = 0x80000000u, others = (uint)get_num_groups(0) - 1;
    BARRIER();
    if (get_local_id(0) == 0) {
        PUBLISH();
        const uint before = ATOMIC_ADD(arrivals, get_group_id(0) == 0 ? top - others : 1u);
        while (((ATOMIC_READ(arrivals) ^ before) & top) == 0)
            ;
        PUBLISH();
    }
    BARRIER();
}
#else
#define WAIT_FOR_PHASE(arrivals) WAIT_FOR_LAUNCHES()
#define LET_PHASE_BEGIN() LET_NEXT_BEGIN()
#endif

/* Defines name(sums, left, left_m, left_k, right, right_n, right_k, depth), by which an item adds
 * the products of a block to its sums: sums[M][N vectors] += left[M, depth] * right[depth, N
 * vectors]. Element (i, k) of left is left[i * left_m + k * left_k]. Element (k, j) of right is
 * right[k * right_k + j * right_n]; right_n is 1 unless vectors are single floats. */
#define DEFINE_MULTIPLY(name, M, N)                                                                \
    DEVICE void name(vector sums[M][N], LOCAL const float *left, uint left_m, uint left_k,         \
        LOCAL const float *right, uint right_n, uint right_k, uint depth) {                        \
        vector sum[M][N];                                                                          \
        COPY(sum, sums, M, N);                                                                     \
        UNROLL_TERMS                                                                               \
        for (uint k = 0; k < depth; k++) {                                                         \
            vector factor[N];                                                                      \
            UNROLL                                                                                 \
            for (uint j = 0; j < N; j++)                                                           \
                factor[j] = LOAD_VECTOR(right + k * right_k + j * WIDTH * right_n);                \
            UNROLL                                                                                 \
            for (uint i = 0; i < M; i++) {                                                         \
                const float value = left[i * left_m + k * left_k];                                 \
                UNROLL                                                                             \
                for (uint j = 0; j < N; j++)                                                       \
                    sum[i][j] += value * factor[j];                                                \
            }                                                                                      \
        }                                                                                          \
        COPY(sums, sum, M, N);                                                                     \
    }
#define COPY(to, from, M, N)                                                                       \
    UNROLL                                                                                         \
    for (uint e_ = 0; e_ < (M) * (N); e_++)                                                        \
        to[e_ / (N)][e_ % (N)] = from[e_ / (N)][e_ % (N)]
DEFINE_MULTIPLY(multiply_tile, BLOCK_M, BLOCK_N)
#if ITEMS > 1
DEFINE_MULTIPLY(multiply_next, NEXT_M, NEXT_N)
#endif
DEFINE_MULTIPLY(multiply_layer, LAYER_M, LAYER_N)

#define CLEAR(sums, M, N)                                                                          \
    UNROLL                                                                                         \
    for (uint e_ = 0; e_ < (M) * (N); e_++)                                                        \
        sums[e_ / (N)][e_ % (N)] = (vector)(0.0f)

#include "step_weights.h"
#include "step_samples.h"

/* --- Kernels --- */

#ifndef TOGETHER
KERNEL_OF_GROUPS(step_weights, ITEMS, 1, 2)
(GLOBAL const float *x, ulong x_at, ulong next_at, GLOBAL const uint *index, ulong index_at,
    ulong next_index_at, GLOBAL float *parameters, GLOBAL const float *values,
    GLOBAL const float *gradients, GLOBAL const float *rates, ulong rates_at, GLOBAL float *sums,
    uint batch, uint next) {
    SHARED_ARRAY(float, memory, WEIGHTS_MEMORY);
    SHARED_ARRAY(float, weights, TILE_M * TILE_N);
    const struct batch now = {x_at, index_at, batch}, then = {next_at, next_index_at, next};
    do_weights(find_tile((uint)get_group_id(0)), now, then, x, index, parameters, values,
        gradients, rates + rates_at, sums, memory, weights, 0);
}

KERNEL_OF_GROUP(step_samples, SAMPLES_ITEMS, 1)
(GLOBAL const float *sums, GLOBAL const float *parameters, GLOBAL float *values,
    GLOBAL float *gradients, GLOBAL const uint *labels, ulong labels_at, GLOBAL const uint *index,
    ulong index_at, GLOBAL float *score, ulong score_at, uint batch, float scale, float on,
    float off) {
    SHARED_ARRAY(float, memory, SAMPLES_MEMORY);
    WAIT_FOR_PHASE(0);
    LET_PHASE_BEGIN();
    const struct loss loss = {scale, on, off};
    LOCAL float *const y = copy_layers(parameters, memory, get_local_id(0));
    do_samples(memory, y, sums, parameters, values, gradients, labels + labels_at,
        index + index_at, score + score_at, (uint)get_group_id(0) * EACH, batch, loss);
}
#else
#define EPOCH_MEMORY (WEIGHTS_MEMORY > SAMPLES_MEMORY ? WEIGHTS_MEMORY : SAMPLES_MEMORY)

/* All of an epoch's steps in one launch, by as many groups as there are tiles, which must all be at
 * work at once. `arrivals` is a count for them alone, which was 0 at first. Each step's batch has
 * `batch` samples, the last one's `last`. They follow one another, in x or in the index, in the
 * labels and in the scores; the rates are `rates_step` floats apart. */
KERNEL_OF_GROUPS(step_epoch, ITEMS, 1, 2)
(GLOBAL const float *x, ulong x_at, GLOBAL const uint *index, ulong index_at,
    GLOBAL float *parameters, GLOBAL float *values, GLOBAL float *gradients,
    GLOBAL const float *rates, ulong rates_at, uint rates_step, GLOBAL float *sums,
    GLOBAL const uint *labels, ulong labels_at, GLOBAL float *score, ulong score_at,
    GLOBAL uint *arrivals, uint steps, uint batch, uint last, float scale, float on, float off) {
    SHARED_ARRAY(float, memory, EPOCH_MEMORY);
    SHARED_ARRAY(float, weights, TILE_M * TILE_N);
    const struct loss loss = {scale, on, off};
    struct batch now = {x_at, index_at, 0}, next = {x_at, index_at, steps > 1 ? batch : last};
    for (uint step = 0; step <= steps; step++) {
        uint group = (uint)get_group_id(0);
        OPAQUE(group);
        do_weights(find_tile(group), now, next, x, index, parameters, values, gradients,
            rates + rates_at, sums, memory, weights, arrivals);
        if (step == steps)
            break;
        WAIT_FOR_PHASE(arrivals);
        LOCAL float *const y = copy_layers(parameters, memory, get_local_id(0));
        for (uint first = (uint)get_group_id(0) * EACH; first < next.count;
             first += (uint)get_num_groups(0) * EACH)
            do_samples(memory, y, sums, parameters, values, gradients, labels + labels_at,
                index + next.index_at, score + score_at, first, next.count, loss);
        now = next;
        score_at += 2 * (ulong)now.count;
        rates_at += step > 0 ? rates_step : 0;
#ifdef GATHERED
        next.index_at += now.count;
#else
        next.x_at += (ulong)now.count * widths[0];
        labels_at += now.count;
#endif
        next.count = step + 2 < steps ? batch : step + 2 == steps ? last : 0;
    }
}
#endif
