/* The `cuda` device: cuBLAS and our own kernels (kernels/), which NVRTC compiles for the GPU at
 * hand. Calls only enqueue commands, on one stream. A recording becomes a graph, which is submitted
 * as one. */
#include "device/cuda/device.h"

#include "device/cuda/discovery.h"
#include "device/cuda/memory.h"
#include "device/cuda/nccl.h"
#include "device/cuda/program.h"
#include "device/cuda/queue.h"
#include "device/cuda/status.h"
#include "device/gpu/gemm_tile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- Opening --- */

/* Whether the user wants our own kernels alone, so that cuBLAS is not needed. */
static bool takes_own(const struct device_options *options) {
    return options->gemm && strncmp(options->gemm, "own", 3) == 0;
}

static bool is_named(const char *option, const char *name) {
    return option && strcmp(option, name) == 0;
}

enum { OVERLAP_CAPABILITY = 90 };

/* Whether the GPU promises that all groups of a launch are at work at once (CUDA C++ Programming
 * Guide, "Grid Synchronization"), and lets a launch last as long as an epoch: one that also draws a
 * screen may not. */
static enum status can_cooperate(const struct cuda *cuda, bool *able, struct error *error) {
    int cooperative = 0, limited = 0;
    cudaError_t code =
        cudaDeviceGetAttribute(&cooperative, cudaDevAttrCooperativeLaunch, cuda->ordinal);
    if (code == cudaSuccess)
        code = cudaDeviceGetAttribute(&limited, cudaDevAttrKernelExecTimeout, cuda->ordinal);
    *able = cooperative && !limited;
    return code == cudaSuccess
               ? STATUS_OK
               : cuda_failed("cudaDeviceGetAttribute", code, cuda->gpu.base.info.name, error);
}

/* How an epoch is submitted, and so how whole steps may be. */
static enum status set_submission(
    struct cuda *cuda, const struct device_options *options, struct error *error) {
    const char *submission = options->submission;
    const bool any = !submission || is_named(submission, "auto");
    const bool overlaps = cuda->capability >= OVERLAP_CAPABILITY;
    bool *ways = cuda->gpu.ways, cooperates;
    const enum status status = can_cooperate(cuda, &cooperates, error);
    if (status != STATUS_OK)
        return status;
    cuda->graphs = !is_named(submission, "stream");
    cuda->gpu.base.info.submission = "stream";
    ways[STEP_OVERLAPPED] = is_named(submission, "overlapped") || (any && overlaps);
    ways[STEP_PERSISTENT] = (is_named(submission, "persistent") || any) && cooperates;
    ways[STEP_FUSED] = any || !(ways[STEP_OVERLAPPED] || ways[STEP_PERSISTENT]);
    return overlaps || !ways[STEP_OVERLAPPED]
               ? STATUS_OK
               : error_set(error, STATUS_USAGE,
                     "cuda: launches on '%s' can't overlap: its compute capability is %d.%d, 9.0 "
                     "is the first with that; take --submission graph",
                     cuda->gpu.base.info.name, cuda->capability / 10, cuda->capability % 10);
}

static enum status set_options(
    struct cuda *cuda, const struct device_options *options, struct error *error) {
    struct device_info *info = &cuda->gpu.base.info;
    enum { TF32_CAPABILITY = 80 };
    const enum status status = set_submission(cuda, options, error);
    if (status != STATUS_OK)
        return status;
    cuda->exchange = is_named(options->exchange, "nccl")   ? EXCHANGE_BY_NCCL
                     : is_named(options->exchange, "host") ? EXCHANGE_BY_HOST
                                                           : EXCHANGE_AUTO;
    cuda->tf32 = is_named(options->precision, "tf32");
    if (!cuda->tf32)
        return STATUS_OK;
    info->precision = "tf32";
    if (cuda->capability < TF32_CAPABILITY)
        return error_set(error, STATUS_USAGE,
            "cuda: '%s' has no TF32: its compute capability is %d.%d, 8.0 is the first with it; "
            "take --precision fp32",
            info->name, cuda->capability / 10, cuda->capability % 10);
    if (takes_own(options))
        return error_set(error, STATUS_USAGE,
            "cuda: our own kernels (--gemm %s) compute in fp32; --precision tf32 takes --gemm "
            "cublas or auto",
            options->gemm);
    return STATUS_OK;
}

/* Fills compiled_for and timed_on. Code runs on all GPUs of the compute capability that it was
 * compiled for; info->kernels names that and the compiler. Times depend on much more. */
