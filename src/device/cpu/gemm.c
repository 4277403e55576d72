/* One text for all instruction sets: vectors of the compiler's own, whose width and number the
 * target decides. The loops around the tile are those of BLIS (Van Zee and van de Geijn, "BLIS: A
 * framework for rapidly instantiating BLAS functionality", 2015): b is packed into panels of a
 * tile's width, which a tile reads from end to end. */
#include "device/cpu/gemm.h"

#include "device/instruction_set.h"

#include <string.h>

/* --- The tile --- */

/* A tile has TILE_ROWS x TILE_VECTORS sums in registers, beside a row of b. They are as many as the
 * registers hold, and at least as many as a processor has multiply-adds under way at a time: 8 to
 * 16. */
#if defined __AVX512F__
enum { LANES = 16, TILE_ROWS = 6, TILE_VECTORS = 4 }; /* 24 + 4 of 32 registers */
#elif defined __AVX2__
enum { LANES = 8, TILE_ROWS = 6, TILE_VECTORS = 2 }; /* 12 + 2 + 1 of 16 */
#elif defined __aarch64__
enum { LANES = 4, TILE_ROWS = 5, TILE_VECTORS = 4 }; /* 20 + 4 + 5 of 32 */
#else
enum { LANES = 4, TILE_ROWS = 4, TILE_VECTORS = 2 }; /* 8 + 2 + 2 of 16: a product needs its own */
#endif
enum { PANEL = TILE_VECTORS * LANES };
_Static_assert((int)PANEL <= (int)GEMM_PANEL_MAX, "room for a panel");
_Static_assert(GEMM_BLOCK_N % PANEL == 0, "whole panels in a block");

typedef float vector __attribute__((vector_size(LANES * sizeof(float)), aligned(4), may_alias));

#define INLINE static inline __attribute__((always_inline))

/* The part of a that a tile multiplies. Of a that isn't transposed, element (r, i) is row[r][i],
 * and the same columns of next_row are fetched into the cache meanwhile, where that is asked for.
 * Of a that is transposed, element (r, i) is rows[i][first + r]. */
struct tile_a {
    const float *row[TILE_ROWS], *next_row[TILE_ROWS];
    const float *const *rows;
    size_t first;
};

enum {
    LINE = 16, /* floats of a cache line */
    AHEAD = 8  /* rows of b that are fetched before they are read and packed */
};

/* What a tile does besides: fetch the next tile's rows of a, or pack b. */
enum besides { NOTHING, FETCH, PACK };

/* sum[rows][vectors] += the products of some terms. `rows`, `vectors`, `transposed` and `besides`
 * are constants wherever this is inlined. */
