/* The device interface: everything that the network asks of whatever computes it.
 *
 * A device is opened by name, holds memory of its own (buffers) and does operations on it. An
 * operation is enqueued: the call may return before it is done, operations are done as if in the
 * order of their calls, and only device_download and device_synchronise wait. Host memory that an
 * upload reads must stay as it is until the next wait.
 *
 * All buffers hold 4-byte elements, float32 or uint32. Operations take views: rows x columns
 * elements of a buffer, row-major and without gaps, from element `offset` on. Shapes are written
 * [rows, columns]; B is the number of samples in a batch. What an operation writes must overlap
 * none of its other operands. A call whose views don't fit each other or their buffers is refused
 * with STATUS_FAILED before the device sees it.
 *
 * Different devices may be used at the same time, from different threads; one device may not.
 */
#ifndef TRAINER_DEVICE_H
#define TRAINER_DEVICE_H

#include "trainer/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct device;    /* an open device */
struct buffer;    /* memory of a device */
struct recording; /* operations that a device can do again in one submission */

struct view {
    struct buffer *buffer;
    size_t offset, rows, columns;
};

/* What a device is, for lists and records. Texts may be empty where they say so. */
struct device_info {
    const char *kind;       /* "cpu", "reference", ... */
    const char *type;       /* of hardware: "cpu", "gpu" or "accelerator" */
    char name[128];         /* the hardware */
    char vendor[64];        /* who made it; empty: not known */
    char library[128];      /* what multiplies matrices, with its version; empty: none */
    char gemm[64];          /* where there is a choice: what multiplies matrices, by the names of
                             * device_options.gemm; what was chosen so far, when it chooses itself */
    char kernels[64];       /* the language or instruction set of our own kernels; empty: none */
    char platform[128];     /* whose driver; empty: none */
    char driver[128];       /* its version; empty: none */
    const char *precision;  /* of products, by the names of device_options.precision */
    const char *submission; /* where there is a choice, by the names of device_options.submission:
                             * what the last recording became; NULL: there is none */
    int threads;            /* host threads that compute; 0: not on the host */
    int units;              /* compute units, as the driver counts them; 0: not known */
    size_t suspect_side; /* side of square products from which on its library is known to have given
                          * wrong results somewhere, and should be checked; 0: none */
    unsigned long long memory_bytes; /* of its own, or that its driver gives; 0: the host's */
    bool synchronous;                /* operations are done when their calls return */
    char warning[512];               /* what a user should know before quoting it; empty: nothing */
    char passed_over[1024];          /* the kinds that "auto" could not open before it, a line each:
                                      * "kind: why, in a few words" */
};

/* --- Finding and opening ------------------------------------------------------------------- */

/* One line of the list of devices. */
struct device_entry {
    const char *spec;        /* what device_open takes */
    bool available;          /* it is there and this build has it */
    struct device_info info; /* if available */
    const char *reason;      /* if not: why, and what to install */
};

typedef void device_visitor(void *context, const struct device_entry *entry);

/* Calls `visit` for every device there is, and for each kind that this build or machine lacks. */
void device_list(device_visitor *visit, void *context);

/* Calls it for every kind of device, its spec being the kind's name and of `info` only the library
 * filled; for one that this build lacks, or whose library can't be opened, with the reason. No
 * hardware and no driver is asked. */
void device_list_kinds(device_visitor *visit, void *context);

struct device_options {
    int threads; /* host threads that compute, at least 1; 0: the device's own default. A device
                  * that computes elsewhere has none, whatever is said here. */
    const char *gemm; /* what multiplies matrices, where a device has a choice: one of its names, or
                       * "auto" or NULL for the faster at each shape */
    const char *precision; /* of products. "fp32" or NULL: all in single precision; "tf32": a matrix
                            * library may round what it multiplies to 10 bits, where a device can */
    const char *submission; /* how a recording is done, where a device has a choice: "graph" or NULL
                             * as one submission, if it can be; "stream" call after call */
    const char *choices; /* what an earlier run has chosen, as device_choices gave it: it is taken
                          * again, so that this one ends with the same bits. NULL: nothing. Not
                          * taken from another device or library; that, and an algorithm that is not
                          * there any more, is a warning in device_info. */
    bool automatic; /* only what "auto" may take: no hardware that another kind serves better */
};

/* Whether there is the device that `spec` names, as far as can be told without opening it;
 * STATUS_DEVICE, saying why not and what there is, if not. STATUS_USAGE, with a list of what it
 * has, when it has no such gemm, precision or submission; and, naming the variable, when one of the
 * environment would have it compute in another way than that. */
enum status device_find(
    const char *spec, const struct device_options *options, struct error *error);

