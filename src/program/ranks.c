#include "program/ranks.h"

#include "program/interrupt.h"
#include "program/message.h"
#include "program/option_table.h"
#include "program/version.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* --- Joining --- */

/* Lets the launcher pass on what was just said, before it is told to end all. */
static void let_it_be_heard(void) {
    nanosleep(&(struct timespec){.tv_nsec = 300000000}, NULL);
}

/* Some MPIs hang now and then when ranks leave each other. By then all is done, and so this process
 * can as well end. */
static void end_late(void *context, struct communicator *communicator, const char *message) {
    struct run *run = context;
    const int code = atomic_load(&run->leaving);
    if (code >= 0) {
        message_print("warning: %s; all was done before", message);
        _exit(code);
    }
    message_print("%s", message);
    let_it_be_heard();
    communicator_abort(communicator, STATUS_FAILED);
}

enum status ranks_join(
    struct options *options, struct run *run, enum status status, struct error *error) {
    const struct communicator_options wanted = {.library = options->communicator,
        .late = end_late,
        .context = run,
        .limit = options->exchange_timeout};
    struct error problem;
    atomic_init(&run->leaving, -1);
    const enum status joined = communicator_open(&wanted, &run->communicator, &problem);
    interrupt_catch(); /* again: an MPI may have handlers of its own */
    const bool trains = options->action == ACTION_TRAIN || options->action == ACTION_PEAK;
    if (joined != STATUS_OK && !trains) /* it needs nobody */
        return status;
    if (joined != STATUS_OK && status == STATUS_OK)
        *error = problem;
    if (joined != STATUS_OK)
        return status == STATUS_OK ? joined : status;
    if (communicator_rank(run->communicator) > 0) {
        output_mute(&run->output);
        options->quiet = true;
    }
    options->plan.communicator = run->communicator;
    options->shape.ranked = communicator_ranks(run->communicator) > 1;
    return communicator_agree(run->communicator, status, error);
}

enum status ranks_check_options(
    const struct communicator *communicator, const struct options *options, struct error *error) {
    const int ranks = communicator_ranks(communicator);
    if (ranks == 1)
        return STATUS_OK;
    if (options->action == ACTION_PEAK)
        return error_set(error, STATUS_USAGE,
            "--peak measures the device of one process: start it without %d ranks", ranks);
    if (strcmp(options->step, "fused") == 0)
        return error_set(error, STATUS_USAGE,
            "--step fused: ranks exchange gradients within a step, so theirs are separate");
    if (strcmp(options->submission, "overlapped") == 0 ||
        strcmp(options->submission, "persistent") == 0)
        return error_set(error, STATUS_USAGE,
            "--submission %s is of fused steps, and ranks exchange gradients within a step",
            options->submission);
    return STATUS_OK;
}

enum status ranks_check_transport(
    const struct options *options, const struct device_info *device, struct error *error) {
    return !device->transport[0] || device->exchanges || strcmp(options->submission, "graph") != 0
               ? STATUS_OK
               : error_set(error, STATUS_USAGE,
                     "--submission graph: the host exchanges the ranks' gradients in every step, "
                     "so their work is a stream, unless NCCL does it on the GPUs (--exchange "
                     "nccl)");
}

/* --- Comparing --- */

/* What must be the same: what is to be done, the options' values, and the commit. */
struct compared {
    enum action action;
    char values[OPTIONS_MAX][1024];
    char commit[64];
};

static bool may_differ(const struct option_row *row) {
    return strcmp(row->name, "data") == 0 || strcmp(row->name, "quiet") == 0;
}

static void list_compared(const struct options *options, struct compared *list) {
    memset(list, 0, sizeof *list);
    for (size_t r = 0; r < option_rows_count; r++)
        if (!may_differ(&option_rows[r]))
            option_write(&option_rows[r], options, list->values[r], sizeof list->values[r]);
    list->action = options->action;
    snprintf(list->commit, sizeof list->commit, "%s", version_commit);
}

static enum status compare_with(
    const struct compared *own, const struct compared *first, struct error *error) {
    if (strcmp(own->commit, first->commit) != 0)
        return error_set(error, STATUS_USAGE,
            "this is commit %s of the program, and rank 0 has %s: install the same on all hosts",
            own->commit, first->commit);
    if (own->action != first->action)
        return error_set(error, STATUS_USAGE,
            "rank 0 is to do something else (--peak, --list-devices, --version or --help)");
    for (size_t r = 0; r < option_rows_count; r++)
        if (strcmp(own->values[r], first->values[r]) != 0)
            return error_set(error, STATUS_USAGE,
                "--%s %.200s: it is %.200s in rank 0; ranks have the same options",
                option_rows[r].name, own->values[r][0] ? own->values[r] : "(not given)",
                first->values[r][0] ? first->values[r] : "not given");
    return STATUS_OK;
}

