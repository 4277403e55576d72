#include "calls.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- State --- */

struct emulated_cuda emulated_cuda;
struct emulated_cuda_state emulated_cuda_state;

struct allocation {
    struct allocation *next;
    unsigned char *base;
    size_t bytes;
    int ordinal;
    void *wrapped;
};

static struct allocation *allocations;
static int current;
static cudaError_t last_error;
static bool lost;

static size_t number_from(const char *name, size_t otherwise) {
    char variable[64];
    snprintf(variable, sizeof variable, "EMULATED_CUDA_%s", name);
    const char *text = getenv(variable);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

__attribute__((constructor)) static void begin(void) {
    const char *visible = getenv("CUDA_VISIBLE_DEVICES");
    const bool hidden = visible && strcmp(visible, "-1") == 0;
    emulated_cuda = (struct emulated_cuda){
        .gpus = hidden ? 0 : (int)number_from("GPUS", 2),
        .capability = (int)number_from("CAPABILITY", 90),
        .units = (int)number_from("UNITS", 8),
        .memory = number_from("MEMORY", (size_t)1 << 30),
        .fail_at = number_from("FAIL", 0),
        .lose_at = number_from("LOSE", 0),
        .no_graphs = number_from("NO_GRAPHS", 0) > 0,
        .eager = number_from("EAGER", 0) > 0,
        .groups = number_from("GROUPS", 0) > 0,
        .shared = number_from("SHARED", 0) > 0,
        .seed = number_from("SEED", 1),
        .driver = (int)number_from("DRIVER", CUDART_VERSION),
    };
}

void emulated_cuda_reset(void) {
    const size_t objects = emulated_cuda_state.objects;
    emulated_cuda_state = (struct emulated_cuda_state){.objects = objects};
    emulated_cuda.fail_at = emulated_cuda.lose_at = 0;
    emulated_cuda.refused = NULL;
    emulated_cuda.eager = emulated_cuda.groups = false;
    emulated_cuda.shared = emulated_cuda.draws = false;
    last_error = cudaSuccess;
    lost = false;
}

void emulated_violation(const char *format, ...) {
    static char text[512];
    va_list arguments;
    va_start(arguments, format);
    if (!emulated_cuda_state.violation)
        vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    emulated_cuda_state.violation = text;
    if (emulated_cuda.tolerant)
        return;
    fprintf(stderr, "emulated CUDA: violation: %s\n", text);
    abort();
}

bool emulated_is_lost(void) {
    return lost;
}

void emulated_lose(void) {
    lost = true;
}

int emulated_current(void) {
    return current;
}

bool emulated_fails(const char *name) {
    const unsigned long call = ++emulated_cuda_state.calls;
    if (emulated_cuda.lose_at > 0 && call >= emulated_cuda.lose_at)
        lost = true;
    const bool refused = emulated_cuda.refused && strcmp(emulated_cuda.refused, name) == 0;
    const bool fails = lost || refused || call == emulated_cuda.fail_at;
    if (fails && !emulated_cuda_state.failed)
        emulated_cuda_state.failed = name;
    return fails;
}

cudaError_t emulated_note(cudaError_t code) {
    if (code != cudaSuccess)
        last_error = code;
    return code;
}

/* --- The device --- */

cudaError_t cudaGetDeviceCount(int *count) {
    *count = 0;
    MAY_FAIL(cudaErrorInitializationError);
    *count = emulated_cuda.gpus;
    return emulated_note(*count > 0 ? cudaSuccess : cudaErrorNoDevice);
}

cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *properties, int ordinal) {
    MAY_FAIL(cudaErrorInvalidDevice);
    if (ordinal < 0 || ordinal >= emulated_cuda.gpus)
        return emulated_note(cudaErrorInvalidDevice);
    memset(properties, 0, sizeof *properties);
    snprintf(properties->name, sizeof properties->name, "Emulated GPU %d (no hardware)", ordinal);
    properties->major = emulated_cuda.capability / 10;
    properties->minor = emulated_cuda.capability % 10;
    properties->totalGlobalMem = emulated_cuda.memory;
    properties->multiProcessorCount = emulated_cuda.units;
    properties->pciBusID = ordinal;
    return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int *value, enum cudaDeviceAttr attribute, int ordinal) {
    MAY_FAIL(cudaErrorInvalidDevice);
    if (ordinal < 0 || ordinal >= emulated_cuda.gpus)
        return emulated_note(cudaErrorInvalidDevice);
    *value = attribute == cudaDevAttrMaxThreadsPerBlock        ? 1024
             : attribute == cudaDevAttrMaxSharedMemoryPerBlock ? 48 << 10
             : attribute == cudaDevAttrL2CacheSize             ? 1 << 20
             : attribute == cudaDevAttrCooperativeLaunch       ? !emulated_cuda.shared
             : attribute == cudaDevAttrKernelExecTimeout       ? emulated_cuda.draws
                                                               : -1;
    return *value >= 0 ? cudaSuccess : emulated_note(cudaErrorInvalidValue);
}

