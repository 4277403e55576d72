#include "device/host_device.h"

#include "system/locale.h"
#include "system/memory.h"
#include "system/team.h"
#include "trainer/host.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct host_device *host_of(const struct buffer *buffer) {
    return (struct host_device *)buffer->device;
}

const char *const host_exchanges[] = {"shared", "mpi", NULL};

static bool is_named(const char *option, const char *name) {
    return option && strcmp(option, name) == 0;
}

void host_device_begin(struct host_device *host, const struct device_options *options) {
    const unsigned long long left = host_memory_left(&host->limit);
    host->budget = left / (unsigned)communicator_info(options->communicator)->local_ranks;
    host->used = 0;
    host->exchange = is_named(options->exchange, "shared") ? EXCHANGE_SHARED
                     : is_named(options->exchange, "mpi")  ? EXCHANGE_MPI
                                                           : EXCHANGE_AUTO;
}

struct device_memory host_device_memory(const struct device *device) {
    const struct host_device *host = (const struct host_device *)device;
    const unsigned long long left = host->budget - host->used;
    const size_t bytes = left < SIZE_MAX ? (size_t)left : SIZE_MAX;
    return (struct device_memory){bytes, bytes, bytes, host->limit};
}

enum status host_buffer_allocate(
    struct device *device, size_t elements, struct buffer **buffer, struct error *error) {
    struct host_device *host = (struct host_device *)device;
    const size_t bytes = elements * sizeof(float);
    struct host_buffer *allocated = calloc(1, sizeof *allocated);
    /* The system may promise memory that it does not have, and later end the process that uses it.
     * So the budget is checked first. */
    const bool fits = bytes <= host->budget - host->used;
    float *data = fits ? memory_allocate(bytes) : NULL;
    if (!allocated || !data) {
        char why[96];
        free(allocated);
        free(data);
        if (fits)
            snprintf(why, sizeof why, "%s", locale_reason(ENOMEM));
        else
            snprintf(why, sizeof why, "%llu are free (%s)", host->budget - host->used, host->limit);
        return error_set(error, STATUS_DEVICE,
            "%s: out of memory: a buffer of %zu bytes: %s; lower --batch-size, the widths of "
            "--layers, or use --batches streamed",
            device->info.kind, bytes, why);
    }
    host->used += bytes;
    allocated->data = data;
    *buffer = &allocated->base;
    return STATUS_OK;
}

static struct buffer *shared_buffer(float *data) {
    struct host_buffer *buffer = calloc(1, sizeof *buffer);
    if (!buffer)
        return NULL;
    *buffer = (struct host_buffer){.data = data, .shared = true};
    return &buffer->base;
}

bool host_buffer_allocate_exchanged(
    struct device *device, size_t elements, struct buffer **values, struct buffer **sums) {
    struct host_device *host = (struct host_device *)device;
    const size_t bytes = 2 * elements * sizeof(float);
    if (!host->shared || host->sharing > 0 || elements > host->shared_elements ||
        bytes > host->budget - host->used)
        return false;
    *values = shared_buffer(host->shared);
    *sums = shared_buffer(host->sums);
    if (!*values || !*sums) {
        free(*values);
        free(*sums);
        return false;
    }
    host->used += bytes;
    host->sharing = 2;
    return true;
}

enum status host_device_join(struct device *device, size_t elements, struct error *error) {
    struct host_device *host = (struct host_device *)device;
    const int hosts = communicator_info(device->communicator)->hosts;
    if (host->exchange == EXCHANGE_MPI)
        return STATUS_OK;
    const enum status status =
        communicator_share(device->communicator, elements, &host->shared, &host->sums, error);
    if (status != STATUS_OK)
        return status;
    host->shared_elements = host->shared ? elements : 0;
    if (host->shared)
        snprintf(device->info.transport, sizeof device->info.transport, "shared memory");
    if (host->shared || host->exchange == EXCHANGE_AUTO)
        return STATUS_OK;
    return hosts > 1 ? error_set(error, STATUS_DEVICE,
                           "%s: ranks on %d hosts share no memory; take --exchange mpi",
                           device->info.kind, hosts)
                     : error_set(error, STATUS_DEVICE,
                           "%s: the system gives no memory that ranks share, %zu bytes for each "
                           "and as much again: see /dev/shm, or take --exchange mpi",
                           device->info.kind, elements * sizeof(float));
}

void host_device_end(struct host_device *host) {
    if (host->shared_elements > 0)
        communicator_unshare(host->base.communicator);
}

void host_buffer_free(struct buffer *buffer) {
    struct host_buffer *own = (struct host_buffer *)buffer;
    host_of(buffer)->used -= buffer->elements * sizeof(float);
    if (own->shared)
        host_of(buffer)->sharing--;
    else
        free(own->data);
    free(buffer);
}

float *host_floats(struct view view) {
    return ((struct host_buffer *)view.buffer)->data + view.offset;
}

uint32_t *host_integers(struct view view) {
    return (uint32_t *)host_floats(view);
}

enum status host_all_reduce(
    const struct device *device, const struct operation *operation, struct error *error) {
    const struct view values = operation->all_reduce.values, sums = operation->all_reduce.sums;
    const size_t count = values.rows * values.columns;
    return values.buffer == sums.buffer
               ? communicator_sum(device->communicator, host_floats(values), count, error)
               : communicator_sum_apart(
                     device->communicator, host_floats(values), host_floats(sums), count, error);
}

void host_device_describe(const char *kind, int threads, struct device_info *info) {
    struct host host;
    host_describe(&host);
    *info =
        (struct device_info){.kind = kind, .type = "cpu", .precision = "fp32", .threads = threads};
    snprintf(info->name, sizeof info->name, "%s", host.cpu);
}

enum status host_team_size(const char *kind, int asked, int usual, int limit, const char *why,
    int *threads, struct error *error) {
    const int wanted = asked > 0 ? asked : usual;
    *threads = team_start(wanted < limit ? wanted : limit);
    if (asked > limit)
        return error_set(error, STATUS_DEVICE,
            "%s: %d threads are too many, %d at most: %s; lower --threads", kind, asked, limit,
            why);
    if (asked > *threads)
        return error_set(error, STATUS_DEVICE,
            "%s: OpenMP gives only %d of %d threads: see OMP_THREAD_LIMIT and the limit of "
            "processes (ulimit -u), or lower --threads",
            kind, *threads, asked);
    return STATUS_OK;
}

enum status host_team_check(const struct device_info *info, int team, struct error *error) {
    return team == info->threads
               ? STATUS_OK
               : error_set(error, STATUS_DEVICE,
                     "%s: OpenMP gave only %d of %d threads in mid-run: is the device used within "
                     "another parallel region, or OMP_THREAD_LIMIT too low for that?",
                     info->kind, team, info->threads);
}