enum status ranks_compare_options(
    struct communicator *communicator, const struct options *options, struct error *error) {
    struct compared own, first;
    if (!communicator)
        return STATUS_OK;
    list_compared(options, &own);
    first = own;
    enum status status = communicator_broadcast(communicator, &first, sizeof first, error);
    if (status == STATUS_OK)
        status = communicator_agree(communicator, compare_with(&own, &first, error), error);
    return status;
}

void ranks_give_files_up(struct communicator *communicator, struct options *options) {
    if (communicator_rank(communicator) > 0)
        options->save = options->checkpoint = options->log = NULL;
}

/* What ranks tell each other of their devices. */
struct compared_device {
    char kind[32], address[sizeof((struct device_info){0}.address)];
};

/* The first rank on the same host that has the same GPU; this rank itself, where no other has it.
 */
static int find_same(const struct communicator *communicator, const struct compared_device *all) {
    const int own = communicator_rank(communicator);
    int other = 0;
    while (all[own].address[0] && other < own &&
           (strcmp(communicator_host(communicator, other), communicator_host(communicator, own)) !=
                   0 ||
               strcmp(all[other].address, all[own].address) != 0))
        other++;
    return all[own].address[0] ? other : own;
}

static enum status compare_devices(const struct communicator *communicator,
    const struct compared_device *all, const struct device_info *device, struct error *error) {
    const int own = communicator_rank(communicator), other = find_same(communicator, all);
    if (strcmp(all[own].kind, all[0].kind) != 0)
        return error_set(error, STATUS_DEVICE,
            "its device is %s, and rank 0 has %s: name one that all hosts have with --device",
            all[own].kind, all[0].kind);
    return other == own
               ? STATUS_OK
               : error_set(error, STATUS_DEVICE,
                     "its GPU, %s at %s, is that of rank %d, too: start as many ranks on a host as "
                     "it has GPUs, and leave their number out of --device",
                     device->name, device->address, other);
}

enum status ranks_compare_device(
    struct communicator *communicator, const struct device_info *device, struct error *error) {
    const size_t ranks = (size_t)communicator_ranks(communicator);
    struct compared_device own = {{0}}, *all = calloc(ranks, sizeof own);
    if (!all)
        return error_memory(error, "the ranks' devices", ranks * sizeof own);
    snprintf(own.kind, sizeof own.kind, "%s", device->kind);
    snprintf(own.address, sizeof own.address, "%s", device->address);
    enum status status = communicator_gather(communicator, &own, sizeof own, all, error);
    if (status == STATUS_OK)
        status = compare_devices(communicator, all, device, error);
    free(all);
    return status;
}

enum status ranks_compare_data(
    struct communicator *communicator, const char *fingerprint, struct error *error) {
    char first[sizeof((struct record){0}.fingerprint)];
    snprintf(first, sizeof first, "%s", fingerprint);
    const enum status status = communicator_broadcast(communicator, first, sizeof first, error);
    if (status != STATUS_OK || strcmp(first, fingerprint) == 0)
        return status;
    return error_set(error, STATUS_DATASET,
        "its images are not those of rank 0 (fingerprint %s, not %s): see --data, and tools/"
        "fetch-cifar10 on each host",
        fingerprint, first);
}

/* --- Ending --- */

int ranks_leave(struct run *run, int code) {
    struct error error;
    if (communicator_broadcast(run->communicator, &code, sizeof code, &error) == STATUS_OK) {
        atomic_store(&run->leaving, code);
        if (communicator_close(run->communicator, &error) == STATUS_OK)
            return code;
    }
    ranks_abort(run->communicator, code == 0 ? STATUS_FAILED : code, &error);
}

void ranks_abort(struct communicator *communicator, int code, const struct error *error) {
    const struct communicator_info *info = communicator_info(communicator);
    if (info->host[0])
        message_print("rank %d on %s: %s", info->rank, info->host, error->message);
    else /* it has not found the others */
        message_print("%s", error->message);
    let_it_be_heard();
    communicator_abort(communicator, code);
}
