#include "device/cuda/queue.h"

#include "device/cuda/nccl.h"
#include "device/cuda/status.h"

#include <stdio.h>

/* --- Waiting --- */

enum status cuda_enter(const struct cuda *cuda, struct error *error) {
    const cudaError_t code = cudaSetDevice(cuda->ordinal);
    return code == cudaSuccess
               ? STATUS_OK
               : cuda_failed("cudaSetDevice", code, cuda->gpu.base.info.name, error);
}

/* Waits even where cuda_enter fails, because the caller then frees what commands read or write. */
enum status cuda_synchronise(struct gpu *gpu, struct error *error) {
    struct cuda *cuda = cuda_of(gpu);
    enum status status = cuda_enter(cuda, error);
    if (status == STATUS_OK)
        status = nccl_wait(cuda, error);
    cudaError_t code = cudaStreamSynchronize(cuda->stream);
    if (cuda->has_sent) { /* then that is done, too, unless something went wrong */
        const cudaError_t sent = cudaStreamSynchronize(cuda->sending);
        code = code == cudaSuccess ? sent : code;
        cuda->has_sent = false;
    }
    if (status != STATUS_OK || code == cudaSuccess)
        return status;
    return cuda_failed("cudaStreamSynchronize", code, "waiting for what was enqueued", error);
}

/* --- Enqueueing --- */

/* Gives 0, because cuBLAS has had a workspace since the device was opened. */
enum status cuda_gemm_workspace(
    struct gpu *gpu, const struct gpu_gemm *gemm, size_t *elements, struct error *error) {
    (void)gpu, (void)gemm, (void)error;
    *elements = 0;
    return STATUS_OK;
}

/* Enqueues a gemm of cuBLAS, whose matrices are column-major. Our matrices are row-major, and such
 * a matrix, read as column-major, is its transpose. So we ask cuBLAS for the transpose of c, which
 * is op(b)^T * op(a)^T. The operands change places and keep their ops.
 *
 * With a scale, cuBLAS reads its two factors from the GPU's memory when the gemm is computed, not
 * when it is enqueued. Alpha is the scale, and beta is 1, for c += scale * op(a) * op(b). */
static enum status enqueue_gemm(
    const struct cuda *cuda, const struct gpu_gemm *gemm, struct error *error) {
    static const float zero = 0.0f, one = 1.0f;
    const struct view a = gemm->a, b = gemm->b, c = gemm->c;
    const bool scaled = gemm->scale.buffer;
    const float *alpha = scaled ? cuda_memory(gemm->scale.buffer, gemm->scale.offset) : &one;
    const float *beta = scaled ? cuda->one : &zero;
    cublasStatus_t code = cublasSetPointerMode(
        cuda->blas, scaled ? CUBLAS_POINTER_MODE_DEVICE : CUBLAS_POINTER_MODE_HOST);
    if (code != CUBLAS_STATUS_SUCCESS)
        return cublas_failed("cublasSetPointerMode", code, cuda->stream, error);
    code = cublasGemmEx(cuda->blas, gemm->transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N,
        gemm->transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N, (int)gemm->n, (int)gemm->m, (int)gemm->k,
        alpha, cuda_memory(b.buffer, b.offset), CUDA_R_32F, (int)b.columns,
        cuda_memory(a.buffer, a.offset), CUDA_R_32F, (int)a.columns, beta,
        cuda_memory(c.buffer, c.offset), CUDA_R_32F, (int)c.columns,
        cuda->tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT);
    return code == CUBLAS_STATUS_SUCCESS ? STATUS_OK
                                         : cublas_failed("cublasGemmEx", code, cuda->stream, error);
}

/* Launches a kernel that may begin when all groups of the launch before it have let it (CUDA C++
 * Programming Guide, "Programmatic Dependent Launch and Synchronization"). */
static cudaError_t launch_overlapping(const struct cuda *cuda, const struct gpu_command *command,
    dim3 grid, dim3 block, void **arguments) {
    cudaLaunchAttribute attribute = {.id = cudaLaunchAttributeProgrammaticStreamSerialization};
    attribute.val.programmaticStreamSerializationAllowed = 1;
    const cudaLaunchConfig_t config = {.gridDim = grid,
        .blockDim = block,
        .stream = cuda->stream,
        .attrs = &attribute,
        .numAttrs = 1};
    return cudaLaunchKernelExC(&config, (const void *)command->function, arguments);
}

/* Launches a kernel in the way of the command; *call becomes the name of what it calls for that. */
static cudaError_t launch(const struct cuda *cuda, const struct gpu_command *command, dim3 grid,
    dim3 block, void **arguments, const char **call) {
    const void *function = command->function;
    switch (command->start) {
    case START_OVERLAPPING:
        *call = "cudaLaunchKernelExC";
        return launch_overlapping(cuda, command, grid, block, arguments);
    case START_TOGETHER:
        *call = "cudaLaunchCooperativeKernel";
        return cudaLaunchCooperativeKernel(function, grid, block, arguments, 0, cuda->stream);
    default:
        *call = "cudaLaunchKernel";
        return cudaLaunchKernel(function, grid, block, arguments, 0, cuda->stream);
    }
}

