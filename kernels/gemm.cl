/* The three gemms (matrix products) of a dense layer, each with its epilogue.
 *
 * A group computes a tile of the result: TILE_M rows by TILE_N columns of sums. It goes through the
 * terms of these sums in steps of TILE_K. For each step it copies the parts of both matrices that
 * the step needs to its shared memory. From there each item adds to its own sums, which are in
 * registers. An item computes SUB_M x SUB_N blocks, each of ITEM_M rows by ITEM_N vectors. A GPU is
 * fastest with many items of one block each. A CPU is fastest with one item of many blocks, because
 * the operands of a block then stay in its first cache.
 *
 * Where a gemm has too few tiles to fill the device, the terms of its sums are divided among
 * several groups (split-K). The third dimension of the grid counts these splits. Each group writes
 * the sums of its split to memory. Then a kernel of epilogue.cl adds up the splits or, with
 * FUSED_REDUCTION, the last group of the tile to finish does. Both add the splits in their order.
 * So the same gemm gives the same bits, in whatever order the groups run.
 *
 * The host passes all sizes as options (src/device/gpu/gemm_tile.c):
 *
 *   WIDTH                    floats of a vector
 *   GROUP_M, GROUP_N         items of a group, down and across
 *   ITEM_M, ITEM_N           rows and vectors of an item's block
 *   SUB_M, SUB_N             blocks of an item, down and across
 *   TILE_M, TILE_N, TILE_K   rows and columns of a tile, in floats, and terms of a step
 *   ROW_M, ROW_K, ROW_N      floats from one row in shared memory to the next, where a row holds
 *                            TILE_M, TILE_K or TILE_N floats
 *   LEFT_SIZE, RIGHT_SIZE    floats of shared memory for the part of the left matrix, which is
 *                            [TILE_K, TILE_M] or [TILE_M, TILE_K], and for that of the right one,
 *                            which is [TILE_K, TILE_N] */
#include "dialect.h"
#include "activation.h"
#include "vector.h"
#include "optimizer.h"

#define ITEMS (GROUP_M * GROUP_N)
#define SPAN_M (GROUP_M * ITEM_M)         /* rows that all items cover with a block each */
#define SPAN_N (GROUP_N * ITEM_N * WIDTH) /* columns, likewise */

#if ITEMS == 1
#define TILE_BARRIER()
#else
#define TILE_BARRIER() BARRIER()
#endif

/* Stands before a loop over an item's array. On a GPU it is in registers, which can't be indexed
 * while a kernel runs, so the loop is unrolled, and each index is a constant. PoCL, which runs such
 * kernels in tests, has its arrays in memory, and would take minutes to compile them unrolled. */
#if defined(POCL_DEVICE_ADDRESS_BITS)
#define UNROLL_ELEMENTS _Pragma("nounroll")
#else
#define UNROLL_ELEMENTS UNROLL
#endif

/* The columns of the right matrix's part that each item adds up for the bias. */
#define COLUMNS_EACH ((TILE_N + ITEMS - 1) / ITEMS)

/* An item's sums: those of its blocks, and of its columns for the bias. */
struct sums {
    vector at[SUB_N][SUB_M][ITEM_M][ITEM_N];
    float columns[COLUMNS_EACH];
};

/* A part of a matrix that a group copies to its shared memory, as
 *   tile[r * row_step + c * column_step] = source[r * stride + c]
 * for r < tile_rows and c < tile_columns. Only rows x columns elements are left of the matrix;
 * beyond them the tile is 0. */
#if ITEMS > 1

/* A GPU first fetches a part, to the registers of its items, and then puts it into shared memory.
 * So all loads of a part are under way at once, while the items compute with the part before it.
 * An item has a column of every few rows: the number of items is a multiple of that of a part's
 * columns. */
#define LEFT_LOADS ((TILE_K * TILE_M + ITEMS - 1) / ITEMS)
#define RIGHT_LOADS ((TILE_K * TILE_N + ITEMS - 1) / ITEMS)

DEVICE void fetch_part(float *loads, uint count, uint tile_columns, GLOBAL const float *source,
    uint stride, uint rows, uint columns) {
    const uint item = get_local_id(1) * GROUP_N + get_local_id(0), down = ITEMS / tile_columns;
    const uint c = item % tile_columns, row = item / tile_columns;
    GLOBAL const float *from = source + (ulong)row * stride + c;
    const uint inside = c < columns ? rows : 0;
    UNROLL_ELEMENTS
    for (uint l = 0; l < count; l++, from += (ulong)down * stride)
        loads[l] = row + l * down < inside ? *from : 0.0f;
}

