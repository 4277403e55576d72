#include "trainer/communicator.h"

#include "communicator/create.h"
#include "communicator/modules.h"
#include "communicator/places.h"
#include "communicator/shared.h"
#include "communicator/wait.h"
#include "communicator/watch.h"
#include "system/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

const char *const communicator_library_names[] = {[COMMUNICATOR_AUTO] = "auto",
    [COMMUNICATOR_NONE] = "none",
    [COMMUNICATOR_OPENMPI] = "openmpi",
    [COMMUNICATOR_MPICH] = "mpich",
    NULL};

struct communicator {
    struct communicator_info info;
    struct communicator_options options;
    const struct communicator_module *module;
    struct watch watch;
    struct place *places;  /* [ranks] */
    struct shared *shared; /* memory, once some was asked for; NULL: none */
    bool is_given;         /* somebody has it */
    double seconds;        /* spent in communicator_sum */
    bool agreed;           /* on a failure */
    bool broken;           /* an exchange has failed */
    bool begun;            /* MPI has */
};

/* --- Exchanges, watched --- */

/* How many times as long as the limit an exchange may take that is no sum. */
enum { MEETING = 10 };

static void begin_meeting(struct communicator *communicator, const char *what) {
    watch_begin(&communicator->watch, what, MEETING * communicator->options.limit);
}

void communicator_wait(struct communicator *communicator, const char *what, bool meeting) {
    if (meeting)
        begin_meeting(communicator, what);
    else
        watch_begin(&communicator->watch, what, communicator->options.limit);
}

void communicator_waited(struct communicator *communicator) {
    watch_end(&communicator->watch);
}

void communicator_progress(struct communicator *communicator) {
    watch_renew(&communicator->watch);
}

static enum status failed(
    struct communicator *communicator, const char *problem, struct error *error) {
    communicator->broken = true;
    return error_set(error, STATUS_FAILED, "%s: %s", communicator->info.library, problem);
}

/* Gives `status`, that of something which was watched. */
static enum status end_watch(
    struct communicator *communicator, bool done, const char *problem, struct error *error) {
    watch_end(&communicator->watch);
    return done ? STATUS_OK : failed(communicator, problem, error);
}

static void begin_sum(struct communicator *communicator) {
    watch_begin(
        &communicator->watch, "an exchange of gradients or scores", communicator->options.limit);
}

enum status communicator_sum(
    struct communicator *communicator, float *values, size_t count, struct error *error) {
    module_problem problem;
    if (!communicator)
        return STATUS_OK;
    const double start = clock_seconds();
    begin_sum(communicator);
    const bool done = communicator->module->sum(values, count, problem);
    communicator->seconds += clock_seconds() - start;
    return end_watch(communicator, done, problem, error);
}

enum status communicator_sum_apart(struct communicator *communicator, const float *values,
    float *sums, size_t count, struct error *error) {
    struct shared *shared = communicator ? communicator->shared : NULL;
    if (!shared || !shared_has(shared, values, sums, count)) {
        memcpy(sums, values, count * sizeof *sums);
        return communicator_sum(communicator, sums, count, error);
    }
    const double start = clock_seconds();
    begin_sum(communicator);
    shared_sum(shared, values, sums, count);
    watch_end(&communicator->watch);
    communicator->seconds += clock_seconds() - start;
    return STATUS_OK;
}

static enum status broadcast(
    struct communicator *communicator, int from, void *bytes, size_t count, struct error *error) {
    module_problem problem;
    begin_meeting(communicator, "a broadcast");
    const bool done = communicator->module->broadcast(from, bytes, count, problem);
    return end_watch(communicator, done, problem, error);
}

enum status communicator_broadcast(
    struct communicator *communicator, void *bytes, size_t count, struct error *error) {
    return communicator ? broadcast(communicator, 0, bytes, count, error) : STATUS_OK;
}

