/* The network: dense layers, then softmax with cross-entropy. All layers but the last have an
 * activation. The network is written once, in device operations only, so it runs on every device.
 *
 * A layer computes y = activation(x * weights + bias) of its inputs x[B, in]. The probabilities p
 * are the softmax of what the last layer gives. Gradients follow by the chain rule, with the
 * formulas that trainer/device.h has for each operation. Here, too, what is "enqueued" may be done
 * only after the call has returned.
 *
 * The parameters are one array of floats, on the host as on the device. For each layer it has the
 * weights [in, out], row-major, and then the bias [out]. Each of them starts where the functions
 * below say. */
#ifndef TRAINER_NETWORK_H
#define TRAINER_NETWORK_H

#include "trainer/device.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { NETWORK_MAX_LAYERS = 128, NETWORK_MAX_WIDTH = 65536 };

/* How the first parameters are distributed. In a layer of `in` inputs and `out` outputs they are
 * normal(0, deviation), and the biases 0 but with INITIAL_NORMAL. */
enum initial {
    INITIAL_NORMAL, /* 0.1, biases, too */
    INITIAL_GLOROT, /* sqrt(2 / (in + out)): Glorot and Bengio, "Understanding the difficulty of
                     * training deep feedforward neural networks", 2010 */
    INITIAL_HE,     /* sqrt(2 / in): He et al., "Delving deep into rectifiers", 2015 */
};
extern const char *const initial_names[]; /* "normal", "glorot", "he", NULL */

/* The shape of a network: 1 to NETWORK_MAX_LAYERS layers, and widths of 1 to NETWORK_MAX_WIDTH.
 * Whoever fills it must keep to that, because no function checks it. */
struct network_shape {
    size_t layers;                         /* dense layers: the hidden ones and the last */
    size_t widths[NETWORK_MAX_LAYERS + 1]; /* [layers + 1]: inputs, hidden widths, classes */
    enum activation activation;            /* of the hidden layers */
    enum optimizer optimizer;              /* that trains it, with states of its own */
    enum initial initial;                  /* of its first parameters */
    /* How it is trained; 0: without. The smoothing of the labels (device_softmax_cross_entropy);
     * the share of the hidden layers' outputs that each step drops (device_dropout); and the
     * largest norm of the gradient of all parameters, to which a larger one is made shorter
     * (device_clip). */
    double label_smoothing, dropout, clip_norm;
    /* More than one rank trains it, each with its part of a batch: then the ranks of the device's
     * communicator add up their gradients in every step (device_all_reduce). */
    bool ranked;
};

/* Where the parameters of layer `layer`, counted from 0, are in the array, in elements.
 * network_parameters_length is the length of the array, and network_weights_offset gives the same
 * for `layer` == layers. Weights and biases each start on a multiple of 64 elements, so that a
 * device can load whole vectors; the elements between them are unused. */
size_t network_weights_offset(const struct network_shape *shape, size_t layer);
size_t network_bias_offset(const struct network_shape *shape, size_t layer);
size_t network_parameters_length(const struct network_shape *shape);

/* The length of the array that has, after the parameters, the states of the optimiser: each is laid
 * out as the parameters are. */
size_t network_length(const struct network_shape *shape);

/* Fills parameters[network_length] with the first weights and biases of a seed, as shape->initial
 * says. They are the same for every device; unused elements and the states are 0. For layer l
 * the weights are the numbers of random_normal for RANDOM_PARAMETERS, part 2 l, in the order of the
 * array; the biases are those of part 2 l + 1. */
void network_first_parameters(const struct network_shape *shape, uint64_t seed, float *parameters);

/* Floating-point operations of one training step, per sample. Each layer has 2 * in * out for its
 * forward product, as many for the gradient of its weights, and as many for the gradient of its
 * inputs, which layer 0 does without. */
double network_flops(const struct network_shape *shape);

struct network;

/* Checks whether the device has the memory for a network of this shape, a batch of `batch` samples
 * and `others` bytes more; and before that for the self-check. `before` are bytes of host memory
 * that are free now and will have been taken by then; they count where the device's memory is the
 * host's. STATUS_DEVICE if it has not, saying how many bytes are needed and free, and how large a
 * batch may be. What the device's library takes for itself is not counted. */
enum status network_check_budget(struct device *device, const struct network_shape *shape,
    size_t batch, size_t before, size_t others, struct error *error);

/* Bytes of device memory: network_bytes is what a network for batches of `batch` samples takes;
 * network_check_bytes is what the largest self-check of network_check takes before there is a
 * network. The self-check takes about as much host memory again. */
size_t network_bytes(const struct network_shape *shape, size_t batch);
size_t network_check_bytes(const struct network_shape *shape, size_t batch);

/* Checks the device's matrix products for a batch of `rows` samples: device_check at the shape of
 * each layer, once where layers have the same one. To be called before there is a network, whose
 * memory the check may need. */
enum status network_check(
    struct device *device, const struct network_shape *shape, size_t rows, struct error *error);

/* Creates a network on a device, for batches of up to `batch` samples. Its parameters are undefined
 * until network_upload. The device must outlive it. STATUS_DEVICE when there is no memory for it,
 * as of network_check_budget. The caller ends it with network_free; NULL is fine there. */
enum status network_create(struct device *device, const struct network_shape *shape, size_t batch,
    struct network **network, struct error *error);
void network_free(struct network *network);

const struct network_shape *network_shape(const struct network *network);
struct device *network_device(const struct network *network);

/* Copy the parameters and the states to the device and from it: network_length floats. Both wait
 * until the copy is done. */
enum status network_upload(struct network *network, const float *parameters, struct error *error);
enum status network_download(struct network *network, float *parameters, struct error *error);

/* The number of operations that network_train enqueues. */
size_t network_operations(const struct network_shape *shape);

/* Enqueues one step of the optimiser on the batch x[B, inputs], labels[B, 1]. The objective is the
 * sum over the batch of -log p[label] / classes, or with smoothed labels that of the same weighted
 * by the targets. The optimiser's rates[1, R] are on the device (trainer/optimizer.h). What is
 * dropped is drawn as `draws` say, with the number of the hidden layer, from 0, as the layer; NULL
 * where nothing is dropped. score[B, 2] becomes (-log p[label], correct) of each sample, before the
 * step. STATUS_FAILED when the batch has more samples than the network was created for. */
enum status network_train(struct network *network, struct view x, struct view labels,
    struct view rates, const struct draws *draws, struct view score, struct error *error);

/* The same of a rank that has no sample of the batch: x[1, inputs] is any sample, and its gradient
 * counts as 0. */
enum status network_attend(struct network *network, struct view x, struct view labels,
    struct view rates, struct view score, struct error *error);

/* Enqueues the score[B, 2] of a batch. The parameters stay as they are, and nothing is dropped.
 * outputs[B, classes] become (p - one-hot(label)) / classes, the gradient of the objective by the
 * last layer's values; with a NULL buffer they are not kept. */
enum status network_evaluate(struct network *network, struct view x, struct view labels,
    struct view outputs, struct view score, struct error *error);

#ifdef __cplusplus
}
#endif
#endif