/* Opens the device named by `spec`: one from the list, a kind for the best of that kind, "auto" for
 * the best one that opens, or "gpu" for the best of those that are GPUs; in upper or lower case.
 * STATUS_DEVICE, saying why, when it can't be had: never another in its place. "auto" and "gpu"
 * pass over hardware that is not there or does not work, and say so in passed_over, but no device
 * for what the options ask of it: that is an error. The caller ends it with device_close, after its
 * buffers. */
enum status device_open(const char *spec, const struct device_options *options,
    struct device **device, struct error *error);
void device_close(struct device *device);

const struct device_info *device_info(const struct device *device);

/* What the device has chosen so far by time, for device_options.choices of a run that goes on with
 * this one's work: a text, empty where it chooses nothing. Ended by free(); NULL when memory is
 * refused. */
char *device_choices(const struct device *device);

/* --- The environment ----------------------------------------------------------------------- */

/* A variable that some library of the device named by `spec` reads when it is loaded, which is when
 * the device is listed or opened, and should find in the environment to know this machine, not to
 * start threads that nobody uses, or not to load a driver that would end the process: its name, and
 * in *value what it should be. NULL when there is none, or it is so. A program sets it, before it
 * has other threads, and asks for the next one; a library must not. Drivers are asked for it once
 * in a process, each in a copy of it, which may take seconds; none is where `spec` is NULL, which
 * is what device_list_kinds needs. device_list tells which drivers were left out. */
const char *device_environment(const char *spec, const char **value);

/* What is set of the variables by which libraries and drivers of devices compile, schedule or
 * compute in another way than usual: "NAME=VALUE", in the order of their names, with a NULL at the
 * end; ended by device_variables_free. NULL when memory is refused. To know what the user gave, a
 * program asks before it sets what device_environment asks for. */
char **device_variables(void);
void device_variables_free(char **variables);

/* Whether one of them matters to devices of this kind. */
bool device_variable_matters(const char *variable, const char *kind);

/* --- Memory -------------------------------------------------------------------------------- */

/* A buffer of `elements` (at least 1) with undefined contents. STATUS_DEVICE, with the number of
 * bytes, when the memory can't be had. Ended by buffer_free, which waits for all operations that
 * may use it; NULL is fine there. */
enum status device_allocate(
    struct device *device, size_t elements, struct buffer **buffer, struct error *error);
void buffer_free(struct buffer *buffer);

/* The memory that a device can still give: in all, and in one buffer. SIZE_MAX where it can't know.
 * A device without memory of its own takes the host's, which can give `host_bytes` to it and to
 * others; `host_limit` says by what. Else that is NULL. */
struct device_memory {
    size_t free_bytes, buffer_bytes;
    size_t host_bytes;
    const char *host_limit;
};
struct device_memory device_memory(const struct device *device);

/* A view of all of a buffer that was allocated with rows * columns elements, or of its start. */
struct view device_view(struct buffer *buffer, size_t rows, size_t columns);
/* `count` rows of a view, from row `first` on. */
struct view view_rows(struct view view, size_t first, size_t count);

/* destination[rows, columns] = the same number of elements at `host`. Enqueued: `host` is read
 * until the next wait. */
enum status device_upload(
    struct device *device, struct view destination, const void *host, struct error *error);

/* `host` = the elements of source[rows, columns], after everything enqueued before. Waits. */
enum status device_download(
    struct device *device, struct view source, void *host, struct error *error);

/* Waits until everything enqueued is done. */
enum status device_synchronise(struct device *device, struct error *error);

/* --- Operations ---------------------------------------------------------------------------- */

enum activation { ACTIVATION_NONE, ACTIVATION_SIGMOID, ACTIVATION_TANH, ACTIVATION_RELU };
extern const char *const activation_names[]; /* "none", "sigmoid", "tanh", "relu", NULL */

/* y[B, out] = activation(x[B, in] * weights[in, out] + bias[1, out]) */
enum status device_dense_forward(struct device *device, struct view x, struct view weights,
    struct view bias, enum activation activation, struct view y, struct error *error);

/* d_x[B, in] = (d_y[B, out] * weights[in, out]^T) .* activation'(x[B, in])
 * where x is what the activation returned: sigmoid' = x (1 - x), tanh' = 1 - x^2,
 * relu' = (x > 0), none' = 1. */
enum status device_dense_backward(struct device *device, struct view d_y, struct view weights,
    struct view x, enum activation activation, struct view d_x, struct error *error);

/* The gradient by a layer's parameters, summed over the batch:
 * d_weights[in, out] = x[B, in]^T * d_y[B, out], and d_bias[1, out] = the sum of d_y's rows. */
enum status device_dense_gradient(struct device *device, struct view x, struct view d_y,
    struct view d_weights, struct view d_bias, struct error *error);

/* What a step with a gradient is taken by. Gradient descent: parameters += scale * gradient, with
 * scale = -learning rate. */
enum optimizer { OPTIMIZER_GRADIENT_DESCENT };

