/* A whole training step of plain gradient descent in two kernels, instead of one for each product.
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
 *   SAMPLES_MEMORY     floats of shared memory for the weights and values */
#include "dialect.h"
#include "activation.h"
#include "vector.h"

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

/* --- step_weights --- */

/* Some columns of a matrix, of which a chunk of rows is copied to shared memory. */
struct source {
    GLOBAL const float *from; /* the first column in the matrix's first row */
    GLOBAL const uint *index; /* names the rows; NULL: they are rows 0, 1, ... */
    uint stride;              /* floats from a row to the next */
    uint columns;             /* that the matrix has from here on; beyond them the copy is 0, */
    uint ones;                /* but for so many more, where it is 1: the inputs of the bias */
};

/* A chunk of COLUMNS columns is first fetched, to the registers of the items, and then put into
 * shared memory. So all loads of a chunk are under way at once, while the items compute with the
 * chunk before it. An item has one column of every APART(COLUMNS)th row. A single item (a CPU)
 * copies a chunk when it is put. On a GPU all rows of a chunk are added up; those from `count` on
 * are 0. */
#if ITEMS > 1
#define APART(COLUMNS) (ITEMS / (COLUMNS))
#define LOADS(COLUMNS) ((CHUNK + APART(COLUMNS) - 1) / APART(COLUMNS))
#define FETCH(loads, COLUMNS, source, first, count)                                                \
    {                                                                                              \
        const uint c_ = item % (COLUMNS);                                                          \
        GLOBAL const float *from_ = source.from + c_;                                              \
        UNROLL                                                                                     \
        for (uint l_ = 0; l_ < LOADS(COLUMNS); l_++) {                                             \
            const uint s_ = item / (COLUMNS) + l_ * APART(COLUMNS);                                \
            loads[l_] = 0.0f;                                                                      \
            if (s_ < (count))                                                                      \
                loads[l_] =                                                                        \
                    c_ < source.columns                                                            \
                        ? from_[(ulong)ROW_OF(source.index, (first) + s_) * source.stride]         \
                        : c_ < source.columns + source.ones ? 1.0f : 0.0f;                         \
        }                                                                                          \
    }
#define PUT(loads, COLUMNS, source, first, count, to, row)                                         \
    (void)(count);                                                                                 \
    UNROLL                                                                                         \
    for (uint l_ = 0; l_ < LOADS(COLUMNS); l_++) {                                                 \
        const uint s_ = item / (COLUMNS) + l_ * APART(COLUMNS);                                    \
        if (CHUNK % APART(COLUMNS) == 0 || s_ < CHUNK)                                             \
            (to)[s_ * (row) + item % (COLUMNS)] = loads[l_];                                       \
    }
#else
#define LOADS(COLUMNS) 1
#define FETCH(loads, COLUMNS, source, first, count) (void)(loads)
#define PUT(loads, COLUMNS, source, first, count, to, row)                                         \
    copy_rows(source, first, count, COLUMNS, to, row)
DEVICE void copy_rows(
    struct source source, uint first, uint count, uint columns, LOCAL float *to, uint row) {
    for (uint s = 0; s < count; s++, to += row) {
        const ulong r = ROW_OF(source.index, first + s);
        uint c = 0;
        for (; c + WIDTH <= columns && c + WIDTH <= source.columns; c += WIDTH)
            STORE_VECTOR(LOAD_VECTOR(source.from + r * source.stride + c), to + c);
        for (; c < columns; c++)
            to[c] = c < source.columns                 ? source.from[r * source.stride + c]
                    : c < source.columns + source.ones ? 1.0f
                                                       : 0.0f;
    }
}

/* Of a single item: the products of rows first, first + 1, ... of the source, where they are, with
 * a tile of weights. No row after the last one is read, but that one again. */
