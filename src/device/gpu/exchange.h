/* The exchange of a GPU with other ranks: by its driver, if that has joined them, or else through
 * the host's memory. */
#ifndef DEVICE_GPU_EXCHANGE_H
#define DEVICE_GPU_EXCHANGE_H

#include "device/gpu/gpu.h"

/* Makes room on the host for an exchange of so many elements, if it is to go there. A command that
 * exchanges does this before it is enqueued or kept, so that nothing is allocated when it is done.
 */
enum status exchange_reserve(struct gpu *gpu, size_t elements, struct error *error);
void exchange_free(struct gpu *gpu);

/* Adds up the view of the command over all ranks. Where that goes through the host, it waits until
 * all that was enqueued is done, and enqueues the upload of the sums. */
enum status exchange_run(struct gpu *gpu, const struct gpu_command *command, struct error *error);

/* Exchanges by the driver are about to be enqueued: they are watched until it waits for them, also
 * while the host waits for room in a queue. */
void exchange_begin(struct gpu *gpu);

#endif