enum status communicator_gather(struct communicator *communicator, const void *own, size_t count,
    void *all, struct error *error) {
    module_problem problem;
    if (!communicator) {
        memcpy(all, own, count);
        return STATUS_OK;
    }
    begin_meeting(communicator, "a meeting of the ranks");
    const bool done = communicator->module->gather(own, count, all, problem);
    return end_watch(communicator, done, problem, error);
}

/* --- Shared memory --- */

/* Whether the host has the memory for all its ranks, and as much again, since a process is killed
 * that uses what is not there. */
static bool has_memory(const struct communicator *communicator, size_t bytes) {
    struct statvfs memory;
    if (statvfs("/dev/shm", &memory) != 0)
        return true; /* another system, which has another place for it */
    const size_t pages = bytes / memory.f_frsize + 1;
    return pages <= memory.f_bavail / 2 / (size_t)communicator->info.ranks;
}

/* Asks MPI for the memory. Where it gives none, there is none, and that is no error. */
static enum status share(
    struct communicator *communicator, size_t elements, void **addresses, struct error *error) {
    const struct communicator_info *info = &communicator->info;
    module_problem problem;
    bool refused = false;
    begin_meeting(communicator, "sharing memory");
    const bool done = communicator->module->share(
        shared_bytes(elements), addresses, info->ranks, &refused, problem);
    const enum status status = end_watch(communicator, done || refused, problem, error);
    if (status != STATUS_OK || refused)
        return status;
    communicator->shared =
        shared_create(addresses, info->rank, info->ranks, elements, communicator->module->progress);
    return communicator->shared ? STATUS_OK : error_memory(error, "the ranks", sizeof *addresses);
}

/* In all ranks, or in none where one lacks memory. */
static enum status create_shared(
    struct communicator *communicator, size_t elements, struct error *error) {
    void **addresses = calloc((size_t)communicator->info.ranks, sizeof *addresses);
    const bool has = addresses && has_memory(communicator, shared_bytes(elements));
    int lacking;
    enum status status = communicator_most(communicator, !has, &lacking, error);
    if (status == STATUS_OK && !lacking)
        status = share(communicator, elements, addresses, error);
    free(addresses);
    return status;
}

enum status communicator_share(struct communicator *communicator, size_t elements, float **values,
    float **sums, struct error *error) {
    const struct communicator_info *info = communicator_info(communicator);
    *values = *sums = NULL;
    if (info->ranks == 1 || info->hosts > 1 || !communicator->module->share ||
        communicator->is_given)
        return STATUS_OK;
    enum status status = STATUS_OK;
    if (!communicator->shared)
        status = create_shared(communicator, elements, error);
    const struct shared *shared = communicator->shared;
    if (status != STATUS_OK || !shared ||
        !shared_has(shared, shared_values(shared), shared_sums(shared), elements))
        return status;
    communicator->is_given = true;
    *values = shared_values(shared);
    *sums = shared_sums(shared);
    return STATUS_OK;
}

void communicator_unshare(struct communicator *communicator) {
    if (communicator)
        communicator->is_given = false;
}

/* --- Joining --- */

static enum status learn_places(struct communicator *communicator, struct error *error) {
    struct communicator_info *info = &communicator->info;
    struct place own;
    communicator->places = calloc((size_t)info->ranks, sizeof own);
    if (!communicator->places)
        return error_memory(error, "the ranks", (size_t)info->ranks * sizeof own);
    place_find(info->local_rank, &own);
    const enum status status =
        communicator_gather(communicator, &own, sizeof own, communicator->places, error);
    if (status == STATUS_OK)
        places_describe(communicator->places, info);
    return status;
}