DEVICE void multiply_rows(vector sums[NEXT_M][NEXT_N], struct source source, uint first, uint last,
    LOCAL const float *weights) {
    GLOBAL const float *rows[NEXT_M];
    for (uint i = 0; i < NEXT_M; i++) {
        const uint s = first + i < last ? first + i : last;
        rows[i] = source.from + (ulong)ROW_OF(source.index, s) * source.stride;
    }
    vector sum[NEXT_M][NEXT_N];
    CLEAR(sum, NEXT_M, NEXT_N);
    for (uint k = 0; k < source.columns; k++) {
        vector factor[NEXT_N];
        UNROLL
        for (uint j = 0; j < NEXT_N; j++)
            factor[j] = LOAD_VECTOR(weights + k * TILE_N + j * WIDTH);
        UNROLL
        for (uint i = 0; i < NEXT_M; i++)
            UNROLL
            for (uint j = 0; j < NEXT_N; j++)
                sum[i][j] += rows[i][k] * factor[j];
    }
    COPY(sums, sum, NEXT_M, NEXT_N);
}
#endif

#if ITEMS == 1
/* Rows of a batch that will be read soon. They lie so far apart that no CPU foresees them, so they
 * are asked for, a cache line at a time, while something else is computed. */
struct ahead {
    uint row, end; /* that are to be asked for now */
};

DEVICE void ask_for_line(struct source source, struct ahead ahead, uint line) {
#ifdef __clang__
    enum { LINE = 16, LINES = TILE_M / LINE + 1 }; /* floats of a line; lines of a row */
    const uint row = ahead.row + line / LINES;
    if (row < ahead.end)
        __builtin_prefetch((const void *)(ulong)(source.from +
                                                 (ulong)ROW_OF(source.index, row) * source.stride +
                                                 line % LINES * LINE));
#endif
}

/* As multiply_tile, for a single item, which asks for lines of the next batch meanwhile. */
DEVICE void multiply_and_ask(vector sums[BLOCK_M][BLOCK_N], LOCAL const float *x,
    LOCAL const float *d, uint depth, struct source next, struct ahead ahead) {
    vector sum[BLOCK_M][BLOCK_N];
    COPY(sum, sums, BLOCK_M, BLOCK_N);
    for (uint k = 0; k < depth; k++, x += ROW_X, d += TILE_N) {
        vector factor[BLOCK_N];
        if (k % 2 == 0)
            ask_for_line(next, ahead, k / 2);
        UNROLL
        for (uint j = 0; j < BLOCK_N; j++)
            factor[j] = LOAD_VECTOR(d + j * WIDTH);
        UNROLL
        for (uint i = 0; i < BLOCK_M; i++)
            UNROLL
            for (uint j = 0; j < BLOCK_N; j++)
                sum[i][j] += x[i] * factor[j];
    }
    COPY(sums, sum, BLOCK_M, BLOCK_N);
}
#endif

/* What a group of step_weights works on: the tile of layer `layer` whose first element is (m, n).
 * `inside` counts the tile's rows that are weights. The row after those, if the tile has it, is the
 * bias: its input is always 1. */
struct tile {
    uint layer, in, out, m, n, inside;
};

DEVICE void find_tile(struct tile *tile) {
    uint group = get_group_id(0), across;
    for (tile->layer = LAYERS - 1;; tile->layer--) { /* small layers first: see step_plan.c */
        tile->in = widths[tile->layer];
        tile->out = widths[tile->layer + 1];
        across = (tile->out + TILE_N - 1) / TILE_N;
        const uint tiles = (tile->in + TILE_M) / TILE_M * across; /* of in + 1 rows */
        if (group < tiles)
            break;
        group -= tiles;
    }
    tile->m = group / across * TILE_M;
    tile->n = group % across * TILE_N;
    tile->inside = tile->in - tile->m < TILE_M ? tile->in - tile->m : TILE_M;
}

