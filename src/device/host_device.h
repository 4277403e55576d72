/* What the devices that compute on the host share: their buffers and their team of threads. */
#ifndef DEVICE_HOST_DEVICE_H
#define DEVICE_HOST_DEVICE_H

#include "device/device_type.h"

/* The first member of their own structs: a device, and the host's memory that is left to it. */
struct host_device {
    struct device base;
    unsigned long long budget, used; /* bytes: when it was opened, and of all its buffers */
    const char *limit;               /* what sets it */
};

/* Counts the memory; `base` is filled otherwise. As device_type's memory. */
void host_device_begin(struct host_device *host);
struct device_memory host_device_memory(const struct device *device);

struct host_buffer {
    struct buffer base;
    float *data;
};

/* As device_type's allocate, for a device that is a host_device; free_buffer does it at once, so
 * nothing may still be enqueued. */
enum status host_buffer_allocate(
    struct device *device, size_t elements, struct buffer **buffer, struct error *error);
void host_buffer_free(struct buffer *buffer);

/* The elements of a view of a host_buffer. */
float *host_floats(struct view view);
uint32_t *host_integers(struct view view);

/* Fills what is the same in the description of all of them: kind, hardware, threads, precision. */
void host_device_describe(const char *kind, int threads, struct device_info *info);

/* The number of threads that a device gets: `asked` for (0: not said, then `usual`), but no more
 * than `limit`, which there is because of `why`. STATUS_DEVICE when it was asked for and the limit,
 * OpenMP or the system gives less. */
enum status host_team_size(const char *kind, int asked, int usual, int limit, const char *why,
    int *threads, struct error *error);

#endif
