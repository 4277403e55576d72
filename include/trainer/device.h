/* The device interface: everything that the network asks of the hardware and library that compute
 * it.
 *
 * A device is opened by name. It holds memory of its own (buffers), and does operations on that
 * memory. A call of an operation enqueues it: the call may return before the operation is done. The
 * results are as if the operations were done one by one, in the order of the calls. When
 * device_download or device_synchronise returns, all of them are done. These two are called waits
 * here. Other calls may wait, too, but a caller can't rely on that. The caller must not change or
 * free host memory that an upload reads until the next wait, also where that call or a later one
 * fails.
 *
 * An error may come late. A call that enqueues reports what is wrong with its arguments, and what
 * the driver says at once. What fails on the device afterwards is reported by a later call, at the
 * latest by the next wait. Each call that asks a driver or a library for something gives
 * STATUS_DEVICE when that fails: uploads, downloads, waits, operations, recordings. The error names
 * the driver's function and its error. What the device's buffers hold is then undefined.
 *
 * All buffers hold 4-byte elements, float32 or uint32. Operations take views. A view is rows x
 * columns elements of a buffer, row-major and without gaps, from element `offset` on. Each of the
 * two sides is from 1 to INT_MAX. Operations on float32 may take denormals, numbers below 1.2e-38,
 * as 0, and give 0 in place of them. Shapes are written [rows, columns]. B is the number of samples
 * in a batch. What an operation writes must not overlap any other operand of it. A call is refused
 * with STATUS_FAILED before the device sees it when its views do not fit each other or their
 * buffers. The values in the buffers are not checked: a label or an index that is too large makes a
 * device read memory outside of the view.
 *
 * Different threads may use different devices at the same time. One device must not be used by two
 * threads at the same time. */
#ifndef TRAINER_DEVICE_H
#define TRAINER_DEVICE_H

#include "trainer/communicator.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct device;    /* an open device */
struct buffer;    /* memory of a device */
struct recording; /* operations that a device can do again in one call */

struct view {
    struct buffer *buffer;
    size_t offset, rows, columns;
};

/* What a device is, for lists and records. A text may be empty only where its comment says so. */
struct device_info {
    const char *kind;  /* "cpu", "reference", ... */
    const char *type;  /* the type of hardware: "cpu", "gpu" or "accelerator" */
    char name[128];    /* the hardware's name */
    char vendor[64];   /* who made the hardware; empty: not known */
    char library[128]; /* the library that multiplies matrices, with its version; empty: none */
    /* What multiplies matrices, by the names of device_options.gemm. A device that chooses for each
     * shape lists what it has chosen so far. Empty: it has one way only, or has chosen nothing
     * yet. */
    char gemm[64];
    char kernels[64];      /* the language or instruction set of our own kernels; empty: none */
    char platform[128];    /* the platform that the driver belongs to; empty: none */
    char driver[128];      /* the driver's version; empty: none */
    char address[32];      /* where the hardware is in its host; empty: not known */
    const char *precision; /* of matrix products, by the names of device_options.precision */
    /* "fused" or "separate": how training steps are done in the last recording (see
     * device_options.step). NULL: the device has one way only. */
    const char *step;
    /* "graph", "overlapped", "persistent" or "stream": how the last recording is submitted (see
     * device_options.submission). NULL: the device has one way only. */
    const char *submission;
    int threads; /* host threads that compute; 0: the host does not compute */
    int units;   /* compute units, as the driver counts them; 0: not known */
    /* The library is known to have given wrong results on some machine for square matrices of this
     * side and larger, so products of this side should be checked (device_check). 0: no such side
     * is known. */
    size_t suspect_side;
    /* Memory of the device itself, or as much as its driver offers; 0: the device uses the host's
     * memory. */
    unsigned long long memory_bytes;
    bool synchronous; /* each operation is done when its call returns */
    /* How it exchanges with other ranks, filled by device_join: "memory", where MPI reads and
     * writes the device's own; "shared memory" of ranks on one host; "host memory", through which a
     * GPU's values are copied; or the library and its version, "NCCL 2.28.9". Empty: there are
     * none. */
    char transport[32];
    /* Exchanges are enqueued with the other operations: only the device knows how long they take.
     */
    bool exchanges;
    /* What a user should know before quoting the device's times; empty: nothing. */
    char warning[512];
    /* The kinds that "auto" or "gpu" tried before this one and could not take, a line each: "kind:
     * why, in a few words". */
    char passed_over[1024];
};

