#include "device/host_device.h"

#include "system/memory.h"
#include "trainer/host.h"

#include <omp.h>
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

/* What OpenMP really gives when it is asked for `wanted` threads. */
static int team_size(int wanted) {
    int size = 1;
#pragma omp parallel num_threads(wanted)
    {
#pragma omp single
        size = omp_get_num_threads();
    }
    return size;
}

enum status host_team_size(
    const char *kind, int asked, int usual, int limit, int *threads, struct error *error) {
    const int wanted = asked > 0 ? asked : usual;
    *threads = team_size(wanted < limit ? wanted : limit);
    if (asked > 0 && asked > limit)
        return error_set(error, STATUS_DEVICE,
            "%s: %d threads are too many: its library takes calls from %d at a time", kind, asked,
            limit);
    if (asked > 0 && asked > *threads)
        return error_set(error, STATUS_DEVICE,
            "%s: OpenMP gives only %d of %d threads: see OMP_THREAD_LIMIT and OMP_DYNAMIC, or "
            "lower --threads",
            kind, *threads, asked);
    return STATUS_OK;
}