/* Where row `row` of the tile is in the parameters. */
DEVICE GLOBAL float *row_of(struct tile tile, GLOBAL float *parameters, uint row) {
    return parameters +
           (row < tile.inside
                   ? weights_at[tile.layer] + (ulong)(tile.m + row) * tile.out + tile.n
                   : (ulong)bias_at[tile.layer] + tile.n);
}

#define PART_ITEMS (ITEMS / PARTS)
#define BLOCK_COLUMNS (BLOCK_N * WIDTH)
#define BLOCKS_DOWN (TILE_M / BLOCK_M)
#define BLOCKS (BLOCKS_DOWN * (TILE_N / BLOCK_COLUMNS))
#define BLOCKS_EACH (BLOCKS / PART_ITEMS)
#define TILE_VECTORS (TILE_M * TILE_N / WIDTH)
#define NEXT_COLUMNS (NEXT_N * WIDTH)

/* Steps, over the batch:
 *   weights[in, out] += *scale * x[batch, in]^T * d_y[batch, out]
 *   bias[out] += *scale * the sums of d_y's columns
 * for each layer, where x is the batch or the y of the layer before. Then, for each tile t down the
 * first layer's weights:
 *   sums[t, next, out] = the next batch's [next, rows of t] * the tile's weights[rows of t, out]
 * With a batch of 0 there is no step, and with a next one of 0 there are no such sums. */