/* --- Finding and opening ------------------------------------------------------------------- */

/* One device in the list of devices, or one that is missing. The entry and its texts live until the
 * visitor returns. */
struct device_entry {
    const char *spec; /* the name that device_open takes */
    bool available;   /* the device can be used: this build has it, and its hardware is there */
    struct device_info info; /* filled if the device is available */
    const char *reason;      /* if it is not available: why, and what to install; else NULL */
};

typedef void device_visitor(void *context, const struct device_entry *entry);

/* Calls `visit` for each device, for each one that is there but can't be used, and for each kind
 * that this build or this machine lacks. */
void device_list(device_visitor *visit, void *context);

/* Calls `visit` for each kind of device, without asking any hardware or driver. The entry's spec is
 * the kind's name, and only `library` of its info is filled. A kind is not available when this
 * build lacks it or its library can't be opened, and then the entry has the reason. */
void device_list_kinds(device_visitor *visit, void *context);

struct device_options {
    /* Host threads that compute, at least 1; 0: the device's own default. A device that is no CPU
     * has no such threads, and ignores this. */
    int threads;
    /* What multiplies matrices, where a device has a choice: one of the device's names, or "auto"
     * or NULL for the fastest at each shape. */
    const char *gemm;
    /* Of matrix products. "fp32" or NULL: single precision throughout. "tf32": a matrix library may
     * round the factors to 10 bits of mantissa, on a device that can. */
    const char *precision;
    /* How a recording does whole training steps, where a device has a choice. "fused": by kernels
     * that do a whole step; device_record fails where a step can't be done so. "separate":
     * operation by operation. "auto" or NULL: the faster way at each shape of step; but separate,
     * where `gemm` names a library or one of our own gemms. What is not recorded is separate, and
     * so are steps with dropout or clipping. */
    const char *step;
    /* How a recording is submitted, where a device has a choice. "graph": as one submission, if
     * possible. "overlapped": the same, and a launch of a whole step may begin while the one before
     * it ends; steps that are not fused are not overlapped. "persistent": as few launches as can
     * be, each of which does many whole steps; its groups wait for one another. Where a GPU can't
     * have all of them at work at once, or ends launches that last long because it has a screen,
     * where these give other bits, or steps are not fused, it is "graph". "stream": one
     * call after another. "auto" or NULL: the fastest of the first three. A device without a choice
     * takes only "auto" or NULL. */
    const char *submission;
    /* The text that device_choices gave in an earlier run. The device makes the same choices again,
     * so that this run ends with the same bits. NULL: there was no such run. Choices of another
     * device or another library are ignored, and so is an algorithm that no longer exists;
     * device_info.warning then says so. */
    const char *choices;
    /* Take only hardware that "auto" may take, none that another kind of device serves better. */
    bool automatic;
    /* The ranks with which device_all_reduce adds up; it must outlive the device. NULL: alone.
     * Where the spec leaves open which of several GPUs is taken, ranks on the same host take them
     * in turn.
     */
    struct communicator *communicator;
    /* How gradients are exchanged, where a device has a choice. "shared": in memory that ranks on
     * one host share. "mpi": by MPI. "nccl": by NCCL, on the GPUs
     * themselves. "host": through the host's memory, by MPI. "auto" or NULL: in shared memory
     * where ranks are on one host; by NCCL where all ranks have it and it works, else
     * device_info.warning says why not. */
    const char *exchange;
};

/* Whether the device that `spec` names is there, as far as that can be told without opening it.
 * STATUS_DEVICE, saying why and which devices there are, when it is not. STATUS_USAGE, listing what
 * there is, when the device does not have the gemm, precision, step or submission of the options.
 * STATUS_USAGE, naming the variable, when an environment variable would make the device compute in
 * another way than the options say. */
enum status device_find(
    const char *spec, const struct device_options *options, struct error *error);