cudaError_t cudaDriverGetVersion(int *version) {
    *version = emulated_cuda.driver;
    return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int *version) {
    *version = CUDART_VERSION;
    return cudaSuccess;
}

cudaError_t cudaSetDevice(int ordinal) {
    MAY_FAIL(cudaErrorDevicesUnavailable);
    if (ordinal < 0 || ordinal >= emulated_cuda.gpus)
        return emulated_note(cudaErrorInvalidDevice);
    current = ordinal;
    return cudaSuccess;
}

cudaError_t cudaGetLastError(void) {
    const cudaError_t code = last_error;
    last_error = lost ? cudaErrorIllegalAddress : cudaSuccess;
    return code;
}

static const struct {
    cudaError_t code;
    const char *name, *text;
} errors[] = {
#define ERROR(code, text) {code, #code, text}
    ERROR(cudaErrorInvalidValue, "invalid argument"),
    ERROR(cudaErrorMemoryAllocation, "out of memory"),
    ERROR(cudaErrorHostMemoryAlreadyRegistered, "part or all of the memory is registered already"),
    ERROR(cudaErrorHostMemoryNotRegistered, "the pointer is not that of registered memory"),
    ERROR(cudaErrorInitializationError, "initialization error"),
    ERROR(cudaErrorNoDevice, "no CUDA-capable device is detected"),
    ERROR(cudaErrorInvalidDevice, "invalid device ordinal"),
    ERROR(cudaErrorDevicesUnavailable, "CUDA-capable device(s) is/are busy or unavailable"),
    ERROR(cudaErrorInvalidKernelImage, "device kernel image is invalid"),
    ERROR(cudaErrorInvalidResourceHandle, "invalid resource handle"),
    ERROR(cudaErrorSymbolNotFound, "named symbol not found"),
    ERROR(cudaErrorNotSupported, "operation not supported"),
    ERROR(cudaErrorCooperativeLaunchTooLarge, "too many blocks in cooperative launch"),
    ERROR(cudaErrorIllegalAddress, "an illegal memory access was encountered"),
    ERROR(cudaErrorLaunchFailure, "unspecified launch failure"),
    ERROR(cudaErrorStreamCaptureUnsupported, "operation not permitted when stream is capturing"),
    ERROR(cudaErrorStreamCaptureInvalidated, "operation failed due to a previous error"),
    ERROR(cudaErrorStreamCaptureImplicit, "dependency created on uncaptured work"),
#undef ERROR
};

const char *cudaGetErrorName(cudaError_t code) {
    for (size_t e = 0; e < sizeof errors / sizeof *errors; e++)
        if (errors[e].code == code)
            return errors[e].name;
    return "unrecognized error code";
}

const char *cudaGetErrorString(cudaError_t code) {
    for (size_t e = 0; e < sizeof errors / sizeof *errors; e++)
        if (errors[e].code == code)
            return errors[e].text;
    return "unrecognized error code";
}

/* --- Memory --- */

enum { POISONED = 1 << 20 };

static size_t used_by(int ordinal) {
    size_t used = 0;
    for (const struct allocation *one = allocations; one; one = one->next)
        used += one->ordinal == ordinal ? one->bytes : 0;
    return used;
}

cudaError_t cudaMemGetInfo(size_t *available, size_t *all) {
    MAY_FAIL(cudaErrorInvalidDevice);
    *all = emulated_cuda.memory;
    *available = emulated_cuda.memory - used_by(current);
    return cudaSuccess;
}

