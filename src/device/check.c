/* The self-check of a device's matrix products against plain double-precision loops. */
#include "device/check.h"

#include "device/device_type.h"
#include "device/matrix.h"
#include "system/memory.h"
#include "system/strict_math.h"
#include "trainer/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The check compares so many rows of a gemm that they take about CHECK_MULTIPLICATIONS
 * multiplications (some milliseconds), but at least CHECK_ROWS_MIN rows, however long they are. */
enum { CHECK_MULTIPLICATIONS = 1 << 22, CHECK_ROWS_MIN = 8 };

/* The error that is allowed, as a share of the sum of the terms' magnitudes. An fp32 sum of K terms
 * errs by about sqrt(K) roundings (6e-8 each) of its largest partial sum, which is far less. TF32
 * or a wrong tile errs by far more. */
static const double CHECK_TOLERANCE = 1e-6;

/* The same for TF32, which rounds both factors to 11 significant bits: each product may err by
 * 2^-10 of itself. */
static const double CHECK_TOLERANCE_TF32 = 1e-3;

static double tolerance_of(const struct device *device) {
    return strcmp(device->info.precision, "tf32") == 0 ? CHECK_TOLERANCE_TF32 : CHECK_TOLERANCE;
}

/* A gemm that the device has done: result[rows, columns] should be
 *     start + scale * a[rows, depth] * b[depth, columns] */
struct gemm {
    const char *name;
    const float *result;
    size_t rows, columns, depth;
    struct matrix a, b, start;
    double scale;
};

/* Computes row i of the product a * b: the sums of its terms, and the sums of their magnitudes. */
static void compute_row(const struct gemm *gemm, size_t i, double *sums, double *magnitudes) {
    const struct matrix a = gemm->a, b = gemm->b;
    for (size_t j = 0; j < gemm->columns; j++)
        sums[j] = magnitudes[j] = 0.0;
    if (b.column == 1) {
        for (size_t k = 0; k < gemm->depth; k++) {
            const double factor = matrix_at(a, i, k);
            const float *row = b.data + k * b.row;
            for (size_t j = 0; j < gemm->columns; j++) {
                sums[j] += factor * row[j];
                magnitudes[j] += fabs(factor * row[j]);
            }
        }
        return;
    }
    for (size_t j = 0; j < gemm->columns; j++) /* b is transposed: k runs along its rows */
        for (size_t k = 0; k < gemm->depth; k++) {
            const double term = (double)matrix_at(a, i, k) * matrix_at(b, k, j);
            sums[j] += term;
            magnitudes[j] += fabs(term);
        }
}

/* A name for what multiplies a device's matrices. */
static const char *multiplies(const struct device_info *info) {
    return info->library[0] ? info->library : info->gemm[0] ? info->gemm : "plain loops";
}

/* Compares some rows of the gemm with plain loops. `sums` has room for two rows of the gemm. */
static enum status check_gemm(
    const struct device *device, const struct gemm *gemm, double *sums, struct error *error) {
    double *magnitudes = sums + gemm->columns;
    size_t checked = CHECK_MULTIPLICATIONS / gemm->columns / gemm->depth;
    checked = checked < CHECK_ROWS_MIN ? CHECK_ROWS_MIN : checked;
    checked = checked > gemm->rows ? gemm->rows : checked;
    for (size_t n = 0; n < checked; n++) {
        const size_t i = checked == 1 ? 0 : n * (gemm->rows - 1) / (checked - 1);
        compute_row(gemm, i, sums, magnitudes);
        for (size_t j = 0; j < gemm->columns; j++) {
            const double first = matrix_at(gemm->start, i, j);
            const double expected = first + gemm->scale * sums[j];
            const double found = gemm->result[i * gemm->columns + j];
            const double bound =
                tolerance_of(device) * (fabs(first) + fabs(gemm->scale) * magnitudes[j]);
            if (!(fabs(found - expected) <= bound)) /* NaN is wrong, too */
                return error_set(error, STATUS_DEVICE,
                    "%s (%s) fails its self-check: %s [%zu, %zu] of %zu terms each: element "
                    "(%zu, %zu) is %.9g and should be %.9g; what multiplies its matrices computes "
                    "wrong results on this machine: use another --gemm, another version of its "
                    "library, or another --device",
                    device->info.kind, multiplies(&device->info), gemm->name, gemm->rows,
                    gemm->columns, gemm->depth, i, j, found, expected);
        }
    }
    return STATUS_OK;
}

/* Fills an array with random values. They repeat, because making them takes long. The period is a
 * prime, so that it is no multiple of a row's length. */
static void fill(float *values, size_t count, uint32_t part) {
    enum { PERIOD = 65521 };
    random_uniform(0, RANDOM_CHECK, part, values, count < PERIOD ? count : PERIOD);
    for (size_t done = PERIOD; done < count; done += PERIOD)
        memcpy(values + done, values,
            (count - done < PERIOD ? count - done : PERIOD) * sizeof *values);
}

