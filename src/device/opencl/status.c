#include "device/opencl/status.h"

#include "device/opencl/device.h"

#include <stddef.h>

struct name {
    int code;
    const char *name, *advice;
};

#define MEMORY_ADVICE "; memory is short: close what else uses it, or lower --batch-size"
#define DRIVER_ADVICE "; the driver may have reset the device: try again, or take another --device"

static const struct name names[] = {
#define NAME(code) {code, #code, ""}
    NAME(CL_DEVICE_NOT_FOUND),
    NAME(CL_DEVICE_NOT_AVAILABLE),
    NAME(CL_COMPILER_NOT_AVAILABLE),
    {CL_MEM_OBJECT_ALLOCATION_FAILURE, "CL_MEM_OBJECT_ALLOCATION_FAILURE", MEMORY_ADVICE},
    {CL_OUT_OF_RESOURCES, "CL_OUT_OF_RESOURCES", DRIVER_ADVICE},
    {CL_OUT_OF_HOST_MEMORY, "CL_OUT_OF_HOST_MEMORY", MEMORY_ADVICE},
    NAME(CL_PROFILING_INFO_NOT_AVAILABLE),
    NAME(CL_MEM_COPY_OVERLAP),
    NAME(CL_BUILD_PROGRAM_FAILURE),
    NAME(CL_MAP_FAILURE),
    NAME(CL_MISALIGNED_SUB_BUFFER_OFFSET),
    {CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST, "CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST",
        DRIVER_ADVICE},
    NAME(CL_COMPILE_PROGRAM_FAILURE),
    NAME(CL_LINKER_NOT_AVAILABLE),
    NAME(CL_LINK_PROGRAM_FAILURE),
    NAME(CL_DEVICE_PARTITION_FAILED),
    NAME(CL_KERNEL_ARG_INFO_NOT_AVAILABLE),
    NAME(CL_INVALID_VALUE),
    NAME(CL_INVALID_DEVICE_TYPE),
    NAME(CL_INVALID_PLATFORM),
    NAME(CL_INVALID_DEVICE),
    NAME(CL_INVALID_CONTEXT),
    NAME(CL_INVALID_QUEUE_PROPERTIES),
    {CL_INVALID_COMMAND_QUEUE, "CL_INVALID_COMMAND_QUEUE", DRIVER_ADVICE},
    NAME(CL_INVALID_HOST_PTR),
    NAME(CL_INVALID_MEM_OBJECT),
    NAME(CL_INVALID_BINARY),
    NAME(CL_INVALID_BUILD_OPTIONS),
    NAME(CL_INVALID_PROGRAM),
    NAME(CL_INVALID_PROGRAM_EXECUTABLE),
    NAME(CL_INVALID_KERNEL_NAME),
    NAME(CL_INVALID_KERNEL_DEFINITION),
    NAME(CL_INVALID_KERNEL),
    NAME(CL_INVALID_ARG_INDEX),
    NAME(CL_INVALID_ARG_VALUE),
    NAME(CL_INVALID_ARG_SIZE),
    NAME(CL_INVALID_KERNEL_ARGS),
    NAME(CL_INVALID_WORK_DIMENSION),
    NAME(CL_INVALID_WORK_GROUP_SIZE),
    NAME(CL_INVALID_WORK_ITEM_SIZE),
    NAME(CL_INVALID_GLOBAL_OFFSET),
    NAME(CL_INVALID_EVENT_WAIT_LIST),
    NAME(CL_INVALID_EVENT),
    NAME(CL_INVALID_OPERATION),
    NAME(CL_INVALID_BUFFER_SIZE),
    NAME(CL_INVALID_GLOBAL_WORK_SIZE),
    NAME(CL_INVALID_PROPERTY),
    NAME(CL_INVALID_COMPILER_OPTIONS),
    NAME(CL_INVALID_LINKER_OPTIONS),
    NAME(CL_INVALID_DEVICE_PARTITION_COUNT),
    {-1001, "CL_PLATFORM_NOT_FOUND_KHR", ""},
    {-9999, "CL_DRIVER_FAULT (not in the standard: NVIDIA's for an illegal access)", DRIVER_ADVICE},
    NAME(CLBlastNotImplemented),
    NAME(CLBlastInvalidMatrixA),
    NAME(CLBlastInvalidMatrixB),
    NAME(CLBlastInvalidMatrixC),
    NAME(CLBlastInvalidDimension),
    NAME(CLBlastInvalidLeadDimA),
    NAME(CLBlastInvalidLeadDimB),
    NAME(CLBlastInvalidLeadDimC),
    NAME(CLBlastInsufficientMemoryA),
    NAME(CLBlastInsufficientMemoryB),
    NAME(CLBlastInsufficientMemoryC),
    NAME(CLBlastInsufficientMemoryTemp),
    NAME(CLBlastInvalidLocalMemUsage),
    NAME(CLBlastNoHalfPrecision),
    NAME(CLBlastNoDoublePrecision),
    NAME(CLBlastMissingOverrideParameter),
    NAME(CLBlastUnexpectedError),
    NAME(CLBlastUnknownError),
    NAME(CLBlastDatabaseError),
#undef NAME
};

static const struct name *find(int code) {
    static const struct name unknown = {0, "unknown error", ""};
    for (size_t n = 0; n < sizeof names / sizeof *names; n++)
        if (names[n].code == code)
            return &names[n];
    return &unknown;
}

const char *opencl_status_name(int code) {
    return find(code)->name;
}

enum status opencl_failed(const char *call, int code, const char *subject, struct error *error) {
    const struct name *name = find(code);
    return error_set(error, STATUS_DEVICE, "opencl: %s%s%s%s gave %s (%d)%s", call,
        subject[0] ? " (" : "", subject, subject[0] ? ")" : "", name->name, code, name->advice);
}