static void identify(struct cuda *cuda) {
    const struct device_info *info = &cuda->gpu.base.info;
    struct gpu *gpu = &cuda->gpu;
    snprintf(gpu->compiled_for, sizeof gpu->compiled_for, "%s", info->kernels);
    snprintf(gpu->timed_on, sizeof gpu->timed_on, "%s\n%s\n%s\n%s\n%d\n%s", info->name,
        info->platform, info->driver, info->precision, info->units,
        cuda->graphs ? "graph" : "stream");
}

/* Allocates memory of the GPU for cuBLAS. `what` says in an error what it is for. */
static enum status allocate_for_blas(
    void **memory, size_t bytes, const char *what, struct error *error) {
    const cudaError_t code = cudaMalloc(memory, bytes);
    if (code == cudaSuccess)
        return STATUS_OK;
    *memory = NULL;
    return cuda_failed("cudaMalloc", code, what, error);
}

static enum status create_one(struct cuda *cuda, struct error *error) {
    static const float one = 1.0f;
    void *memory;
    const enum status status = allocate_for_blas(&memory, sizeof one, "a factor of cuBLAS", error);
    cuda->one = memory;
    if (status != STATUS_OK)
        return status;
    const cudaError_t code =
        cudaMemcpyAsync(cuda->one, &one, sizeof one, cudaMemcpyHostToDevice, cuda->stream);
    return code == cudaSuccess ? STATUS_OK
                               : cuda_failed("cudaMemcpyAsync", code, "a factor of cuBLAS", error);
}

/* Creates cuBLAS's handle, and gives it our stream and then a workspace: to set the stream resets
 * the workspace. Without ours, cuBLAS would allocate a workspace when it first needs one. That may
 * be while a graph is captured, when nothing can be allocated. */
static enum status create_blas(struct cuda *cuda, struct error *error) {
    const char *call = "cublasCreate";
    /* The sizes that NVIDIA recommends: 32 MiB for Hopper and newer GPUs, 4 MiB for others. */
    const size_t bytes = (size_t)(cuda->capability >= 90 ? 32 : 4) << 20;
    cublasStatus_t code = cublasCreate(&cuda->blas);
    if (code == CUBLAS_STATUS_SUCCESS) {
        call = "cublasSetStream";
        code = cublasSetStream(cuda->blas, cuda->stream);
    }
    if (code == CUBLAS_STATUS_SUCCESS) {
        const enum status status =
            allocate_for_blas(&cuda->workspace, bytes, "the workspace of cuBLAS", error);
        if (status != STATUS_OK)
            return status;
        call = "cublasSetWorkspace";
        code = cublasSetWorkspace(cuda->blas, cuda->workspace, bytes);
    }
    return code == CUBLAS_STATUS_SUCCESS ? create_one(cuda, error)
                                         : cublas_failed(call, code, cuda->stream, error);
}

/* Creates our streams, and cuBLAS on the first. The default stream would wait for other streams,
 * and can't be captured into a graph. */
static enum status create_queue(
    struct cuda *cuda, const struct device_options *options, struct error *error) {
    const enum status status = cuda_enter(cuda, error);
    if (status != STATUS_OK)
        return status;
    const char *call = "cudaStreamCreateWithFlags";
    cudaEvent_t *const events[] = {&cuda->sent[0], &cuda->sent[1], &cuda->read[0], &cuda->read[1]};
    cudaError_t code = cudaStreamCreateWithFlags(&cuda->stream, cudaStreamNonBlocking);
    if (code == cudaSuccess)
        code = cudaStreamCreateWithFlags(&cuda->sending, cudaStreamNonBlocking);
    for (size_t e = 0; e < sizeof events / sizeof *events && code == cudaSuccess; e++) {
        call = "cudaEventCreateWithFlags";
        code = cudaEventCreateWithFlags(events[e], cudaEventDisableTiming);
    }
    if (code != cudaSuccess)
        return cuda_failed(call, code, cuda->gpu.base.info.name, error);
    return takes_own(options) ? STATUS_OK : create_blas(cuda, error);
}

/* Fills the limits of struct gpu. */
static enum status get_limits(struct cuda *cuda, struct error *error) {
    struct gpu *gpu = &cuda->gpu;
    int items = 0, shared = 0, cache = 0;
    cudaError_t code = cudaDeviceGetAttribute(&items, cudaDevAttrMaxThreadsPerBlock, cuda->ordinal);
    if (code == cudaSuccess)
        code = cudaDeviceGetAttribute(&shared, cudaDevAttrMaxSharedMemoryPerBlock, cuda->ordinal);
    if (code == cudaSuccess)
        code = cudaDeviceGetAttribute(&cache, cudaDevAttrL2CacheSize, cuda->ordinal);
    if (code != cudaSuccess)
        return cuda_failed("cudaDeviceGetAttribute", code, "", error);
    gpu->largest_group = (size_t)items;
    gpu->group_bytes = (size_t)shared;
    gpu->cache_bytes = (size_t)cache;
    gpu->vector_width = 1;
    return cuda_measure_memory(cuda, error);
}

