#include "device/cuda/nccl.h"

#include "communicator/wait.h"
#include "device/cuda/memory.h"
#include "device/cuda/nccl_api.h"
#include "device/cuda/queue.h"
#include "device/cuda/status.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Exchanges from one sign of progress to the next. */
enum { PROGRESS_EVERY = 16 };

struct nccl {
    struct nccl_api api;
    nccl_communicator ranks;
    unsigned exchanges; /* that were enqueued or captured */
};

static enum status nccl_failed(
    const struct nccl *nccl, const char *call, nccl_result code, struct error *error) {
    const char *last = nccl->api.get_last_error(nccl->ranks);
    return error_set(error, STATUS_DEVICE,
        "cuda: %s gave %d: %s%s%.400s; NCCL_DEBUG=INFO shows more, and --exchange host does "
        "without NCCL",
        call, code, nccl->api.get_error_string(code), last && last[0] ? ": " : "",
        last ? last : "");
}

/* --- Exchanging --- */

static void CUDART_CB note_progress(void *communicator) {
    communicator_progress(communicator);
}

/* After some exchanges the host is told that they are done, which takes the GPU a few microseconds.
 */
enum status nccl_enqueue(const struct cuda *cuda, struct view values, struct error *error) {
    struct nccl *nccl = cuda->nccl;
    float *memory = cuda_memory(values.buffer, values.offset);
    const nccl_result code = nccl->api.all_reduce(memory, memory, values.rows * values.columns,
        NCCL_FLOAT32, NCCL_SUM, nccl->ranks, cuda->stream);
    if (code != NCCL_SUCCESS)
        return nccl_failed(nccl, "ncclAllReduce", code, error);
    if (++nccl->exchanges % PROGRESS_EVERY != 0)
        return STATUS_OK;
    const cudaError_t told =
        cudaLaunchHostFunc(cuda->stream, note_progress, cuda->gpu.base.communicator);
    return told == cudaSuccess ? STATUS_OK
                               : cuda_failed("cudaLaunchHostFunc", told, "an exchange", error);
}

static void *give_up(void *context) {
    struct nccl *nccl = context;
    nccl->api.comm_abort(nccl->ranks);
    free(nccl);
    return NULL;
}

/* Ends what can't end any more by itself, so that the stream does. NCCL then waits for the graphs
 * that have exchanges to be freed, which can only be done once the stream has ended: so a thread of
 * its own waits, perhaps to the end of the process. */
static void end_exchanges(struct nccl *nccl) {
    pthread_t thread;
    struct nccl *copy = malloc(sizeof *copy);
    if (copy)
        *copy = *nccl;
    if (copy && pthread_create(&thread, NULL, give_up, copy) == 0)
        pthread_detach(thread);
    nccl->ranks = NULL;
}

static enum status check(struct cuda *cuda, struct error *error) {
    struct nccl *nccl = cuda->nccl;
    nccl_result found = NCCL_SUCCESS;
    const nccl_result code = nccl->api.comm_get_async_error(nccl->ranks, &found);
    if (code == NCCL_SUCCESS && (found == NCCL_SUCCESS || found == NCCL_IN_PROGRESS))
        return STATUS_OK;
    const enum status status = code != NCCL_SUCCESS
                                   ? nccl_failed(nccl, "ncclCommGetAsyncError", code, error)
                                   : nccl_failed(nccl, "an exchange by NCCL", found, error);
    end_exchanges(nccl);
    return status;
}

static bool is_busy(const struct cuda *cuda) {
    return cudaStreamQuery(cuda->stream) == cudaErrorNotReady;
}

/* `meeting`: other ranks may come late. */
static enum status wait_for_stream(struct cuda *cuda, bool meeting, struct error *error) {
    enum { CHECK_EVERY = 256 }; /* looks at the stream, of about a microsecond each */
    enum status status = STATUS_OK;
    communicator_wait(cuda->gpu.base.communicator, "an exchange of gradients by NCCL", meeting);
    for (unsigned looks = 1; status == STATUS_OK && is_busy(cuda); looks++)
        if (looks % CHECK_EVERY == 0)
            status = check(cuda, error);
    if (status == STATUS_OK)
        status = check(cuda, error);
    communicator_waited(cuda->gpu.base.communicator);
    cuda->gpu.exchanging = false;
    cudaGetLastError(); /* that the stream was not done is no error */
    return status;
}

