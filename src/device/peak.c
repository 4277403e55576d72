/* The peak rates of a device, measured through its own operations; and what its arithmetic allows,
 * where its kind can measure that. */
#include "device/device_type.h"
#include "system/clock.h"
#include "system/memory.h"
#include "system/strict_math.h"
#include "trainer/host.h"
#include "trainer/random.h"

#include <math.h>
#include <stdlib.h>

enum {
    SIDE_MIN = 256,    /* side of the first gemm; it doubles from gemm to gemm */
    SIDE_MAX = 8192,   /* side of the last gemm: 1.1e12 operations */
    ROW = 1 << 14,     /* elements of a row that is copied; GPUs allow only about 2^16 rows */
    CHUNK = 1 << 20,   /* random elements; larger matrices repeat them */
    OPERATIONS = 1000, /* that have nothing to do */
    CHECKED_SIDE =
        512, /* side of the gemms of the self-check, where the library has no suspect side */
};

static const size_t COPY_MAX = (size_t)1 << 30; /* bytes, far more than any cache has */
static const double LONG_ENOUGH = 0.1; /* seconds: the time to start such a gemm does not matter */
/* Seconds for all repetitions, of which the best counts. */
static const double REPEATED_SECONDS = 0.4;
enum { REPETITIONS_MIN = 3, REPETITIONS_MAX = 50 };

/* The buffers of one measurement, and random values to fill them with. */
struct peak {
    struct device *device;
    struct view views[4];
    float *chunk; /* [CHUNK] */
    struct recording *recording;
};

static void free_views(struct peak *peak) {
    for (size_t v = 0; v < sizeof peak->views / sizeof *peak->views; v++) {
        buffer_free(peak->views[v].buffer);
        peak->views[v] = (struct view){0};
    }
}

static enum status allocate(
    struct peak *peak, size_t v, size_t rows, size_t columns, struct error *error) {
    struct buffer *buffer;
    const enum status status = device_allocate(peak->device, rows * columns, &buffer, error);
    if (status == STATUS_OK)
        peak->views[v] = device_view(buffer, rows, columns);
    return status;
}

/* Fills a buffer with random values, because a GPU draws less power on zeros, and so runs
 * faster. */
static enum status fill(struct peak *peak, size_t v, struct error *error) {
    const struct view view = peak->views[v];
    const size_t at_once = CHUNK / view.columns;
    enum status status = STATUS_OK;
    for (size_t first = 0; first < view.rows && status == STATUS_OK; first += at_once) {
        const size_t left = view.rows - first;
        status = device_upload(peak->device,
            view_rows(view, first, left < at_once ? left : at_once), peak->chunk, error);
    }
    return status == STATUS_OK ? device_synchronise(peak->device, error) : status;
}

typedef enum status operation(struct peak *peak, struct error *error);

static enum status multiply(struct peak *peak, struct error *error) {
    const struct view *view = peak->views;
    return device_dense_forward(
        peak->device, view[0], view[1], view[2], ACTIVATION_NONE, view[3], error);
}

static enum status copy(struct peak *peak, struct error *error) {
    return device_gather_rows(peak->device, peak->views[0], peak->views[1], peak->views[2], error);
}

/* Times the operation once. The device is idle before and after. */
static enum status time_once(
    struct peak *peak, operation *run, double *seconds, struct error *error) {
    const double start = clock_seconds();
    enum status status = run(peak, error);
    if (status == STATUS_OK)
        status = device_synchronise(peak->device, error);
    *seconds = clock_seconds() - start;
    return status;
}

/* Gives the shortest of several times. The first time does not count: a device may choose an
 * algorithm, compile, and touch memory for the first time. */
static enum status time_best(
    struct peak *peak, operation *run, double *seconds, struct error *error) {
    enum status status = time_once(peak, run, seconds, error);
    double spent = 0.0;
    *seconds = INFINITY;
    for (int r = 0; status == STATUS_OK && r < REPETITIONS_MAX &&
                    (r < REPETITIONS_MIN || spent < REPEATED_SECONDS);
        r++) {
        double once;
        status = time_once(peak, run, &once, error);
        spent += once;
        *seconds = once < *seconds ? once : *seconds;
    }
    return status;
}

/* The elements that each of `count` equal buffers may have. Together they take at most a quarter of
 * what is free on the device, and of what is free on the host. */
static size_t elements_within_budget(const struct device *device, size_t count) {
    const struct device_memory memory = device_memory(device);
    const unsigned long long host_bytes = host_memory_left(NULL);
    const size_t free_bytes =
        memory.free_bytes < host_bytes ? memory.free_bytes : (size_t)host_bytes;
    const size_t each = free_bytes / 4 / count;
    return (each < memory.buffer_bytes ? each : memory.buffer_bytes) / sizeof(float);
}

/* Makes the operands of y[side, side] = x[side, side] * weights[side, side] + bias[1, side]. */
static enum status make_gemm(struct peak *peak, size_t side, struct error *error) {
    enum status status = STATUS_OK;
    for (size_t v = 0; v < 4 && status == STATUS_OK; v++)
        status = allocate(peak, v, v == 2 ? 1 : side, side, error);
    for (size_t v = 0; v < 3 && status == STATUS_OK; v++)
        status = fill(peak, v, error);
    return status;
}

