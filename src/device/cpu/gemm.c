/* One text for all instruction sets. The loops around the tile are those of BLIS (Van Zee and van
 * de Geijn, "BLIS: A framework for rapidly instantiating BLAS functionality", 2015): b is packed
 * into panels of a tile's width, which a tile reads from end to end. */
#include "device/cpu/gemm_tile.h"

#include <string.h>

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
    enum { TERMS = 32 }; /* of the panel, at a time: its smallest cache holds them meanwhile */
    const size_t whole = whole_vectors(width), quads_j = width / 4 * 4, quads_i = k / 4 * 4;
    if (width < whole)
        memset(packed, 0, k * whole * sizeof *packed);
    for (size_t first = 0; first < quads_i; first += TERMS) {
        const size_t end = least(first + TERMS, quads_i);
        for (size_t j = 0; j < quads_j; j += 4)
            for (size_t i = first; i < end; i += 4)
                transpose_quad(b + j * b_row + i, b_row, packed + i * whole + j, whole);
    }
    for (size_t j = 0; j < width; j++)
        for (size_t i = j < quads_j ? quads_i : 0; i < k; i++)
            packed[i * whole + j] = b[j * b_row + i];
}

/* packed[k, GEMM_BLOCK_M] = rows[k], from column `first` on, m elements each */
static void pack_rows(const float *const *rows, size_t k, size_t first, size_t m, float *packed) {
    for (size_t i = 0; i < k; i++) {
        const float *ahead = rows[i + AHEAD < k ? i + AHEAD : i] + first, *row = rows[i] + first;
        float *to = packed + i * GEMM_BLOCK_M;
        for (size_t j = 0; j < m; j += LINE)
            __builtin_prefetch(ahead + j);
        size_t j = 0;
        for (; j + LANES <= m; j += LANES)
            *(vector *)(to + j) = *(const vector *)(row + j);
        for (; j < m; j++)
            to[j] = row[j];
    }
}

/* --- Blocks that are more than tiles --- */

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

/* --- The gemm --- */

/* Where a gemm's b is read. */
struct place_of_b {
    bool direct;  /* where it lies */
    bool packed;  /* an earlier gemm has packed it */
    bool whole;   /* there is room for all of it; else each block takes the place of the last one */
    float *place; /* where it is packed, unless it is direct */
};

static const struct gemm_packed *find_packed(
    const struct gemm *gemm, const struct gemm_scratch *scratch) {
    for (size_t i = 0; i < scratch->packed_count; i++) {
        const struct gemm_packed *packed = &scratch->packed_b[i];
        if (packed->b == gemm->b && packed->transpose_b == gemm->transpose_b &&
            packed->n == gemm->n && packed->k == gemm->k && packed->b_row == gemm->b_row &&
            packed->panel == PANEL)
            return packed;
    }
    return NULL;
}

static void forget_packed(struct gemm_scratch *scratch) {
    scratch->packed_count = scratch->b_end = 0;
}

static struct place_of_b place_b(const struct gemm *gemm, struct gemm_scratch *scratch) {
    const bool readable = !gemm->transpose_b && gemm->n % LANES == 0;
    const size_t room = GEMM_BLOCK_K * GEMM_BLOCK_N, size = gemm->k * whole_vectors(gemm->n);
    if (readable && gemm->n <= PANEL) /* it is a panel already */
        return (struct place_of_b){.direct = true};
    if (gemm->b_version == 0 || gemm->b_version != scratch->b_version)
        forget_packed(scratch);
    scratch->b_version = gemm->b_version;
    const struct gemm_packed *packed = find_packed(gemm, scratch);
    if (packed)
        return (struct place_of_b){
            .packed = true, .whole = true, .place = scratch->b + packed->offset};
    if (readable && gemm->m <= 2 * TILE_ROWS) /* too few rows of a use it */
        return (struct place_of_b){.direct = true};
    if (scratch->packed_count == GEMM_PACKED_MAX || scratch->b_end + size > room)
        forget_packed(scratch);
    if (size > room)
        return (struct place_of_b){.place = scratch->b};
    const size_t offset = scratch->b_end;
    scratch->packed_b[scratch->packed_count++] = (struct gemm_packed){
        gemm->b, gemm->transpose_b, gemm->n, gemm->k, gemm->b_row, PANEL, offset};
    scratch->b_end += size;
    return (struct place_of_b){.whole = true, .place = scratch->b + offset};
}

