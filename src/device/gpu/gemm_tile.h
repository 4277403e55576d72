/* The tiles that kernels/gemm.cl is compiled for: how a group's work is divided. */
#ifndef DEVICE_GPU_GEMM_TILE_H
#define DEVICE_GPU_GEMM_TILE_H

#include <stdbool.h>
#include <stddef.h>

/* As in gemm.cl; item_n and sub_n count vectors of `width` floats. */
struct gemm_tile {
    const char *name;
    bool vectors; /* for hardware whose items compute with vectors: a CPU */
    unsigned width, group_m, group_n, item_m, item_n, sub_m, sub_n, tile_k;
};

/* The tiles there are, each as TILE(members of struct gemm_tile): those for vectors, and those for
 * other hardware from small to large.
 *
 * own-host: 6 x 2 vectors fill the 16 registers of AVX2, with one each to multiply them by; 30 rows
 * divide a batch of 300 among many threads, and its operands, 15 + 32 KiB, stay in the first
 * caches. The others: 4 x 4 or 8 x 8 sums an item. */
#define GEMM_TILES_OF_VECTORS(TILE) TILE("own-host", true, 8, 1, 1, 6, 2, 5, 4, 128)
#define GEMM_TILES_OF_FLOATS(TILE)                                                                 \
    TILE("own-small", false, 1, 8, 8, 4, 4, 1, 1, 16)                                              \
    TILE("own-medium", false, 1, 16, 16, 4, 4, 1, 1, 16)
#define GEMM_TILE_NAME(name, ...) name,

/* All of them, in that order, `count` of them. */
extern const struct gemm_tile gemm_tiles[];
extern const size_t gemm_tiles_count;

/* The tile of hardware with vectors of `width` floats (a power of two, 4 to 16 of it used); the
 * same size in all. What is not for vectors stays as it is. */
struct gemm_tile gemm_tile_widened(const struct gemm_tile *tile, unsigned width);

/* Rows and columns of the result that a group computes. */
size_t gemm_tile_rows(const struct gemm_tile *tile);
size_t gemm_tile_columns(const struct gemm_tile *tile);

size_t gemm_tile_items(const struct gemm_tile *tile);

/* The shared memory that a group takes. */
size_t gemm_tile_shared_bytes(const struct gemm_tile *tile);

/* The options for the kernels' compiler: all that gemm.cl knows of its tile. */
enum { GEMM_TILE_OPTIONS_SIZE = 320 };
void gemm_tile_options(const struct gemm_tile *tile, char text[GEMM_TILE_OPTIONS_SIZE]);

#endif
