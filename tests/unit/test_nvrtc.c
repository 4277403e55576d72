/* Every kernel compiled as CUDA C++ by NVRTC, down to machine code, for GPUs from 2018 to 2025.
 * This needs the CUDA toolkit, and no GPU. */
#include "device/kernel_text.h"
#include "device/product_tile.h"
#include "support.h"

#include <nvrtc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int architectures[] = {75, 86, 90, 120};

static bool is_supported(int architecture) {
    int count, supported[64];
    assert_int_equal(nvrtcGetNumSupportedArchs(&count), NVRTC_SUCCESS);
    assert_in_range(count, 1, 64);
    assert_int_equal(nvrtcGetSupportedArchs(supported), NVRTC_SUCCESS);
    for (int a = 0; a < count; a++)
        if (supported[a] == architecture)
            return true;
    print_message("sm_%d: not in this toolkit\n", architecture);
    return false;
}

/* Splits options at their spaces; they then lie in `text`. */
static int split_options(char *text, const char **options) {
    int count = 0;
    for (char *option = strtok(text, " "); option; option = strtok(NULL, " "))
        options[count++] = option;
    return count;
}

/* `kernels`: the names that must be in the machine code, up to a NULL. */
static void compile(const char *name, char *defines, const char *const *kernels) {
    char source[65536];
    snprintf(source, sizeof source, "%s%s%s", kernel_text("dialect.h"), kernel_text("activation.h"),
        kernel_text(name));
    const char *options[32];
    int count = split_options(defines, options);
    for (size_t a = 0; a < sizeof architectures / sizeof *architectures; a++) {
        if (!is_supported(architectures[a]))
            continue;
        char target[32];
        snprintf(target, sizeof target, "--gpu-architecture=sm_%d", architectures[a]);
        options[count] = target;
        nvrtcProgram program;
        assert_int_equal(nvrtcCreateProgram(&program, source, name, 0, NULL, NULL), NVRTC_SUCCESS);
        const nvrtcResult result = nvrtcCompileProgram(program, count + 1, options);
        size_t length;
        assert_int_equal(nvrtcGetProgramLogSize(program, &length), NVRTC_SUCCESS);
        char *log = malloc(length + 1);
        assert_int_equal(nvrtcGetProgramLog(program, log), NVRTC_SUCCESS);
        if (result != NVRTC_SUCCESS)
            fail_msg("%s, %s: %s:\n%s", name, target, nvrtcGetErrorString(result), log);
        free(log);
        assert_int_equal(nvrtcGetCUBINSize(program, &length), NVRTC_SUCCESS);
        assert_true(length > 0);
        char *code = malloc(length);
        assert_int_equal(nvrtcGetCUBIN(program, code), NVRTC_SUCCESS);
        for (const char *const *kernel = kernels; *kernel; kernel++)
            if (!memmem(code, length, *kernel, strlen(*kernel)))
                fail_msg("%s, %s: there is no %s", name, target, *kernel);
        print_message("%s, sm_%d: %zu bytes\n", name, architectures[a], length);
        free(code);
        nvrtcDestroyProgram(&program);
    }
}

static void test_products(void **state) {
    (void)state;
    static const char *const kernels[] = {"dense_forward", "dense_backward", "dense_update", NULL};
    for (size_t t = 0; t < product_tiles_count; t++)
        if (!product_tiles[t].vectors) { /* which CUDA has not */
            char options[256];
            product_tile_options(&product_tiles[t], options, sizeof options);
            print_message("%s: %s\n", product_tiles[t].name, options);
            compile("product.cl", options, kernels);
        }
}

static void test_others(void **state) {
    (void)state;
    static const char *const finish[] = {"dense_forward_finish", "dense_backward_finish",
        "dense_update_finish", "bias_update", NULL};
    static const char *const samples[] = {
        "softmax_cross_entropy", "gather_rows", "convert_pixels", NULL};
    char none[1] = "";
    compile("finish.cl", none, finish);
    compile("samples.cl", none, samples);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_products),
        cmocka_unit_test(test_others),
    };
    return cmocka_run_group_tests_name("nvrtc", tests, NULL, NULL);
}
