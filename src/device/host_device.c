#include "device/host_device.h"

#include "system/memory.h"
#include "system/team.h"
#include "trainer/host.h"

#include <stdio.h>
#include <stdlib.h>

enum status host_buffer_allocate(
    struct device *device, size_t elements, struct buffer **buffer, struct error *error) {
    struct host_buffer *allocated = malloc(sizeof *allocated);
    float *data = memory_allocate(elements * sizeof *data);
    if (!allocated || !data) {
        free(allocated);
        free(data);
        return error_set(error, STATUS_DEVICE, "%s: out of memory: %zu bytes for a buffer",
            device->info.kind, elements * sizeof *data);
    }
    allocated->data = data;
    *buffer = &allocated->base;
    return STATUS_OK;
}

void host_buffer_release(struct buffer *buffer) {
    free(((struct host_buffer *)buffer)->data);
    free(buffer);
}

float *host_floats(struct view view) {
    return ((struct host_buffer *)view.buffer)->data + view.offset;
}

uint32_t *host_integers(struct view view) {
    return (uint32_t *)host_floats(view);
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
