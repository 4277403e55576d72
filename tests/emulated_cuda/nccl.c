/* A library that a program takes for NVIDIA's NCCL where it looks for that. Its ranks are processes
 * on one host, whose emulated GPUs exchange through shared memory when their streams come to it.
 * $EMULATED_NCCL says what goes wrong, "WHAT" or "WHAT:RANK": the function of that name fails; or
 * "version": another version; or "remote": after some exchanges one of them fails, in all ranks; or
 * "stall": after some exchanges the rank takes part in none. */
#include <cuda_runtime_api.h>

#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SUCCESS = 0, SYSTEM_ERROR = 2, INVALID_ARGUMENT = 4, REMOTE_ERROR = 6 };
enum { FLOAT32 = 7, SUM = 0 };
enum { RANKS = 16, PART = 4096, LAST_GOOD = 20 };

typedef struct {
    char internal[128];
} unique_id;

/* What ranks share; it starts as zeros. */
struct shared {
    atomic_int joined, arrived, meetings, broken;
    float values[RANKS][PART];
};

struct task {
    struct task *next;
    struct communicator *communicator;
    const float *from;
    float *to;
    size_t count;
};

struct communicator {
    struct communicator *next; /* of those that were aborted */
    struct shared *shared;
    int rank, ranks, exchanges;
    struct task *tasks; /* all that were enqueued, since a graph may run one often */
};

int ncclGetVersion(int *version);
int ncclGetUniqueId(unique_id *id);
int ncclCommInitRank(struct communicator **made, int ranks, unique_id id, int rank);
int ncclCommDestroy(struct communicator *communicator);
int ncclCommAbort(struct communicator *communicator);
int ncclCommGetAsyncError(struct communicator *communicator, int *found);
int ncclAllReduce(const void *from, void *to, size_t count, int type, int operation,
    struct communicator *communicator, cudaStream_t stream);
const char *ncclGetErrorString(int code);
const char *ncclGetLastError(struct communicator *communicator);

/* --- What goes wrong --- */

static int own_rank(void) {
    const char *number = getenv("OMPI_COMM_WORLD_RANK");
    number = number ? number : getenv("PMI_RANK");
    return number ? atoi(number) : 0;
}

static bool goes_wrong(const char *what) {
    const char *wanted = getenv("EMULATED_NCCL");
    const size_t length = strlen(what);
    if (!wanted || strncmp(wanted, what, length) != 0)
        return false;
    return wanted[length] == '\0' ||
           (wanted[length] == ':' && atoi(wanted + length + 1) == own_rank());
}

const char *ncclGetErrorString(int code) {
    return code == SYSTEM_ERROR ? "unhandled system error (run with NCCL_DEBUG=INFO for details)"
           : code == INVALID_ARGUMENT ? "invalid argument (run with NCCL_DEBUG=WARN for details)"
           : code == REMOTE_ERROR     ? "remote process exited or there was a network error"
                                      : "no error";
}

const char *ncclGetLastError(struct communicator *communicator) {
    (void)communicator;
    return "emulated";
}

/* --- Ranks --- */

int ncclGetVersion(int *version) {
    *version = goes_wrong("version") ? 22703 : 22809;
    return goes_wrong(__func__) ? SYSTEM_ERROR : SUCCESS;
}

int ncclGetUniqueId(unique_id *id) {
    snprintf(id->internal, sizeof id->internal, "/trainer-emulated-nccl-%ld", (long)getpid());
    return goes_wrong(__func__) ? SYSTEM_ERROR : SUCCESS;
}

/* Waits until all ranks have come; false once something is broken. */
static bool meet(const struct communicator *communicator) {
    struct shared *shared = communicator->shared;
    const int meeting = atomic_load(&shared->meetings);
    if (atomic_fetch_add(&shared->arrived, 1) == communicator->ranks - 1) {
        atomic_store(&shared->arrived, 0);
        atomic_fetch_add(&shared->meetings, 1);
    }
    while (atomic_load(&shared->meetings) == meeting && !atomic_load(&shared->broken))
        sched_yield();
    return !atomic_load(&shared->broken);
}

int ncclCommInitRank(struct communicator **made, int ranks, unique_id id, int rank) {
    if (ranks > RANKS)
        return INVALID_ARGUMENT;
    const int file = shm_open(id.internal, O_CREAT | O_RDWR, 0600);
    if (file < 0 || ftruncate(file, sizeof(struct shared)) != 0)
        return SYSTEM_ERROR;
    void *memory = mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (memory == MAP_FAILED)
        return SYSTEM_ERROR;
    struct communicator *communicator = calloc(1, sizeof *communicator);
    *communicator = (struct communicator){.shared = memory, .rank = rank, .ranks = ranks};
    if (goes_wrong(__func__))
        atomic_store(&communicator->shared->broken, 1);
    atomic_fetch_add(&communicator->shared->joined, 1);
    while (atomic_load(&communicator->shared->joined) < ranks)
        sched_yield();
    shm_unlink(id.internal);
    *made = communicator;
    if (!atomic_load(&communicator->shared->broken))
        return SUCCESS;
    ncclCommAbort(communicator);
    return goes_wrong(__func__) ? SYSTEM_ERROR : REMOTE_ERROR;
}

/* Streams may still have exchanges, which then do nothing. */
int ncclCommAbort(struct communicator *communicator) {
    static struct communicator *aborted;
    atomic_store(&communicator->shared->broken, 1);
    communicator->next = aborted;
    aborted = communicator;
    return SUCCESS;
}

int ncclCommDestroy(struct communicator *communicator) {
    for (struct task *task = communicator->tasks, *next; task; task = next) {
        next = task->next;
        free(task);
    }
    munmap(communicator->shared, sizeof *communicator->shared);
    free(communicator);
    return SUCCESS;
}

int ncclCommGetAsyncError(struct communicator *communicator, int *found) {
    *found = atomic_load(&communicator->shared->broken) ? REMOTE_ERROR : SUCCESS;
    return goes_wrong(__func__) ? SYSTEM_ERROR : SUCCESS;
}

/* --- Exchanges --- */

static void sum(const struct communicator *communicator, float *to, size_t count) {
    for (size_t i = 0; i < count; i++) {
        float all = 0.0f;
        for (int r = 0; r < communicator->ranks; r++)
            all += communicator->shared->values[r][i];
        to[i] = all;
    }
}

static void CUDART_CB exchange(void *context) {
    const struct task *task = context;
    struct communicator *communicator = task->communicator;
    if (++communicator->exchanges > LAST_GOOD && goes_wrong("remote"))
        atomic_store(&communicator->shared->broken, 1);
    while (communicator->exchanges > LAST_GOOD && goes_wrong("stall"))
        pause();
    for (size_t first = 0; first < task->count; first += PART) {
        const size_t left = task->count - first, count = left < PART ? left : PART;
        memcpy(communicator->shared->values[communicator->rank], task->from + first,
            count * sizeof(float));
        if (!meet(communicator))
            return;
        sum(communicator, task->to + first, count);
        if (!meet(communicator))
            return;
    }
}

int ncclAllReduce(const void *from, void *to, size_t count, int type, int operation,
    struct communicator *communicator, cudaStream_t stream) {
    if (type != FLOAT32 || operation != SUM || goes_wrong(__func__))
        return INVALID_ARGUMENT;
    struct task *task = malloc(sizeof *task);
    *task = (struct task){communicator->tasks, communicator, from, to, count};
    communicator->tasks = task;
    return cudaLaunchHostFunc(stream, exchange, task) == cudaSuccess ? SUCCESS : SYSTEM_ERROR;
}