/* Opens the device that `spec` names, in upper or lower case: a spec from the list of devices, a
 * kind for the best device of that kind, "auto" for the best device that opens, or "gpu" for the
 * best GPU that opens. STATUS_DEVICE, saying why, when it can't be opened: no other device is
 * opened in its place. STATUS_USAGE as of device_find. "auto" and "gpu" pass over a device whose
 * hardware is missing or does not work, and report it in device_info.passed_over. They never pass
 * over a device because it can't do what the options ask for: that is an error. The options and
 * their texts need not outlive the call. The caller ends a device with device_close, after freeing
 * all its buffers and recordings; device_close(NULL) does nothing. */
enum status device_open(const char *spec, const struct device_options *options,
    struct device **device, struct error *error);
void device_close(struct device *device);

/* Lets the device exchange with those of the other ranks in the way of device_options.exchange,
 * before anything else is done with it; `elements` are the most of an exchange. Collective: all
 * ranks call it, once each has opened its device. Fills device_info.transport. STATUS_DEVICE, in
 * all ranks, where one of them can't exchange as it is asked to. */
enum status device_join(struct device *device, size_t elements, struct error *error);

/* The description of an open device, which lives as long as the device and changes meanwhile:
 * `gemm` and `suspect_side` as the device chooses for new shapes, `step` and `submission` when
 * something is recorded, and `warning` in both cases. */
const struct device_info *device_info(const struct device *device);

/* The algorithms that the device has chosen so far by timing them, as text for
 * device_options.choices of a run that continues this one. The text is empty for a device that
 * chooses nothing. The caller ends it with free(). NULL when memory is refused. */
char *device_choices(const struct device *device);

/* --- The environment ----------------------------------------------------------------------- */

/* The name of an environment variable that should be set before the device named by `spec` is
 * listed or opened. *value is what it should be set to. NULL, with *value undefined, when nothing
 * is left to set. Libraries and drivers read such a variable when they are loaded. Set so, a
 * library recognises this machine, starts no threads that nobody uses, or does not load a driver
 * that would end the process.
 *
 * A program sets the variable before it has other threads, and then asks for the next one. A
 * library must not do that. With a NULL `spec` the answer covers what device_list_kinds needs, and
 * no driver is asked. Otherwise drivers are asked for their devices, once in a process, each in a
 * copy of the process; that may take seconds. device_list reports the drivers that were left out.
 * Both texts live as long as the process. */
const char *device_environment(const char *spec, const char **value);

/* The environment variables that are set and that change how the libraries and drivers of devices
 * compile, schedule or compute: "NAME=VALUE" each, sorted, with a NULL at the end. The caller ends
 * the array with device_variables_free, for which NULL is fine. NULL when memory is refused. To
 * learn what the user has set, a program calls this before it sets what device_environment asks
 * for. */
char **device_variables(void);
void device_variables_free(char **variables);

/* Whether such a variable ("NAME=VALUE") matters to devices of this kind. */
bool device_variable_matters(const char *variable, const char *kind);

/* --- Memory -------------------------------------------------------------------------------- */

/* Creates a buffer of `elements` elements with undefined contents. STATUS_FAILED when `elements` is
 * 0 or more than SIZE_MAX / 8. STATUS_DEVICE, with the number of bytes, when the device has no
 * memory for it. The caller ends it with buffer_free, which first waits for all operations that may
 * use the buffer; buffer_free(NULL) does nothing. */
enum status device_allocate(
    struct device *device, size_t elements, struct buffer **buffer, struct error *error);
void buffer_free(struct buffer *buffer);

/* The same as device_allocate, for elements of which device_all_reduce gives the sums. *sums is
 * NULL where they best take the place of the values. Else it is a buffer of as many elements, which
 * may be the same memory for all ranks: nothing else may write there. */
enum status device_allocate_exchanged(struct device *device, size_t elements,
    struct buffer **values, struct buffer **sums, struct error *error);

/* The bytes that a device can still allocate: `free_bytes` in all, `buffer_bytes` in one buffer.
 * SIZE_MAX where the device does not know. A device without memory of its own allocates host
 * memory. `host_bytes` is then what the host has left for the device and all other users together,
 * and `host_limit` names what limits it. For other devices `host_limit` is NULL. */
