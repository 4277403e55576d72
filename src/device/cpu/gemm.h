/* Our own gemm. The same text (gemm.c) is compiled once for each instruction set, as kernels.c
 * is.
 *
 * Each element of a result is one sum over k: blocks of GEMM_BLOCK_K terms are added up one by one,
 * in the order of k, and the block's sum is added to the element. Which elements are computed
 * together makes no difference to that, so the bits don't depend on how a result is divided among
 * threads. */
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
};

/* The most terms, columns and rows that are packed into the scratch memory at a time. The first is
 * part of what the bits of a result depend on. */
enum { GEMM_BLOCK_K = 512, GEMM_BLOCK_N = 256, GEMM_BLOCK_M = 192, GEMM_CHUNK = 960 };

/* Memory that one call needs, aligned to a cache line, with any contents. */
enum { GEMM_TILE_MAX = 6 * 64 }; /* elements of the largest tile of any instruction set */
struct gemm_scratch {
    float a[GEMM_BLOCK_K * GEMM_BLOCK_M]; /* columns of a: [k, m] */
    float b[GEMM_BLOCK_K * GEMM_BLOCK_N]; /* panels of b: [panel, k, a tile's columns] */
    float edge[GEMM_TILE_MAX];            /* a tile that c has no room for */
    const float *rows[2][GEMM_BLOCK_K], *packed[GEMM_BLOCK_K];
};

typedef void gemm_function(const struct gemm *gemm, struct gemm_scratch *scratch);

#endif