DEVICE void put_part(const float *loads, uint count, uint tile_rows, uint tile_columns,
    LOCAL float *tile, uint row_step, uint column_step) {
    const uint item = get_local_id(1) * GROUP_N + get_local_id(0), down = ITEMS / tile_columns;
    const uint c = item % tile_columns, row = item / tile_columns;
    UNROLL_ELEMENTS
    for (uint l = 0; l < count; l++)
        if (tile_rows % down == 0 || row + l * down < tile_rows)
            tile[(row + l * down) * row_step + c * column_step] = loads[l];
}

#else

/* A single item (a CPU) copies a part at once. It saves time at the matrix's edge: it fills no more
 * than `spare_rows` rows and `spare_columns` columns beyond the matrix, the most that its blocks
 * read. */
DEVICE void copy_part(LOCAL float *tile, uint row_step, uint column_step, uint tile_rows,
    uint tile_columns, GLOBAL const float *source, uint stride, uint rows, uint columns,
    uint spare_rows, uint spare_columns) {
    if (rows >= tile_rows && columns >= tile_columns) {
        for (uint r = 0; r < tile_rows; r++)
            for (uint c = 0; c < tile_columns; c++)
                tile[r * row_step + c * column_step] = source[(ulong)r * stride + c];
        return;
    }
    tile_rows = rows + spare_rows < tile_rows ? rows + spare_rows : tile_rows;
    tile_columns = columns + spare_columns < tile_columns ? columns + spare_columns : tile_columns;
    for (uint r = 0; r < tile_rows; r++)
        for (uint c = 0; c < tile_columns; c++)
            tile[r * row_step + c * column_step] =
                r < rows && c < columns ? source[(ulong)r * stride + c] : 0.0f;
}

#endif

/* block += left[ITEM_M, depth] * right[depth, ITEM_N vectors], where element (i, k) of left is
 * left[i * left_m + k * left_k]. The terms of this step are added up by themselves first, and then
 * added to the block. That loses less to rounding than one long sum. */
DEVICE void multiply(vector block[ITEM_M][ITEM_N], LOCAL const float *left, uint left_m, uint left_k,
    LOCAL const float *right, uint depth) {
    vector sum[ITEM_M][ITEM_N];
#pragma unroll
    for (uint i = 0; i < ITEM_M; i++)
#pragma unroll
        for (uint j = 0; j < ITEM_N; j++)
            sum[i][j] = (vector)(0.0f);
    for (uint k = 0; k < depth; k++) {
        vector factor[ITEM_N];
#pragma unroll
        for (uint j = 0; j < ITEM_N; j++)
            factor[j] = LOAD_VECTOR(right + k * ROW_N + j * WIDTH);
#pragma unroll
        for (uint i = 0; i < ITEM_M; i++) {
            const float value = left[i * left_m + k * left_k];
#pragma unroll
            for (uint j = 0; j < ITEM_N; j++)
                sum[i][j] += value * factor[j];
        }
    }
#pragma unroll
    for (uint i = 0; i < ITEM_M; i++)
#pragma unroll
        for (uint j = 0; j < ITEM_N; j++)
            block[i][j] += sum[i][j];
}

/* The size of a gemm's result, and this group's part of the work: the tile whose first element is
 * (m, n), and the terms from k up to, but without, k_end. */
struct part {
    uint rows, columns, m, n, k, k_end;
};

DEVICE struct part part_of(uint rows, uint columns, uint terms, uint terms_each) {
    struct part part;
    part.rows = rows;
    part.columns = columns;
    part.m = (uint)get_group_id(1) * TILE_M;
    part.n = (uint)get_group_id(0) * TILE_N;
    part.k = (uint)get_group_id(2) * terms_each;
    part.k_end = terms - part.k < terms_each ? terms : part.k + terms_each;
    return part;
}

/* Computes the item's sums of left[rows, terms] * right[terms, columns]. With `left_transposed`,
 * left is stored as [terms, rows]; with `right_transposed`, right is stored as [columns, terms]. A
 * stride is the length of a stored row. With `add_columns`, right's columns are added up, too. */