struct device_memory {
    size_t free_bytes, buffer_bytes;
    size_t host_bytes;
    const char *host_limit;
};
struct device_memory device_memory(const struct device *device);

/* A view of the first rows * columns elements of a buffer. */
struct view device_view(struct buffer *buffer, size_t rows, size_t columns);
/* A view of `count` rows of another view, from row `first` on. */
struct view view_rows(struct view view, size_t first, size_t count);

/* destination[rows, columns] = the rows * columns elements at `host`. Enqueued: `host` must stay as
 * it is until the next wait. */
enum status device_upload(
    struct device *device, struct view destination, const void *host, struct error *error);

/* host[rows * columns] = the elements of source[rows, columns]. Waits until everything that was
 * enqueued before is done, and reports what of it failed. */
enum status device_download(
    struct device *device, struct view source, void *host, struct error *error);

/* Waits until everything that was enqueued is done, and reports what of it failed. */
enum status device_synchronise(struct device *device, struct error *error);

/* Makes uploads from this host memory, and downloads to it, as fast as the device can, and lets
 * images of it be sent while the device computes (`cuda`: page-locked memory). It may take as long
 * as copying the memory, so it pays where that is sent or fetched often. True: the caller ends it
 * with device_unpin, after a wait and before the memory is freed. False, and that is no error,
 * where the device has no such way or refuses. */
bool device_pin(struct device *device, const void *memory, size_t bytes);
void device_unpin(struct device *device, const void *memory);

/* --- Operations ---------------------------------------------------------------------------- */

enum activation { ACTIVATION_NONE, ACTIVATION_SIGMOID, ACTIVATION_TANH, ACTIVATION_RELU };
extern const char *const activation_names[]; /* "none", "sigmoid", "tanh", "relu", NULL */

/* y[B, out] = activation(x[B, in] * weights[in, out] + bias[1, out]) */
enum status device_dense_forward(struct device *device, struct view x, struct view weights,
    struct view bias, enum activation activation, struct view y, struct error *error);

/* d_x[B, in] = (d_y[B, out] * weights[in, out]^T) .* activation'(x[B, in])
 * Here x is the layer's input, which is the value of the activation of the layer before. So the
 * derivative is computed from that value: sigmoid' = x (1 - x), tanh' = 1 - x^2, relu' = (x > 0),
 * none' = 1. */
enum status device_dense_backward(struct device *device, struct view d_y, struct view weights,
    struct view x, enum activation activation, struct view d_x, struct error *error);

/* The gradient of a layer's parameters, summed over the batch:
 *     d_weights[in, out] = x[B, in]^T * d_y[B, out]
 *     d_bias[1, out] = the sum of the rows of d_y */
enum status device_dense_gradient(struct device *device, struct view x, struct view d_y,
    struct view d_weights, struct view d_bias, struct error *error);

/* How a step is taken with a gradient g of parameters p. What an optimiser remembers from step to
 * step is its states: matrices of the parameters' shape, all 0 before the first step. All its
 * numbers are rates[1, R], which the device reads from its own memory when it does the step, so
 * that they can differ each time that a recording is run. For each element:
 *
 *     OPTIMIZER_GRADIENT_DESCENT, no state, 1 rate:
 *         p += rate0 g
 *     OPTIMIZER_MOMENTUM, 1 state, 5 rates:
 *         g += rate1 p
 *         state0 = rate2 state0 + g
 *         p += rate0 (rate3 g + rate4 state0)
 *     OPTIMIZER_ADAMW, 2 states, 6 rates:
 *         state0 += rate3 (g - state0)
 *         state1 += rate4 (g^2 - state1)
 *         p = rate0 p + rate1 state0 / (rate2 sqrt(state1) + rate5)
 *
 * trainer/optimizer.h says what the rates are for a learning rate, a weight decay and the like. */
enum optimizer { OPTIMIZER_GRADIENT_DESCENT, OPTIMIZER_MOMENTUM, OPTIMIZER_ADAMW, OPTIMIZERS };
enum { OPTIMIZER_STATES_MAX = 2, OPTIMIZER_RATES_MAX = 6 };
extern const size_t optimizer_states[OPTIMIZERS], optimizer_rates[OPTIMIZERS];