static enum status enqueue_kernel(
    const struct cuda *cuda, const struct gpu_command *command, struct error *error) {
    const size_t *groups = command->grid.groups, *items = command->grid.items;
    void *memory[GPU_ARGUMENTS_MAX], *arguments[GPU_ARGUMENTS_MAX];
    struct gpu_argument values[GPU_ARGUMENTS_MAX];
    for (size_t a = 0; a < command->arguments_count; a++) {
        values[a] = command->arguments[a];
        arguments[a] = &values[a].value;
        if (values[a].kind == GPU_BUFFER) {
            memory[a] = cuda_memory(values[a].value.buffer, 0);
            arguments[a] = &memory[a];
        }
    }
    const dim3 grid = {(unsigned)groups[0], (unsigned)groups[1], (unsigned)groups[2]};
    const dim3 block = {(unsigned)items[0], (unsigned)items[1], (unsigned)items[2]};
    const char *call;
    const cudaError_t code = launch(cuda, command, grid, block, arguments, &call);
    return code == cudaSuccess ? STATUS_OK : cuda_failed(call, code, command->name, error);
}

static enum status enqueue(
    const struct cuda *cuda, const struct gpu_command *command, struct error *error) {
    return command->function           ? enqueue_kernel(cuda, command, error)
           : command->exchanged.buffer ? nccl_enqueue(cuda, command->exchanged, error)
                                       : enqueue_gemm(cuda, &command->gemm, error);
}

enum status cuda_enqueue(struct gpu *gpu, const struct gpu_command *command, struct error *error) {
    const struct cuda *cuda = cuda_of(gpu);
    const enum status status = cuda_enter(cuda, error);
    return status == STATUS_OK ? enqueue(cuda, command, error) : status;
}

/* --- Recordings --- */

/* Makes a graph by capturing the commands instead of doing them. STATUS_DEVICE when one of them, or
 * all together, can't be captured. */
static enum status capture(const struct cuda *cuda, const struct gpu_command *commands,
    size_t count, cudaGraph_t *graph, struct error *error) {
    *graph = NULL;
    cudaError_t code = cudaStreamBeginCapture(cuda->stream, cudaStreamCaptureModeThreadLocal);
    if (code != cudaSuccess)
        return cuda_failed("cudaStreamBeginCapture", code, "", error);
    enum status status = STATUS_OK;
    for (size_t c = 0; c < count && status == STATUS_OK; c++)
        status = enqueue(cuda, &commands[c], error);
    code = cudaStreamEndCapture(cuda->stream, graph);
    if (status == STATUS_OK && code != cudaSuccess)
        status = cuda_failed("cudaStreamEndCapture", code, "", error);
    if (status != STATUS_OK && *graph) {
        cudaGraphDestroy(*graph);
        *graph = NULL;
    }
    return status;
}

/* Makes a graph executable, and sends it to the GPU now, so that its first run doesn't take longer
 * than the others. */
static enum status instantiate(
    const struct cuda *cuda, cudaGraph_t graph, cudaGraphExec_t *whole, struct error *error) {
    const char *call = "cudaGraphInstantiate";
    cudaError_t code = cudaGraphInstantiate(whole, graph, 0);
    if (code != cudaSuccess) {
        *whole = NULL;
        return cuda_failed(call, code, "", error);
    }
    call = "cudaGraphUpload";
    code = cudaGraphUpload(*whole, cuda->stream);
    if (code == cudaSuccess) {
        call = "cudaStreamSynchronize";
        code = cudaStreamSynchronize(cuda->stream);
    }
    if (code == cudaSuccess)
        return STATUS_OK;
    cudaGraphExecDestroy(*whole);
    *whole = NULL;
    return cuda_failed(call, code, "a graph's upload", error);
}

/* Where the commands can't become a graph, they are launched one by one, and the user is told why.
 */
enum status cuda_make_graph(struct gpu *gpu, const struct gpu_command *commands, size_t count,
    struct gpu_graph **made, struct error *error) {
    struct cuda *cuda = cuda_of(gpu);
    struct device_info *info = &gpu->base.info;
    *made = NULL;
    enum status status = cuda_enter(cuda, error);
    if (status != STATUS_OK || !cuda->graphs)
        return status;
    cudaGraph_t graph;
    cudaGraphExec_t whole = NULL;
    struct error problem;
    status = capture(cuda, commands, count, &graph, &problem);
    if (status == STATUS_OK)
        status = instantiate(cuda, graph, &whole, &problem);
    if (graph)
        cudaGraphDestroy(graph);
    cudaGetLastError(); /* else the next call would report an error that is dealt with here */
    if (status != STATUS_OK)
        snprintf(info->warning, sizeof info->warning,
            "an epoch is no graph here, but single launches: %.*s", (int)sizeof info->warning - 64,
            problem.message);
    *made = (struct gpu_graph *)whole;
    return STATUS_OK;
}

enum status cuda_run_graph(struct gpu *gpu, struct gpu_graph *graph, struct error *error) {
    const struct cuda *cuda = cuda_of(gpu);
    const enum status status = cuda_enter(cuda, error);
    if (status != STATUS_OK)
        return status;
    const cudaError_t code = cudaGraphLaunch((cudaGraphExec_t)graph, cuda->stream);
    return code == cudaSuccess ? STATUS_OK
                               : cuda_failed("cudaGraphLaunch", code, "a recording", error);
}

void cuda_free_graph(struct gpu *gpu, struct gpu_graph *graph) {
    cuda_synchronise(gpu, NULL);
    cudaGraphExecDestroy((cudaGraphExec_t)graph);
}
