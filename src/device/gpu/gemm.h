/* Doing a gemm of a dense layer, by one of several algorithms: our own kernels with one of their
 * tiles, or the driver's library. */
#ifndef DEVICE_GPU_GEMM_H
#define DEVICE_GPU_GEMM_H

#include "device/gpu/gemm_plan.h"

/* The files of kernels/ for that: the gemms, each with what follows it; and what follows alone,
 * after a gemm of the library or one that was divided into splits. */
#define GEMM_KERNELS "gemm.cl"
#define EPILOGUE_KERNELS "epilogue.cl"

/* The options for EPILOGUE_KERNELS. Those for GEMM_KERNELS are gemm_tile_options. */
enum { EPILOGUE_OPTIONS_SIZE = 64 };
void gemms_epilogue_options(char text[EPILOGUE_OPTIONS_SIZE]);

struct gemm_algorithm {
    const char *name; /* as for --gemm */
    bool library;     /* else: our kernels, with this tile */
    struct gemm_tile tile;
    struct gpu_program *program;
    struct gpu_kernel kernels[GEMM_KINDS];
};

/* Memory for splits' sums, and for what the library asks for. What has become too small lives on,
 * as a recording may use it. */
struct gemm_workspace {
    struct gemm_workspace *older;
    struct buffer *buffer;
};

enum { GEMM_ALGORITHMS_MAX = 5 };

struct gemms {
    struct gpu *gpu;
    struct gemm_algorithm algorithms[GEMM_ALGORITHMS_MAX];
    size_t algorithms_count;
    struct gemm_workspace *workspace; /* the newest, which is the largest */
    struct buffer
        *arrivals; /* where the reduction is fused: a 0 for each tile that may have some */
    struct gpu_program *epilogue_program;
    struct gpu_kernel epilogues[GEMM_KINDS], bias_update;
};

/* Makes the algorithms that `gemm` allows, and compiles what they need: the driver's library by its
 * name, "own" for our kernels with the tile that is fastest, one tile by its name, or NULL or
 * "auto" for the fastest of all. Ended by gemms_free, whatever is returned; NULL is fine there. */
enum status gemms_create(
    struct gpu *gpu, const char *gemm, struct gemms **gemms, struct error *error);
void gemms_free(struct gemms *gemms);

/* Adds a gemm by one of the algorithms to a list; NULL: enqueues it. */
enum status gemms_compute(struct gemms *gemms, struct gpu_commands *to, size_t algorithm,
    enum gemm_kind kind, const struct gemm_views *views, struct error *error);

#endif
