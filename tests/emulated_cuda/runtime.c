#include "emulated_cuda.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- State --- */

struct emulated_cuda emulated_cuda;
struct emulated_cuda_state emulated_cuda_state;

struct commands {
    struct command *all;
    size_t count, capacity;
};

struct allocation {
    struct allocation *next;
    unsigned char *base;
    size_t bytes;
    int ordinal;
    void *wrapped;
};

struct CUstream_st {
    struct CUstream_st *next;
    int ordinal;
    struct commands waiting;
    struct CUgraph_st *capture; /* NULL: it captures nothing */
    bool invalid;               /* what it captures */
};

struct CUgraph_st {
    struct commands commands;
};

struct CUgraphExec_st {
    struct commands commands;
    int ordinal;
};

static struct allocation *allocations;
static struct CUstream_st *streams, *capturing;
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
        .driver = (int)number_from("DRIVER", CUDART_VERSION),
    };
}

void emulated_cuda_reset(void) {
    const size_t objects = emulated_cuda_state.objects;
    emulated_cuda_state = (struct emulated_cuda_state){.objects = objects};
    emulated_cuda.fail_at = emulated_cuda.lose_at = 0;
    emulated_cuda.refused = NULL;
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

bool emulated_is_capturing(void) {
    return capturing != NULL;
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

static cudaError_t note(cudaError_t code) {
    if (code != cudaSuccess)
        last_error = code;
    return code;
}

/* For the start of a function that can fail. */
#define MAY_FAIL(code)                                                                             \
    do {                                                                                           \
        if (emulated_fails(__func__))                                                              \
            return note(lost ? cudaErrorIllegalAddress : (code));                                  \
    } while (0)

/* What a capture does not allow makes it worth nothing. */
#define NOT_WHILE_CAPTURING()                                                                      \
    do {                                                                                           \
        if (capturing) {                                                                           \
            capturing->invalid = true;                                                             \
            emulated_violation("%s within a capture", __func__);                                   \
            return note(cudaErrorStreamCaptureUnsupported);                                        \
        }                                                                                          \
    } while (0)

/* --- Commands --- */

static void append(struct commands *commands, const struct command *command) {
    if (commands->count == commands->capacity) {
        commands->capacity = commands->capacity ? 2 * commands->capacity : 64;
        commands->all = realloc(commands->all, commands->capacity * sizeof *commands->all);
    }
    commands->all[commands->count++] = *command;
}

static void run(const struct commands *commands);

static void run_command(const struct command *command) {
    switch (command->kind) {
    case COPY: {
        const bool up = command->direction == cudaMemcpyHostToDevice;
        const void *end = up ? command->to : command->from;
        if (!emulated_memory(end, command->bytes, "a copy"))
            return;
        memcpy(command->to, command->from, command->bytes);
        break;
    }
    case KERNEL:
        emulated_cuda_state.commands++;
        emulated_run_kernel(command);
        break;
    case GEMM:
        emulated_cuda_state.commands++;
        emulated_multiply(command);
        break;
    case GRAPH:
        emulated_cuda_state.graph_nodes = command->graph->commands.count;
        run(&command->graph->commands);
        break;
    }
}

static void run(const struct commands *commands) {
    for (size_t c = 0; c < commands->count && !lost; c++)
        run_command(&commands->all[c]);
}

static void run_stream(struct CUstream_st *stream) {
    run(&stream->waiting);
    stream->waiting.count = 0;
}

static void run_all(void) {
    for (struct CUstream_st *stream = streams; stream; stream = stream->next)
        run_stream(stream);
}

cudaError_t emulated_enqueue(cudaStream_t stream, const struct command *command) {
    if (!stream) {
        emulated_violation("a command for the default stream");
        return note(cudaErrorInvalidResourceHandle);
    }
    if (stream->ordinal != current) {
        emulated_violation(
            "a command for GPU %d, while GPU %d is current", stream->ordinal, current);
        return note(cudaErrorInvalidResourceHandle);
    }
    if (capturing && capturing != stream) {
        emulated_violation("a launch outside of the capture");
        return note(cudaErrorStreamCaptureImplicit);
    }
    if (stream->capture) {
        append(&stream->capture->commands, command);
        return cudaSuccess;
    }
    emulated_cuda_state.submissions++;
    append(&stream->waiting, command);
    return cudaSuccess;
}

/* --- The device --- */

cudaError_t cudaGetDeviceCount(int *count) {
    *count = 0;
    MAY_FAIL(cudaErrorInitializationError);
    *count = emulated_cuda.gpus;
    return note(*count > 0 ? cudaSuccess : cudaErrorNoDevice);
}

cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *properties, int ordinal) {
    MAY_FAIL(cudaErrorInvalidDevice);
    if (ordinal < 0 || ordinal >= emulated_cuda.gpus)
        return note(cudaErrorInvalidDevice);
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
        return note(cudaErrorInvalidDevice);
    if (attribute != cudaDevAttrMaxThreadsPerBlock &&
        attribute != cudaDevAttrMaxSharedMemoryPerBlock)
        return note(cudaErrorInvalidValue);
    *value = attribute == cudaDevAttrMaxThreadsPerBlock ? 1024 : 48 << 10;
    return cudaSuccess;
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
        return note(cudaErrorInvalidDevice);
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
    ERROR(cudaErrorInitializationError, "initialization error"),
    ERROR(cudaErrorNoDevice, "no CUDA-capable device is detected"),
    ERROR(cudaErrorInvalidDevice, "invalid device ordinal"),
    ERROR(cudaErrorDevicesUnavailable, "CUDA-capable device(s) is/are busy or unavailable"),
    ERROR(cudaErrorInvalidKernelImage, "device kernel image is invalid"),
    ERROR(cudaErrorInvalidResourceHandle, "invalid resource handle"),
    ERROR(cudaErrorSymbolNotFound, "named symbol not found"),
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
        return note(cudaErrorMemoryAllocation);
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

/* A wait that fails has been made, and so has what ends something. */
#define FAILS_AFTER(code) const bool fail = emulated_fails(__func__)
#define RESULT_AFTER(code)                                                                         \
    return note(!fail ? cudaSuccess : lost ? cudaErrorIllegalAddress : (code))

cudaError_t cudaFree(void *address) {
    FAILS_AFTER();
    NOT_WHILE_CAPTURING();
    run_all();
    struct allocation **at = &allocations;
    while (*at && (*at)->base != address)
        at = &(*at)->next;
    struct allocation *one = *at;
    if (!one) {
        emulated_violation("cudaFree of what is not allocated");
        return note(cudaErrorInvalidValue);
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

cudaError_t cudaMemcpyAsync(
    void *to, const void *from, size_t bytes, enum cudaMemcpyKind direction, cudaStream_t stream) {
    MAY_FAIL(cudaErrorInvalidValue);
    NOT_WHILE_CAPTURING(); /* of memory that is not pinned */
    const struct command command = {
        .kind = COPY, .to = to, .from = from, .bytes = bytes, .direction = direction};
    if (direction == cudaMemcpyDeviceToHost)
        memset(to, 0xff, bytes);
    return emulated_enqueue(stream, &command);
}

/* --- Streams --- */

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned flags) {
    MAY_FAIL(cudaErrorMemoryAllocation);
    if (flags != cudaStreamNonBlocking)
        emulated_violation("a stream that waits for the default stream");
    *stream = calloc(1, sizeof **stream);
    (*stream)->ordinal = current;
    (*stream)->next = streams;
    streams = *stream;
    emulated_cuda_state.objects++;
    return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
    FAILS_AFTER();
    struct CUstream_st **at = &streams;
    while (*at && *at != stream)
        at = &(*at)->next;
    if (!*at) {
        emulated_violation("cudaStreamDestroy of what is no stream");
        return note(cudaErrorInvalidResourceHandle);
    }
    run_stream(stream);
    *at = stream->next;
    free(stream->waiting.all);
    free(stream);
    emulated_cuda_state.objects--;
    RESULT_AFTER(cudaErrorLaunchFailure);
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
    FAILS_AFTER();
    NOT_WHILE_CAPTURING();
    run_stream(stream);
    if (lost)
        return note(cudaErrorIllegalAddress);
    RESULT_AFTER(cudaErrorLaunchFailure);
}

cudaError_t cudaStreamIsCapturing(cudaStream_t stream, enum cudaStreamCaptureStatus *status) {
    MAY_FAIL(cudaErrorLaunchFailure);
    *status = stream->capture ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusNone;
    return cudaSuccess;
}

/* It runs nothing, and so is never done with anything. */
cudaError_t cudaStreamQuery(cudaStream_t stream) {
    MAY_FAIL(cudaErrorLaunchFailure);
    NOT_WHILE_CAPTURING();
    return stream->waiting.count > 0 ? cudaErrorNotReady : cudaSuccess;
}

/* --- Graphs --- */

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, enum cudaStreamCaptureMode mode) {
    MAY_FAIL(cudaErrorInvalidValue);
    (void)mode;
    if (capturing)
        emulated_violation("a capture within a capture");
    if (emulated_cuda.no_graphs)
        return note(cudaErrorStreamCaptureUnsupported);
    stream->capture = calloc(1, sizeof *stream->capture);
    stream->invalid = false;
    capturing = stream;
    return cudaSuccess;
}

static void free_graph(struct CUgraph_st *graph) {
    free(graph->commands.all);
    free(graph);
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph) {
    const bool fail = emulated_fails(__func__);
    struct CUgraph_st *captured = stream->capture;
    *graph = NULL;
    if (!captured) {
        emulated_violation("the end of no capture");
        return note(cudaErrorInvalidValue);
    }
    stream->capture = NULL;
    capturing = NULL;
    if (fail || stream->invalid) {
        free_graph(captured);
        return note(lost ? cudaErrorIllegalAddress : cudaErrorStreamCaptureInvalidated);
    }
    emulated_cuda_state.objects++;
    *graph = captured;
    return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(
    cudaGraphExec_t *whole, cudaGraph_t graph, unsigned long long flags) {
    (void)flags;
    *whole = NULL;
    MAY_FAIL(cudaErrorMemoryAllocation);
    struct CUgraphExec_st *made = calloc(1, sizeof *made);
    made->ordinal = current;
    for (size_t c = 0; c < graph->commands.count; c++)
        append(&made->commands, &graph->commands.all[c]);
    emulated_cuda_state.objects++;
    *whole = made;
    return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
    FAILS_AFTER();
    free_graph(graph);
    emulated_cuda_state.objects--;
    RESULT_AFTER(cudaErrorInvalidValue);
}

cudaError_t cudaGraphUpload(cudaGraphExec_t whole, cudaStream_t stream) {
    (void)whole, (void)stream;
    MAY_FAIL(cudaErrorMemoryAllocation);
    return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t whole, cudaStream_t stream) {
    MAY_FAIL(cudaErrorLaunchFailure);
    return emulated_enqueue(stream, &(struct command){.kind = GRAPH, .graph = whole});
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t whole) {
    FAILS_AFTER();
    for (const struct CUstream_st *stream = streams; stream; stream = stream->next)
        for (size_t c = 0; c < stream->waiting.count; c++)
            if (stream->waiting.all[c].graph == whole)
                emulated_violation("cudaGraphExecDestroy of a graph that waits to be run");
    free(whole->commands.all);
    free(whole);
    emulated_cuda_state.objects--;
    RESULT_AFTER(cudaErrorInvalidValue);
}

cudaError_t cudaLaunchKernel(const void *function, dim3 grid, dim3 block, void **arguments,
    size_t shared, cudaStream_t stream) {
    MAY_FAIL(cudaErrorLaunchFailure);
    struct command command = {.kind = KERNEL, .grid = grid, .block = block};
    memcpy(&command.kernel, &function, sizeof function);
    const unsigned long long items = (unsigned long long)block.x * block.y * block.z;
    if (items == 0 || items > 1024 || block.z > 64 || grid.x == 0 || grid.y == 0 || grid.z == 0 ||
        grid.x > 0x7fffffff || grid.y > 65535 || grid.z > 65535 || shared > 0) {
        emulated_violation("a grid of %u x %u x %u groups of %u x %u x %u items", grid.x, grid.y,
            grid.z, block.x, block.y, block.z);
        return note(cudaErrorInvalidValue);
    }
    const cudaError_t code = emulated_copy_arguments(command.kernel, arguments, &command);
    return note(code == cudaSuccess ? emulated_enqueue(stream, &command) : code);
}