enum status nccl_wait(struct cuda *cuda, struct error *error) {
    return cuda->gpu.exchanging && cuda->nccl->ranks ? wait_for_stream(cuda, false, error)
                                                     : STATUS_OK;
}

/* --- Joining --- */

/* What a rank tells the others before they join. */
struct offer {
    int version; /* of its NCCL; 0: it has none that works */
    nccl_id id;  /* of rank 0's */
};

static enum status make_offer(
    const struct cuda *cuda, struct nccl *nccl, struct offer *offer, struct error *error) {
    int version = 0;
    const enum status status = cuda_enter(cuda, error);
    if (status != STATUS_OK)
        return status;
    if (!nccl_api_open(&nccl->api))
        return error_set(error, STATUS_DEVICE,
            "cuda: libnccl.so.2 can't be opened: %s; install NVIDIA's libnccl2", dlerror());
    const char *call = "ncclGetVersion";
    nccl_result code = nccl->api.get_version(&version);
    if (code == NCCL_SUCCESS && communicator_rank(cuda->gpu.base.communicator) == 0) {
        call = "ncclGetUniqueId";
        code = nccl->api.get_unique_id(&offer->id);
    }
    if (code != NCCL_SUCCESS)
        return nccl_failed(nccl, call, code, error);
    offer->version = version;
    return STATUS_OK;
}

/* Whether all ranks have the same NCCL; *first becomes rank 0's offer. */
static enum status compare_offers(struct communicator *communicator, const struct offer *own,
    struct offer *first, bool *same, struct error *error) {
    const size_t ranks = (size_t)communicator_ranks(communicator);
    struct offer *all = calloc(ranks, sizeof *all);
    *same = false;
    if (!all)
        return error_memory(error, "the ranks' versions of NCCL", ranks * sizeof *all);
    const enum status status = communicator_gather(communicator, own, sizeof *own, all, error);
    *same = status == STATUS_OK && all[0].version > 0;
    for (size_t r = 0; r < ranks && *same; r++)
        *same = all[r].version == all[0].version;
    *first = all[0];
    free(all);
    return status;
}

static enum status join(
    struct cuda *cuda, struct nccl *nccl, const nccl_id *id, struct error *error) {
    struct communicator *communicator = cuda->gpu.base.communicator;
    communicator_wait(communicator, "joining the other ranks' GPUs", true);
    const nccl_result code = nccl->api.comm_init_rank(
        &nccl->ranks, communicator_ranks(communicator), *id, communicator_rank(communicator));
    communicator_waited(communicator);
    if (code == NCCL_SUCCESS)
        return STATUS_OK;
    nccl->ranks = NULL;
    return nccl_failed(nccl, "ncclCommInitRank", code, error);
}

/* What a rank tells the others once it has tried to join. */
struct outcome {
    bool failed;
    char why[512];
};

/* Takes over the failure of the first rank that has one; *failed stays false where none has. */
static enum status compare_outcomes(
    struct communicator *communicator, struct outcome *outcome, struct error *error) {
    const size_t ranks = (size_t)communicator_ranks(communicator);
    struct outcome *all = calloc(ranks, sizeof *all);
    if (!all)
        return error_memory(error, "how the ranks join", ranks * sizeof *all);
    const enum status status =
        communicator_gather(communicator, outcome, sizeof *outcome, all, error);
    size_t r = 0;
    while (r < ranks && !all[r].failed)
        r++;
    outcome->failed = r < ranks;
    if (r < ranks)
        snprintf(outcome->why, sizeof outcome->why, "rank %zu on %s: %.400s", r,
            communicator_host(communicator, (int)r), all[r].why);
    free(all);
    return status;
}

static void leave(struct nccl *nccl) {
    if (nccl->ranks)
        nccl->api.comm_abort(nccl->ranks);
    nccl->ranks = NULL;
}

