/* Every kernel compiled as CUDA C++ by NVRTC, as the `cuda` device does it, down to machine code
 * for GPUs from 2018 to 2025. This needs the CUDA toolkit, and no GPU. */
#include "device/cuda/compiler.h"
#include "device/gpu/gemm.h"
#include "device/gpu/kernel_text.h"
#include "device/gpu/program.h"
#include "support.h"

#include <nvrtc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int capabilities[] = {75, 80, 86, 89, 90, 100, 120};

static struct error error;

static bool is_supported(int capability) {
    int count, supported[64];
    assert_int_equal(nvrtcGetNumSupportedArchs(&count), NVRTC_SUCCESS);
    assert_in_range(count, 1, 64);
    assert_int_equal(nvrtcGetSupportedArchs(supported), NVRTC_SUCCESS);
    for (int a = 0; a < count; a++)
        if (supported[a] == capability)
            return true;
    print_message("sm_%d: not in this toolkit\n", capability);
    return false;
}

/* `kernels`: the names that must be in the machine code, up to a NULL. */
static void compile(const char *file, const char *defines, const char *const *kernels) {
    const char *text = kernel_text(file);
    char options[GPU_OPTIONS_SIZE];
    gpu_program_options("", defines, options, sizeof options);
    for (size_t c = 0; c < sizeof capabilities / sizeof *capabilities; c++) {
        if (!is_supported(capabilities[c]))
            continue;
        void *code;
        size_t length;
        assert_ok(cuda_compile(file, text, options, capabilities[c], &code, &length, &error));
        assert_true(length > 4 && memcmp(code, "\177ELF", 4) == 0);
        for (const char *const *kernel = kernels; *kernel; kernel++)
            if (!memmem(code, length, *kernel, strlen(*kernel)))
                fail_msg("%s, sm_%d: there is no %s", file, capabilities[c], *kernel);
        print_message("%s, sm_%d: %zu bytes\n", file, capabilities[c], length);
        free(code);
    }
}

static void test_gemms(void **state) {
    (void)state;
    static const char *const kernels[] = {"dense_forward", "dense_backward", "dense_update", NULL};
    for (size_t t = 0; t < gemm_tiles_count; t++)
        if (!gemm_tiles[t].vectors) { /* which CUDA has not */
            char options[GEMM_TILE_OPTIONS_SIZE + 16];
            gemm_tile_options(&gemm_tiles[t], options);
            compile(GEMM_KERNELS, options, kernels);
            strcat(options, " -DFUSED_REDUCTION");
            print_message("%s: %s\n", gemm_tiles[t].name, options);
            compile(GEMM_KERNELS, options, kernels);
        }
}

static void test_others(void **state) {
    (void)state;
    static const char *const epilogue[] = {"dense_forward_epilogue", "dense_backward_epilogue",
        "dense_update_epilogue", "bias_update", NULL};
    static const char *const samples[] = {
        "softmax_cross_entropy", "gather_rows", "convert_pixels", NULL};
    static const char *const optimizers[] = {"gradient_descent", NULL};
    char options[EPILOGUE_OPTIONS_SIZE];
    gemms_epilogue_options(options);
    compile(EPILOGUE_KERNELS, options, epilogue);
    compile("optimize.cl", "", optimizers);
    compile("samples.cl", "", samples);
}

/* A GPU that NVRTC does not know yet gets PTX of the newest that it knows; one that is too old gets
 * nothing, and the message says so. */
static void test_unknown(void **state) {
    (void)state;
    const char *text = kernel_text("samples.cl");
    char *code;
    size_t length;
    assert_ok(cuda_compile("samples.cl", text, "", 999, (void **)&code, &length, &error));
    assert_true(code[length - 1] == '\0' && strstr(code, ".entry softmax_cross_entropy"));
    free(code);
    assert_fails(cuda_compile("samples.cl", text, "", 35, (void **)&code, &length, &error),
        STATUS_DEVICE, "compute capability is 3.5");
}

static void test_wrong_text(void **state) {
    (void)state;
    void *code;
    size_t length;
    assert_fails(cuda_compile("wrong.cl", "KERNEL(wrong)", "-DX=1", 90, &code, &length, &error),
        STATUS_DEVICE, "NVRTC_ERROR_COMPILATION");
    assert_non_null(strstr(error.message, "wrong.cl(1): error"));
    assert_non_null(strstr(error.message, "--gpu-architecture=sm_90 -DX=1"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gemms),
        cmocka_unit_test(test_others),
        cmocka_unit_test(test_unknown),
        cmocka_unit_test(test_wrong_text),
    };
    return cmocka_run_group_tests_name("nvrtc", tests, NULL, NULL);
}