DEVICE void sum_products(struct sums *sums, struct part part, GLOBAL const float *left,
    int left_transposed, uint left_stride, GLOBAL const float *right, int right_transposed,
    uint right_stride, int add_columns, LOCAL float *left_tile, LOCAL float *right_tile) {
    /* On a GPU the left part is stored so that the ITEM_M floats of an item are neighbours. A
     * single item (a CPU) keeps the matrix's own order, because transposing would only take time.
     */
    const int left_by_k = ITEMS > 1 ? 1 : left_transposed;
    const uint left_m = left_by_k ? 1 : ROW_K, left_k = left_by_k ? ROW_M : 1;
    const uint rows = part.rows - part.m, columns = part.columns - part.n;
    const uint subs_m = SUB_M > 1 && rows < TILE_M ? (rows + SPAN_M - 1) / SPAN_M : SUB_M;
    const uint subs_n = SUB_N > 1 && columns < TILE_N ? (columns + SPAN_N - 1) / SPAN_N : SUB_N;
    const uint item = get_local_id(1) * GROUP_N + get_local_id(0);
    for (uint b = 0; b < SUB_N * SUB_M; b++)
#pragma unroll
        for (uint e = 0; e < ITEM_M * ITEM_N; e++)
            sums->at[b / SUB_M][b % SUB_M][e / ITEM_N][e % ITEM_N] = (vector)(0.0f);
    for (uint c = 0; c < COLUMNS_EACH; c++)
        sums->columns[c] = 0.0f;

    /* Where the parts of each step begin, and how far they are apart. */
    GLOBAL const float *left_part =
        left + (left_transposed ? (ulong)part.k * left_stride + part.m
                                : (ulong)part.m * left_stride + part.k);
    GLOBAL const float *right_part =
        right + (right_transposed ? (ulong)part.n * right_stride + part.k
                                  : (ulong)part.k * right_stride + part.n);
    const ulong left_next = left_transposed ? (ulong)TILE_K * left_stride : TILE_K;
    const ulong right_next = right_transposed ? TILE_K : (ulong)TILE_K * right_stride;
#if ITEMS > 1
    float left_loads[LEFT_LOADS], right_loads[RIGHT_LOADS];
#define FETCH_PARTS(depth)                                                                         \
    if (left_transposed)                                                                           \
        fetch_part(left_loads, LEFT_LOADS, TILE_M, left_part, left_stride, depth, rows);           \
    else                                                                                           \
        fetch_part(left_loads, LEFT_LOADS, TILE_K, left_part, left_stride, rows, depth);           \
    if (right_transposed)                                                                          \
        fetch_part(right_loads, RIGHT_LOADS, TILE_K, right_part, right_stride, columns, depth);    \
    else                                                                                           \
        fetch_part(right_loads, RIGHT_LOADS, TILE_N, right_part, right_stride, depth, columns);
    FETCH_PARTS(part.k_end - part.k)
#endif
    for (uint k = part.k; k < part.k_end; k += TILE_K) {
        const uint left_terms = part.k_end - k, depth = left_terms < TILE_K ? left_terms : TILE_K;
#if ITEMS > 1
        if (left_transposed)
            put_part(left_loads, LEFT_LOADS, TILE_K, TILE_M, left_tile, left_k, left_m);
        else
            put_part(left_loads, LEFT_LOADS, TILE_M, TILE_K, left_tile, left_m, left_k);
        if (right_transposed)
            put_part(right_loads, RIGHT_LOADS, TILE_N, TILE_K, right_tile, 1, ROW_N);
        else
            put_part(right_loads, RIGHT_LOADS, TILE_K, TILE_N, right_tile, ROW_N, 1);
        left_part += left_next;
        right_part += right_next;
        if (left_terms > TILE_K) {
            FETCH_PARTS(left_terms - TILE_K)
        }
#else
        if (left_transposed)
            copy_part(left_tile, left_k, left_m, TILE_K, TILE_M, left_part, left_stride, depth,
                rows, 0, SPAN_M - 1);
        else
            copy_part(left_tile, left_m, left_k, TILE_M, TILE_K, left_part, left_stride, rows,
                depth, SPAN_M - 1, 0);
        if (right_transposed)
            copy_part(right_tile, 1, ROW_N, TILE_N, TILE_K, right_part, right_stride, columns,
                depth, SPAN_N - 1, 0);
        else
            copy_part(right_tile, ROW_N, 1, TILE_K, TILE_N, right_part, right_stride, depth,
                columns, 0, SPAN_N - 1);
        left_part += left_next;
        right_part += right_next;
#endif
        TILE_BARRIER();
        for (uint sub_n = 0; sub_n < subs_n; sub_n++)
            for (uint sub_m = 0; sub_m < subs_m; sub_m++)
                multiply(sums->at[sub_n][sub_m],
                    left_tile + (sub_m * SPAN_M + get_local_id(1) * ITEM_M) * left_m, left_m,
                    left_k, right_tile + sub_n * SPAN_N + get_local_id(0) * ITEM_N * WIDTH, depth);
        if (add_columns)
            for (uint t = 0; t < depth; t++)
                for (uint c = 0; c < COLUMNS_EACH; c++)
                    if (TILE_N % ITEMS == 0 || item + c * ITEMS < TILE_N)
                        sums->columns[c] += right_tile[t * ROW_N + item + c * ITEMS];
        TILE_BARRIER();
    }
}