/* Where the block of b is packed that begins at row p and column j and has n columns. */
static float *place_block(
    const struct gemm *gemm, const struct place_of_b *b, size_t p, size_t j, size_t n) {
    return b->whole ? b->place + j * gemm->k + p * whole_vectors(n) : b->place;
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

/* Whether rows of a transposed a are packed: where several panels read them. A wide panel leaves
 * time enough to fetch them from where they lie. */
static bool packs_rows(const struct gemm *gemm) {
    return (int)PANEL < (int)GEMM_PANEL_MAX && gemm->n > PANEL;
}

/* A block with all panels of a block of b's. Those that tiles pack are not yet `packed` at the
 * first rows. The first panel fetches a, which lies far away unless it is packed. */
static void compute_panels(const struct gemm *gemm, struct block block, const struct place_of_b *b,
    size_t p, size_t j, size_t n, bool packed, float *edge) {
    float *place = b->direct ? NULL : place_block(gemm, b, p, j, n);
    const bool far = !gemm->transpose_a || !packs_rows(gemm);
    float *c = block.c;
    for (size_t q = 0; q < n; q += PANEL) {
        const enum besides besides = far && q == 0 ? FETCH : NOTHING;
        block.width = least(n - q, PANEL);
        const bool packs = !b->direct && !packed && tile_packs(gemm, block.width);
        const bool in_place = b->direct || packs;
        block.packed = b->direct ? NULL : place + q * block.k;
        block.b = in_place ? gemm->b + p * gemm->b_row + j + q : block.packed;
        block.b_row = in_place ? gemm->b_row : whole_vectors(block.width);
        block.c = c + q;
        if (packs)
            compute_packing(gemm->transpose_a, besides, &block);
        else if (block.width % LANES == 0)
            compute(gemm->transpose_a, besides, &block);
        else
            compute_edge(gemm->transpose_a, &block, edge);
    }
}

/* So many rows of a are read once for each block of b's columns: they should still be in some cache
 * then. Where there is no room for all of b, it is packed anew for each. */
enum { ROWS_AT_ONCE = 960 };

static void multiply_plain(const struct gemm *gemm, struct gemm_scratch *scratch) {
    const struct place_of_b b = place_b(gemm, scratch);
    for (size_t first = 0; first < gemm->m; first += ROWS_AT_ONCE) {
        for (size_t p = 0; p < gemm->k; p += GEMM_BLOCK_K) {
            const size_t k = least(gemm->k - p, GEMM_BLOCK_K);
            for (size_t j = 0; j < gemm->n; j += GEMM_BLOCK_N) {
                const size_t n = least(gemm->n - j, GEMM_BLOCK_N);
                const bool packed = b.packed || (b.whole && first > 0);
                if (!b.direct && !packed)
                    pack_b(gemm, p, k, j, n, place_block(gemm, &b, p, j, n));
                const struct block block = {.m = least(gemm->m - first, ROWS_AT_ONCE),
                    .k = k,
                    .a = gemm->a + p + (gemm->order ? 0 : first * gemm->a_row),
                    .order = gemm->order ? gemm->order + first : NULL,
                    .a_row = gemm->a_row,
                    .c = gemm->c + first * gemm->c_row + j,
                    .c_row = gemm->c_row,
                    .scale = gemm->scale,
                    .add = gemm->add || p > 0};
                compute_panels(gemm, block, &b, p, j, n, packed, scratch->edge);
            }
        }
    }
}

static void multiply_transposed(const struct gemm *gemm, struct gemm_scratch *scratch) {
    const struct place_of_b b = place_b(gemm, scratch);
    const bool packs = packs_rows(gemm);
    const size_t most = packs ? GEMM_BLOCK_M : gemm->m;
    for (size_t p = 0; p < gemm->k; p += GEMM_BLOCK_K_TRANSPOSED) {
        const size_t k = least(gemm->k - p, GEMM_BLOCK_K_TRANSPOSED);
        for (size_t i = 0; i < k; i++) {
            const size_t row = gemm->order ? gemm->order[p + i] : p + i;
            scratch->rows[i] = gemm->a + row * gemm->a_row;
            scratch->packed[i] = scratch->a + i * GEMM_BLOCK_M;
        }
        for (size_t j = 0; j < gemm->n; j += GEMM_BLOCK_N) {
            const size_t n = least(gemm->n - j, GEMM_BLOCK_N);
            if (!b.direct && !b.packed)
                pack_b(gemm, p, k, j, n, place_block(gemm, &b, p, j, n));
            for (size_t i = 0; i < gemm->m; i += most) {
                const size_t m = least(gemm->m - i, most);
                if (packs)
                    pack_rows(scratch->rows, k, i, m, scratch->a);
                const struct block block = {.m = m,
                    .k = k,
                    .rows = packs ? scratch->packed : scratch->rows,
                    .first = packs ? 0 : i,
                    .c = gemm->c + i * gemm->c_row + j,
                    .c_row = gemm->c_row,
                    .scale = gemm->scale,
                    .add = gemm->add || p > 0};
                compute_panels(gemm, block, &b, p, j, n, b.packed || i > 0, scratch->edge);
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