/* Lets NCCL do what it puts off until the first exchange of a size, which is better not within a
 * capture. The sums are of whatever is in the memory. */
static enum status prepare(struct cuda *cuda, size_t elements, struct error *error) {
    struct gpu *gpu = &cuda->gpu;
    struct buffer *buffer = NULL;
    int failing;
    enum status status = device_allocate(&gpu->base, elements, &buffer, error);
    const enum status told =
        communicator_most(gpu->base.communicator, status != STATUS_OK, &failing, error);
    status = told == STATUS_OK ? status : told;
    if (status == STATUS_OK && !failing)
        status = nccl_enqueue(cuda, device_view(buffer, 1, elements), error);
    if (status == STATUS_OK && !failing)
        status = wait_for_stream(cuda, true, error);
    buffer_free(buffer);
    return status;
}

/* What NCCL has taken is no longer there for buffers. */
static enum status measure_memory(struct cuda *cuda, struct error *error) {
    struct gpu *gpu = &cuda->gpu;
    const size_t before = gpu->memory_bytes;
    const enum status status = cuda_measure_memory(cuda, error);
    if (status == STATUS_OK && gpu->memory_bytes > before) /* others may have given some back */
        gpu->memory_bytes = gpu->buffer_bytes = before;
    return status;
}

/* All ranks join, or none does, and *outcome says why. The result is that of the exchanges by which
 * they find out. */
static enum status join_together(
    struct cuda *cuda, struct nccl *nccl, struct outcome *outcome, struct error *error) {
    struct communicator *communicator = cuda->gpu.base.communicator;
    struct offer offer = {0}, first = {0};
    struct error why = {0};
    bool same;
    enum status own = make_offer(cuda, nccl, &offer, &why);
    enum status status = compare_offers(communicator, &offer, &first, &same, error);
    if (status != STATUS_OK)
        return status;
    if (own == STATUS_OK && offer.version != first.version && first.version > 0)
        own = error_set(&why, STATUS_DEVICE,
            "cuda: its NCCL is version %d, and rank 0's is %d: install the same on all hosts",
            offer.version, first.version);
    if (same)
        own = join(cuda, nccl, &first.id, &why);
    outcome->failed = own != STATUS_OK;
    snprintf(outcome->why, sizeof outcome->why, "%.500s", why.message);
    status = compare_outcomes(communicator, outcome, error);
    if (status != STATUS_OK || outcome->failed)
        leave(nccl);
    return status;
}

static void describe(const struct nccl *nccl, char *text, size_t size) {
    int version = 0;
    nccl->api.get_version(&version);
    snprintf(text, size, "NCCL %d.%d.%d", version / 10000, version / 100 % 100, version % 100);
}

enum status cuda_join(struct device *device, size_t elements, struct error *error) {
    struct cuda *cuda = cuda_of_device(device);
    struct outcome outcome = {0};
    if (cuda->exchange == EXCHANGE_BY_HOST)
        return STATUS_OK;
    cuda->nccl = calloc(1, sizeof *cuda->nccl);
    if (!cuda->nccl)
        return error_memory(error, "NCCL", sizeof *cuda->nccl);
    enum status status = join_together(cuda, cuda->nccl, &outcome, error);
    if (status == STATUS_OK && !outcome.failed) {
        device->info.exchanges = cuda->gpu.joined = true;
        describe(cuda->nccl, device->info.transport, sizeof device->info.transport);
        status = prepare(cuda, elements, error);
        return status == STATUS_OK ? measure_memory(cuda, error) : status;
    }
    nccl_close(cuda);
    if (status != STATUS_OK)
        return status;
    if (cuda->exchange == EXCHANGE_BY_NCCL)
        return error_set(error, STATUS_DEVICE, "%s", outcome.why);
    device_warn(device, "gradients go through the host's memory: %.440s", outcome.why);
    return STATUS_OK;
}

void nccl_close(struct cuda *cuda) {
    struct nccl *nccl = cuda->nccl;
    if (!nccl)
        return;
    if (nccl->ranks)
        nccl->api.comm_destroy(nccl->ranks);
    free(nccl);
    cuda->nccl = NULL;
}
