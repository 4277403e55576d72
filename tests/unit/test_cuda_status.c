/* What is said of an error of CUDA: its name, and what to do next where that is known. */
#include "device/cuda/status.h"
#include "support.h"

#include <string.h>

static struct error error;

static const char lost[] = "; the GPU is lost to this run: try again, and if it happens again look "
                           "at the system's log for what the driver says (Xid)";

/* After these nothing works any more. */
static void test_losses(void **state) {
    (void)state;
    static const cudaError_t losses[] = {cudaErrorIllegalAddress, cudaErrorMisalignedAddress,
        cudaErrorInvalidAddressSpace, cudaErrorInvalidPc, cudaErrorIllegalInstruction,
        cudaErrorHardwareStackError, cudaErrorLaunchFailure, cudaErrorLaunchTimeout,
        cudaErrorAssert, cudaErrorECCUncorrectable, cudaErrorNvlinkUncorrectable, cudaErrorUnknown};
    for (size_t l = 0; l < sizeof losses / sizeof *losses; l++) {
        print_message("%d\n", (int)losses[l]);
        assert_true(cuda_is_lost(losses[l]));
        assert_fails(cuda_failed("cudaCall", losses[l], "", &error), STATUS_DEVICE, lost);
    }
}

static void test_others(void **state) {
    (void)state;
    static const cudaError_t others[] = {cudaSuccess, cudaErrorNotReady, cudaErrorInvalidValue,
        cudaErrorMemoryAllocation, cudaErrorDevicesUnavailable, cudaErrorInvalidKernelImage,
        cudaErrorStreamCaptureUnsupported};
    for (size_t o = 0; o < sizeof others / sizeof *others; o++)
        assert_false(cuda_is_lost(others[o]));
    cuda_failed("cudaMalloc", cudaErrorMemoryAllocation, "8 bytes", &error);
    assert_string_equal(error.message,
        "cuda: cudaMalloc (8 bytes) gave cudaErrorMemoryAllocation (2): out of memory; memory is "
        "short: close what else uses the GPU, or lower --batch-size");
    cuda_failed("cudaSetDevice", cudaErrorDevicesUnavailable, "", &error);
    assert_string_equal(error.message,
        "cuda: cudaSetDevice gave cudaErrorDevicesUnavailable (46): CUDA-capable device(s) is/are "
        "busy or unavailable; another process has the GPU for itself");
    cuda_failed("cudaCall", cudaErrorInvalidValue, "", &error);
    assert_string_equal(
        error.message, "cuda: cudaCall gave cudaErrorInvalidValue (1): invalid argument");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_losses),
        cmocka_unit_test(test_others),
    };
    return cmocka_run_group_tests_name("cuda status", tests, NULL, NULL);
}
