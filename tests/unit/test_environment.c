/* The variables that libraries and drivers of devices read: which of them are told, which refused,
 * and of which devices. */
#include "device/environment.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct error error;

static int set_up(void **state) {
    (void)state;
    char **variables = device_variables(); /* those of whoever runs the tests */
    assert_non_null(variables);
    for (size_t v = 0; variables[v]; v++) {
        variables[v][strcspn(variables[v], "=")] = '\0';
        unsetenv(variables[v]);
    }
    device_variables_free(variables);
    return 0;
}

/* "NAME=VALUE" of all that is told, with a space after each. */
static const char *told(void) {
    static char text[1024];
    char **variables = device_variables();
    assert_non_null(variables);
    text[0] = '\0';
    for (size_t v = 0; variables[v]; v++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s ", variables[v]);
    device_variables_free(variables);
    return text;
}

static void test_told(void **state) {
    (void)state;
    assert_string_equal(told(), "");
    setenv("POCL_WORK_GROUP_METHOD", "loops", 1);
    setenv("OMP_PROC_BIND", "true", 1);
    setenv("CUDA_LAUNCH_BLOCKING", "1", 1);
    setenv("IGC_SomeKey", "a=b", 1);
    setenv("POCL_CACHE_DIR", "/elsewhere", 1); /* which changes nothing that is computed or timed */
    setenv("OMP_PLACES", "", 1);               /* as good as not set */
    setenv("POCL", "1", 1);
    setenv("OMP_PROC_BINDING", "1", 1);
    assert_string_equal(told(), "CUDA_LAUNCH_BLOCKING=1 IGC_SomeKey=a=b OMP_PROC_BIND=true "
                                "POCL_WORK_GROUP_METHOD=loops ");
}

static void test_whose(void **state) {
    (void)state;
    static const struct {
        const char *variable, *kinds;
    } cases[] = {{"POCL_AFFINITY=1", "opencl"}, {"OMP_WAIT_POLICY=active", "cpu reference"},
        {"CUDA_VISIBLE_DEVICES=1", "cuda"}, {"CUDA_DEVICE_ORDER=PCI_BUS_ID", "cuda"},
        {"OPENBLAS_CORETYPE=Haswell", "cpu"}, {"CUBLAS_WORKSPACE_CONFIG=:16:8", "cuda"},
        {"CUDA_FORCE_PTX_JIT=1", "cuda opencl"}, {"POCL_CACHE_DIR=/x", ""}, {"PATH=/bin", ""},
        {"OMP_WAIT_POLICY=", ""}, {"OMP_WAIT_POLICY", ""}};
    static const char *const kinds[] = {"cpu", "reference", "opencl", "cuda"};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++)
        for (size_t k = 0; k < 4; k++)
            assert_int_equal(device_variable_matters(cases[c].variable, kinds[k]),
                strstr(cases[c].kinds, kinds[k]) != NULL);
    assert_false(device_variable_matters("POCL_AFFINITY=1", "open"));
    assert_false(device_variable_matters("POCL_AFFINITY=1", "cl"));
}

/* For the keys of what is kept: of this kind of device only, and the same in any order. */
static void test_text(void **state) {
    (void)state;
    setenv("POCL_WORK_GROUP_METHOD", "loops", 1);
    setenv("OMP_PROC_BIND", "true", 1);
    setenv("POCL_AFFINITY", "1", 1);
    char *text = environment_text("opencl");
    assert_string_equal(text, "POCL_AFFINITY=1\nPOCL_WORK_GROUP_METHOD=loops\n");
    free(text);
    text = environment_text("cuda");
    assert_string_equal(text, "");
    free(text);
}

static void test_refused(void **state) {
    (void)state;
    static const struct {
        const char *name, *value, *kind;
        bool by_library; /* of no matter without one */
    } cases[] = {{"POCL_EXTRA_BUILD_FLAGS", "-cl-fast-relaxed-math", "opencl", false},
        {"CLOVER_EXTRA_BUILD_OPTIONS", "-cl-mad-enable", "opencl", false},
        {"AMD_OCL_BUILD_OPTIONS_APPEND", "-cl-mad-enable", "opencl", false},
        {"AMD_GPU_FORCE_SINGLE_FP_DENORM", "0", "opencl", false},
        {"NEOReadDebugKeys", "1", "opencl", false},
        {"CLBLAST_BUILD_OPTIONS", "-cl-fast-relaxed-math", "opencl", true},
        {"NVIDIA_TF32_OVERRIDE", "1", "cuda", true},
        {"CUBLAS_EMULATE_SINGLE_PRECISION", "1", "cuda", true}};
    const struct device_options any = {0}, own = {.gemm = "own-small"};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        const char *kind = cases[c].kind;
        assert_ok(environment_check(kind, &any, &error));
        setenv(cases[c].name, "", 1);
        assert_ok(environment_check(kind, &any, &error));
        setenv(cases[c].name, cases[c].value, 1);
        assert_fails(environment_check(kind, &any, &error), STATUS_USAGE, cases[c].name);
        assert_non_null(strstr(error.message, cases[c].value));
        assert_int_equal(
            environment_check(kind, &own, &error), cases[c].by_library ? STATUS_OK : STATUS_USAGE);
        assert_ok(environment_check("reference", &any, &error));
        assert_true(
            device_variable_matters(told(), kind)); /* where it is not refused, it is told */
        unsetenv(cases[c].name);
    }
}

/* What contradicts one precision goes with another. */
static void test_precision(void **state) {
    (void)state;
    const struct device_options fp32 = {.precision = "fp32"}, tf32 = {.precision = "tf32"};
    setenv("NVIDIA_TF32_OVERRIDE", "1", 1);
    assert_fails(environment_check("cuda", &fp32, &error), STATUS_USAGE,
        "--precision fp32, but NVIDIA_TF32_OVERRIDE=1 in the environment makes cuBLAS compute in "
        "TF32");
    assert_ok(environment_check("cuda", &tf32, &error));
    setenv("NVIDIA_TF32_OVERRIDE", "0", 1);
    assert_ok(environment_check("cuda", &fp32, &error));
    assert_fails(environment_check("cuda", &tf32, &error), STATUS_USAGE, "keeps cuBLAS from TF32");
    setenv("NEOReadDebugKeys", "0", 1);
    assert_ok(environment_check("opencl", &fp32, &error));
}

#define TEST(function) cmocka_unit_test_setup(function, set_up)

int main(void) {
    const struct CMUnitTest tests[] = {TEST(test_told), TEST(test_whose), TEST(test_text),
        TEST(test_refused), TEST(test_precision)};
    return cmocka_run_group_tests_name("environment", tests, NULL, NULL);
}
