#include "device/gpu/gemm_tile.h"

#include <stdio.h>

#define TILE(...) {__VA_ARGS__},
const struct gemm_tile gemm_tiles[] = {GEMM_TILES_OF_VECTORS(TILE) GEMM_TILES_OF_FLOATS(TILE)};
const size_t gemm_tiles_count = sizeof gemm_tiles / sizeof *gemm_tiles;

struct gemm_tile gemm_tile_widened(const struct gemm_tile *tile, unsigned width) {
    struct gemm_tile widened = *tile;
    if (tile->vectors) {
        widened.width = width < 4 ? 4 : width > 16 ? 16 : width;
        widened.sub_n = tile->sub_n * tile->width / widened.width;
    }
    return widened;
}

size_t gemm_tile_rows(const struct gemm_tile *tile) {
    return (size_t)tile->group_m * tile->item_m * tile->sub_m;
}

size_t gemm_tile_columns(const struct gemm_tile *tile) {
    return (size_t)tile->group_n * tile->item_n * tile->width * tile->sub_n;
}

size_t gemm_tile_items(const struct gemm_tile *tile) {
    return (size_t)tile->group_m * tile->group_n;
}

/* How a group's parts of the two matrices lie in its shared memory. All sizes are in floats. */
struct layout {
    size_t row_m, row_k, row_n; /* from a row to the next, for rows of TILE_M, TILE_K, TILE_N */
    size_t left, right;         /* all of the left matrix's part, and of the right one's */
};

/* The left part is [TILE_K, TILE_M]. A single item has it as [TILE_M, TILE_K] where the matrix is
 * stored so, because it doesn't transpose. There is room for either. The right part is [TILE_K,
 * TILE_N]. */
static struct layout layout_of(const struct gemm_tile *tile) {
    /* Floats after each row, so that neighbours in a column lie in different banks of the shared
     * memory, and can be read at once. */
    enum { PAD = 4 };
    const bool single = gemm_tile_items(tile) == 1;
    const size_t rows = gemm_tile_rows(tile), columns = gemm_tile_columns(tile);
    struct layout layout = {
        .row_m = rows + (single ? 0 : PAD),
        .row_k = tile->tile_k + 1,
        .row_n = columns + (single ? 0 : PAD),
    };
    const size_t transposed = rows * layout.row_k;
    layout.left = tile->tile_k * layout.row_m;
    layout.left = single && transposed > layout.left ? transposed : layout.left;
    layout.right = tile->tile_k * layout.row_n;
    return layout;
}

size_t gemm_tile_shared_bytes(const struct gemm_tile *tile) {
    const struct layout layout = layout_of(tile);
    return (layout.left + layout.right) * sizeof(float);
}

void gemm_tile_options(const struct gemm_tile *tile, char text[GEMM_TILE_OPTIONS_SIZE]) {
    const struct layout layout = layout_of(tile);
    snprintf(text, GEMM_TILE_OPTIONS_SIZE,
        "-DWIDTH=%u -DGROUP_M=%u -DGROUP_N=%u -DITEM_M=%u -DITEM_N=%u -DSUB_M=%u -DSUB_N=%u "
        "-DTILE_M=%zu -DTILE_N=%zu -DTILE_K=%u -DROW_M=%zu -DROW_K=%zu -DROW_N=%zu "
        "-DLEFT_SIZE=%zu -DRIGHT_SIZE=%zu",
        tile->width, tile->group_m, tile->group_n, tile->item_m, tile->item_n, tile->sub_m,
        tile->sub_n, gemm_tile_rows(tile), gemm_tile_columns(tile), tile->tile_k, layout.row_m,
        layout.row_k, layout.row_n, layout.left, layout.right);
}
