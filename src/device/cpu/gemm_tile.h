/* The part of our own gemm that computes: tiles of sums in registers, and blocks of tiles. Only
 * gemm.c includes it, for one instruction set at a time. Vectors are the compiler's own; the target
 * decides how wide they are and how many there are. */
#ifndef DEVICE_CPU_GEMM_TILE_H
#define DEVICE_CPU_GEMM_TILE_H

#include "device/cpu/gemm.h"
#include "device/instruction_set.h"

/* --- The tile --- */

/* A tile has TILE_ROWS x TILE_VECTORS sums in registers, beside a row of b. They are as many as the
 * registers hold, and at least as many as a processor has multiply-adds under way at a time: 8 to
 * 16. Where it pays, a loop adds several terms in each turn. */
#if defined __AVX512F__ /* 24 + 4 of 32 registers */
enum { LANES = 16, TILE_ROWS = 6, TILE_VECTORS = 4, TERMS_AT_ONCE = 2 };
#elif defined __AVX2__    /* 12 + 2 + 1 of 16 */
enum { LANES = 8, TILE_ROWS = 6, TILE_VECTORS = 2, TERMS_AT_ONCE = 1 };
#elif defined __aarch64__ /* 20 + 4 + 5 of 32 */
enum { LANES = 4, TILE_ROWS = 5, TILE_VECTORS = 4, TERMS_AT_ONCE = 1 };
#else                     /* 8 + 2 + 2 of 16: a product needs its own */
enum { LANES = 4, TILE_ROWS = 4, TILE_VECTORS = 2, TERMS_AT_ONCE = 1 };
#endif
enum { PANEL = TILE_VECTORS * LANES };
_Static_assert((int)PANEL <= (int)GEMM_PANEL_MAX, "room for a panel");
_Static_assert(GEMM_BLOCK_N % PANEL == 0, "whole panels in a block");

typedef float vector __attribute__((vector_size(LANES * sizeof(float)), aligned(4), may_alias));

#define INLINE static inline __attribute__((always_inline))

/* The part of a that a tile multiplies. Of a that isn't transposed, element (r, i) is row[r][i],
 * and the same columns of next_row are fetched into the cache meanwhile, where that is asked for.
 * Of a that is transposed, element (r, i) is rows[i][first + r], and what is fetched is the next
 * line of rows[i]. */
struct tile_a {
    const float *row[TILE_ROWS], *next_row[TILE_ROWS];
    const float *const *rows;
    size_t first;
};

enum {
    LINE = 16, /* floats of a cache line */
    AHEAD = 8  /* rows of b that are fetched before they are read and packed */
};

/* What a tile does besides: fetch what the next tiles need of a, or pack b. */
enum besides { NOTHING, FETCH, PACK };

/* sum[rows][vectors] += the products of a term. `rows`, `vectors`, `transposed` and `besides` are
 * constants wherever this is inlined. */
INLINE void add_term(int rows, int vectors, bool transposed, enum besides besides, size_t i,
    const struct tile_a *a, const float *b, size_t b_row, float *packed,
    vector sum[TILE_ROWS][TILE_VECTORS]) {
    vector of_b[TILE_VECTORS];
    UNROLL
    for (int v = 0; v < vectors; v++)
        of_b[v] = *(const vector *)(b + i * b_row + v * LANES);
    UNROLL
    for (int v = 0; v < vectors && besides == PACK; v++) {
        __builtin_prefetch(b + (i + AHEAD) * b_row + v * LANES);
        *(vector *)(packed + i * PANEL + v * LANES) = of_b[v];
    }
    const float *of_rows = transposed ? a->rows[i] + a->first : NULL;
    if (transposed && besides == FETCH)
        __builtin_prefetch(of_rows + LINE, 0, 2); /* not to read it yet: to the second cache */
    UNROLL
    for (int r = 0; r < rows; r++) {
        const float of_a = transposed ? of_rows[r] : a->row[r][i];
        UNROLL
        for (int v = 0; v < vectors; v++)
            sum[r][v] += of_a * of_b[v];
    }
}

/* The same of several terms, in their order. */
INLINE void add_terms(int rows, int vectors, bool transposed, enum besides besides, size_t first,
    size_t end, const struct tile_a *a, const float *b, size_t b_row, float *packed,
    vector sum[TILE_ROWS][TILE_VECTORS]) {
    const size_t at_once = besides == PACK ? 1 : TERMS_AT_ONCE;
    size_t i = first;
    for (; at_once > 1 && i + at_once <= end; i += at_once) {
        UNROLL
        for (size_t t = 0; t < at_once; t++)
            add_term(rows, vectors, transposed, besides, i + t, a, b, b_row, packed, sum);
    }
    for (; i < end; i++)
        add_term(rows, vectors, transposed, besides, i, a, b, b_row, packed, sum);
}

/* Gives a product as it is when it is rounded, before anything is added to it. A compiler would
 * leave the rounding out in some tiles and not in others, and the bits of a result would depend on
 * how it is divided. */
INLINE vector rounded(vector product) {
#if defined __x86_64__ || defined __i386__
    __asm__("" : "+v"(product));
#elif defined __aarch64__
    __asm__("" : "+w"(product));
#else
    __asm__("" : "+m"(product));
#endif
    return product;
}

