/* The network: dense layers, each with an activation but the last, then softmax with
 * cross-entropy. Written once, in device operations only.
 *
 * A layer gives y = activation(x * weights + bias) of its inputs x[B, in]; p = softmax of what the
 * last one gives. Gradients follow by the chain rule, as trainer/device.h has it for each
 * operation. Enqueued is what may be done after the call returns (trainer/device.h).
 *
 * Its parameters, on the host as on the device, are one array of floats: for each layer its weights
 * [in, out], row-major, then its bias [out], each starting where the functions below say. */
#ifndef TRAINER_NETWORK_H
#define TRAINER_NETWORK_H

#include "trainer/device.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { NETWORK_MAX_LAYERS = 128, NETWORK_MAX_WIDTH = 65536 };

/* Whoever makes one keeps to the limits: 1 to NETWORK_MAX_LAYERS layers, widths of 1 to
 * NETWORK_MAX_WIDTH. */
struct network_shape {
    size_t layers;                         /* dense layers: hidden ones + 1 */
    size_t widths[NETWORK_MAX_LAYERS + 1]; /* [layers + 1]: inputs, hidden widths, classes */
    enum activation activation;            /* of the hidden layers */
};

/* Where layer `layer` (from 0) keeps its parameters, in elements; for layer == layers, where they
 * all end: the length of the array. Each starts on a multiple of 64 elements, so that a device can
 * load whole vectors; what lies between is unused. */
size_t network_weights_offset(const struct network_shape *shape, size_t layer);
size_t network_bias_offset(const struct network_shape *shape, size_t layer);
size_t network_parameters_length(const struct network_shape *shape);

/* Fills parameters[network_parameters_length] with the first weights and biases of a seed:
 * normal(0, 0.1), the same on every device; what is unused is 0. Those of layer l are random_normal
 * of RANDOM_PARAMETERS, part 2 l for the weights, in their order here, and 2 l + 1 for the bias. */
void network_first_parameters(const struct network_shape *shape, uint64_t seed, float *parameters);

/* Floating-point operations of one training step per sample: 2 in out for each layer's forward
 * product, the same for its weights' gradient, and for its inputs' gradient but in layer 0. */
double network_flops(const struct network_shape *shape);

struct network;

/* Whether the device has the memory for such a network, a batch of `batch` samples and `others`
 * bytes, and before that for the self-check, when `before` bytes have been taken that are free now.
 * STATUS_DEVICE if not, saying how many bytes are needed and free, and how large a batch may be.
 * What a device's library takes for itself is not counted. */
enum status network_check_budget(struct device *device, const struct network_shape *shape,
    size_t batch, size_t before, size_t others, struct error *error);

/* Bytes of device memory that a network for batches of `batch` samples takes, and that the largest
 * self-check of network_check takes before there is one (and, about, of host memory again). */
size_t network_bytes(const struct network_shape *shape, size_t batch);
size_t network_check_bytes(const struct network_shape *shape, size_t batch);

/* Checks the device's products at the network's shapes for batches of `rows`: device_check for each
 * that differs. Before there is a network, whose memory the check may need. */
enum status network_check(
    struct device *device, const struct network_shape *shape, size_t rows, struct error *error);

/* A network on a device, for batches of up to `batch` samples. Its parameters are undefined until
 * network_upload. The device must outlive it. Ended by network_free. STATUS_DEVICE when there is no
 * memory for it, as of network_check_budget. */
enum status network_create(struct device *device, const struct network_shape *shape, size_t batch,
    struct network **network, struct error *error);
void network_free(struct network *network);

const struct network_shape *network_shape(const struct network *network);
struct device *network_device(const struct network *network);

/* The parameters to and from the host: network_parameters_length floats. Both wait. */
enum status network_upload(struct network *network, const float *parameters, struct error *error);
enum status network_download(struct network *network, float *parameters, struct error *error);

/* One step of gradient descent on the batch x[B, inputs], labels[B, 1], enqueued: the objective is
 * the sum over the batch of -log p[label] / classes. scale[1, 1] = -learning rate, on the device.
 * score[B, 2] is (-log p[label], correct) of each sample, before the step. */
enum status network_train(struct network *network, struct view x, struct view labels,
    struct view scale, struct view score, struct error *error);

/* score[B, 2] of a batch, enqueued; the parameters stay. */
enum status network_evaluate(struct network *network, struct view x, struct view labels,
    struct view score, struct error *error);

#ifdef __cplusplus
}
#endif
#endif