static const char library[] = "cublas";

static const struct gpu_driver driver = {
    .library = library,
    .library_scales = true,
    .library_share = 1.0,
    .fused_reduction = true,
    .language = "",
    .compile = cuda_compile_program,
    .load = cuda_load_program,
    .free_program = cuda_free_program,
    .create_function = cuda_create_function,
    .free_function = cuda_free_function,
    .groups_at_once = cuda_groups_at_once,
    .upload = cuda_upload,
    .stage = cuda_stage,
    .staged_is_read = cuda_staged_is_read,
    .gemm_workspace = cuda_gemm_workspace,
    .enqueue = cuda_enqueue,
    .synchronise = cuda_synchronise,
    .make_graph = cuda_make_graph,
    .run_graph = cuda_run_graph,
    .free_graph = cuda_free_graph,
};

static void cuda_close(struct device *device);
extern const struct device_type cuda_device_type;

static enum status set_up(struct cuda *cuda, const char *rest, const struct device_options *options,
    struct error *error) {
    enum status status = cuda_choose(rest, options, cuda, error);
    if (status == STATUS_OK)
        status = set_options(cuda, options, error);
    if (status != STATUS_OK)
        return status;
    identify(cuda);
    status = create_queue(cuda, options, error);
    if (status == STATUS_OK)
        status = get_limits(cuda, error);
    return status == STATUS_OK ? gpu_open(&cuda->gpu, &cuda_device_type, options, error) : status;
}

static enum status cuda_open(const char *rest, const struct device_options *options,
    struct device **device, struct error *error) {
    struct cuda *cuda = calloc(1, sizeof *cuda);
    if (!cuda)
        return error_memory(error, "the cuda device", sizeof *cuda);
    cuda->gpu.driver = &driver;
    const enum status status = set_up(cuda, rest, options, error);
    if (status == STATUS_OK)
        *device = &cuda->gpu.base;
    else
        cuda_close(&cuda->gpu.base);
    return status;
}

static void cuda_close(struct device *device) {
    struct cuda *cuda = cuda_of_device(device);
    if (cuda->stream)
        cuda_synchronise(&cuda->gpu, NULL);
    gpu_close(&cuda->gpu);
    nccl_close(cuda);
    if (cuda->blas)
        cublasDestroy(cuda->blas);
    if (cuda->workspace)
        cudaFree(cuda->workspace);
    if (cuda->one)
        cudaFree(cuda->one);
    for (int half = 0; half < 2; half++) {
        if (cuda->sent[half])
            cudaEventDestroy(cuda->sent[half]);
        if (cuda->read[half])
            cudaEventDestroy(cuda->read[half]);
    }
    if (cuda->sending)
        cudaStreamDestroy(cuda->sending);
    if (cuda->stream)
        cudaStreamDestroy(cuda->stream);
    cuda_clocks_close(&cuda->clocks);
    cudaGetLastError(); /* else the next device would report an error of this one */
    free(cuda);
}

/* --- The device --- */

static const char *const gemms[] = {library, "own", GEMM_TILES_OF_FLOATS(GEMM_TILE_NAME) NULL};
static const char *const precisions[] = {"fp32", "tf32", NULL};
static const char *const submissions[] = {"graph", "overlapped", "persistent", "stream", NULL};
static const char *const exchanges[] = {"nccl", "host", NULL};

const struct device_type cuda_device_type = {
    .kind = "cuda",
    .automatic = true,
    .gpu = true,
    .gemms = gemms,
    .precisions = precisions,
    .steps = gpu_steps,
    .submissions = submissions,
    .exchanges = exchanges,
    .list = cuda_list,
    .library = cuda_library,
    .find = cuda_find,
    .open = cuda_open,
    .close = cuda_close,
    .join = cuda_join,
    .allocate = cuda_allocate,
    .free_buffer = cuda_free_buffer,
    .pin = cuda_pin,
    .unpin = cuda_unpin,
    .download = cuda_download,
    .read_clocks = cuda_read_clocks,
    .longest = 1 << 16, /* operations, each of about a kilobyte in a graph */
    GPU_OPERATIONS,
};
