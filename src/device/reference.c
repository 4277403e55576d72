/* The `reference` device: plain C loops and no library. Sums are taken in double precision, and
 * each operation is done when its call returns. What another device gives can be held against it;
 * it is the row "the language without libraries" of a comparison. */
#include "device/host_device.h"
#include "strict_math.h"
#include "system/team.h"
#include "trainer/dataset.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* --- Finding and opening --- */

static void reference_list(device_visitor *visit, void *context) {
    struct device_entry entry = {.spec = "reference", .available = true};
    host_device_describe("reference", 1, &entry.info);
    visit(context, &entry);
}

static enum status reference_find(
    const char *rest, bool automatic, const char **shortly, struct error *error) {
    (void)automatic, (void)shortly;
    return rest ? error_set(
                      error, STATUS_DEVICE, "reference: there is only one; ':%s' is too much", rest)
                : STATUS_OK;
}

static enum status reference_open(const char *rest, const struct device_options *options,
    struct device **device, struct error *error) {
    int threads;
    enum status status = reference_find(rest, false, NULL, error);
    if (status == STATUS_OK)
        status = host_team_size("reference", options->threads, 1, INT_MAX, NULL, &threads, error);
    if (status != STATUS_OK)
        return status;
    struct host_device *opened = calloc(1, sizeof *opened);
    if (!opened)
        return error_memory(error, "the reference device", sizeof *opened);
    host_device_describe("reference", threads, &opened->base.info);
    host_device_begin(opened);
    opened->base.info.synchronous = true;
    *device = &opened->base;
    return STATUS_OK;
}

static void reference_close(struct device *device) {
    free(device);
}

/* --- Memory --- */

static enum status reference_upload(
    struct device *device, struct view destination, const void *host, struct error *error) {
    (void)device, (void)error;
    memcpy(host_floats(destination), host, destination.rows * destination.columns * sizeof(float));
    return STATUS_OK;
}

static enum status reference_download(
    struct device *device, struct view source, void *host, struct error *error) {
    (void)device, (void)error;
    memcpy(host, host_floats(source), source.rows * source.columns * sizeof(float));
    return STATUS_OK;
}

static enum status reference_synchronise(struct device *device, struct error *error) {
    (void)device, (void)error;
    return STATUS_OK;
}

/* --- Operations --- */

/* A matrix whose element (i, j) is data[i * row + j * column]. */
struct strided {
    const float *data;
    size_t row, column;
};

enum { TILE = 16 };

/* sums[j] = sum over k < depth of a(i, k) * b(k, first + j), for j < TILE and within b's columns */
static void product_tile(struct strided a, struct strided b, size_t i, size_t first, size_t columns,
    size_t depth, double sums[TILE]) {
    const size_t width = columns - first < TILE ? columns - first : TILE;
    for (size_t j = 0; j < TILE; j++)
        sums[j] = 0.0;
    for (size_t k = 0; k < depth; k++) {
        const double value = a.data[i * a.row + k * a.column];
        const float *row = b.data + k * b.row + first * b.column;
        if (width == TILE && b.column == 1)
            for (size_t j = 0; j < TILE; j++)
                sums[j] += value * row[j];
        else
            for (size_t j = 0; j < width; j++)
                sums[j] += value * row[j * b.column];
    }
}

static double activate(enum activation activation, double z) {
    switch (activation) {
    case ACTIVATION_SIGMOID:
        return 1.0 / (1.0 + exp(-z));
    case ACTIVATION_TANH:
        return tanh(z);
    case ACTIVATION_RELU:
        return z < 0.0 ? 0.0 : z; /* NaN stays NaN */
    case ACTIVATION_NONE:
        break;
    }
    return z;
}

/* The activation's derivative, from its value. */
static double slope(enum activation activation, double value) {
    switch (activation) {
    case ACTIVATION_SIGMOID:
        return value * (1.0 - value);
    case ACTIVATION_TANH:
        return 1.0 - value * value;
    case ACTIVATION_RELU:
        return value > 0.0;
    case ACTIVATION_NONE:
        break;
    }
    return 1.0;
}

static enum status reference_dense_forward(struct device *device, struct view x,
    struct view weights, struct view bias, enum activation activation, struct view y,
    struct error *error) {
    (void)error;
    const size_t batch = x.rows, in = x.columns, out = y.columns;
    const struct strided a = {host_floats(x), in, 1}, b = {host_floats(weights), out, 1};
    const float *add = host_floats(bias);
    float *result = host_floats(y);
#pragma omp parallel for num_threads(team_whole(device->info.threads))
    for (size_t i = 0; i < batch; i++)
        for (size_t first = 0; first < out; first += TILE) {
            double sums[TILE];
            product_tile(a, b, i, first, out, in, sums);
            for (size_t j = first; j < out && j < first + TILE; j++)
                result[i * out + j] = (float)activate(activation, sums[j - first] + add[j]);
        }
    return STATUS_OK;
}