/* A tile of c[rows, vectors * LANES], from k terms. */
INLINE void compute_tile(int rows, int vectors, bool transposed, enum besides besides, size_t k,
    struct tile_a a, const float *b, size_t b_row, float *packed, float *c, size_t c_row,
    float scale, bool add) {
    const bool by_lines = !transposed && besides == FETCH;
    vector sum[TILE_ROWS][TILE_VECTORS];
    UNROLL
    for (int r = 0; r < rows; r++) {
        UNROLL
        for (int v = 0; v < vectors; v++) {
            sum[r][v] = (vector){0};
            if (add)
                __builtin_prefetch(c + (size_t)r * c_row + v * LANES);
        }
    }
    for (size_t i = 0, end; i < k; i = end) {
        end = by_lines && i + LINE < k ? i + LINE : k;
        UNROLL
        for (int r = 0; r < rows && by_lines; r++)
            __builtin_prefetch(a.next_row[r] + i);
        add_terms(rows, vectors, transposed, besides, i, end, &a, b, b_row, packed, sum);
    }
    UNROLL
    for (int r = 0; r < rows; r++) {
        UNROLL
        for (int v = 0; v < vectors; v++) {
            vector *to = (vector *)(c + (size_t)r * c_row + v * LANES);
            vector result = rounded(scale * sum[r][v]);
            if (add)
                result += *to;
            *to = result;
        }
    }
}

/* As many rows as there are, up to TILE_ROWS. */
INLINE void compute_rows(int rows, int vectors, bool transposed, enum besides besides, size_t k,
    struct tile_a a, const float *b, size_t b_row, float *packed, float *c, size_t c_row,
    float scale, bool add) {
    switch (rows) {
#define ROWS(n)                                                                                    \
    case n: /* no tile has more than TILE_ROWS; with 1, no code is made for it */                  \
        compute_tile(n <= TILE_ROWS ? n : 1, vectors, transposed, besides, k, a, b, b_row, packed, \
            c, c_row, scale, add);                                                                 \
        break;
        ROWS(1) ROWS(2) ROWS(3) ROWS(4) ROWS(5) ROWS(6)
#undef ROWS
    }
}

/* --- Blocks --- */

/* What is left of c = op(a) * op(b) within a block: m rows of a, one panel of b of `width` columns,
 * and k terms. */
struct block {
    size_t m, k, width;
    const float *a; /* the block's first element */
    const uint32_t *order;
    size_t a_row;
    const float *const *rows;
    size_t first;
    const float *b;
    size_t b_row;
    float *packed; /* where the panel of b is packed, if it is */
    float *c;
    size_t c_row;
    float scale;
    bool add;
};

INLINE const float *row_of(const struct block *block, size_t i) {
    return block->a + (block->order ? block->order[i] : i) * block->a_row;
}

INLINE struct tile_a tile_of(
    const struct block *block, size_t first, size_t rows, bool transposed) {
    struct tile_a a = {.rows = block->rows, .first = block->first + first};
    for (size_t r = 0; r < rows && !transposed; r++) {
        const size_t next = first + TILE_ROWS + r;
        a.row[r] = row_of(block, first + r);
        a.next_row[r] = next < block->m ? row_of(block, next) : a.row[r];
    }
    return a;
}

INLINE void compute_panel(
    int vectors, bool transposed, enum besides besides, const struct block *block) {
    for (size_t i = 0; i < block->m; i += TILE_ROWS) {
        const size_t left = block->m - i, rows = left < TILE_ROWS ? left : TILE_ROWS;
        const struct tile_a a = tile_of(block, i, rows, transposed);
        compute_rows((int)rows, vectors, transposed, besides, block->k, a, block->b, block->b_row,
            block->packed, block->c + i * block->c_row, block->c_row, block->scale, block->add);
    }
}

/* A block whose width is whole vectors. */
INLINE void compute_vectors(bool transposed, enum besides besides, const struct block *block) {
    struct block part = *block;
    for (size_t left = block->width / LANES, vectors; left > 0; left -= vectors) {
        vectors = left >= TILE_VECTORS ? TILE_VECTORS : left >= 2 ? 2 : 1;
        if (vectors == TILE_VECTORS)
            compute_panel(TILE_VECTORS, transposed, besides, &part);
        else if (vectors == 2)
            compute_panel(2, transposed, besides, &part);
        else
            compute_panel(1, transposed, besides, &part);
        part.b += vectors * LANES;
        part.c += vectors * LANES;
    }
}

/* These are apart so that each has its own loops. */
static __attribute__((noinline)) void compute_plain(const struct block *block) {
    compute_vectors(false, NOTHING, block);
}

static __attribute__((noinline)) void compute_plain_fetch(const struct block *block) {
    compute_vectors(false, FETCH, block);
}

static __attribute__((noinline)) void compute_plain_pack(const struct block *block) {
    compute_panel(TILE_VECTORS, false, PACK, block);
}

static __attribute__((noinline)) void compute_transposed(const struct block *block) {
    compute_vectors(true, NOTHING, block);
}

static __attribute__((noinline)) void compute_transposed_fetch(const struct block *block) {
    compute_vectors(true, FETCH, block);
}

static __attribute__((noinline)) void compute_transposed_pack(const struct block *block) {
    compute_panel(TILE_VECTORS, true, PACK, block);
}

static void compute(bool transposed, enum besides besides, const struct block *block) {
    if (besides == PACK)
        (transposed ? compute_transposed_pack : compute_plain_pack)(block);
    else if (transposed)
        (besides == FETCH ? compute_transposed_fetch : compute_transposed)(block);
    else
        (besides == FETCH ? compute_plain_fetch : compute_plain)(block);
}

/* The block without its first rows. */
static struct block skip_rows(bool transposed, const struct block *block, size_t rows) {
    struct block rest = *block;
    rest.m -= rows;
    rest.c += rows * block->c_row;
    if (transposed)
        rest.first += rows;
    else if (block->order)
        rest.order += rows;
    else
        rest.a += rows * block->a_row;
    return rest;
}

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

static size_t whole_vectors(size_t width) {
    return (width + LANES - 1) / LANES * LANES;
}

#endif
