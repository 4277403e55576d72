/* Operations as data: what a call of trainer/device.h asks of a device, what a device is given to
 * do, and what a recording is made of.
 *
 * A kind of operation is a row of one table: its operands with their shapes, and which of them it
 * reads and writes. Checks, messages, recordings, the waits of a team and the tests go by it. */
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
    OPERATION_KINDS
};

enum { OPERATION_VIEWS = 5 };

/* One operation. Its views have the names that the table gives them; numbers that its kind has not
 * are 0. */
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
            struct view gradient, scale, parameters;
        } optimize;
        struct {
            struct view x, d_y, scale, weights, bias;
        } dense_update;
        struct {
            struct view logits, labels, score;
        } softmax_cross_entropy;
    };
    const void *host; /* what is sent, read until the next wait */
    enum activation activation;
    struct pixel_format pixels;
    enum optimizer optimizer;
    float scale; /* of softmax_cross_entropy */
};

/* What becomes of an operand: it is read, written whatever it was, or read and changed. */
enum operand_use { OPERAND_READ, OPERAND_WRITTEN, OPERAND_CHANGED };

struct operand_type {
    const char *name; /* NULL: there is no such operand */
    /* Its shape. A letter is a size, the same wherever it occurs in the operation; a digit is
     * itself. 'p' is the number of values of an image (upload_pixels). */
    char rows, columns;
    enum operand_use use;
    char below; /* its elements are uint32, below the size with this letter; 0: float32 */
};

struct operation_type {
    const char *name;
    struct operand_type operands[OPERATION_VIEWS];
    bool sends; /* it reads memory of the host, from where it is each time */
};

extern const struct operation_type operation_types[OPERATION_KINDS];

/* The number of its operands. */
size_t operation_operands(const struct operation_type *type);

/* Whether a view lies inside its buffer, on this device; and whether two have elements in common.
 */
bool view_fits(const struct device *device, struct view view);
bool view_overlaps(struct view a, struct view b);

/* STATUS_FAILED, naming the operation and its views, unless they lie in buffers of this device,
 * have the shapes of the table, and none that is written overlaps another. */
enum status operation_check(
    const struct device *device, const struct operation *operation, struct error *error);

/* Checks it and hands it on: to the recording that is being made, else to the device. */
enum status operation_enqueue(
    struct device *device, const struct operation *operation, struct error *error);

#endif