/* Times larger and larger gemms, until one takes long enough. The fastest counts. For plain loops
 * that is the largest one that fits into the caches. */
static enum status measure_gemms(
    struct peak *peak, struct device_peak *result, struct error *error) {
    const size_t most = elements_within_budget(peak->device, 3);
    enum status status = STATUS_OK;
    double seconds = 0.0;
    for (size_t side = SIDE_MIN; status == STATUS_OK && seconds < LONG_ENOUGH; side *= 2) {
        if (side > SIDE_MIN && (side > SIDE_MAX || side * side > most))
            break;
        status = make_gemm(peak, side, error);
        if (status == STATUS_OK)
            status = time_best(peak, multiply, &seconds, error);
        free_views(peak);
        const double flops = 2.0 * (double)side * (double)side * (double)side / seconds;
        if (status == STATUS_OK && flops > result->flops) {
            result->flops = flops;
            result->side = side;
        }
    }
    return status;
}

/* Times the copy destination[rows, ROW] = source[rows, ROW], which gathers the rows in their
 * order. */
static enum status measure_copy(
    struct peak *peak, struct device_peak *result, struct error *error) {
    size_t bytes = COPY_MAX;
    while (bytes > ROW * sizeof(float) &&
           bytes / sizeof(float) > elements_within_budget(peak->device, 2))
        bytes /= 2;
    const size_t rows = bytes / sizeof(float) / ROW;
    uint32_t *order = malloc(rows * sizeof *order);
    if (!order)
        return error_memory(error, "the order of rows", rows * sizeof *order);
    for (size_t r = 0; r < rows; r++)
        order[r] = (uint32_t)r;
    enum status status = allocate(peak, 0, rows, ROW, error);
    if (status == STATUS_OK)
        status = allocate(peak, 1, rows, 1, error);
    if (status == STATUS_OK)
        status = allocate(peak, 2, rows, ROW, error);
    if (status == STATUS_OK)
        status = fill(peak, 0, error);
    if (status == STATUS_OK)
        status = device_upload(peak->device, peak->views[1], order, error);
    double seconds = 0.0;
    if (status == STATUS_OK)
        status = time_best(peak, copy, &seconds, error);
    free_views(peak);
    free(order);
    result->bytes = bytes;
    result->bandwidth = 2.0 * (double)bytes / seconds;
    return status;
}

/* A device_enqueue. */
static enum status copy_often(void *context, struct error *error) {
    enum status status = STATUS_OK;
    for (size_t o = 0; o < OPERATIONS && status == STATUS_OK; o++)
        status = copy(context, error);
    return status;
}

static enum status run_often(struct peak *peak, struct error *error) {
    return device_run(peak->device, peak->recording, copy_often, peak, error);
}

/* Times OPERATIONS copies of a single number. */
static enum status measure_operation(
    struct peak *peak, struct device_peak *result, struct error *error) {
    static const uint32_t zero;
    double seconds = 0.0;
    enum status status = STATUS_OK;
    for (size_t v = 0; v < 3 && status == STATUS_OK; v++)
        status = allocate(peak, v, 1, 1, error);
    for (size_t v = 0; v < 2 && status == STATUS_OK; v++)
        status = device_upload(peak->device, peak->views[v], &zero, error);
    if (status == STATUS_OK)
        status = device_record(peak->device, copy_often, peak, &peak->recording, error);
    if (status == STATUS_OK)
        status = time_best(peak, run_often, &seconds, error);
    recording_free(peak->device, peak->recording);
    peak->recording = NULL;
    free_views(peak);
    result->operation = seconds / OPERATIONS;
    return status;
}

enum status device_measure_peak(
    struct device *device, struct device_peak *peak, struct error *error) {
    struct peak work = {.device = device, .chunk = memory_allocate(CHUNK * sizeof *work.chunk)};
    *peak = (struct device_peak){0};
    if (!work.chunk)
        return error_memory(error, "random values", CHUNK * sizeof *work.chunk);
    random_uniform(0, RANDOM_CHECK, 0, work.chunk, CHUNK);
    const size_t suspect_side = device_info(device)->suspect_side;
    const size_t side = suspect_side > 0 ? suspect_side : CHECKED_SIDE;
    enum status status = device_check(device, side, side, side, error);
    if (status == STATUS_OK)
        status = measure_gemms(&work, peak, error);
    if (status == STATUS_OK && device->type->measure_arithmetic)
        status = device->type->measure_arithmetic(device, peak, error);
    if (status == STATUS_OK)
        status = measure_copy(&work, peak, error);
    if (status == STATUS_OK)
        status = measure_operation(&work, peak, error);
    if (status != STATUS_OK)
        device_synchronise(device, NULL); /* uploads may still read the chunk */
    free_views(&work);
    free(work.chunk);
    return status;
}
