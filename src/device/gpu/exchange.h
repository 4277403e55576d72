/* The exchange of a GPU with other ranks, through the host's memory. */
#ifndef DEVICE_GPU_EXCHANGE_H
#define DEVICE_GPU_EXCHANGE_H

#include "device/gpu/gpu.h"

/* Makes room on the host for the exchange of so many elements. A command that exchanges does this
 * before it is enqueued or kept, so that nothing is allocated when it is done. */
enum status exchange_reserve(struct gpu *gpu, size_t elements, struct error *error);
void exchange_free(struct gpu *gpu);

/* Waits until all that was enqueued is done, adds up the view over all ranks, and enqueues the
 * upload of the sums. */
enum status exchange_run(struct gpu *gpu, struct view values, struct error *error);

#endif