/* Runs `body` for each vector of the item's sums that begins within the result. In the body,
 * `value` is the sums of row m and of the WIDTH columns from n on, and `count` is the number of
 * columns that the result has from n on. The one item of a CPU's group goes row by row: so memory is
 * met in stretches, which processors read ahead. */
#if ITEMS > 1
#define SUM_AT(sums) sums.at[b_ / SUB_M][b_ % SUB_M][e_ / ITEM_N][e_ % ITEM_N]
#define FOR_EACH_SUM(sums, part, body)                                                             \
    for (uint b_ = 0; b_ < SUB_N * SUB_M; b_++)                                                    \
        UNROLL_ELEMENTS                                                                            \
        for (uint e_ = 0; e_ < ITEM_M * ITEM_N; e_++) {                                            \
            const uint m = part.m + b_ % SUB_M * SPAN_M +                                          \
                           (uint)get_local_id(1) * ITEM_M + e_ / ITEM_N;                           \
            const uint n = part.n + b_ / SUB_M * SPAN_N +                                          \
                           ((uint)get_local_id(0) * ITEM_N + e_ % ITEM_N) * WIDTH;                 \
            if (m < part.rows && n < part.columns) {                                               \
                const vector value = SUM_AT(sums);                                                   \
                const uint count = part.columns - n;                                               \
                body                                                                               \
            }                                                                                      \
        }
#else
#define SUM_AT(sums) sums.at[c_ / ITEM_N][r_ / ITEM_M][r_ % ITEM_M][c_ % ITEM_N]
#define FOR_EACH_SUM(sums, part, body)                                                             \
    for (uint r_ = 0; r_ < SUB_M * ITEM_M && part.m + r_ < part.rows; r_++)                        \
        for (uint c_ = 0; c_ < SUB_N * ITEM_N && part.n + c_ * WIDTH < part.columns; c_++) {       \
            const uint m = part.m + r_, n = part.n + c_ * WIDTH;                                   \
            const vector value = SUM_AT(sums);                                                     \
            const uint count = part.columns - n;                                                   \
            body                                                                                   \
        }
#endif

/* Stores `result`, which is worked out of `value`, at `to`, for each of the item's sums. On a GPU all
 * results are worked out before the first is stored. So all loads that they take are under way at
 * once, because no store comes between. */
#if ITEMS > 1
#define FINISH(sums, part, result, to)                                                             \
    FOR_EACH_SUM(sums, part, SUM_AT(sums) = result;)                                               \
    FOR_EACH_SUM(sums, part, store_some(value, to, count);)
#else
#define FINISH(sums, part, result, to) FOR_EACH_SUM(sums, part, store_some(result, to, count);)
#endif

/* Where the sums of this group's split begin in splits[number of splits, rows, columns]. */
DEVICE GLOBAL float *split_of(GLOBAL float *splits, uint rows, uint columns) {
    return splits + (ulong)get_group_id(2) * rows * columns;
}

#ifdef FUSED_REDUCTION
#define ARRIVALS , GLOBAL uint *arrivals
#define SHARED_COUNT SHARED_ARRAY(uint, before, 1);
#define COMES_LAST() comes_last(arrivals, before)

