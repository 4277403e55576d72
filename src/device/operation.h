/* Operations as data. A call of trainer/device.h makes one, a device is given one to do, and a
 * recording consists of them.
 *
 * Each kind of operation is a row of one table. The row has the operands, their shapes, and which
 * of them are read and written. The checks, the error messages, the recordings, the barriers of the
 * cpu device and the tests all follow from it. */
#ifndef DEVICE_OPERATION_H
#define DEVICE_OPERATION_H

#include "trainer/device.h"

enum operation_kind {
    OPERATION_UPLOAD,
    OPERATION_UPLOAD_PIXELS,
    OPERATION_GATHER_ROWS,
    OPERATION_DENSE_FORWARD,
    OPERATION_DENSE_BACKWARD,
    OPERATION_DENSE_GRADIENT,
    OPERATION_OPTIMIZE,
    OPERATION_DENSE_UPDATE,
    OPERATION_SOFTMAX_CROSS_ENTROPY,
    OPERATION_DROPOUT,
    OPERATION_FLIP,
    OPERATION_SQUARE_SUMS,
    OPERATION_CLIP,
    OPERATION_ALL_REDUCE,
    OPERATION_KINDS
};

enum { OPERATION_VIEWS = 9 };

/* One operation. Its views have the names that the table gives them. Members that its kind does not
 * use are 0. */
struct operation {
    enum operation_kind kind;
    union {
        struct view views[OPERATION_VIEWS];
        struct {
            struct view destination;
        } upload, upload_pixels;
        struct {
            struct view source, index, destination;
        } gather_rows;
        struct {
            struct view x, weights, bias, y;
        } dense_forward;
        struct {
            struct view d_y, weights, x, d_x;
        } dense_backward;
        struct {
            struct view x, d_y, d_weights, d_bias;
        } dense_gradient;
        struct {
            struct view gradient, rates, parameters, states[OPTIMIZER_STATES_MAX];
        } optimize;
        struct {
            struct view x, d_y, rates, weights, bias;
            struct dense_parameters states[OPTIMIZER_STATES_MAX];
        } dense_update;
        struct {
            struct view logits, labels, score;
        } softmax_cross_entropy;
        struct {
            struct view source, pass, destination;
        } dropout;
        struct {
            struct view pass, images;
        } flip;
        struct {
            struct view values, sums;
        } square_sums;
        struct {
            struct view sums, values;
        } clip;
        struct {
            struct view values, sums;
        } all_reduce;
    };
    const void *host; /* the host memory that is sent; it is read until the next wait */
    enum activation activation;
    struct pixel_format pixels;
    enum optimizer optimizer;
    float scale, smoothing; /* of softmax_cross_entropy only */
    struct {                /* of what is drawn: of dropout and flip only */
        uint64_t seed;
        uint32_t first, layer;
        double share;
    } drawn;
    size_t width;  /* of flip only */
    float largest; /* of clip only */
};

/* What an operation does with an operand: it reads it, overwrites all of it, or reads and changes
 * it. */
enum operand_use { OPERAND_READ, OPERAND_WRITTEN, OPERAND_CHANGED };

struct operand_type {
    const char *name; /* NULL: the operation has no more operands */
    /* Its shape. The same letter is the same size wherever it occurs in the operation, and a digit
     * is that number. 'p' is the number of values of an image (upload_pixels), 'r' that of the
     * optimiser's rates, and 'q' SQUARE_SUMS. */
    char rows, columns;
    enum operand_use use;
    /* A letter: the elements are uint32, each below that size; '*': any uint32; 0: they are
     * float32. */
    char below;
    size_t states; /* it is an operand of optimisers with so many states and more */
};

struct operation_type {
    const char *name;
    struct operand_type operands[OPERATION_VIEWS];
    bool sends;    /* it reads host memory, so it can't be recorded */
    bool in_place; /* its first operand may be its last one, too */
};

extern const struct operation_type operation_types[OPERATION_KINDS];

/* The number of operands of an operation, by its kind and its optimiser. */
size_t operation_operands(const struct operation *operation);

/* The size that a letter which the views don't say stands for: 'p', 'r' or 'q'; 0: any. */
size_t operation_size(const struct operation *operation, char letter);

/* view_fits: whether a view has sides from 1 to INT_MAX and lies inside its buffer, which must be
 * of this device. view_overlaps: whether two views have elements in common. */
bool view_fits(const struct device *device, struct view view);
bool view_overlaps(struct view a, struct view b);

/* STATUS_FAILED, naming the operation and its views, unless the views lie in buffers of this device
 * and have the shapes of the table, and no view that is written overlaps another. */
enum status operation_check(
    const struct device *device, const struct operation *operation, struct error *error);

/* Checks the operation, and hands it to the recording that is being made, or else to the device. */
enum status operation_enqueue(
    struct device *device, const struct operation *operation, struct error *error);

#endif