static enum status reference_dense_backward(struct device *device, struct view d_y,
    struct view weights, struct view x, enum activation activation, struct view d_x,
    struct error *error) {
    (void)error;
    const size_t batch = d_x.rows, in = d_x.columns, out = d_y.columns;
    const struct strided a = {host_floats(d_y), out, 1}, b = {host_floats(weights), 1, out};
    const float *value = host_floats(x);
    float *result = host_floats(d_x);
#pragma omp parallel for num_threads(team_whole(device->info.threads))
    for (size_t i = 0; i < batch; i++)
        for (size_t first = 0; first < in; first += TILE) {
            double sums[TILE];
            product_tile(a, b, i, first, in, out, sums);
            for (size_t j = first; j < in && j < first + TILE; j++)
                result[i * in + j] =
                    (float)(sums[j - first] * slope(activation, value[i * in + j]));
        }
    return STATUS_OK;
}

static enum status reference_dense_update(struct device *device, struct view x, struct view d_y,
    float scale, struct view weights, struct view bias, struct error *error) {
    (void)error;
    const size_t batch = x.rows, in = x.columns, out = d_y.columns;
    const struct strided a = {host_floats(x), 1, in}, b = {host_floats(d_y), out, 1};
    float *result = host_floats(weights), *sum = host_floats(bias);
#pragma omp parallel for num_threads(team_whole(device->info.threads))
    for (size_t i = 0; i < in; i++)
        for (size_t first = 0; first < out; first += TILE) {
            double sums[TILE];
            product_tile(a, b, i, first, out, batch, sums);
            for (size_t j = first; j < out && j < first + TILE; j++)
                result[i * out + j] += (float)(scale * sums[j - first]);
        }
    for (size_t j = 0; j < out; j++) {
        double column = 0.0;
        for (size_t i = 0; i < batch; i++)
            column += b.data[i * out + j];
        sum[j] += (float)(scale * column);
    }
    return STATUS_OK;
}

static enum status reference_softmax_cross_entropy(struct device *device, struct view logits,
    struct view labels, float scale, struct view score, struct error *error) {
    (void)error;
    const size_t classes = logits.columns;
#pragma omp parallel for num_threads(team_whole(device->info.threads))
    for (size_t i = 0; i < logits.rows; i++) {
        float *z = host_floats(logits) + i * classes, *result = host_floats(score) + i * 2;
        const size_t label = host_integers(labels)[i];
        size_t best = 0;
        for (size_t j = 1; j < classes; j++)
            if (z[j] > z[best])
                best = j;
        const double largest = z[best], of_label = z[label];
        double sum = 0.0;
        for (size_t j = 0; j < classes; j++)
            sum += exp(z[j] - largest);
        result[0] = (float)(log(sum) - (of_label - largest));
        result[1] = best == label;
        for (size_t j = 0; j < classes; j++)
            z[j] = (float)(scale * (exp(z[j] - largest) / sum - (j == label)));
    }
    return STATUS_OK;
}

static enum status reference_gather_rows(struct device *device, struct view source,
    struct view index, struct view destination, struct error *error) {
    (void)device, (void)error;
    const size_t columns = source.columns;
    for (size_t i = 0; i < destination.rows; i++)
        memcpy(host_floats(destination) + i * columns,
            host_floats(source) + host_integers(index)[i] * columns, columns * sizeof(float));
    return STATUS_OK;
}

static enum status reference_upload_pixels(struct device *device, const uint8_t *host,
    enum color color, struct view destination, struct error *error) {
    (void)error;
    const size_t columns = destination.columns;
#pragma omp parallel for num_threads(team_whole(device->info.threads))
    for (size_t i = 0; i < destination.rows; i++) {
        const uint8_t *red = host + i * CIFAR10_PIXELS;
        const uint8_t *green = red + CIFAR10_PLANE, *blue = green + CIFAR10_PLANE;
        float *row = host_floats(destination) + i * columns;
        for (size_t j = 0; j < columns; j++)
            row[j] = color == COLOR_RGB
                         ? (float)(red[j] / 255.0)
                         : (float)((0.299 * red[j] + 0.587 * green[j] + 0.114 * blue[j]) / 255.0);
    }
    return STATUS_OK;
}

const struct device_type reference_device_type = {
    .kind = "reference",
    .automatic = true, /* the last resort: it always opens */
    .list = reference_list,
    .find = reference_find,
    .open = reference_open,
    .close = reference_close,
    .allocate = host_buffer_allocate,
    .memory = host_device_memory,
    .release = host_buffer_release,
    .upload = reference_upload,
    .download = reference_download,
    .synchronise = reference_synchronise,
    .dense_forward = reference_dense_forward,
    .dense_backward = reference_dense_backward,
    .dense_update = reference_dense_update,
    .softmax_cross_entropy = reference_softmax_cross_entropy,
    .gather_rows = reference_gather_rows,
    .upload_pixels = reference_upload_pixels,
};