/* One step of an optimiser, for all parameters at once: it changes parameters[R, C] and the
 * states[R, C] by their gradient[R, C]. An optimiser with fewer states does not look at the
 * others. */
enum status device_optimize(struct device *device, enum optimizer optimizer, struct view gradient,
    struct view rates, struct view parameters, const struct view states[OPTIMIZER_STATES_MAX],
    struct error *error);

/* The parameters of a layer, or what has their shapes. */
struct dense_parameters {
    struct view weights, bias; /* [in, out], [1, out] */
};

/* The fast path: device_dense_gradient and device_optimize in one operation, which does not store
 * the gradient, of a layer with the inputs x[B, in] and the gradient d_y[B, out]. */
enum status device_dense_update_by(struct device *device, enum optimizer optimizer, struct view x,
    struct view d_y, struct view rates, struct dense_parameters parameters,
    const struct dense_parameters states[OPTIMIZER_STATES_MAX], struct error *error);

/* The same by gradient descent:
 *     weights[in, out] += rates[0] * x[B, in]^T * d_y[B, out]
 *     bias[1, out] += rates[0] * the sum of the rows of d_y */
enum status device_dense_update(struct device *device, struct view x, struct view d_y,
    struct view rates, struct view weights, struct view bias, struct error *error);

/* The loss, and its gradient in the place of the logits. Let p be the softmax of a row of logits[B,
 * C], and label its element of labels[B, 1], a uint32 below C. For each row:
 *     score[B, 2] = (-log p[label], correct)
 *     logits = scale * (p - target)
 * `correct` is 1 if the first largest p is the label's, else 0. The target is one-hot(label), of
 * which the share `smoothing`, from 0 to 1, is divided among all classes alike (Szegedy et al.,
 * "Rethinking the Inception architecture for computer vision", 2016). The logits become the
 * gradient of scale * the sum over batch and classes of -target log p. A label of C or more is not
 * noticed: the device then reads outside of the row. */
enum status device_softmax_cross_entropy(struct device *device, struct view logits,
    struct view labels, float scale, float smoothing, struct view score, struct error *error);

/* What random numbers an operation draws. Its first sample is number `first` of a pass, and the
 * others follow. The number of the pass, pass[1, 1], is a uint32 that the device reads from its own
 * memory when it does the operation: so a recording can be run for one pass after another. The
 * numbers depend on nothing else, and are the same on every device (trainer/random.h). */
struct draws {
    uint64_t seed;
    size_t first; /* first + B is at most 2^32 */
    struct view pass;
};

/* destination[B, S] = source[B, S], of which each element becomes 0 with the probability `share`,
 * below 1, and else is multiplied by 1 / (1 - share) (Srivastava et al., "Dropout: a simple way to
 * prevent neural networks from overfitting", 2014). destination may be source. Element (i, j)
 * becomes 0 where word j % 4 of random_bits for RANDOM_DROPOUT, the pass, and block
 *     2^32 (first + i) + 2^16 layer + j / 4
 * is less than 2^32 share. `layer` is less than 2^16, and S at most 2^18. */
enum { DROPOUT_COLUMNS_MAX = 1 << 18 };
enum status device_dropout(struct device *device, struct view source, const struct draws *draws,
    uint32_t layer, double share, struct view destination, struct error *error);

/* Turns images[B, S] the other way round, each with the probability 1/2: an image is lines of
 * `width` elements, one after another, and S a multiple of that; its lines are reversed. Image i is
 * turned where the highest bit of word 0 of random_bits for RANDOM_FLIP, the pass, and block first
 * + i is 1. */
enum status device_flip(struct device *device, struct view images, const struct draws *draws,
    size_t width, struct error *error);

/* Sums of squares, of which device_clip makes a norm: element k of sums[1, SQUARE_SUMS] = the sum
 * of the squares of rows k R / SQUARE_SUMS to (k + 1) R / SQUARE_SUMS - 1 of values[R, S]. */
enum { SQUARE_SUMS = 256 };
enum status device_square_sums(
    struct device *device, struct view values, struct view sums, struct error *error);

