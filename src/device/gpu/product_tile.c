#include "device/gpu/product_tile.h"

#include <stdio.h>

/* own-host: 6 x 2 vectors fill the 16 registers of AVX2, with one each to multiply them by; 30 rows
 * divide a batch of 300 among many threads, and its operands, 15 + 32 KiB, stay in the first
 * caches. The others: 4 x 4 or 8 x 8 sums an item. */
const struct product_tile product_tiles[] = {
    {"own-host", true, 8, 1, 1, 6, 2, 5, 4, 128},
    {"own-small", false, 1, 8, 8, 4, 4, 1, 1, 16},
    {"own-medium", false, 1, 16, 16, 4, 4, 1, 1, 16},
};
const size_t product_tiles_count = sizeof product_tiles / sizeof *product_tiles;

struct product_tile product_tile_widened(const struct product_tile *tile, unsigned width) {
    struct product_tile widened = *tile;
    if (tile->vectors) {
        widened.width = width < 4 ? 4 : width > 16 ? 16 : width;
        widened.sub_n = tile->sub_n * tile->width / widened.width;
    }
    return widened;
}

size_t product_tile_rows(const struct product_tile *tile) {
    return (size_t)tile->group_m * tile->item_m * tile->sub_m;
}

size_t product_tile_columns(const struct product_tile *tile) {
    return (size_t)tile->group_n * tile->item_n * tile->width * tile->sub_n;
}

size_t product_tile_items(const struct product_tile *tile) {
    return (size_t)tile->group_m * tile->group_n;
}

size_t product_tile_shared_bytes(const struct product_tile *tile) {
    /* As product.cl pads its rows: by 4 at most, and by 1 where the left part is not turned. */
    const size_t k = tile->tile_k, rows = product_tile_rows(tile) + 4,
                 columns = product_tile_columns(tile) + 4;
    const size_t left = tile->vectors ? rows * (k + 1) : k * rows;
    return (left + k * columns) * sizeof(float);
}

void product_tile_options(const struct product_tile *tile, char *text, size_t size) {
    snprintf(text, size,
        "-DWIDTH=%u -DGROUP_M=%u -DGROUP_N=%u -DITEM_M=%u -DITEM_N=%u -DSUB_M=%u -DSUB_N=%u "
        "-DTILE_K=%u",
        tile->width, tile->group_m, tile->group_n, tile->item_m, tile->item_n, tile->sub_m,
        tile->sub_n, tile->tile_k);
}