void check_list(size_t in, size_t out, struct budget_row arrays[CHECK_ARRAYS]) {
    const size_t size = sizeof(float);
    arrays[CHECK_X] = (struct budget_row){0, in, size};
    arrays[CHECK_WEIGHTS] = (struct budget_row){in * out, 0, size};
    arrays[CHECK_BIAS] = (struct budget_row){out, 0, size};
    arrays[CHECK_D_Y] = (struct budget_row){0, out, size};
    arrays[CHECK_Y] = (struct budget_row){0, out, size};
    arrays[CHECK_D_X] = (struct budget_row){0, in, size};
    arrays[CHECK_SCALE] = (struct budget_row){1, 0, size};
    arrays[CHECK_RESULT] = (struct budget_row){in * out + out, in + out, size};
}

/* The arrays of one dense layer, on the host and on the device. */
struct check {
    struct view views[CHECK_MATRICES];
    float *host[CHECK_ARRAYS];
    double *sums; /* two rows of a gemm */
};

static enum status allocate(struct check *check, const struct budget_row arrays[CHECK_ARRAYS],
    size_t batch, size_t widest, struct error *error) {
    for (size_t a = 0; a < CHECK_ARRAYS; a++) {
        const size_t bytes = budget_bytes(&arrays[a], 1, batch);
        check->host[a] = memory_allocate(bytes);
        if (!check->host[a])
            return error_memory(error, "the self-check", bytes);
    }
    check->sums = memory_allocate(2 * widest * sizeof *check->sums);
    return check->sums ? STATUS_OK
                       : error_memory(error, "the self-check", 2 * widest * sizeof *check->sums);
}

/* Fills a matrix on the host and sends it to a new buffer of the device. */
static enum status send(struct device *device, struct check *check, enum check_array matrix,
    size_t elements, size_t columns, struct error *error) {
    float *host = check->host[matrix];
    struct buffer *buffer;
    /* Results start as NaN: an element that the device forgets is then found. */
    if (matrix == CHECK_Y || matrix == CHECK_D_X)
        for (size_t i = 0; i < elements; i++)
            host[i] = NAN;
    else
        fill(host, elements, (uint32_t)matrix);
    if (matrix == CHECK_SCALE)
        *host = -0.5f;
    const enum status status = device_allocate(device, elements, &buffer, error);
    if (status != STATUS_OK)
        return status;
    check->views[matrix] = device_view(buffer, elements / columns, columns);
    return device_upload(device, check->views[matrix], host, error);
}

static enum status create(struct device *device, size_t batch, size_t in, size_t out,
    struct check *check, struct error *error) {
    const size_t columns[CHECK_MATRICES] = {in, out, out, out, out, in, 1};
    struct budget_row arrays[CHECK_ARRAYS];
    check_list(in, out, arrays);
    enum status status = allocate(check, arrays, batch, in > out ? in : out, error);
    for (size_t m = 0; m < CHECK_MATRICES && status == STATUS_OK; m++)
        status = send(device, check, m, budget_elements(&arrays[m], batch), columns[m], error);
    return status;
}

static enum status run(struct device *device, struct check *check, size_t batch, size_t in,
    size_t out, struct error *error) {
    const float zero = 0.0f;
    const struct view *view = check->views;
    float *const *host = check->host;
    float *found = host[CHECK_RESULT];
    enum status status = device_dense_forward(device, view[CHECK_X], view[CHECK_WEIGHTS],
        view[CHECK_BIAS], ACTIVATION_NONE, view[CHECK_Y], error);
    if (status == STATUS_OK)
        status = device_dense_backward(device, view[CHECK_D_Y], view[CHECK_WEIGHTS], view[CHECK_X],
            ACTIVATION_NONE, view[CHECK_D_X], error);
    if (status == STATUS_OK)
        status = device_dense_update(device, view[CHECK_X], view[CHECK_D_Y], view[CHECK_SCALE],
            view[CHECK_WEIGHTS], view[CHECK_BIAS], error);
    const struct {
        enum check_array result;
        struct gemm gemm;
    } gemms[] = {
        {CHECK_Y, {"forward product", found, batch, out, in, {host[CHECK_X], in, 1},
                      {host[CHECK_WEIGHTS], out, 1}, {host[CHECK_BIAS], 0, 1}, 1.0}},
        {CHECK_D_X, {"backward product", found, batch, in, out, {host[CHECK_D_Y], out, 1},
                        {host[CHECK_WEIGHTS], 1, out}, {&zero, 0, 0}, 1.0}},
        {CHECK_WEIGHTS,
            {"update product", found, in, out, batch, {host[CHECK_X], 1, in},
                {host[CHECK_D_Y], out, 1}, {host[CHECK_WEIGHTS], out, 1}, *host[CHECK_SCALE]}},
    };
    for (size_t p = 0; p < sizeof gemms / sizeof *gemms && status == STATUS_OK; p++) {
        status = device_download(device, view[gemms[p].result], found, error);
        if (status == STATUS_OK)
            status = check_gemm(device, &gemms[p].gemm, check->sums, error);
    }
    return status;
}

enum status device_check(
    struct device *device, size_t batch, size_t in, size_t out, struct error *error) {
    struct check check = {0};
    enum status status = create(device, batch, in, out, &check, error);
    if (status == STATUS_OK)
        status = run(device, &check, batch, in, out, error);
    else
        device_synchronise(device, NULL); /* uploads may still read host memory */
    for (size_t m = 0; m < CHECK_MATRICES; m++)
        buffer_free(check.views[m].buffer);
    for (size_t a = 0; a < CHECK_ARRAYS; a++)
        free(check.host[a]);
    free(check.sums);
    return status;
}