/* values[R, S] *= min(1, largest / (norm + 1e-6)), where norm = sqrt(the sum of sums[1,
 * SQUARE_SUMS]): as torch.nn.utils.clip_grad_norm_ has it. A norm that is no number makes all
 * values none. */
enum status device_clip(struct device *device, struct view sums, float largest, struct view values,
    struct error *error);

/* sums[R, S] = the sums of values[R, S] over all ranks of the device's communicator, which all must
 * come to this operation. Both are one view, or those of the two buffers that
 * device_allocate_exchanged has given. A device without ranks leaves the values as they are. Where
 * it fails, all other all-reduces that were enqueued before the next wait are left out, since no
 * rank would come to them. */
enum status device_all_reduce(
    struct device *device, struct view values, struct view sums, struct error *error);

/* Row i of destination[B, columns] = row index[i] of source[N, columns]. index[B, 1] is uint32,
 * each element below N. A larger one is not noticed: the device then reads outside of the
 * source. */
enum status device_gather_rows(struct device *device, struct view source, struct view index,
    struct view destination, struct error *error);

/* How the bytes of an image become numbers. An image has `channels` channels, one after another,
 * each a plane of `plane` bytes. All of them together are a multiple of 4 bytes, and at most
 * PIXELS_IMAGE_MAX. Each byte is divided by 255. */
enum { PIXELS_CHANNELS_MAX = 3, PIXELS_IMAGE_MAX = 1 << 20 };
struct pixel_format {
    size_t channels, plane;
    /* True: the channels are mixed into one plane, the sum of each channel times its weight; there
     * are at most PIXELS_CHANNELS_MAX of them. False: all channels stay, and the weights are not
     * used. */
    bool mixed;
    double weights[PIXELS_CHANNELS_MAX];
    /* True: a number v of channel c then becomes (v - means[c]) / deviations[c]. Mixed channels are
     * channel 0. There are at most PIXELS_CHANNELS_MAX. */
    bool normalized;
    double means[PIXELS_CHANNELS_MAX], deviations[PIXELS_CHANNELS_MAX];
};

/* destination[rows, columns] = the images at host[rows, channels * plane], as numbers. `columns` is
 * `plane` where channels are mixed, else channels * plane. Enqueued: `host` must stay as it is
 * until the next wait. */
enum status device_upload_pixels(struct device *device, const uint8_t *host,
    const struct pixel_format *format, struct view destination, struct error *error);

/* --- Clocks -------------------------------------------------------------------------------- */

/* What keeps a device's processor from running faster, as bits. */
enum clock_limit {
    CLOCK_LIMIT_POWER = 1 << 0,       /* it may take no more power */
    CLOCK_LIMIT_TEMPERATURE = 1 << 1, /* it would get too hot */
    CLOCK_LIMIT_HARDWARE = 1 << 2,    /* the hardware says so, and not why */
    CLOCK_LIMIT_SETTING = 1 << 3,     /* its administrator, or another program, has set the clock */
};
/* Of each bit: "power", "temperature", "hardware", "setting", NULL. */
extern const char *const clock_limit_names[];

struct device_clocks {
    unsigned processor_mhz, memory_mhz;
    unsigned limits; /* bits of enum clock_limit */
};

/* Reads at which clocks the device runs now. It may take a millisecond. False, with *clocks
 * undefined, where the device can't tell. */
bool device_read_clocks(struct device *device, struct device_clocks *clocks);

/* --- Doing the same again ------------------------------------------------------------------ */

/* A function that enqueues operations. It may call only the functions of the section above, and
 * device_upload. It must not wait, and must not allocate or free buffers. */
typedef enum status device_enqueue(void *context, struct error *error);

/* Calls enqueue(context, error) and records the operations that it asks for, without doing them.
 * The call may wait. Then device_info.submission says how the recording is submitted. *recording
 * stays NULL, and that is no error:
 * - where the device can't record, or nothing was asked for;
 * - where an operation sends host memory (device_upload, device_upload_pixels), because that memory
 *   may be gone when the recording runs;
 * - where there are more operations than the device takes in one recording (some thousands), or
 *   memory for their list is refused;
 * - where the device is as fast without a recording, as `cuda` is when it can make no graph of it.
 *
 * The caller ends a recording with recording_free, before freeing the buffers that it uses. */