KERNEL_OF_GROUPS(step_weights, ITEMS, 1, 2)
(GLOBAL const float *x, ulong x_at, ulong next_at, GLOBAL const uint *index, ulong index_at,
    ulong next_index_at, GLOBAL float *parameters, GLOBAL const float *values,
    GLOBAL const float *gradients, GLOBAL const float *scale, ulong scale_at, GLOBAL float *sums,
    uint batch, uint next) {
    SHARED float memory[WEIGHTS_MEMORY];
    SHARED float weights[TILE_M * TILE_N];
    LOCAL float *const chunk_x = memory, *const chunk_d = memory + CHUNK * ROW_X;
    const uint item = get_local_id(0), part = item / PART_ITEMS, lane = item % PART_ITEMS;
    struct tile tile;
    find_tile(&tile);
    const uint columns = tile.out - tile.n < TILE_N ? tile.out - tile.n : TILE_N;
    const uint rows = tile.inside < TILE_M ? tile.inside + 1 : TILE_M; /* with the bias's */
    const int goes_on = next > 0 && tile.layer == 0 && tile.inside > 0;
    float loads_x[LOADS(TILE_M)], loads_d[LOADS(TILE_N)];

    struct source from_x, from_d;
    from_x.from = tile.layer == 0 ? x + x_at + tile.m
                                  : values + values_at[tile.layer - 1] + tile.m;
    from_x.index = tile.layer == 0 ? index + index_at : 0;
    from_x.stride = tile.in;
    from_x.columns = tile.inside;
    from_x.ones = 1;
    from_d.from = (tile.layer + 1 == LAYERS ? values + values_at[tile.layer]
                                            : gradients + gradients_at[tile.layer]) +
                  tile.n;
    from_d.index = 0;
    from_d.stride = tile.out;
    from_d.columns = tile.out - tile.n;
    from_d.ones = 0;

    /* The next batch has no input for the bias, which step_samples adds. */
    struct source from_next = from_x;
    from_next.from = x + next_at + tile.m;
    from_next.index = index + next_index_at;
    from_next.ones = 0;

    /* The batch is there before any launch, all else is what launches write. */
    if (tile.layer > 0)
        WAIT_FOR_LAUNCHES();
    if (batch > 0) {
        FETCH(loads_x, TILE_M, from_x, 0, batch);
    } else if (goes_on) {
        FETCH(loads_x, TILE_M, from_next, 0, next);
    }
    if (tile.layer == 0)
        WAIT_FOR_LAUNCHES();
    LET_NEXT_BEGIN();
    if (batch > 0)
        FETCH(loads_d, TILE_N, from_d, 0, batch);
    for (uint v = item; v < TILE_VECTORS; v += ITEMS) {
        const uint row = v * WIDTH / TILE_N, column = v * WIDTH % TILE_N;
        vector weight = (vector)(0.0f);
        if (row < rows && column < columns)
            weight = load_some(row_of(tile, parameters, row) + column, columns - column);
        STORE_VECTOR(weight, weights + v * WIDTH);
    }

    if (batch > 0) {
        vector gradient[BLOCKS_EACH][BLOCK_M][BLOCK_N];
        for (uint b = 0; b < BLOCKS_EACH; b++)
            CLEAR(gradient[b], BLOCK_M, BLOCK_N);
#if ITEMS == 1
        struct ahead ahead = {0, 0};
        uint turn = 0;
        const uint turns = (batch + CHUNK - 1) / CHUNK * BLOCKS_EACH;
#endif
        for (uint first = 0; first < batch; first += CHUNK) {
            const uint left = batch - first, count = left < CHUNK ? left : CHUNK;
            PUT(loads_x, TILE_M, from_x, first, count, chunk_x, ROW_X);
            PUT(loads_d, TILE_N, from_d, first, count, chunk_d, TILE_N);
            BARRIER();
            if (left > CHUNK) {
                FETCH(loads_x, TILE_M, from_x, first + CHUNK, left - CHUNK);
                FETCH(loads_d, TILE_N, from_d, first + CHUNK, left - CHUNK);
            } else if (goes_on) {
                FETCH(loads_x, TILE_M, from_next, 0, next);
            }
            for (uint b = 0; b < BLOCKS_EACH; b++) {
                const uint block = b * PART_ITEMS + lane;
                const uint m = block % BLOCKS_DOWN * BLOCK_M;
                const uint n = block / BLOCKS_DOWN * BLOCK_COLUMNS;
#if ITEMS == 1
                ahead.row = ahead.end;
                ahead.end = goes_on ? (uint)((ulong)next * ++turn / turns) : 0;
#endif
                if (ITEMS > 1 || (m < rows && n < columns))
#if ITEMS > 1
                    multiply_tile(gradient[b], chunk_x + part * ROW_X + m, 1, PARTS * ROW_X,
                        chunk_d + part * TILE_N + n, 1, PARTS * TILE_N, CHUNK / PARTS);
#else
                    multiply_and_ask(gradient[b], chunk_x + m, chunk_d + n, count, from_next, ahead);
#endif
            }
            BARRIER();
        }
        for (uint b = 0; b < BLOCKS_EACH; b++) {
            const uint block = b * PART_ITEMS + lane;
            LOCAL float *to = memory + part * (TILE_M * TILE_N) +
                              block % BLOCKS_DOWN * BLOCK_M * TILE_N +
                              block / BLOCKS_DOWN * BLOCK_COLUMNS;
            UNROLL
            for (uint e = 0; e < BLOCK_M * BLOCK_N; e++)
                STORE_VECTOR(gradient[b][e / BLOCK_N][e % BLOCK_N],
                    to + e / BLOCK_N * TILE_N + e % BLOCK_N * WIDTH);
        }
        BARRIER();
        const float factor = scale[scale_at];
        for (uint v = item; v < TILE_VECTORS; v += ITEMS) {
            const uint row = v * WIDTH / TILE_N, column = v * WIDTH % TILE_N;
            vector sum = LOAD_VECTOR(memory + v * WIDTH);
            UNROLL
            for (uint p = 1; p < PARTS; p++)
                sum += LOAD_VECTOR(memory + p * (TILE_M * TILE_N) + v * WIDTH);
            if (row < rows && column < columns) {
                const vector weight = LOAD_VECTOR(weights + v * WIDTH) + factor * sum;
                STORE_VECTOR(weight, weights + v * WIDTH);
                store_some(
                    weight, row_of(tile, parameters, row) + column, columns - column);
            }
        }
        BARRIER();
    }

    for (uint first = 0; goes_on && first < next; first += CHUNK) {
        const uint left = next - first, count = left < CHUNK ? left : CHUNK;
#if ITEMS > 1
        PUT(loads_x, TILE_M, from_next, first, count, chunk_x, ROW_X);
        BARRIER();
        if (left > CHUNK)
            FETCH(loads_x, TILE_M, from_next, first + CHUNK, left - CHUNK);
#endif
        const uint across = (columns + NEXT_COLUMNS - 1) / NEXT_COLUMNS;
        for (uint b = item; b < (count + NEXT_M - 1) / NEXT_M * across; b += ITEMS) {
            const uint s = b / across * NEXT_M, n = b % across * NEXT_COLUMNS;
            vector block[NEXT_M][NEXT_N];
            CLEAR(block, NEXT_M, NEXT_N);
#if ITEMS > 1
            multiply_next(block, chunk_x + s * ROW_X, ROW_X, 1, weights + n, 1, TILE_N, TILE_M);
#else
            multiply_rows(block, from_next, first + s, next - 1, weights + n);
#endif
            GLOBAL float *to = sums + ((ulong)(tile.m / TILE_M) * next + first + s) * tile.out +
                               tile.n + n;
            if (s + NEXT_M <= count && n + NEXT_COLUMNS <= columns) {
                UNROLL
                for (uint e = 0; e < NEXT_M * NEXT_N; e++)
                    STORE_VECTOR(block[e / NEXT_N][e % NEXT_N],
                        to + e / NEXT_N * tile.out + e % NEXT_N * WIDTH);
                continue;
            }
            UNROLL_SUMS
            for (uint e = 0; e < NEXT_M * NEXT_N; e++) {
                const uint i = e / NEXT_N, j = e % NEXT_N * WIDTH;
                if (s + i < count && n + j < columns)
                    store_some(block[i][j / WIDTH], to + i * tile.out + j, columns - n - j);
            }
        }
        BARRIER();
    }
}

