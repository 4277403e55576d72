#include "emulated_cuda.h"

#include <stdlib.h>
#include <string.h>

struct cublasContext {
    cudaStream_t stream;
    cublasPointerMode_t pointers;
    void *workspace; /* NULL: its own, which it would allocate at the first gemm */
};

#define MAY_FAIL(code)                                                                             \
    do {                                                                                           \
        if (emulated_fails(__func__))                                                              \
            return emulated_is_lost() ? CUBLAS_STATUS_EXECUTION_FAILED : (code);                   \
    } while (0)

cublasStatus_t cublasCreate(cublasHandle_t *handle) {
    *handle = NULL;
    MAY_FAIL(CUBLAS_STATUS_NOT_INITIALIZED);
    *handle = calloc(1, sizeof **handle);
    emulated_cuda_state.objects++;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasDestroy(cublasHandle_t handle) {
    const bool fail = emulated_fails(__func__);
    free(handle);
    emulated_cuda_state.objects--;
    return fail ? CUBLAS_STATUS_INTERNAL_ERROR : CUBLAS_STATUS_SUCCESS;
}

/* The workspace is its own again, as the manual says. */
cublasStatus_t cublasSetStream(cublasHandle_t handle, cudaStream_t stream) {
    MAY_FAIL(CUBLAS_STATUS_INTERNAL_ERROR);
    handle->stream = stream;
    handle->workspace = NULL;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetWorkspace(cublasHandle_t handle, void *workspace, size_t bytes) {
    MAY_FAIL(CUBLAS_STATUS_INTERNAL_ERROR);
    if (!emulated_memory(workspace, bytes, "cuBLAS's workspace") || (size_t)workspace % 256 != 0)
        return CUBLAS_STATUS_INVALID_VALUE;
    handle->workspace = workspace;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetPointerMode(cublasHandle_t handle, cublasPointerMode_t mode) {
    MAY_FAIL(CUBLAS_STATUS_INTERNAL_ERROR);
    handle->pointers = mode;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasGetProperty(libraryPropertyType type, int *value) {
    *value = type == MAJOR_VERSION   ? CUBLAS_VER_MAJOR
             : type == MINOR_VERSION ? CUBLAS_VER_MINOR
                                     : CUBLAS_VER_PATCH;
    return CUBLAS_STATUS_SUCCESS;
}

const char *cublasGetStatusName(cublasStatus_t code) {
    switch (code) {
    case CUBLAS_STATUS_NOT_INITIALIZED:
        return "CUBLAS_STATUS_NOT_INITIALIZED";
    case CUBLAS_STATUS_INVALID_VALUE:
        return "CUBLAS_STATUS_INVALID_VALUE";
    case CUBLAS_STATUS_EXECUTION_FAILED:
        return "CUBLAS_STATUS_EXECUTION_FAILED";
    case CUBLAS_STATUS_INTERNAL_ERROR:
        return "CUBLAS_STATUS_INTERNAL_ERROR";
    default:
        return "CUBLAS_STATUS";
    }
}

cublasStatus_t cublasGemmEx(cublasHandle_t handle, cublasOperation_t op_a, cublasOperation_t op_b,
    int m, int n, int k, const void *alpha, const void *a, cudaDataType type_a, int lda,
    const void *b, cudaDataType type_b, int ldb, const void *beta, void *c, cudaDataType type_c,
    int ldc, cublasComputeType_t compute, cublasGemmAlgo_t algorithm) {
    (void)algorithm;
    MAY_FAIL(CUBLAS_STATUS_EXECUTION_FAILED);
    struct command command = {.kind = GEMM};
    command.gemm.transpose_a = op_a == CUBLAS_OP_T;
    command.gemm.transpose_b = op_b == CUBLAS_OP_T;
    command.gemm.tf32 = compute == CUBLAS_COMPUTE_32F_FAST_TF32;
    command.gemm.m = m, command.gemm.n = n, command.gemm.k = k;
    command.gemm.lda = lda, command.gemm.ldb = ldb, command.gemm.ldc = ldc;
    if (handle->pointers == CUBLAS_POINTER_MODE_DEVICE) {
        command.gemm.alpha_at = alpha, command.gemm.beta_at = beta;
    } else {
        memcpy(&command.gemm.alpha, alpha, sizeof(float));
        memcpy(&command.gemm.beta, beta, sizeof(float));
    }
    command.gemm.a = a, command.gemm.b = b, command.gemm.c = c;
    if (m <= 0 || n <= 0 || k <= 0 || lda < (op_a == CUBLAS_OP_N ? m : k) ||
        ldb < (op_b == CUBLAS_OP_N ? k : n) || ldc < m || type_a != CUDA_R_32F ||
        type_b != CUDA_R_32F || type_c != CUDA_R_32F ||
        (compute != CUBLAS_COMPUTE_32F && !command.gemm.tf32)) {
        emulated_violation(
            "a product of %d x %d x %d with leading dimensions %d, %d, %d", m, n, k, lda, ldb, ldc);
        return CUBLAS_STATUS_INVALID_VALUE;
    }
    if (!handle->workspace)
        emulated_violation("cuBLAS has no workspace%s but its own, which it would allocate",
            emulated_is_capturing() ? " within a capture" : "");
    return emulated_enqueue(handle->stream, &command) == cudaSuccess
               ? CUBLAS_STATUS_SUCCESS
               : CUBLAS_STATUS_EXECUTION_FAILED;
}

/* To 10 bits after the leading one, to the nearest or even. */
static float round_tf32(float value) {
    unsigned bits;
    memcpy(&bits, &value, sizeof bits);
    bits = (bits + 0xfff + (bits >> 13 & 1)) & ~0x1fffU;
    memcpy(&value, &bits, sizeof bits);
    return value;
}

/* The bytes of a column-major matrix, from its first element to its last. */
static size_t extent(int rows, int columns, int ld) {
    return ((size_t)ld * (size_t)(columns - 1) + (size_t)rows) * sizeof(float);
}

/* For loops over memory that has been checked: a sanitizer makes them ten times as long. */
#define CHECKED __attribute__((no_sanitize("address", "undefined")))

/* op(matrix)[rows, columns], column-major and without gaps. The caller frees it. */
CHECKED static float *take(
    const float *matrix, bool transposed, int rows, int columns, int ld, bool tf32) {
    float *taken = malloc((size_t)rows * (size_t)columns * sizeof *taken), *to = taken;
    for (size_t j = 0; j < (size_t)columns; j++)
        for (size_t i = 0; i < (size_t)rows; i++) {
            const float value = matrix[transposed ? j + i * (size_t)ld : i + j * (size_t)ld];
            *to++ = tf32 ? round_tf32(value) : value;
        }
    return taken;
}

CHECKED void emulated_multiply(const struct command *command) {
    const bool transposed_a = command->gemm.transpose_a, transposed_b = command->gemm.transpose_b;
    const int m = command->gemm.m, n = command->gemm.n, k = command->gemm.k;
    const int lda = command->gemm.lda, ldb = command->gemm.ldb, ldc = command->gemm.ldc;
    if (!emulated_memory(command->gemm.a, extent(transposed_a ? k : m, transposed_a ? m : k, lda),
            "cublasGemmEx, A") ||
        !emulated_memory(command->gemm.b, extent(transposed_b ? n : k, transposed_b ? k : n, ldb),
            "cublasGemmEx, B") ||
        !emulated_memory(command->gemm.c, extent(m, n, ldc), "cublasGemmEx, C"))
        return;
    float alpha = command->gemm.alpha, beta = command->gemm.beta;
    if (command->gemm.alpha_at) {
        if (!emulated_memory(command->gemm.alpha_at, sizeof alpha, "cublasGemmEx, alpha") ||
            !emulated_memory(command->gemm.beta_at, sizeof beta, "cublasGemmEx, beta"))
            return;
        alpha = *command->gemm.alpha_at, beta = *command->gemm.beta_at;
    }
    float *a = take(command->gemm.a, transposed_a, m, k, lda, command->gemm.tf32);
    float *b = take(command->gemm.b, transposed_b, k, n, ldb, command->gemm.tf32);
    double *sums = malloc((size_t)m * sizeof *sums);
    for (int j = 0; j < n; j++) {
        memset(sums, 0, (size_t)m * sizeof *sums);
        for (int t = 0; t < k; t++) {
            const double factor = b[(size_t)t + (size_t)j * (size_t)k];
            const float *column = a + (size_t)t * (size_t)m;
            for (int i = 0; i < m; i++)
                sums[i] += column[i] * factor;
        }
        float *result = command->gemm.c + (size_t)j * (size_t)ldc;
        for (int i = 0; i < m; i++) {
            const double before = beta == 0.0f ? 0.0 : result[i];
            result[i] = (float)(alpha * sums[i] + beta * before);
        }
    }
    free(a);
    free(b);
    free(sums);
}
