/* The test double of CUDA itself: that it notices what it is there to notice. */
#include "emulated_cuda.h"
#include "support.h"

#include <math.h>
#include <nvrtc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static cudaStream_t stream;
static cublasHandle_t blas;
static void *workspace;
static float *memory; /* of the GPU: 64 floats */

#define assert_done(call) assert_int_equal(call, cudaSuccess)

static int start(void **state) {
    (void)state;
    emulated_cuda_reset();
    emulated_cuda.tolerant = true;
    assert_done(cudaSetDevice(0));
    assert_done(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    assert_done(cudaMalloc((void **)&memory, 64 * sizeof *memory));
    assert_done(cudaMalloc(&workspace, 4096));
    assert_int_equal(cublasCreate(&blas), CUBLAS_STATUS_SUCCESS);
    assert_int_equal(cublasSetStream(blas, stream), CUBLAS_STATUS_SUCCESS);
    assert_int_equal(cublasSetWorkspace(blas, workspace, 4096), CUBLAS_STATUS_SUCCESS);
    assert_null(emulated_cuda_state.violation);
    return 0;
}

static int stop(void **state) {
    (void)state;
    cublasDestroy(blas);
    cudaFree(memory);
    cudaFree(workspace);
    cudaStreamDestroy(stream);
    assert_int_equal(emulated_cuda_state.objects, 0);
    return 0;
}

static void assert_noticed(const char *text) {
    assert_non_null(emulated_cuda_state.violation);
    if (!strstr(emulated_cuda_state.violation, text))
        fail_msg("\"%s\" does not say \"%s\"", emulated_cuda_state.violation, text);
}

/* c[m, n] of the matrices that begin at 0, 16 and 32, of 4 x 4. */
static cublasStatus_t multiply(int m, int n, int k, int lda, int ldb, int ldc) {
    const float one = 1.0f, zero = 0.0f;
    return cublasGemmEx(blas, CUBLAS_OP_N, CUBLAS_OP_N, m, n, k, &one, memory, CUDA_R_32F, lda,
        memory + 16, CUDA_R_32F, ldb, &zero, memory + 32, CUDA_R_32F, ldc, CUBLAS_COMPUTE_32F,
        CUBLAS_GEMM_DEFAULT);
}

/* What is read before it is waited for is not there; then it is. */
static void test_no_wait(void **state) {
    (void)state;
    const float values[2] = {3.0f, 4.0f};
    float found[2] = {0.0f, 0.0f};
    assert_done(cudaMemcpyAsync(memory, values, sizeof values, cudaMemcpyHostToDevice, stream));
    assert_done(cudaMemcpyAsync(found, memory, sizeof found, cudaMemcpyDeviceToHost, stream));
    assert_true(isnan(found[0]) && isnan(found[1]));
    assert_done(cudaStreamSynchronize(stream));
    assert_memory_equal(found, values, sizeof found);
    assert_done(cudaMemcpyAsync(found, memory + 2, sizeof found, cudaMemcpyDeviceToHost, stream));
    assert_done(cudaStreamSynchronize(stream));
    assert_true(isnan(found[0])); /* nobody wrote there */
    assert_null(emulated_cuda_state.violation);
}

static void test_gemm(void **state) {
    (void)state;
    float values[64], found[4];
    for (int i = 0; i < 64; i++)
        values[i] = (float)i;
    assert_done(cudaMemcpyAsync(memory, values, sizeof values, cudaMemcpyHostToDevice, stream));
    assert_int_equal(multiply(2, 2, 3, 2, 3, 2), CUBLAS_STATUS_SUCCESS);
    assert_done(cudaMemcpyAsync(found, memory + 32, sizeof found, cudaMemcpyDeviceToHost, stream));
    assert_done(cudaStreamSynchronize(stream));
    /* [0 2 4; 1 3 5] * [16 19; 17 20; 18 21] */
    const float expected[4] = {106.0f, 157.0f, 124.0f, 184.0f};
    for (int i = 0; i < 4; i++)
        assert_true(found[i] == expected[i] || fabsf(found[i] - expected[i]) < 1e-5f);
}

static void test_leading_dimensions(void **state) {
    (void)state;
    assert_int_equal(multiply(4, 4, 4, 3, 4, 4), CUBLAS_STATUS_INVALID_VALUE);
    assert_noticed("leading dimensions 3, 4, 4");
}

static void test_too_large_gemm(void **state) {
    (void)state;
    assert_int_equal(multiply(4, 4, 4, 4, 4, 12), CUBLAS_STATUS_SUCCESS);
    cudaStreamSynchronize(stream);
    assert_noticed("cublasGemmEx, C uses 160 bytes that are not");
    emulated_cuda_reset();
}

static void test_use_after_free(void **state) {
    (void)state;
    float *other, value = 1.0f;
    assert_done(cudaMalloc((void **)&other, sizeof *other));
    assert_done(cudaFree(other));
    assert_done(cudaMemcpyAsync(other, &value, sizeof value, cudaMemcpyHostToDevice, stream));
    assert_int_equal(cudaStreamSynchronize(stream), cudaErrorIllegalAddress);
    assert_noticed("no longer, allocated");
    emulated_cuda_reset();
}

static void test_leak(void **state) {
    (void)state;
    void *other;
    const size_t before = emulated_cuda_state.objects;
    assert_done(cudaMalloc(&other, 1));
    assert_int_equal(emulated_cuda_state.objects, before + 1);
    assert_done(cudaFree(other));
    assert_int_equal(emulated_cuda_state.objects, before);
    cudaFree(other);
    assert_noticed("cudaFree of what is not allocated");
}

static void test_outside_capture(void **state) {
    (void)state;
    cudaStream_t other;
    cudaGraph_t graph;
    assert_done(cudaStreamCreateWithFlags(&other, cudaStreamNonBlocking));
    assert_done(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
    assert_int_equal(cublasSetStream(blas, other), CUBLAS_STATUS_SUCCESS);
    assert_int_equal(multiply(2, 2, 2, 2, 2, 2), CUBLAS_STATUS_EXECUTION_FAILED);
    assert_noticed("no workspace within a capture but its own");
    emulated_cuda_state.violation = NULL;
    assert_int_equal(cublasSetWorkspace(blas, workspace, 4096), CUBLAS_STATUS_SUCCESS);
    assert_int_equal(multiply(2, 2, 2, 2, 2, 2), CUBLAS_STATUS_EXECUTION_FAILED);
    assert_noticed("a launch outside of the capture");
    assert_done(cudaStreamEndCapture(stream, &graph));
    assert_done(cudaGraphDestroy(graph));
    assert_done(cudaStreamDestroy(other));
}

static void test_within_capture(void **state) {
    (void)state;
    cudaGraph_t graph;
    void *other;
    assert_done(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
    assert_int_equal(cudaMalloc(&other, 1), cudaErrorStreamCaptureUnsupported);
    assert_noticed("cudaMalloc within a capture");
    assert_int_equal(cudaStreamEndCapture(stream, &graph), cudaErrorStreamCaptureInvalidated);
    assert_null(graph);
    emulated_cuda_state.violation = NULL;
    assert_done(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
    assert_int_equal(cudaStreamSynchronize(stream), cudaErrorStreamCaptureUnsupported);
    assert_noticed("cudaStreamSynchronize within a capture");
    assert_int_not_equal(cudaStreamEndCapture(stream, &graph), cudaSuccess);
}

/* What is captured is not done, and then as often as the graph is launched. */
static void test_graph(void **state) {
    (void)state;
    cudaGraph_t graph;
    cudaGraphExec_t whole;
    float values[64], found;
    for (int i = 0; i < 64; i++)
        values[i] = 2.0f;
    assert_done(cudaMemcpyAsync(memory, values, sizeof values, cudaMemcpyHostToDevice, stream));
    assert_done(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
    assert_int_equal(multiply(1, 1, 3, 1, 3, 1), CUBLAS_STATUS_SUCCESS);
    assert_done(cudaStreamEndCapture(stream, &graph));
    assert_done(cudaGraphInstantiate(&whole, graph, 0));
    assert_done(cudaGraphDestroy(graph));
    for (int n = 0; n < 2; n++) {
        assert_done(
            cudaMemcpyAsync(&found, memory + 32, sizeof found, cudaMemcpyDeviceToHost, stream));
        assert_done(cudaStreamSynchronize(stream));
        assert_true(found == (n == 0 ? 2.0f : 12.0f));
        assert_done(cudaGraphLaunch(whole, stream));
    }
    assert_done(cudaStreamSynchronize(stream));
    assert_int_equal(emulated_cuda_state.graph_nodes, 1);
    assert_done(cudaGraphExecDestroy(whole));
    assert_null(emulated_cuda_state.violation);
}

static void test_other_gpu(void **state) {
    (void)state;
    assert_done(cudaSetDevice(1));
    assert_int_not_equal(multiply(1, 1, 1, 1, 1, 1), CUBLAS_STATUS_SUCCESS);
    assert_noticed("a command for GPU 0, while GPU 1 is current");
    assert_done(cudaSetDevice(0));
}

/* --- Groups that are at work at once --- */

static uint32_t words[16]; /* what a launch leaves in the GPU's memory, which was zeros */

/* Runs a kernel with this body, in some groups of 8 items each, on that memory. */
static void run_groups(const char *body, unsigned groups) {
    static const char *const options[] = {"-DTOGETHER", "--gpu-architecture=compute_90"};
    static const uint32_t zeros[sizeof words / sizeof *words];
    char text[1024], code[2048];
    size_t length;
    nvrtcProgram program;
    cudaLibrary_t library;
    cudaKernel_t kernel;
    void *arguments[] = {&memory};
    snprintf(text, sizeof text,
        "\nKERNEL(tried)(GLOBAL uint *to) {\n"
        "    const uint item = get_local_id(0), group = get_group_id(0);\n%s\n}\n",
        body);
    assert_int_equal(nvrtcCreateProgram(&program, text, "tried.cl", 0, NULL, NULL), NVRTC_SUCCESS);
    assert_int_equal(nvrtcCompileProgram(program, 2, options), NVRTC_SUCCESS);
    assert_int_equal(nvrtcGetCUBINSize(program, &length), NVRTC_SUCCESS);
    assert_true(length <= sizeof code);
    assert_int_equal(nvrtcGetCUBIN(program, code), NVRTC_SUCCESS);
    nvrtcDestroyProgram(&program);
    assert_done(cudaLibraryLoadData(&library, code, NULL, NULL, 0, NULL, NULL, 0));
    assert_done(cudaLibraryGetKernel(&kernel, library, "tried"));
    assert_done(cudaMemcpyAsync(memory, zeros, sizeof zeros, cudaMemcpyHostToDevice, stream));
    assert_done(cudaLaunchCooperativeKernel(
        (const void *)kernel, (dim3){groups, 1, 1}, (dim3){8, 1, 1}, arguments, 0, stream));
    assert_done(cudaMemcpyAsync(words, memory, sizeof words, cudaMemcpyDeviceToHost, stream));
    assert_done(cudaStreamSynchronize(stream));
    assert_done(cudaLibraryUnload(library));
}

/* What a group has written, others read once both have published, and not before. */
static void test_published(void **state) {
    (void)state;
    for (int reader = 0; reader < 2; reader++)
        for (int writer = 0; writer < 2; writer++) {
            char body[512];
            snprintf(body, sizeof body,
                "if (item > 0) return;\n"
                "if (group == 0) { to[1] = 5; %s ATOMIC_ADD(to, 1u); while (ATOMIC_READ(to) < 2) ; "
                "}\n"
                "else { while (ATOMIC_READ(to) == 0) ; %s to[2] = to[1]; ATOMIC_ADD(to, 1u); }",
                writer ? "PUBLISH();" : "", reader ? "PUBLISH();" : "");
            run_groups(body, 2);
            assert_null(emulated_cuda_state.violation);
            assert_int_equal(words[0], 2);
            assert_int_equal(words[1], 5); /* at the end it is there */
            assert_int_equal(words[2], writer && reader ? 5 : 0);
        }
}

/* Items wait for one another where they say so; else their order is random. */
static void test_barrier(void **state) {
    (void)state;
    static const char body[] = "SHARED_ARRAY(uint, all, 8);\n"
                               "all[item] = item + 1;\n"
                               "%s\n"
                               "to[group * 8 + item] = all[7 - item] == 8 - item;";
    for (int waits = 0; waits < 2; waits++) {
        char text[512];
        size_t right = 0;
        snprintf(text, sizeof text, body, waits ? "BARRIER();" : "");
        run_groups(text, 2);
        assert_null(emulated_cuda_state.violation);
        for (size_t w = 0; w < 16; w++)
            right += words[w];
        assert_true(waits ? right == 16 : right < 16);
    }
}

static void test_groups_in_each_others_way(void **state) {
    (void)state;
    run_groups("if (item == 0) to[3] = group + 1;", 2);
    assert_noticed("tried: two groups write element 3 of argument 0 at once");
}

static void test_barrier_not_reached(void **state) {
    (void)state;
    run_groups("if (item < 4) BARRIER();", 2);
    assert_noticed("tried: items wait at a barrier that others of their group don't reach");
}

static void test_wait_for_ever(void **state) {
    (void)state;
    run_groups("if (item == 0) while (ATOMIC_READ(to) == 0) ;", 2);
    assert_noticed("tried: groups wait for ever");
}

static void test_too_many_groups(void **state) {
    (void)state;
    emulated_cuda.units = 1;
    assert_int_equal(
        cudaLaunchCooperativeKernel(NULL, (dim3){3, 1, 1}, (dim3){8, 1, 1}, NULL, 0, stream),
        cudaErrorCooperativeLaunchTooLarge);
    emulated_cuda.units = 8;
    cudaGetLastError();
}

static void test_failing(void **state) {
    (void)state;
    void *other;
    const unsigned long calls = emulated_cuda_state.calls;
    emulated_cuda.fail_at = calls + 2;
    assert_done(cudaSetDevice(0));
    assert_int_equal(cudaMalloc(&other, 1), cudaErrorMemoryAllocation);
    assert_string_equal(emulated_cuda_state.failed, "cudaMalloc");
    assert_int_equal(cudaGetLastError(), cudaErrorMemoryAllocation);
    assert_int_equal(cudaGetLastError(), cudaSuccess);
    emulated_cuda.lose_at = calls + 3;
    assert_int_equal(cudaSetDevice(0), cudaErrorIllegalAddress);
    assert_int_equal(cudaStreamSynchronize(stream), cudaErrorIllegalAddress);
    emulated_cuda_reset();
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        TEST(test_no_wait),
        TEST(test_gemm),
        TEST(test_leading_dimensions),
        TEST(test_too_large_gemm),
        TEST(test_use_after_free),
        TEST(test_leak),
        TEST(test_outside_capture),
        TEST(test_within_capture),
        TEST(test_graph),
        TEST(test_other_gpu),
        TEST(test_published),
        TEST(test_barrier),
        TEST(test_groups_in_each_others_way),
        TEST(test_barrier_not_reached),
        TEST(test_wait_for_ever),
        TEST(test_too_many_groups),
        TEST(test_failing),
    };
    return cmocka_run_group_tests_name("emulated CUDA", tests, NULL, NULL);
}
