#include "calls.h"

#include <stdlib.h>
#include <string.h>

/* --- State --- */

struct commands {
    struct command *all;
    size_t count, capacity;
};

struct CUstream_st {
    struct CUstream_st *next;
    int ordinal;
    struct commands waiting;
    size_t done;                /* of what waits */
    bool computes;              /* or did: there were not only copies */
    struct CUgraph_st *capture; /* NULL: it captures nothing */
    bool invalid;               /* what it captures */
};

struct CUevent_st {
    struct CUstream_st *stream; /* that records it */
    unsigned long asked, done;  /* records */
};

struct CUgraph_st {
    struct commands commands;
};

struct CUgraphExec_st {
    struct commands commands;
    int ordinal;
};

static struct CUstream_st *streams, *capturing;

bool emulated_is_capturing(void) {
    return capturing != NULL;
}

void emulated_spoil_capture(void) {
    capturing->invalid = true;
}

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
        emulated_cuda_state.copies++;
        break;
    }
    case KERNEL:
        emulated_cuda_state.commands++;
        emulated_cuda_state.together += command->together;
        emulated_run_kernel(command);
        break;
    case GEMM:
        emulated_cuda_state.commands++;
        emulated_multiply(command);
        break;
    case GRAPH:
        emulated_cuda_state.graph_nodes = command->graph->commands.count;
        emulated_cuda_state.overlapping = 0;
        for (size_t c = 0; c < command->graph->commands.count; c++)
            emulated_cuda_state.overlapping += command->graph->commands.all[c].overlaps;
        run(&command->graph->commands);
        break;
    case RECORD:
        command->event->done = command->version;
        break;
    case WAIT:
        break;
    case CALL:
        command->call(command->context);
        break;
    }
}

static void run(const struct commands *commands) {
    for (size_t c = 0; c < commands->count && !emulated_is_lost(); c++)
        run_command(&commands->all[c]);
}

static void run_until(
    struct CUstream_st *stream, const struct CUevent_st *until, unsigned long version, bool others);

/* Does what a stream has to do next; false when that is to wait for another one, which is done only
 * where `others` says so. */
static bool run_one(struct CUstream_st *stream, bool others) {
    const struct command command = stream->waiting.all[stream->done];
    if (command.kind == WAIT && command.event->done < command.version) {
        if (!others)
            return false;
        run_until(command.event->stream, command.event, command.version, true);
        if (command.event->done < command.version && !emulated_is_lost())
            emulated_violation("a stream waits for an event that does not come");
    }
    stream->done++;
    run_command(&command);
    return true;
}

static bool has_more(const struct CUstream_st *stream) {
    return stream->done < stream->waiting.count && !emulated_is_lost();
}

static void tidy(struct CUstream_st *stream) {
    if (!has_more(stream))
        stream->done = stream->waiting.count = 0;
}

/* Does what waits in a stream, until it waits for another one; or, with `until`, until it has
 * recorded that event so often. */
static void run_until(struct CUstream_st *stream, const struct CUevent_st *until,
    unsigned long version, bool others) {
    while (has_more(stream) && (!until || until->done < version) && run_one(stream, others))
        continue;
    tidy(stream);
}

static void run_next(struct CUstream_st *stream) {
    if (has_more(stream))
        run_one(stream, true);
    tidy(stream);
}

static void run_stream(struct CUstream_st *stream) {
    run_until(stream, NULL, 0, true);
}

void emulated_run_all(void) {
    for (struct CUstream_st *stream = streams; stream; stream = stream->next)
        run_stream(stream);
}

cudaError_t emulated_enqueue(cudaStream_t stream, const struct command *command) {
    if (!stream) {
        emulated_violation("a command for the default stream");
        return emulated_note(cudaErrorInvalidResourceHandle);
    }
    if (stream->ordinal != emulated_current()) {
        emulated_violation(
            "a command for GPU %d, while GPU %d is current", stream->ordinal, emulated_current());
        return emulated_note(cudaErrorInvalidResourceHandle);
    }
    if (capturing && capturing != stream) {
        emulated_violation("a launch outside of the capture");
        return emulated_note(cudaErrorStreamCaptureImplicit);
    }
    if (stream->capture) {
        append(&stream->capture->commands, command);
        return cudaSuccess;
    }
    emulated_cuda_state.submissions++;
    append(&stream->waiting, command);
    stream->computes |= command->kind == KERNEL || command->kind == GEMM || command->kind == GRAPH;
    if (emulated_cuda.eager && !stream->computes)
        run_until(stream, NULL, 0, false);
    return cudaSuccess;
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
    (*stream)->ordinal = emulated_current();
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
        return emulated_note(cudaErrorInvalidResourceHandle);
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
    if (emulated_is_lost())
        return emulated_note(cudaErrorIllegalAddress);
    RESULT_AFTER(cudaErrorLaunchFailure);
}

cudaError_t cudaStreamIsCapturing(cudaStream_t stream, enum cudaStreamCaptureStatus *status) {
    MAY_FAIL(cudaErrorLaunchFailure);
    *status = stream->capture ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusNone;
    return cudaSuccess;
}