static enum status join(
    struct communicator *communicator, const struct launcher *launcher, struct error *error) {
    struct module_ranks ranks = {0};
    module_problem problem;
    begin_meeting(communicator, "joining the other ranks");
    const bool joined = communicator->module->open(&ranks, problem);
    watch_end(&communicator->watch);
    communicator->begun = true;
    if (!joined)
        return error_set(error, STATUS_FAILED, "MPI can't join the other ranks: %s", problem);
    communicator->info = (struct communicator_info){.rank = ranks.rank,
        .ranks = ranks.ranks,
        .local_rank = ranks.local_rank,
        .local_ranks = ranks.local_ranks};
    snprintf(communicator->info.library, sizeof communicator->info.library, "%s", ranks.library);
    if (launcher->ranks > 0 && launcher->ranks != ranks.ranks) {
        communicator->begun = !communicator->module->close(problem);
        return error_set(error, STATUS_USAGE,
            "%s has started %d ranks, but %s sees %d: it is another MPI's launcher; name the MPI "
            "with --communicator, or take its own mpirun",
            launcher->name, launcher->ranks, ranks.library, ranks.ranks);
    }
    return learn_places(communicator, error);
}

/* Tells the caller's function of what took too long. */
static void be_late(void *context, const char *what, double limit) {
    struct communicator *communicator = context;
    const struct communicator_info *info = &communicator->info;
    char message[512], who[128] = "";
    if (info->ranks > 0)
        snprintf(who, sizeof who, "rank %d of %d on %s: ", info->rank, info->ranks, info->host);
    snprintf(message, sizeof message,
        "%s%s has taken longer than %g s: another rank has died or hangs, or a link is cut "
        "(--exchange-timeout)",
        who, what, limit);
    communicator->options.late(communicator->options.context, communicator, message);
}

/* Begins the watch, and joins. */
static enum status begin(
    struct communicator *communicator, const struct launcher *launcher, struct error *error) {
    communicator->watch.late = be_late;
    communicator->watch.context = communicator;
    if (!watch_open(&communicator->watch))
        return error_set(error, STATUS_FAILED, "the system gives no thread to watch MPI");
    const enum status status = join(communicator, launcher, error);
    if (status != STATUS_OK)
        watch_close(&communicator->watch);
    return status;
}

enum status communicator_create(const struct communicator_module *module,
    const struct launcher *launcher, const struct communicator_options *options,
    struct communicator **communicator, struct error *error) {
    *communicator = NULL;
    struct communicator *created = calloc(1, sizeof *created);
    if (!created)
        return error_memory(error, "the communicator", sizeof *created);
    created->module = module;
    created->options = *options;
    const enum status status = begin(created, launcher, error);
    if (status != STATUS_OK && !created->begun) {
        free(created->places);
        free(created);
        return status;
    }
    *communicator = created;
    return status;
}

enum status communicator_open(const struct communicator_options *options,
    struct communicator **communicator, struct error *error) {
    struct launcher launcher;
    enum status status = STATUS_OK;
    const struct communicator_module *module = NULL;
    const char *name;
    *communicator = NULL;
    if (options->library == COMMUNICATOR_NONE || !launcher_find(&launcher, &status, error))
        return options->library == COMMUNICATOR_NONE ? STATUS_OK : status;
    status = modules_choose(&launcher, options->library, &name, error);
    /* One rank has nobody to meet; and Slurm's may be a shell, which starts programs one by one, of
     * which only the first could join. */
    if (launcher.ranks == 1 && options->library == COMMUNICATOR_AUTO &&
        (status != STATUS_OK || !launcher.only))
        return STATUS_OK;
    if (status == STATUS_OK)
        status = modules_load(name, &module, error);
    return status == STATUS_OK
               ? communicator_create(module, &launcher, options, communicator, error)
               : status;
}

enum status communicator_close(struct communicator *communicator, struct error *error) {
    module_problem problem;
    if (!communicator)
        return STATUS_OK;
    watch_begin(&communicator->watch, "leaving the other ranks", communicator->options.limit);
    const bool done = communicator->module->close(problem);
    const enum status status = end_watch(communicator, done, problem, error);
    if (status != STATUS_OK)
        return status;
    watch_close(&communicator->watch);
    shared_free(communicator->shared);
    free(communicator->places);
    free(communicator);
    return STATUS_OK;
}