INLINE void add_terms(int rows, int vectors, bool transposed, enum besides besides, size_t first,
    size_t end, const struct tile_a *a, const float *b, size_t b_row, float *packed,
    vector sum[TILE_ROWS][TILE_VECTORS]) {
    for (size_t i = first; i < end; i++) {
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
        UNROLL
        for (int r = 0; r < rows; r++) {
            const float of_a = transposed ? of_rows[r] : a->row[r][i];
            UNROLL
            for (int v = 0; v < vectors; v++)
                sum[r][v] += of_a * of_b[v];
        }
    }
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
    vector sum[TILE_ROWS][TILE_VECTORS];
    UNROLL
    for (int r = 0; r < rows; r++) {
        UNROLL
        for (int v = 0; v < vectors; v++)
            sum[r][v] = (vector){0};
    }
    for (size_t i = 0, end; i < k; i = end) {
        end = besides == FETCH && i + LINE < k ? i + LINE : k;
        UNROLL
        for (int r = 0; r < rows && besides == FETCH; r++)
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

static __attribute__((noinline)) void compute_transposed_pack(const struct block *block) {
    compute_panel(TILE_VECTORS, true, PACK, block);
}

static void compute(bool transposed, enum besides besides, const struct block *block) {
    if (besides == PACK)
        (transposed ? compute_transposed_pack : compute_plain_pack)(block);
    else if (transposed)
        compute_transposed(block);
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

/* A block whose width is not whole vectors. b has been packed, with zeros after its last column. c
 * has no room for them, so some rows at a time go by way of `edge`. */
static void compute_edge(bool transposed, const struct block *block, float *edge) {
    const size_t edge_row = whole_vectors(block->width);
    struct block rest = *block;
    for (size_t rows; rest.m > 0; rest = skip_rows(transposed, &rest, rows)) {
        struct block part = rest;
        part.m = rows = least(rest.m, GEMM_EDGE_ROWS);
        part.width = part.c_row = edge_row;
        part.c = edge;
        for (size_t r = 0; r < rows && block->add; r++)
            for (size_t j = 0; j < block->width; j++)
                edge[r * edge_row + j] = rest.c[r * block->c_row + j];
        compute(transposed, NOTHING, &part);
        for (size_t r = 0; r < rows; r++)
            for (size_t j = 0; j < block->width; j++)
                rest.c[r * block->c_row + j] = edge[r * edge_row + j];
    }
}

/* A panel that is packed by the first tile, and read from there by the others. */
static void compute_packing(bool transposed, enum besides besides, const struct block *block) {
    struct block first = *block, rest;
    first.m = least(block->m, TILE_ROWS);
    compute(transposed, PACK, &first);
    rest = skip_rows(transposed, block, first.m);
    rest.b = block->packed;
    rest.b_row = PANEL;
    if (rest.m > 0)
        compute(transposed, besides, &rest);
}

/* --- Packing --- */

typedef float quad __attribute__((vector_size(4 * sizeof(float)), aligned(4), may_alias));

#ifdef __clang__
#define SHUFFLE(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, k, l)
#else
typedef int quad_of_int __attribute__((vector_size(4 * sizeof(int))));
#define SHUFFLE(a, b, i, j, k, l) __builtin_shuffle(a, b, (quad_of_int){i, j, k, l})
#endif

/* to[j][i] = from[i][j], 4 x 4 */
INLINE void transpose_quad(const float *from, size_t from_row, float *to, size_t to_row) {
    const quad a = *(const quad *)from, b = *(const quad *)(from + from_row);
    const quad c = *(const quad *)(from + 2 * from_row), d = *(const quad *)(from + 3 * from_row);
    const quad ab_low = SHUFFLE(a, b, 0, 4, 1, 5), ab_high = SHUFFLE(a, b, 2, 6, 3, 7);
    const quad cd_low = SHUFFLE(c, d, 0, 4, 1, 5), cd_high = SHUFFLE(c, d, 2, 6, 3, 7);
    *(quad *)to = SHUFFLE(ab_low, cd_low, 0, 1, 4, 5);
    *(quad *)(to + to_row) = SHUFFLE(ab_low, cd_low, 2, 3, 6, 7);
    *(quad *)(to + 2 * to_row) = SHUFFLE(ab_high, cd_high, 0, 1, 4, 5);
    *(quad *)(to + 3 * to_row) = SHUFFLE(ab_high, cd_high, 2, 3, 6, 7);
}

/* packed[k, whole] = b[k, width], with zeros after it, where `whole` vectors hold the width */
static void pack_panel(const float *b, size_t b_row, size_t k, size_t width, float *packed) {
    const size_t whole = whole_vectors(width);
    if (width == PANEL) { /* a size that the compiler knows */
        for (size_t i = 0; i < k; i++)
            memcpy(packed + i * PANEL, b + i * b_row, PANEL * sizeof *b);
        return;
    }
    memset(packed, 0, k * whole * sizeof *packed);
    for (size_t i = 0; i < k; i++)
        for (size_t j = 0; j < width; j++)
            packed[i * whole + j] = b[i * b_row + j];
}

/* packed[k, whole] = the transpose of b[width, k], with zeros after it */
static void pack_transposed(const float *b, size_t b_row, size_t k, size_t width, float *packed) {
    const size_t whole = whole_vectors(width), quads_j = width / 4 * 4, quads_i = k / 4 * 4;
    if (width < whole)
        memset(packed, 0, k * whole * sizeof *packed);
    for (size_t j = 0; j < quads_j; j += 4)
        for (size_t i = 0; i < quads_i; i += 4)
            transpose_quad(b + j * b_row + i, b_row, packed + i * whole + j, whole);
    for (size_t j = 0; j < width; j++)
        for (size_t i = j < quads_j ? quads_i : 0; i < k; i++)
            packed[i * whole + j] = b[j * b_row + i];
}

/* packed[k, GEMM_BLOCK_M] = rows[k], from column `first` on, m elements each */
static void pack_rows(const float *const *rows, size_t k, size_t first, size_t m, float *packed) {
    for (size_t i = 0; i < k; i++)
        memcpy(packed + i * GEMM_BLOCK_M, rows[i] + first, m * sizeof *packed);
}

/* --- The gemm --- */

/* Whether b is read where it lies: it is a panel already, or too few rows of a use it. */
static bool is_direct(const struct gemm *gemm) {
    return !gemm->transpose_b && gemm->n % LANES == 0 &&
           (gemm->n <= PANEL || gemm->m <= 2 * TILE_ROWS);
}

/* Whether a panel of b is packed by the first tile that reads it, which costs next to nothing. */
static bool tile_packs(const struct gemm *gemm, size_t width) {
    return !gemm->transpose_b && width == PANEL;
}

/* Packs the other panels. */
static void pack_b(const struct gemm *gemm, size_t p, size_t k, size_t j, size_t n, float *packed) {
    for (size_t q = 0; q < n; q += PANEL) {
        const size_t width = least(n - q, PANEL);
        if (gemm->transpose_b)
            pack_transposed(
                gemm->b + (j + q) * gemm->b_row + p, gemm->b_row, k, width, packed + q * k);
        else if (!tile_packs(gemm, width))
            pack_panel(gemm->b + p * gemm->b_row + j + q, gemm->b_row, k, width, packed + q * k);
    }
}

/* A block with all panels of a block of b's. Those that tiles pack are not yet `packed` at the
 * first rows. */
static void compute_panels(const struct gemm *gemm, struct block block, size_t p, size_t j,
    size_t n, bool direct, bool packed, struct gemm_scratch *scratch) {
    float *c = block.c;
    for (size_t q = 0; q < n; q += PANEL) {
        const enum besides besides =
            gemm->order && !gemm->transpose_a && j + q == 0 ? FETCH : NOTHING;
        block.width = least(n - q, PANEL);
        const bool packs = !direct && !packed && tile_packs(gemm, block.width);
        const bool in_place = direct || packs;
        block.packed = scratch->b + q * block.k;
        block.b = in_place ? gemm->b + p * gemm->b_row + j + q : block.packed;
        block.b_row = in_place ? gemm->b_row : whole_vectors(block.width);
        block.c = c + q;
        if (packs)
            compute_packing(gemm->transpose_a, besides, &block);
        else if (block.width % LANES == 0)
            compute(gemm->transpose_a, besides, &block);
        else
            compute_edge(gemm->transpose_a, &block, scratch->edge);
    }
}

/* b is packed anew for each so many rows of a, which are read once for each block of b's columns:
 * so they should still be in some cache then. */
enum { ROWS_AT_ONCE = 960 };

static void multiply_plain(const struct gemm *gemm, struct gemm_scratch *scratch) {
    const bool direct = is_direct(gemm);
    for (size_t first = 0; first < gemm->m; first += ROWS_AT_ONCE) {
        for (size_t p = 0; p < gemm->k; p += GEMM_BLOCK_K) {
            const size_t k = least(gemm->k - p, GEMM_BLOCK_K);
            for (size_t j = 0; j < gemm->n; j += GEMM_BLOCK_N) {
                const size_t n = least(gemm->n - j, GEMM_BLOCK_N);
                if (!direct)
                    pack_b(gemm, p, k, j, n, scratch->b);
                const struct block block = {.m = least(gemm->m - first, ROWS_AT_ONCE),
                    .k = k,
                    .a = gemm->a + p + (gemm->order ? 0 : first * gemm->a_row),
                    .order = gemm->order ? gemm->order + first : NULL,
                    .a_row = gemm->a_row,
                    .c = gemm->c + first * gemm->c_row + j,
                    .c_row = gemm->c_row,
                    .scale = gemm->scale,
                    .add = gemm->add || p > 0};
                compute_panels(gemm, block, p, j, n, direct, false, scratch);
            }
        }
    }
}

static void multiply_transposed(const struct gemm *gemm, struct gemm_scratch *scratch) {
    const bool direct = is_direct(gemm), packed = gemm->n > PANEL;
    const size_t most = packed ? GEMM_BLOCK_M : gemm->m;
    for (size_t p = 0; p < gemm->k; p += GEMM_BLOCK_K) {
        const size_t k = least(gemm->k - p, GEMM_BLOCK_K);
        for (size_t i = 0; i < k; i++) {
            const size_t row = gemm->order ? gemm->order[p + i] : p + i;
            scratch->rows[i] = gemm->a + row * gemm->a_row;
            scratch->packed[i] = scratch->a + i * GEMM_BLOCK_M;
        }
        for (size_t j = 0; j < gemm->n; j += GEMM_BLOCK_N) {
            const size_t n = least(gemm->n - j, GEMM_BLOCK_N);
            if (!direct)
                pack_b(gemm, p, k, j, n, scratch->b);
            for (size_t i = 0; i < gemm->m; i += most) {
                const size_t m = least(gemm->m - i, most);
                if (packed)
                    pack_rows(scratch->rows, k, i, m, scratch->a);
                const struct block block = {.m = m,
                    .k = k,
                    .rows = packed ? scratch->packed : scratch->rows,
                    .first = packed ? 0 : i,
                    .c = gemm->c + i * gemm->c_row + j,
                    .c_row = gemm->c_row,
                    .scale = gemm->scale,
                    .add = gemm->add || p > 0};
                compute_panels(gemm, block, p, j, n, direct, i > 0, scratch);
            }
        }
    }
}

gemm_function OF_SET(gemm);

void OF_SET(gemm)(const struct gemm *gemm, struct gemm_scratch *scratch) {
    if (gemm->transpose_a)
        multiply_transposed(gemm, scratch);
    else
        multiply_plain(gemm, scratch);
}