/* Whether this group is the last of its tile to have written its split. Then it can read the splits
 * of all of them, and the tile's count in `arrivals` is 0 again, for the next launch. All items of
 * a group must call this, and all get the same answer. Without splits, each group is the last of
 * its tile. */
DEVICE int comes_last(GLOBAL uint *arrivals, LOCAL uint *before) {
    const uint tile = get_group_id(1) * get_num_groups(0) + get_group_id(0);
    const uint splits = get_num_groups(2);
    const int first = get_local_id(0) == 0 && get_local_id(1) == 0;
    if (splits == 1)
        return 1;
    PUBLISH();
    BARRIER();
    if (first)
        *before = ATOMIC_ADD(arrivals + tile, 1u);
    BARRIER();
    const int last = *before + 1 == splits;
    if (last && first)
        arrivals[tile] = 0;
    if (last)
        PUBLISH();
    return last;
}

/* For the last group of a tile: the item's sums become the sums over all splits, each of `elements`
 * floats. The outer loop goes over the splits, and is unrolled, so that many elements are being
 * loaded at a time.
 * REDUCE_BIAS does the same for the bias's sums, which begin at element `at` of a split. */
#define REDUCE_SPLITS(sums, part, elements)                                                          \
    UNROLL_BY(2)                                                                                   \
    for (uint s = 0; get_num_groups(2) > 1 && s < get_num_groups(2); s++) {                        \
        FOR_EACH_SUM(sums, part, {                                                                 \
            const float element =                                                                  \
                LOAD_PUBLISHED(splits + s * (elements) + (ulong)m * part.columns + n);             \
            SUM_AT(sums) = s == 0 ? element : value + element;                                     \
        })                                                                                         \
    }
#define REDUCE_BIAS(sums, part, elements, at)                                                        \
    for (uint s = 0; get_num_groups(2) > 1 && s < get_num_groups(2); s++) {                        \
        FOR_EACH_BIAS(part, {                                                                      \
            const float element = LOAD_PUBLISHED(splits + s * (elements) + (at) + n);              \
            sums.columns[c] = s == 0 ? element : sums.columns[c] + element;                        \
        })                                                                                         \
    }
#else
#define ARRIVALS
#define SHARED_COUNT
#define COMES_LAST() (get_num_groups(2) == 1)
#define REDUCE_SPLITS(sums, part, elements)
#define REDUCE_BIAS(sums, part, elements, at)
#endif

/* y[batch, out] = activation(x[batch, in] * weights[in, out] + bias[out]). Where there are several
 * splits, a group first writes its sums to splits[number of splits, batch, out]. */
KERNEL_OF_GROUPS(dense_forward, GROUP_N, GROUP_M, 2)
(GLOBAL const float *x, ulong x_at, GLOBAL const float *weights, ulong weights_at,
    GLOBAL const float *bias, ulong bias_at, GLOBAL float *y, ulong y_at, GLOBAL float *splits,
    uint batch, uint in, uint out, uint terms_each, uint activation ARRIVALS) {
    SHARED_ARRAY(float, left_tile, LEFT_SIZE);
    SHARED_ARRAY(float, right_tile, RIGHT_SIZE);
    SHARED_COUNT
    const struct part part = part_of(batch, out, in, terms_each);
    struct sums sums;
    sum_products(
        &sums, part, x + x_at, 0, in, weights + weights_at, 0, out, 0, left_tile, right_tile);
    if (get_num_groups(2) > 1) {
        GLOBAL float *split = split_of(splits, batch, out);
        FOR_EACH_SUM(sums, part, store_some(value, split + (ulong)m * out + n, count);)
    }
    if (!COMES_LAST())
        return;
    REDUCE_SPLITS(sums, part, (ulong)batch * out)
    FINISH(sums, part, activate(value + load_some(bias + bias_at + n, count), activation),
        y + y_at + (ulong)m * out + n)
}

/* d_x[batch, in] = (d_y[batch, out] * weights[in, out]^T) .* slope(x[batch, in]). Where there are
 * several splits, a group first writes its sums to splits[number of splits, batch, in]. */
