/* Our own gemm. The same text (gemm.c) is compiled once for each instruction set, as kernels.c
 * is.
 *
 * Each element of a result is one sum over k: the terms of a block (gemm_block_terms) are added up
 * one by one, in the order of k, and the block's sum is added to the element. Which elements are
 * computed together makes no difference to that, so the bits don't depend on how a result is
 * divided among threads. */
#ifndef DEVICE_CPU_GEMM_H
#define DEVICE_CPU_GEMM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* c[m, n] = (add ? c : 0) + scale * op(a)[m, k] * op(b)[k, n], where op(a) is a or its transpose.
 * All matrices are row-major; `a_row` is the number of elements from one row of a to the next. c
 * overlaps neither a nor b. */
struct gemm {
    size_t m, n, k; /* at least 1 each */
    bool transpose_a, transpose_b;
    const float *a;        /* [m, k], or [k, m] if it is transposed */
    const uint32_t *order; /* [rows of a]: which row of a stands in each place; NULL: in order */
    const float *b;        /* [k, n], or [n, k] if it is transposed */
    float *c;
    size_t a_row, b_row, c_row;
    float scale;
    bool add;
    /* If it is not 0: gemms with the same scratch memory and the same number find b as it was, and
     * later gemms with another number that they have never had. Then b is packed only once. */
    uint64_t b_version;
};

/* The rows of a result that are computed together, with the fastest instruction sets: work that is
 * divided by multiples of it has no part that waits for its own last rows. */
#ifdef __aarch64__
enum { GEMM_TILE_ROWS = 5 };
#else
enum { GEMM_TILE_ROWS = 6 };
#endif

/* The most terms and columns of b, and rows of a transposed a, that are packed at a time. The rows
 * are whole tiles, which should lie in the smallest cache beside what they read of b. */
enum { GEMM_BLOCK_K = 1024, GEMM_BLOCK_N = 128, GEMM_BLOCK_M = 8 * GEMM_TILE_ROWS };

/* Terms of a block where a is transposed. Each is another row of a. While tiles pass over them, the
 * second cache should hold a line of each, which is not to be had of many rows whose distance is a
 * power of two; and the smallest cache their rows of b. */
enum { GEMM_BLOCK_K_TRANSPOSED = 100 };

/* The most terms of a block. The bits of a result depend on it. */
static inline size_t gemm_block_terms(bool transpose_a) {
    return transpose_a ? GEMM_BLOCK_K_TRANSPOSED : GEMM_BLOCK_K;
}

/* The rows of a result that go by way of scratch memory at a time, where its columns are not whole
 * vectors; and the columns of the widest panel of any instruction set. */
enum { GEMM_EDGE_ROWS = 48, GEMM_PANEL_MAX = 64 };

/* A b that is packed in scratch memory, all of it. */
struct gemm_packed {
    const float *b;
    bool transpose_b;
    size_t n, k, b_row;
    size_t panel;  /* columns: other instruction sets have others */
    size_t offset; /* in gemm_scratch.b */
};

enum { GEMM_PACKED_MAX = 8 };

/* Memory that one call at a time needs, aligned to a cache line: 0.6 MB. Before the first call only
 * b_version is set, to 0. */
struct gemm_scratch {
    float a[GEMM_BLOCK_K_TRANSPOSED * GEMM_BLOCK_M]; /* [terms, rows of a transposed a] */
    float b[GEMM_BLOCK_K * GEMM_BLOCK_N];            /* [panel, terms, columns of the panel] */
    float edge[GEMM_EDGE_ROWS * GEMM_PANEL_MAX];
    /* Where rows of a transposed a lie, and where they are packed. */
    const float *rows[GEMM_BLOCK_K_TRANSPOSED], *packed[GEMM_BLOCK_K_TRANSPOSED];
    /* What is packed in b, up to element b_end, of gemms with this b_version; with 0: nothing. */
    uint64_t b_version;
    struct gemm_packed packed_b[GEMM_PACKED_MAX];
    size_t packed_count, b_end;
};

typedef void gemm_function(const struct gemm *gemm, struct gemm_scratch *scratch);

#endif
