#include "device/cuda/status.h"

bool cuda_is_lost(cudaError_t code) {
    switch (code) {
    case cudaErrorIllegalAddress:
    case cudaErrorMisalignedAddress:
    case cudaErrorInvalidAddressSpace:
    case cudaErrorInvalidPc:
    case cudaErrorIllegalInstruction:
    case cudaErrorHardwareStackError:
    case cudaErrorLaunchFailure:
    case cudaErrorLaunchTimeout:
    case cudaErrorAssert:
    case cudaErrorECCUncorrectable:
    case cudaErrorNvlinkUncorrectable:
    case cudaErrorUnknown:
        return true;
    default:
        return false;
    }
}

static const char *advice_for(cudaError_t code) {
    if (cuda_is_lost(code))
        return "; the GPU is lost to this run: try again, and if it happens again look at the "
               "system's log for what the driver says (Xid)";
    if (code == cudaErrorMemoryAllocation)
        return "; memory is short: close what else uses the GPU, or lower --batch-size";
    if (code == cudaErrorDevicesUnavailable)
        return "; another process has the GPU for itself";
    return "";
}

enum status cuda_failed(
    const char *call, cudaError_t code, const char *doing, struct error *error) {
    cudaGetLastError();
    return error_set(error, STATUS_DEVICE, "cuda: %s%s%s%s gave %s (%d): %s%s", call,
        doing[0] ? " (" : "", doing, doing[0] ? ")" : "", cudaGetErrorName(code), (int)code,
        cudaGetErrorString(code), advice_for(code));
}

enum status cublas_failed(
    const char *call, cublasStatus_t code, cudaStream_t stream, struct error *error) {
    enum cudaStreamCaptureStatus capture = cudaStreamCaptureStatusNone;
    cudaError_t behind = cudaStreamIsCapturing(stream, &capture);
    if (behind == cudaSuccess && capture == cudaStreamCaptureStatusNone)
        behind = cudaStreamQuery(stream);
    if (behind == cudaErrorNotReady)
        behind = cudaSuccess;
    cudaGetLastError();
    return error_set(error, STATUS_DEVICE, "cuda: %s gave %s (%d)%s%s%s", call,
        cublasGetStatusName(code), (int)code, behind == cudaSuccess ? "" : ", because of ",
        behind == cudaSuccess ? "" : cudaGetErrorName(behind), advice_for(behind));
}