enum status device_record(struct device *device, device_enqueue *enqueue, void *context,
    struct recording **recording, struct error *error);
void recording_free(struct device *device, struct recording *recording); /* NULL is fine */

/* The most operations that a recording of this device may have; 0: it can't record. */
size_t device_recordable(const struct device *device);

/* Enqueues what was recorded: the same operations on the same buffers, with what these hold now.
 * Where `recording` is NULL it calls enqueue(context, error) instead, so a caller need not care
 * whether there is a recording. */
enum status device_run(struct device *device, struct recording *recording, device_enqueue *enqueue,
    void *context, struct error *error);

/* --- Trust --------------------------------------------------------------------------------- */

/* Computes the three matrix products of a dense layer (forward, backward, update) on the device,
 * and compares them with plain loops in double precision, because some libraries give wrong results
 * on some machines. x is [batch, in], weights are [in, out]. A product of more than about 2^22
 * multiplications is compared at some of its rows only, at least 8, among them the first and the
 * last. An element may be wrong by 1e-6 of the sum of the magnitudes of its terms, or by 1e-3 of it
 * when the device computes in TF32. STATUS_DEVICE, naming the product and the element, when one is
 * wrong by more or is NaN. */
enum status device_check(
    struct device *device, size_t batch, size_t in, size_t out, struct error *error);

/* --- Peak ---------------------------------------------------------------------------------- */

/* The most arithmetic that an instruction set does: multiply-adds of float32 numbers in registers,
 * which count as 2 operations each, by all threads of the device at once. */
struct arithmetic_peak {
    const char *name; /* the instruction set's, as in device_info.kernels */
    double flops;     /* operations per second */
};
enum { ARITHMETIC_PEAKS_MAX = 7 };

/* The best rates that a device reaches, to compare its rates in training with. */
struct device_peak {
    /* Of the matrices of the fastest square product, which is 2 side^3 operations, in the precision
     * that the device was opened with. */
    size_t side;
    double flops;     /* operations per second of that product */
    size_t bytes;     /* size of the block that is copied within the device's memory */
    double bandwidth; /* bytes per second of that copy, both read and written */
    double operation; /* seconds of an operation that has next to nothing to do, among others */
    /* Of a device that computes on the host: each instruction set that this build has code for and
     * this processor has, the widest first, with a NULL name after the last. No product is faster.
     * Of other devices: none. */
    struct arithmetic_peak arithmetic[ARITHMETIC_PEAKS_MAX + 1];
};

/* Measures the peak, which takes some seconds. Each measurement is the best of several repetitions,
 * and the device is idle before and after each. The products are device_dense_forward on larger and
 * larger square matrices, until one takes 0.1 s, the side is 8192 or memory is short. The copy is
 * device_gather_rows of 1 GiB, or of what memory has room for. The operation is device_gather_rows
 * of a single number, 1,000 times one after another, recorded where the device can: what a launch
 * costs on a GPU.
 *
 * Arithmetic is timed in windows of about 1 ms, some hundreds for each instruction set, spread over
 * some seconds. In a window all threads do the same amount of work. It lasts from before the first
 * thread begins until after the last one is done, so it never counts work that was not done in it,
 * however the threads are scheduled. Whatever else the machine does can only make a window longer,
 * so the shortest counts. Windows are short because on a busy machine all long ones are disturbed:
 * with two busy processes beside two threads on two cores, windows of 50 ms gave a tenth of the
 * rate, and these gave all of it. With four, now and then one instruction set had no undisturbed
 * window of these either. So a figure that is worth quoting is of a quiet machine: a busy one's may
 * be too low, never too high. Work that lasts can reach less of this peak where a processor keeps
 * its highest clock for moments only, or where the process has a quota of processor time that is
 * less than its threads would use.
 *
 * STATUS_DEVICE when device_check fails, the device has no memory for it, or its team is no longer
 * whole. */
enum status device_measure_peak(
    struct device *device, struct device_peak *peak, struct error *error);

#ifdef __cplusplus
}
#endif
#endif