/* One step of an optimiser, over all parameters at once: parameters[R, C] change by their
 * gradient[R, C]. `scale`[1, 1] is read from the device's memory when the step is done, so that it
 * may be another one each time that a recording is run. */
enum status device_optimize(struct device *device, enum optimizer optimizer, struct view gradient,
    struct view scale, struct view parameters, struct error *error);

/* The fast path of gradient descent, with no gradient stored, and otherwise as
 * device_dense_gradient and then device_optimize would do it: weights[in, out] += scale * x[B,
 * in]^T * d_y[B, out], and bias[1, out] += scale * the sum of d_y's rows, where scale[1, 1] =
 * -learning rate, as there. */
enum status device_dense_update(struct device *device, struct view x, struct view d_y,
    struct view scale, struct view weights, struct view bias, struct error *error);

/* With p = softmax of each row of logits[B, C], and labels[B, 1] (uint32, each below C):
 * score[B, 2] = (-log p[label], 1 if the first largest p is the label's, else 0) per row, then
 * logits = scale * (p - one-hot(label)), the gradient of scale * the sum of -log p[label]. */
enum status device_softmax_cross_entropy(struct device *device, struct view logits,
    struct view labels, float scale, struct view score, struct error *error);

/* destination[B, columns] = row index[i] of source[N, columns], for row i; index[B, 1] is uint32,
 * each below N. */
enum status device_gather_rows(struct device *device, struct view source, struct view index,
    struct view destination, struct error *error);

/* How the bytes of an image become numbers. It has so many channels, each a plane of so many bytes,
 * one channel after another: all together a multiple of 4 bytes, and at most PIXELS_IMAGE_MAX. Each
 * byte is divided by 255. */
enum { PIXELS_CHANNELS_MAX = 3, PIXELS_IMAGE_MAX = 1 << 20 };
struct pixel_format {
    size_t channels, plane;
    /* Whether the channels, of which there are at most PIXELS_CHANNELS_MAX, are mixed into one
     * plane: their sum, each times its weight. Else all of them stay. */
    bool mixed;
    double weights[PIXELS_CHANNELS_MAX];
};

/* destination[rows, columns] = the images at `host` (uint8 [rows, channels * plane]) as numbers;
 * columns is plane where channels are mixed, else channels * plane. Enqueued: `host` is read until
 * the next wait. */
enum status device_upload_pixels(struct device *device, const uint8_t *host,
    const struct pixel_format *format, struct view destination, struct error *error);

/* --- Doing the same again ------------------------------------------------------------------ */

/* Enqueues operations: nothing but calls of the section above. */
typedef enum status device_enqueue(void *context, struct error *error);

/* Records what enqueue(context, error) enqueues, without doing it. *recording stays NULL, and that
 * is no error, where the device can't record, or not this. The caller ends a recording with
 * recording_free, before the buffers that it uses. */
enum status device_record(struct device *device, device_enqueue *enqueue, void *context,
    struct recording **recording, struct error *error);
void recording_free(struct device *device, struct recording *recording); /* NULL is fine */

/* Enqueues what was recorded: the same operations on the same buffers, whatever these hold now.
 * Without a recording (NULL) it calls enqueue(context, error): to the caller it is the same. */
enum status device_run(struct device *device, struct recording *recording, device_enqueue *enqueue,
    void *context, struct error *error);

/* --- Trust --------------------------------------------------------------------------------- */

/* Computes the three products of a dense layer (forward, backward, update; x [batch, in],
 * weights [in, out]) on the device and compares them with plain double-precision loops; wrong
 * library results exist in the field. Where a product has more than about 2^22 multiplications, a
 * part of its rows is compared, the first and the last among them. STATUS_DEVICE, naming the
 * product and the element, if any is wrong. */
enum status device_check(
    struct device *device, size_t batch, size_t in, size_t out, struct error *error);

/* --- Peak ---------------------------------------------------------------------------------- */

/* What a device reaches at best: the measure of all its other rates. */
struct device_peak {
    size_t side;      /* of the matrices of the fastest square product, in fp32 or as the device was
                       * opened: 2 side^3 operations */
    double flops;     /* operations per second of that product */
    size_t bytes;     /* of a large block that is copied within the device's memory */
    double bandwidth; /* bytes per second of that copy, both read and written */
};

/* Measures it, in some seconds: the best of several repetitions, the device being idle before and
 * after each. The products are device_dense_forward, of larger and larger matrices until the device
 * is busy for 0.1 s (at most 8192, or what its memory has room for); the copy is device_gather_rows
 * of 1 GiB, or what there is room for. STATUS_DEVICE when device_check fails or memory is refused.
 */
enum status device_measure_peak(
    struct device *device, struct device_peak *peak, struct error *error);

#ifdef __cplusplus
}
#endif
#endif
