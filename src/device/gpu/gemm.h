/* Computes a gemm of a dense layer by one of several algorithms: our own kernels with one of their
 * tiles, or the driver's library. */
#ifndef DEVICE_GPU_GEMM_H
#define DEVICE_GPU_GEMM_H

#include "device/gpu/gemm_plan.h"

/* The files of kernels/ that gemms need. GEMM_KERNELS has the gemms with their epilogues.
 * EPILOGUE_KERNELS has the epilogues alone, to follow a gemm of the library or one that was divided
 * into splits. */
#define GEMM_KERNELS "gemm.cl"
#define EPILOGUE_KERNELS "epilogue.cl"

/* Writes the options that EPILOGUE_KERNELS is compiled with. gemm_tile_options writes those of
 * GEMM_KERNELS. */
enum { EPILOGUE_OPTIONS_SIZE = 64 };
void gemms_epilogue_options(char text[EPILOGUE_OPTIONS_SIZE]);

struct gemm_algorithm {
    const char *name; /* by which --gemm asks for it */
    bool library;     /* the driver's library; else our kernels, with `tile` */
    struct gemm_tile tile;
    struct gpu_program *program;
    struct gpu_kernel kernels[GEMM_KINDS];
};

/* Memory for the sums of splits, and for what the library asks for. If it becomes too small, a
 * larger one is made, and the old one stays, because a recording may use it. */
struct gemm_workspace {
    struct gemm_workspace *older;
    struct buffer *buffer;
};

struct gemms {
    struct gpu *gpu;
    struct gemm_algorithm algorithms[ALGORITHMS_MAX];
    size_t algorithms_count;
    struct gemm_workspace *workspace; /* the newest, which is the largest */
    /* With the driver's fused_reduction: for each tile of a split gemm, how many of its groups have
     * written their split (uint32). It is 0 again when a gemm is done. Else NULL. */
    struct buffer *arrivals;
    struct gpu_program *epilogue_program;
    struct gpu_kernel epilogues[GEMM_KINDS], bias_update;
};

/* Makes the algorithms that `gemm` allows, and compiles their kernels. `gemm` is the name of the
 * driver's library, "own" for our kernels with whichever tile is the fastest, the name of a tile,
 * or "auto" or NULL for the fastest of all. Ended by gemms_free, whatever is returned; NULL is fine
 * there. */
enum status gemms_create(
    struct gpu *gpu, const char *gemm, struct gemms **gemms, struct error *error);
void gemms_free(struct gemms *gemms);

/* Adds the commands of an operation that is a gemm, by one of the algorithms, to the list `to`. If
 * that is NULL, they are enqueued. */
enum status gemms_compute(struct gemms *gemms, struct gpu_commands *to, size_t algorithm,
    const struct operation *operation, struct error *error);

#endif