cudaError_t cudaMalloc(void **address, size_t bytes) {
    MAY_FAIL(cudaErrorMemoryAllocation);
    NOT_WHILE_CAPTURING();
    if (bytes > emulated_cuda.memory - used_by(current))
        return emulated_note(cudaErrorMemoryAllocation);
    struct allocation *one = calloc(1, sizeof *one);
    *one = (struct allocation){allocations, NULL, bytes, current, NULL};
    const size_t aligned = (bytes + 255) / 256 * 256;
    one->base = aligned_alloc(256, aligned);
    /* Of what is large, both ends: whoever reads it wrongly reads more than the middle. */
    const size_t end = aligned > POISONED ? POISONED : aligned;
    memset(one->base, 0xff, end);
    memset(one->base + aligned - end, 0xff, end);
    one->wrapped = emulated_wrap(one->base, bytes);
    allocations = one;
    emulated_cuda_state.objects++;
    *address = one->base;
    return cudaSuccess;
}

cudaError_t cudaFree(void *address) {
    FAILS_AFTER();
    NOT_WHILE_CAPTURING();
    emulated_run_all();
    struct allocation **at = &allocations;
    while (*at && (*at)->base != address)
        at = &(*at)->next;
    struct allocation *one = *at;
    if (!one) {
        emulated_violation("cudaFree of what is not allocated");
        return emulated_note(cudaErrorInvalidValue);
    }
    if (one->ordinal != current)
        emulated_violation(
            "cudaFree of GPU %d's memory, while GPU %d is current", one->ordinal, current);
    *at = one->next;
    emulated_unwrap(one->wrapped);
    free(one->base);
    free(one);
    emulated_cuda_state.objects--;
    RESULT_AFTER(cudaErrorLaunchFailure);
}

void *emulated_memory(const void *address, size_t bytes, const char *user) {
    const unsigned char *first = address;
    for (struct allocation *one = allocations; one; one = one->next)
        if (first >= one->base && first < one->base + one->bytes &&
            bytes <= (size_t)(one->base + one->bytes - first))
            return one->base + (first - one->base);
    emulated_violation("%s uses %zu bytes that are not, or no longer, allocated", user, bytes);
    lost = true;
    return NULL;
}

void *emulated_wrapped(const void *address, const char *user) {
    for (struct allocation *one = allocations; one; one = one->next)
        if (one->base == address)
            return one->wrapped;
    emulated_violation("%s is given an address that is not, or no longer, allocated", user);
    lost = true;
    return NULL;
}

size_t emulated_bytes(const void *address, const char *user) {
    for (struct allocation *one = allocations; one; one = one->next)
        if (one->base == address)
            return one->bytes;
    emulated_violation("%s is given an address that is not, or no longer, allocated", user);
    return 0;
}

/* --- Memory of the host --- */

enum { PAGE = 4096 };

static struct registration {
    struct registration *next;
    const unsigned char *base;
    size_t bytes;
} *registrations;

static uintptr_t page_of(const unsigned char *address) {
    return (uintptr_t)address / PAGE;
}

cudaError_t cudaHostRegister(void *memory, size_t bytes, unsigned flags) {
    MAY_FAIL(cudaErrorMemoryAllocation);
    NOT_WHILE_CAPTURING();
    const unsigned char *base = memory;
    if (bytes == 0 || flags != cudaHostRegisterDefault)
        return emulated_note(cudaErrorInvalidValue);
    for (const struct registration *one = registrations; one; one = one->next)
        if (page_of(base) <= page_of(one->base + one->bytes - 1) &&
            page_of(one->base) <= page_of(base + bytes - 1))
            return emulated_note(cudaErrorHostMemoryAlreadyRegistered);
    struct registration *one = malloc(sizeof *one);
    *one = (struct registration){registrations, base, bytes};
    registrations = one;
    emulated_cuda_state.objects++;
    return cudaSuccess;
}

cudaError_t cudaHostUnregister(void *memory) {
    FAILS_AFTER();
    NOT_WHILE_CAPTURING();
    struct registration **at = &registrations;
    while (*at && (*at)->base != memory)
        at = &(*at)->next;
    struct registration *one = *at;
    if (!one) {
        emulated_violation("cudaHostUnregister of what is not registered");
        return emulated_note(cudaErrorHostMemoryNotRegistered);
    }
    *at = one->next;
    free(one);
    emulated_cuda_state.objects--;
    RESULT_AFTER(cudaErrorInvalidValue);
}
