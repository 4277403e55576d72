/* The first phase of a step (step.cl): the gradient of a tile of weights, the tile's own step, and
 * its part of the next batch's sums. */

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
                loads[l_] = c_ < source.columns                                                    \
                                ? from_[(ulong)ROW_OF(source.index, (first) + s_) * source.stride] \
                            : c_ < source.columns + source.ones ? 1.0f                             \
                                                                : 0.0f;                            \
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
        __builtin_prefetch(
            (const void *)(ulong)(source.from + (ulong)ROW_OF(source.index, row) * source.stride +
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
 * bias: its input is always 1. So `rows` are in use, and `columns`. */
struct tile {
    uint layer, in, out, m, n, inside, rows, columns;
};

DEVICE struct tile find_tile(uint group) {
    struct tile tile;
    uint across;
    for (tile.layer = LAYERS - 1;; tile.layer--) { /* small layers first: see step_plan.c */
        tile.in = widths[tile.layer];
        tile.out = widths[tile.layer + 1];
        across = (tile.out + TILE_N - 1) / TILE_N;
        const uint tiles = (tile.in + TILE_M) / TILE_M * across; /* of in + 1 rows */
        if (group < tiles)
            break;
        group -= tiles;
    }
    tile.m = group / across * TILE_M;
    tile.n = group % across * TILE_N;
    tile.inside = tile.in - tile.m < TILE_M ? tile.in - tile.m : TILE_M;
    tile.rows = tile.inside < TILE_M ? tile.inside + 1 : TILE_M;
    tile.columns = tile.out - tile.n < TILE_N ? tile.out - tile.n : TILE_N;
    return tile;
}

/* Where row `row` of the tile is in the parameters. */
DEVICE GLOBAL float *row_of(struct tile tile, GLOBAL float *parameters, uint row) {
    return parameters + (row < tile.inside
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

/* The tile's weights, to shared memory. */
DEVICE void load_tile(struct tile tile, GLOBAL float *parameters, LOCAL float *weights, uint item) {
    for (uint v = item; v < TILE_VECTORS; v += ITEMS) {
        const uint row = v * WIDTH / TILE_N, column = v * WIDTH % TILE_N;
        vector weight = (vector)(0.0f);
        if (row < tile.rows && column < tile.columns)
            weight = load_some(row_of(tile, parameters, row) + column, tile.columns - column);
        STORE_VECTOR(weight, weights + v * WIDTH);
    }
}

/* The parts' sums of the gradient, to shared memory. */
DEVICE void store_parts(
    vector gradient[BLOCKS_EACH][BLOCK_M][BLOCK_N], LOCAL float *memory, uint part, uint lane) {
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
}

/* Adds up the parts' sums, and steps the tile's weights, here and among the parameters. */
DEVICE void step_tile(struct tile tile, GLOBAL float *parameters, struct rates rates,
    LOCAL const float *memory, LOCAL float *weights, uint item) {
    for (uint v = item; v < TILE_VECTORS; v += ITEMS) {
        const uint row = v * WIDTH / TILE_N, column = v * WIDTH % TILE_N;
        vector sum = LOAD_VECTOR(memory + v * WIDTH);
        UNROLL
        for (uint p = 1; p < PARTS; p++)
            sum += LOAD_VECTOR(memory + p * (TILE_M * TILE_N) + v * WIDTH);
        if (row < tile.rows && column < tile.columns) {
            GLOBAL float *const to = row_of(tile, parameters, row) + column;
            const uint count = tile.columns - column;
            const vector weight = step_of(LOAD_VECTOR(weights + v * WIDTH), sum, rates, OPTIMIZER,
                to + STATES_APART, to + 2 * STATES_APART, count);
            STORE_VECTOR(weight, weights + v * WIDTH);
            store_some(weight, to, count);
        }
    }
}

/* Stores a block of the next sums, at `to`, of which `rows` and `columns` are in use. */
DEVICE void store_next(
    vector block[NEXT_M][NEXT_N], GLOBAL float *to, uint out, uint rows, uint columns) {
    if (rows >= NEXT_M && columns >= NEXT_COLUMNS) {
        UNROLL
        for (uint e = 0; e < NEXT_M * NEXT_N; e++)
            STORE_VECTOR(block[e / NEXT_N][e % NEXT_N], to + e / NEXT_N * out + e % NEXT_N * WIDTH);
        return;
    }
    UNROLL_SUMS
    for (uint e = 0; e < NEXT_M * NEXT_N; e++) {
        const uint i = e / NEXT_N, j = e % NEXT_N * WIDTH;
        if (i < rows && j < columns)
            store_some(block[i][j / WIDTH], to + i * out + j, columns - j);
    }
}

/* A batch: where it begins in x, or in the index, and its samples. */
struct batch {
    ulong x_at, index_at;
    uint count;
};

/* Steps, over the batch `now`, weights[in, out] with their gradient x[batch, in]^T * d_y[batch,
 * out], and bias[out] with its own, the sums of d_y's columns, for each layer, where x is the batch
 * or the y of the layer before. Then, for each tile t down the first layer's weights: sums[t, next,
 * out] = the batch `next`'s [next, rows of t] * the tile's weights[rows of t, out] With a batch of
 * 0 there is no step, and with a next one of 0 there are no such sums. */
DEVICE void do_weights(struct tile tile, struct batch now, struct batch next, GLOBAL const float *x,
    GLOBAL const uint *index, GLOBAL float *parameters, GLOBAL const float *values,
    GLOBAL const float *gradients, GLOBAL const float *rates, GLOBAL float *sums,
    LOCAL float *memory, LOCAL float *weights, GLOBAL uint *arrivals) {
    LOCAL float *const chunk_x = memory, *const chunk_d = memory + CHUNK * ROW_X;
    const uint item = get_local_id(0), part = item / PART_ITEMS, lane = item % PART_ITEMS;
    const int goes_on = next.count > 0 && tile.layer == 0 && tile.inside > 0;
    float loads_x[LOADS(TILE_M)], loads_d[LOADS(TILE_N)];

    struct source from_x, from_d;
    from_x.from =
        tile.layer == 0 ? x + now.x_at + tile.m : values + values_at[tile.layer - 1] + tile.m;
    from_x.index = tile.layer == 0 ? index + now.index_at : 0;
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
    from_next.from = x + next.x_at + tile.m;
    from_next.index = index + next.index_at;
    from_next.ones = 0;

    /* The batches are there before any launch, all else is what launches write. */
    if (tile.layer > 0)
        WAIT_FOR_PHASE(arrivals);
    if (now.count > 0) {
        FETCH(loads_x, TILE_M, from_x, 0, now.count);
    } else if (goes_on) {
        FETCH(loads_x, TILE_M, from_next, 0, next.count);
    }
    if (tile.layer == 0)
        WAIT_FOR_PHASE(arrivals);
    LET_PHASE_BEGIN();
    if (now.count > 0)
        FETCH(loads_d, TILE_N, from_d, 0, now.count);
    load_tile(tile, parameters, weights, item);

    if (now.count > 0) {
        vector gradient[BLOCKS_EACH][BLOCK_M][BLOCK_N];
        for (uint b = 0; b < BLOCKS_EACH; b++)
            CLEAR(gradient[b], BLOCK_M, BLOCK_N);
#if ITEMS == 1
        struct ahead ahead = {0, 0};
        uint turn = 0;
        const uint turns = (now.count + CHUNK - 1) / CHUNK * BLOCKS_EACH;
#endif
        for (uint first = 0; first < now.count; first += CHUNK) {
            const uint left = now.count - first, count = left < CHUNK ? left : CHUNK;
            PUT(loads_x, TILE_M, from_x, first, count, chunk_x, ROW_X);
            PUT(loads_d, TILE_N, from_d, first, count, chunk_d, TILE_N);
            BARRIER();
            if (left > CHUNK) {
                FETCH(loads_x, TILE_M, from_x, first + CHUNK, left - CHUNK);
                FETCH(loads_d, TILE_N, from_d, first + CHUNK, left - CHUNK);
            } else if (goes_on) {
                FETCH(loads_x, TILE_M, from_next, 0, next.count);
            }
            for (uint b = 0; b < BLOCKS_EACH; b++) {
                const uint block = b * PART_ITEMS + lane;
                const uint m = block % BLOCKS_DOWN * BLOCK_M;
                const uint n = block / BLOCKS_DOWN * BLOCK_COLUMNS;
#if ITEMS > 1
                multiply_tile(gradient[b], chunk_x + part * ROW_X + m, 1, PARTS * ROW_X,
                    chunk_d + part * TILE_N + n, 1, PARTS * TILE_N, CHUNK / PARTS);
#else
                ahead.row = ahead.end;
                ahead.end = goes_on ? (uint)((ulong)next.count * ++turn / turns) : 0;
                if (m < tile.rows && n < tile.columns)
                    multiply_and_ask(
                        gradient[b], chunk_x + m, chunk_d + n, count, from_next, ahead);
#endif
            }
            BARRIER();
        }
        store_parts(gradient, memory, part, lane);
        BARRIER();
        struct rates loaded;
        load_rates(&loaded, rates, OPTIMIZER);
        step_tile(tile, parameters, loaded, memory, weights, item);
        BARRIER();
    }

    for (uint first = 0; goes_on && first < next.count; first += CHUNK) {
        const uint left = next.count - first, count = left < CHUNK ? left : CHUNK;
        GLOBAL float *const to =
            sums + ((ulong)(tile.m / TILE_M) * next.count + first) * tile.out + tile.n;
#if ITEMS > 1
        PUT(loads_x, TILE_M, from_next, first, count, chunk_x, ROW_X);
        BARRIER();
        if (left > CHUNK)
            FETCH(loads_x, TILE_M, from_next, first + CHUNK, left - CHUNK);
#endif
        const uint across = (tile.columns + NEXT_COLUMNS - 1) / NEXT_COLUMNS;
        for (uint b = item; b < (count + NEXT_M - 1) / NEXT_M * across; b += ITEMS) {
            const uint s = b / across * NEXT_M, n = b % across * NEXT_COLUMNS;
            vector block[NEXT_M][NEXT_N];
            CLEAR(block, NEXT_M, NEXT_N);
#if ITEMS > 1
            multiply_next(block, chunk_x + s * ROW_X, ROW_X, 1, weights + n, 1, TILE_N, TILE_M);
#else
            multiply_rows(block, from_next, first + s, next.count - 1, weights + n);
#endif
            store_next(block, to + s * tile.out + n, tile.out, count - s, tile.columns - n);
        }
        BARRIER();
    }
}