/* --- Ending --- */

/* It may be the watch that ends all, while another thread waits in an exchange. An MPI that was
 * opened for one thread at a time need not take that, and MPI_Abort itself may wait for a rank that
 * can't be reached: so the process ends by itself if it is still there. */
static void *end_anyway(void *context) {
    enum { PATIENCE = 5 }; /* seconds */
    sleep(PATIENCE);
    _exit(*(const int *)context);
}

void communicator_abort(struct communicator *communicator, int code) {
    static int status; /* of the process, which ends with it */
    pthread_t thread;
    status = code;
    if (communicator && pthread_create(&thread, NULL, end_anyway, &status) == 0)
        communicator->module->end_all(code);
    _exit(code);
}

/* --- Who is who --- */

const struct communicator_info *communicator_info(const struct communicator *communicator) {
    static const struct communicator_info alone = {
        .ranks = 1, .local_ranks = 1, .hosts = 1, .sharing = 1};
    return communicator ? &communicator->info : &alone;
}

int communicator_rank(const struct communicator *communicator) {
    return communicator_info(communicator)->rank;
}

int communicator_ranks(const struct communicator *communicator) {
    return communicator_info(communicator)->ranks;
}

const char *communicator_host(const struct communicator *communicator, int rank) {
    return communicator ? communicator->places[rank].host : "";
}

double communicator_seconds(const struct communicator *communicator) {
    return communicator ? communicator->seconds : 0.0;
}

/* --- Agreeing --- */

/* Gathers a number of each rank; NULL when that fails. The caller frees them. */
static int *gather_numbers(
    struct communicator *communicator, int own, enum status *status, struct error *error) {
    const size_t bytes = (size_t)communicator->info.ranks * sizeof(int);
    int *all = malloc(bytes);
    *status = all ? communicator_gather(communicator, &own, sizeof own, all, error)
                  : error_memory(error, "the ranks", bytes);
    if (*status == STATUS_OK)
        return all;
    free(all);
    return NULL;
}

enum status communicator_most(
    struct communicator *communicator, int own, int *most, struct error *error) {
    enum status status;
    *most = own;
    if (!communicator)
        return STATUS_OK;
    int *all = gather_numbers(communicator, own, &status, error);
    for (int r = 0; r < communicator->info.ranks && all; r++)
        *most = all[r] > *most ? all[r] : *most;
    free(all);
    return status;
}

/* Takes over the failure of the first rank that has one, as statuses[ranks] say. */
static enum status take_over(
    struct communicator *communicator, const int *statuses, struct error *error) {
    const int ranks = communicator->info.ranks;
    int first = 0, failing = 0;
    while (first < ranks && statuses[first] == STATUS_OK)
        first++;
    for (int r = 0; r < ranks; r++)
        failing += statuses[r] != STATUS_OK;
    if (failing == 0)
        return STATUS_OK;
    struct error said = *error;
    const enum status status =
        broadcast(communicator, first, said.message, sizeof said.message, error);
    if (status != STATUS_OK)
        return status;
    communicator->agreed = true;
    if (failing == ranks)
        return error_set(error, (enum status)statuses[first], "%s", said.message);
    return error_set(error, (enum status)statuses[first], "rank %d on %s: %.1900s", first,
        communicator->places[first].host, said.message);
}

enum status communicator_agree(
    struct communicator *communicator, enum status own, struct error *error) {
    enum status status;
    if (!communicator || (communicator->broken && own != STATUS_OK))
        return own;
    int *statuses = gather_numbers(communicator, own, &status, error);
    if (statuses)
        status = take_over(communicator, statuses, error);
    free(statuses);
    return status;
}

bool communicator_agreed(const struct communicator *communicator) {
    return !communicator || communicator->agreed;
}
