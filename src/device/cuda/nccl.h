/* NCCL: ranks add up their gradients on their GPUs, by NVLink, PCIe or a network, as part of the
 * stream or of a graph. The library is opened at run time. */
#ifndef DEVICE_CUDA_NCCL_H
#define DEVICE_CUDA_NCCL_H

#include "device/cuda/device.h"

/* A device_type.join. Without NCCL, exchanges stay with the host. */
enum status cuda_join(struct device *device, size_t elements, struct error *error);

/* Enqueues an exchange, in place. It may be captured. */
enum status nccl_enqueue(const struct cuda *cuda, struct view values, struct error *error);

/* Waits until the stream is done with its exchanges, if it has any, or NCCL finds that one of them
 * fails; then they end without sums. The stream's own errors are left for who waits for it next. */
enum status nccl_wait(struct cuda *cuda, struct error *error);

/* Leaves the other ranks. Nothing may be enqueued any more, and no graph be left. */
void nccl_close(struct cuda *cuda);

#endif
