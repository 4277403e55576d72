/* What is said of an error of OpenCL or CLBlast: its name, and what to do next where that is known.
 */
#include "device/opencl/status.h"
#include "support.h"

#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>

static struct error error;

static void assert_said(int code, const char *subject, const char *message) {
    assert_int_equal(opencl_failed("clCall", code, subject, &error), STATUS_DEVICE);
    assert_string_equal(error.message, message);
}

static void test_memory(void **state) {
    (void)state;
    assert_said(CL_MEM_OBJECT_ALLOCATION_FAILURE, "400 bytes",
        "opencl: clCall (400 bytes) gave CL_MEM_OBJECT_ALLOCATION_FAILURE (-4); memory is short: "
        "close what else uses it, or lower --batch-size");
    assert_said(CL_OUT_OF_HOST_MEMORY, "",
        "opencl: clCall gave CL_OUT_OF_HOST_MEMORY (-6); memory is short: close what else uses it, "
        "or lower --batch-size");
}

static void test_driver(void **state) {
    (void)state;
    assert_said(CL_OUT_OF_RESOURCES, "dense",
        "opencl: clCall (dense) gave CL_OUT_OF_RESOURCES (-5); the driver may have reset the "
        "device: try again, or take another --device");
    assert_said(CL_INVALID_COMMAND_QUEUE, "",
        "opencl: clCall gave CL_INVALID_COMMAND_QUEUE (-36); the driver may have reset the device: "
        "try again, or take another --device");
}

static void test_no_advice(void **state) {
    (void)state;
    assert_said(CL_INVALID_VALUE, "", "opencl: clCall gave CL_INVALID_VALUE (-30)");
    assert_said(-1022, "gemm", "opencl: clCall (gemm) gave CLBlastInvalidMatrixA (-1022)");
    assert_said(-12345, "", "opencl: clCall gave unknown error (-12345)");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_driver),
        cmocka_unit_test(test_no_advice),
    };
    return cmocka_run_group_tests_name("opencl_status", tests, NULL, NULL);
}
