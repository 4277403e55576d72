/* Tiles: how a group of kernels/gemm.cl divides its work among its items. The kernels are compiled
 * for each tile. */
#ifndef DEVICE_GPU_GEMM_TILE_H
#define DEVICE_GPU_GEMM_TILE_H

#include <stdbool.h>
#include <stddef.h>

/* The sizes are those of gemm.cl. item_n counts vectors of `width` floats; sub_m and sub_n count an
 * item's blocks. */
struct gemm_tile {
    const char *name;
    bool vectors; /* for hardware whose items compute with vectors: a CPU */
    unsigned width, group_m, group_n, item_m, item_n, sub_m, sub_n, tile_k;
};

/* All tiles, each as TILE(the members of struct gemm_tile). First come those for vectors. Then come
 * those for other hardware, from small to large.
 *
 * own-host: the sums of 6 rows x 2 vectors and their operands fill the 16 registers of AVX2. Its 30
 * rows divide a batch of 300 among many threads. Its operands, 15 KiB and 32 KiB, stay in the first
 * caches. In the other tiles an item has 4 x 4 sums. */
#define GEMM_TILES_OF_VECTORS(TILE) TILE("own-host", true, 8, 1, 1, 6, 2, 5, 4, 128)
#define GEMM_TILES_OF_FLOATS(TILE)                                                                 \
    TILE("own-small", false, 1, 8, 8, 4, 4, 1, 1, 16)                                              \
    TILE("own-medium", false, 1, 16, 16, 4, 4, 1, 1, 16)
#define GEMM_TILE_NAME(name, ...) name,

/* The tiles above, in this order; gemm_tiles_count of them. */
extern const struct gemm_tile gemm_tiles[];
extern const size_t gemm_tiles_count;

/* The same tile for hardware with vectors of `width` floats, a power of two. Widths below 4 are
 * taken as 4, and those above 16 as 16. The tile has as many rows and columns as before. A tile
 * that is not for vectors stays as it is. */
struct gemm_tile gemm_tile_widened(const struct gemm_tile *tile, unsigned width);

/* Rows and columns of the result that a group computes. */
size_t gemm_tile_rows(const struct gemm_tile *tile);
size_t gemm_tile_columns(const struct gemm_tile *tile);

/* The number of items in a group. */
size_t gemm_tile_items(const struct gemm_tile *tile);

/* The bytes of shared memory that a group takes. */
size_t gemm_tile_shared_bytes(const struct gemm_tile *tile);

/* Writes the options for the kernels' compiler, which are all that gemm.cl knows of its tile. */
enum { GEMM_TILE_OPTIONS_SIZE = 320 };
void gemm_tile_options(const struct gemm_tile *tile, char text[GEMM_TILE_OPTIONS_SIZE]);

#endif