/* --- step_samples --- */

/* Floats from a row of `n` in shared memory to the next. */
#define ROW(n) (((n) + ROW_UNIT - 1) / ROW_UNIT * ROW_UNIT + ROW_PAD)

#define FLIGHT 16 /* loads of an item that are under way at once */

/* The weights of a layer in shared memory, as row-major weights[in, ROW(out)]. Where vectors are
 * more than a float, the transpose follows: [out, ROW(in)]. */
DEVICE void copy_weights(
    GLOBAL const float *from, uint in, uint out, LOCAL float *to, uint item) {
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

/* With the first layer's sums[TILES, batch, out] of step_weights: its y is the activation of their
 * sums over the tiles, plus the bias. Then come forward of the other layers,
 * softmax_cross_entropy (samples.cl), with the same meaning of `scale` and score[batch, 2], and
 * backward of all layers but the first. */
KERNEL_OF_GROUP(step_samples, SAMPLES_ITEMS, 1)
(GLOBAL const float *sums, GLOBAL const float *parameters, GLOBAL float *values,
    GLOBAL float *gradients, GLOBAL const uint *labels, ulong labels_at, GLOBAL const uint *index,
    ulong index_at, GLOBAL float *score, ulong score_at, uint batch, float scale) {
    SHARED float memory[SAMPLES_MEMORY];
    const uint item = get_local_id(0), first = (uint)get_group_id(0) * EACH;
    const uint count = batch - first < EACH ? batch - first : EACH;
    const uint classes = widths[LAYERS];
    WAIT_FOR_LAUNCHES();
    LET_NEXT_BEGIN();

    /* Shared memory: the weights of all layers but the first, the values of each layer, and the
     * gradients of one layer and of the one before it. */
    uint used = 0;
    for (uint l = 1; l < LAYERS; l++) {
        copy_weights(
            parameters + weights_at[l], widths[l], widths[l + 1], memory + used, item);
        used += WEIGHTS_SIZE(widths[l], widths[l + 1]);
    }
    LOCAL float *const all_values = memory + used;

    const uint first_out = widths[1];
    const uint across = (first_out + WIDTH - 1) / WIDTH;
    for (uint b = item; b < count * across; b += SAMPLES_ITEMS) {
        const uint e = b / across, c = b % across * WIDTH, left = first_out - c;
        GLOBAL const float *from = sums + (ulong)(first + e) * first_out + c;
        const ulong tile = (ulong)batch * first_out;
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
        const vector y =
            activate(z + load_some(parameters + bias_at[0] + c, left), activations[0]);
        STORE_VECTOR(y, all_values + e * ROW(first_out) + c);
        store_some(y, values + values_at[0] + (ulong)(first + e) * first_out + c, left);
    }

    LOCAL const float *weights = memory;
    LOCAL float *y = all_values;
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
                store_some(
                    value, values + values_at[l] + (ulong)(first + e) * out + c, out - c);
        })
        weights += WEIGHTS_SIZE(in, out);
    }

    /* The loss. The items of a sample divide its classes, and each finds the largest logit. */
    LOCAL float *d_y = y + EACH * ROW(classes), *d_x = d_y + EACH * ROW_MAX;
    const uint lanes = SAMPLES_ITEMS > 1 ? classes : 1;
    BARRIER();
    for (uint b = item; b < count * lanes; b += SAMPLES_ITEMS) {
        const uint e = b / lanes;
        LOCAL const float *z = y + e * ROW(classes);
        float largest = z[0];
        for (uint j = 1; j < classes; j++)
            largest = z[j] > largest ? z[j] : largest;
        for (uint j = b % lanes; j < classes; j += lanes)
            d_y[e * ROW(classes) + j] = exp(z[j] - largest);
    }
    BARRIER();
    for (uint b = item; b < count * lanes; b += SAMPLES_ITEMS) {
        const uint e = b / lanes, lane = b % lanes, s = first + e;
        const uint label = labels[labels_at + ROW_OF(index + index_at, s)];
        LOCAL const float *z = y + e * ROW(classes), *power = d_y + e * ROW(classes);
        float sum = 0.0f;
        for (uint j = 0; j < classes; j++)
            sum += power[j];
        for (uint j = lane; j < classes; j += lanes)
            d_x[e * ROW(classes) + j] = scale * (power[j] / sum - (j == label ? 1.0f : 0.0f));
        if (lane > 0)
            continue;
        uint best = 0;
        for (uint j = 1; j < classes; j++)
            if (z[j] > z[best])
                best = j;
        score[score_at + 2 * (ulong)s] = log(sum) - (z[label] - z[best]);
        score[score_at + 2 * (ulong)s + 1] = best == label ? 1.0f : 0.0f;
    }
    BARRIER();
    for (uint b = item; b < count * classes; b += SAMPLES_ITEMS) {
        const uint e = b / classes, j = b % classes;
        values[values_at[LAYERS - 1] + (ulong)(first + e) * classes + j] =
            d_x[e * ROW(classes) + j];
    }

    for (uint l = LAYERS - 1; l > 0; l--) {
        const uint in = widths[l], out = widths[l + 1], activation = activations[l - 1];
        LOCAL float *const swapped = d_y;
        d_y = d_x;
        d_x = swapped;
        weights -= WEIGHTS_SIZE(in, out);
        y -= EACH * ROW(in);
        LOCAL const float *const transposed = WIDTH > 1 ? weights + in * ROW(out) : weights;
        FOR_EACH_PRODUCT(d_y, transposed, WIDTH > 1 ? 1 : ROW(out), WIDTH > 1 ? ROW(in) : 1, out,
            in, {
                const vector value = sum * slope(LOAD_VECTOR(y + e * ROW(in) + c), activation);
                STORE_VECTOR(value, d_x + e * ROW(in) + c);
                store_some(value, gradients + gradients_at[l - 1] + (ulong)(first + e) * in + c,
                    in - c);
            })
        BARRIER();
    }
}