/* Whoever asks again and again sees the stream get on, by a command each time. */
cudaError_t cudaStreamQuery(cudaStream_t stream) {
    MAY_FAIL(cudaErrorLaunchFailure);
    NOT_WHILE_CAPTURING();
    run_next(stream);
    return stream->waiting.count > 0 ? cudaErrorNotReady : cudaSuccess;
}

/* --- Events --- */

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned flags) {
    MAY_FAIL(cudaErrorMemoryAllocation);
    if (flags != cudaEventDisableTiming)
        emulated_violation("an event that takes the time");
    *event = calloc(1, sizeof **event);
    emulated_cuda_state.objects++;
    return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
    FAILS_AFTER();
    emulated_run_all();
    free(event);
    emulated_cuda_state.objects--;
    RESULT_AFTER(cudaErrorInvalidValue);
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
    MAY_FAIL(cudaErrorLaunchFailure);
    NOT_WHILE_CAPTURING();
    event->stream = stream;
    return emulated_enqueue(
        stream, &(struct command){.kind = RECORD, .event = event, .version = ++event->asked});
}

/* Of an event that was never recorded, nothing is waited for. */
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags) {
    MAY_FAIL(cudaErrorLaunchFailure);
    NOT_WHILE_CAPTURING();
    (void)flags;
    return emulated_enqueue(
        stream, &(struct command){.kind = WAIT, .event = event, .version = event->asked});
}

/* --- Graphs --- */

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, enum cudaStreamCaptureMode mode) {
    MAY_FAIL(cudaErrorInvalidValue);
    (void)mode;
    if (capturing)
        emulated_violation("a capture within a capture");
    if (emulated_cuda.no_graphs)
        return emulated_note(cudaErrorStreamCaptureUnsupported);
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
        return emulated_note(cudaErrorInvalidValue);
    }
    stream->capture = NULL;
    capturing = NULL;
    if (fail || stream->invalid) {
        free_graph(captured);
        return emulated_note(
            emulated_is_lost() ? cudaErrorIllegalAddress : cudaErrorStreamCaptureInvalidated);
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
    made->ordinal = emulated_current();
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

static cudaError_t launch(const void *function, dim3 grid, dim3 block, void **arguments,
    size_t shared, cudaStream_t stream, bool overlaps, bool together) {
    struct command command = {
        .kind = KERNEL, .grid = grid, .block = block, .overlaps = overlaps, .together = together};
    memcpy(&command.kernel, &function, sizeof function);
    const unsigned long long items = (unsigned long long)block.x * block.y * block.z;
    if (items == 0 || items > 1024 || block.z > 64 || grid.x == 0 || grid.y == 0 || grid.z == 0 ||
        grid.x > 0x7fffffff || grid.y > 65535 || grid.z > 65535 || shared > 0) {
        emulated_violation("a grid of %u x %u x %u groups of %u x %u x %u items", grid.x, grid.y,
            grid.z, block.x, block.y, block.z);
        return emulated_note(cudaErrorInvalidValue);
    }
    const cudaError_t code = emulated_copy_arguments(command.kernel, arguments, &command);
    return emulated_note(code == cudaSuccess ? emulated_enqueue(stream, &command) : code);
}

cudaError_t cudaLaunchKernel(const void *function, dim3 grid, dim3 block, void **arguments,
    size_t shared, cudaStream_t stream) {
    MAY_FAIL(cudaErrorLaunchFailure);
    return launch(function, grid, block, arguments, shared, stream, false, false);
}

cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t call, void *context) {
    MAY_FAIL(cudaErrorLaunchFailure);
    return emulated_enqueue(
        stream, &(struct command){.kind = CALL, .call = call, .context = context});
}

/* Launches that overlap are done one after another here, as they may be. */
cudaError_t cudaLaunchKernelExC(
    const cudaLaunchConfig_t *config, const void *function, void **arguments) {
    MAY_FAIL(cudaErrorLaunchFailure);
    if (config->numAttrs != 1 ||
        config->attrs[0].id != cudaLaunchAttributeProgrammaticStreamSerialization ||
        config->attrs[0].val.programmaticStreamSerializationAllowed != 1)
        emulated_violation("a launch with attributes that nobody knows");
    if (emulated_cuda.capability < 90)
        return emulated_note(cudaErrorNotSupported);
    return launch(function, config->gridDim, config->blockDim, arguments, config->dynamicSmemBytes,
        config->stream, true, false);
}

cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(
    int *groups, const void *function, int items, size_t shared) {
    MAY_FAIL(cudaErrorInvalidValue);
    (void)function, (void)shared;
    *groups = (int)emulated_groups_at_once(function, (size_t)items) / emulated_cuda.units;
    return cudaSuccess;
}

cudaError_t cudaLaunchCooperativeKernel(const void *function, dim3 grid, dim3 block,
    void **arguments, size_t shared, cudaStream_t stream) {
    MAY_FAIL(cudaErrorLaunchFailure);
    const size_t groups = (size_t)grid.x * grid.y * grid.z;
    const size_t items = (size_t)block.x * block.y * block.z;
    if (emulated_cuda.shared)
        return emulated_note(cudaErrorNotSupported);
    if (groups > emulated_groups_at_once(function, items))
        return emulated_note(cudaErrorCooperativeLaunchTooLarge);
    return launch(function, grid, block, arguments, shared, stream, false, true);
}