KERNEL_OF_GROUPS(dense_backward, GROUP_N, GROUP_M, 2)
(GLOBAL const float *d_y, ulong d_y_at, GLOBAL const float *weights, ulong weights_at,
    GLOBAL const float *x, ulong x_at, GLOBAL float *d_x, ulong d_x_at, GLOBAL float *splits,
    uint batch, uint in, uint out, uint terms_each, uint activation ARRIVALS) {
    SHARED_ARRAY(float, left_tile, LEFT_SIZE);
    SHARED_ARRAY(float, right_tile, RIGHT_SIZE);
    SHARED_COUNT
    const struct part part = part_of(batch, in, out, terms_each);
    struct sums sums;
    sum_products(
        &sums, part, d_y + d_y_at, 0, out, weights + weights_at, 1, out, 0, left_tile, right_tile);
    if (get_num_groups(2) > 1) {
        GLOBAL float *split = split_of(splits, batch, in);
        FOR_EACH_SUM(sums, part, store_some(value, split + (ulong)m * in + n, count);)
    }
    if (!COMES_LAST())
        return;
    REDUCE_SPLITS(sums, part, (ulong)batch * in)
    FINISH(sums, part,
        value * slope(load_some(x + x_at + (ulong)m * in + n, count), activation),
        d_x + d_x_at + (ulong)m * in + n)
}

/* Runs `body` for each column n of the bias of which this item has the sum, in sums.columns[c].
 * Only the tiles in the first row of tiles add up columns, so that each column is added up once. */
#define FOR_EACH_BIAS(part, body)                                                                  \
    for (uint c = 0; part.m == 0 && c < COLUMNS_EACH; c++) {                                       \
        const uint n = part.n + item + c * ITEMS;                                                  \
        if (item + c * ITEMS < TILE_N && n < part.columns) {                                       \
            body                                                                                   \
        }                                                                                          \
    }

/* weights[in, out] take a step of the optimiser with their gradient, x[batch, in]^T * d_y[batch,
 * out], and bias[out] with its own, the sums of d_y's columns. Or the gradients replace them. Where
 * there are several splits, each is [in + 1, out], and its last row has the sums for the bias. */
KERNEL_OF_GROUPS(dense_update, GROUP_N, GROUP_M, 2)
(GLOBAL const float *x, ulong x_at, GLOBAL const float *d_y, ulong d_y_at, GLOBAL float *weights,
    ulong weights_at, GLOBAL float *bias, ulong bias_at, GLOBAL float *splits, uint batch, uint in,
    uint out, uint terms_each, GLOBAL const float *rates, ulong rates_at,
    uint optimizer STATES(weights) STATES(bias) ARRIVALS) {
    SHARED_ARRAY(float, left_tile, LEFT_SIZE);
    SHARED_ARRAY(float, right_tile, RIGHT_SIZE);
    SHARED_COUNT
    const struct part part = part_of(in, out, batch, terms_each);
    struct sums sums;
    sum_products(&sums, part, x + x_at, 1, in, d_y + d_y_at, 0, out, part.m == 0, left_tile,
        right_tile);
    const uint item = get_local_id(1) * GROUP_N + get_local_id(0);
    if (get_num_groups(2) > 1) {
        GLOBAL float *split = split_of(splits, in + 1, out);
        FOR_EACH_SUM(sums, part, store_some(value, split + (ulong)m * out + n, count);)
        FOR_EACH_BIAS(part, split[(ulong)in * out + n] = sums.columns[c];)
    }
    if (!COMES_LAST())
        return;
    REDUCE_SPLITS(sums, part, (ulong)(in + 1) * out)
    REDUCE_BIAS(sums, part, (ulong)(in + 1) * out, (ulong)in * out)
    GLOBAL float *const to = weights + weights_at;
    struct rates loaded;
    load_rates(&loaded, rates + rates_at, optimizer);
    if (optimizer == STORE_GRADIENT) {
        FOR_EACH_SUM(sums, part, store_some(value, to + (ulong)m * out + n, count);)
    } else if (optimizer == GRADIENT_DESCENT) {
        FINISH(sums, part, load_some(to + (ulong)m * out + n, count) + loaded.at[0] * value,
            to + (ulong)m * out + n)
    } else {
        FOR_EACH_SUM(
            sums, part, TAKE_STEP(weights, (ulong)m * out + n, value, loaded, optimizer, count);)
    }
    FOR_EACH_BIAS(
        part, TAKE_STEP(bias, n, (vector)(sums.columns[c]), loaded, optimizer, 1);)
}
