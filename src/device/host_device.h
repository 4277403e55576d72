/* What the devices that compute on the host share: their buffers and their team of threads. */
#ifndef DEVICE_HOST_DEVICE_H
#define DEVICE_HOST_DEVICE_H

#include "device/device_type.h"

/* The first member of such a device's own struct: a device, and its share of the host's memory. */
struct host_device {
    struct device base;
    /* Bytes: free when the device was opened, and taken by all its buffers. */
    unsigned long long budget, used;
    const char *limit;                                              /* what sets the budget */
    enum { EXCHANGE_AUTO, EXCHANGE_SHARED, EXCHANGE_MPI } exchange; /* with other ranks */
    /* Memory for that, which ranks share: for values and for sums. NULL: there is none. */
    float *shared, *sums;
    size_t shared_elements; /* of each of the two */
    int sharing;            /* the buffers that are there; at most two */
};

/* host_device_begin finds out the budget, of which ranks on the same host each have a part, and
 * takes over how it is to exchange with them; the device itself fills `base`. host_device_end gives
 * back what they share. host_device_memory is
 * a device_type's `memory`. */
void host_device_begin(struct host_device *host, const struct device_options *options);
void host_device_end(struct host_device *host);
struct device_memory host_device_memory(const struct device *device);

struct host_buffer {
    struct buffer base;
    float *data;
    bool shared; /* it is the communicator's */
};

/* A device_type's `allocate` and `free_buffer` for a device that is a host_device. host_buffer_free
 * frees the memory at once, so no operation on it may still be enqueued. */
enum status host_buffer_allocate(
    struct device *device, size_t elements, struct buffer **buffer, struct error *error);
void host_buffer_free(struct buffer *buffer);

/* A device_type's `allocate_exchanged`, `join` and `exchanges`: by memory that ranks on one host
 * share, or by MPI. */
bool host_buffer_allocate_exchanged(
    struct device *device, size_t elements, struct buffer **values, struct buffer **sums);
enum status host_device_join(struct device *device, size_t elements, struct error *error);
extern const char *const host_exchanges[];

/* The first element of a view of a host_buffer, as float32 or as uint32. */
float *host_floats(struct view view);
uint32_t *host_integers(struct view view);

/* Does an all_reduce, on the memory where it lies. */
enum status host_all_reduce(
    const struct device *device, const struct operation *operation, struct error *error);

/* Fills what is the same for all devices of the host: kind, hardware, threads, precision. */
void host_device_describe(const char *kind, int threads, struct device_info *info);

/* A device_type's `measure_arithmetic` for a device that computes with a team of info.threads
 * OpenMP threads. (arithmetic.c) */
enum status host_device_measure_arithmetic(
    struct device *device, struct device_peak *peak, struct error *error);

/* Starts a team of threads for a device, and gives its size: `asked` threads (0: `usual`), but no
 * more than `limit`; `why` says why there is this limit. STATUS_DEVICE when more threads were asked
 * for than the limit, OpenMP or the system gives. */
enum status host_team_size(const char *kind, int asked, int usual, int limit, const char *why,
    int *threads, struct error *error);

/* STATUS_DEVICE if a team had fewer threads than its device should have, because their number is
 * part of the record. */
enum status host_team_check(const struct device_info *info, int team, struct error *error);

#endif
