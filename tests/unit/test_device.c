/* The conformance suite: every operation of a device against the `reference` device.
 *
 *   test_device SPEC [GEMM [small]]
 *
 * GEMM is one of the device's ways to multiply matrices (device_options). With `small` only what a
 * simulator can do in seconds: each operation, at few and small shapes.
 *
 * Shapes are random, from a seed that is printed ($TRAINER_TEST_SEED sets another). Every operand
 * lies in a buffer of its own between guards, which must be as they were after the operation: NaN
 * before it and a huge number after it, so that reading outside shows in the result, and so does
 * writing what was made of it. */
#include "support.h"
#include "trainer/random.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GUARD = 37 }; /* odd: operands are not aligned */

/* Of elements that are computed one by one, and of sums of `depth` products in single precision:
 * relative to the result's root mean square. A term that is missing is off by 1 / sqrt(depth), a
 * product in half the digits (TF32) by 5e-4. */
static const double TOLERANCE = 1e-6;

static double sum_tolerance(size_t depth) {
    return TOLERANCE + 4e-7 * sqrt((double)depth);
}

static const char *spec, *gemm; /* of the command line; NULL: not given */
static struct device *tested, *reference;
static struct error error;
static uint64_t seed = 20261122;
static int cases = 40; /* of each operation */
static uint32_t side_max = 200;
static uint32_t drawn; /* numbers of the seed that are used up */

static uint32_t draw(void) {
    uint32_t bits[4];
    random_bits(seed, RANDOM_CHECK, 1000, drawn++, bits);
    return bits[0];
}

/* A side of a matrix: around vector widths and tile sizes, 1, and anything up to side_max. */
static size_t draw_side(void) {
    static const size_t sides[] = {1, 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64, 65, 200};
    const uint32_t value = draw();
    const size_t count = sizeof sides / sizeof *sides, side = sides[value / 4 % count];
    return value % 4 && side <= side_max ? side : 1 + value / 4 % side_max;
}

/* --- An operand: the same matrix on both devices, between guards --- */

struct operand {
    size_t rows, columns, elements; /* elements: with both guards */
    uint32_t *start;                /* what was uploaded */
    struct buffer *buffers[2];      /* of `tested`, of `reference` */
};

enum { TESTED, REFERENCE };

static struct device *device_of(int which) {
    return which == TESTED ? tested : reference;
}

static struct view view_of(const struct operand *operand, int which) {
    return (struct view){operand->buffers[which], GUARD, operand->rows, operand->columns};
}

static struct operand make_operand(size_t rows, size_t columns, const uint32_t *content) {
    struct operand operand = {rows, columns, rows * columns + 2 * GUARD, NULL, {NULL, NULL}};
    const float before = NAN, after = 1e30f;
    operand.start = malloc(operand.elements * sizeof *operand.start);
    for (size_t i = 0; i < operand.elements; i++)
        memcpy(&operand.start[i], i < GUARD ? &before : &after, sizeof before);
    memcpy(operand.start + GUARD, content, rows * columns * sizeof *content);
    for (int which = 0; which < 2; which++) {
        assert_ok(
            device_allocate(device_of(which), operand.elements, &operand.buffers[which], &error));
        assert_ok(device_upload(device_of(which),
            device_view(operand.buffers[which], 1, operand.elements), operand.start, &error));
    }
    return operand;
}

/* Values in [-1, 1). */
static struct operand random_operand(size_t rows, size_t columns) {
    float *values = malloc(rows * columns * sizeof *values);
    random_uniform(seed, RANDOM_CHECK, drawn++, values, rows * columns);
    uint32_t *bits = malloc(rows * columns * sizeof *bits);
    memcpy(bits, values, rows * columns * sizeof *bits);
    const struct operand operand = make_operand(rows, columns, bits);
    free(values);
    free(bits);
    return operand;
}

/* Whole numbers below `bound`. */
static struct operand random_indices(size_t rows, uint32_t bound) {
    uint32_t *values = malloc(rows * sizeof *values);
    for (size_t i = 0; i < rows; i++)
        values[i] = draw() % bound;
    const struct operand operand = make_operand(rows, 1, values);
    free(values);
    return operand;
}

/* Compares an operand on both devices, guards included, and releases it. Where it was not
 * `written`, it must not have changed at all. */
static void finish(const char *name, struct operand *operand, bool written, double tolerance) {
    uint32_t *found[2];
    for (int which = 0; which < 2; which++) {
        found[which] = malloc(operand->elements * sizeof *found[which]);
        assert_ok(device_download(device_of(which),
            device_view(operand->buffers[which], 1, operand->elements), found[which], &error));
        device_release(operand->buffers[which]);
        const size_t after = GUARD + operand->rows * operand->columns;
        assert_memory_equal(found[which], operand->start, GUARD * sizeof(float));
        assert_memory_equal(found[which] + after, operand->start + after, GUARD * sizeof(float));
        if (!written)
            assert_memory_equal(found[which], operand->start, operand->elements * sizeof(float));
    }
    if (written)
        support_assert_close(name, (const float *)found[TESTED] + GUARD,
            (const float *)found[REFERENCE] + GUARD, operand->rows * operand->columns, tolerance);
    free(found[TESTED]);
    free(found[REFERENCE]);
    free(operand->start);
}

/* --- The operations --- */

static enum activation draw_activation(void) {
    return (enum activation)(draw() % 4);
}

static void check_forward(size_t batch, size_t in, size_t out, enum activation activation) {
    print_message("dense_forward [%zu, %zu] * [%zu, %zu], %s\n", batch, in, in, out,
        activation_names[activation]);
    struct operand x = random_operand(batch, in), weights = random_operand(in, out);
    struct operand bias = random_operand(1, out), y = random_operand(batch, out);
    for (int which = 0; which < 2; which++)
        assert_ok(
            device_dense_forward(device_of(which), view_of(&x, which), view_of(&weights, which),
                view_of(&bias, which), activation, view_of(&y, which), &error));
    /* An activation passes the sums' error on, which goes by their size: sqrt(in) / 3. */
    const double size = activation == ACTIVATION_NONE ? 1.0 : fmax(1.0, sqrt((double)in) / 3.0);
    finish("y", &y, true, size * sum_tolerance(in));
    finish("x", &x, false, 0);
    finish("weights", &weights, false, 0);
    finish("bias", &bias, false, 0);
}

static void check_backward(size_t batch, size_t in, size_t out, enum activation activation) {
    print_message("dense_backward [%zu, %zu] * [%zu, %zu]^T, %s\n", batch, out, in, out,
        activation_names[activation]);
    struct operand d_y = random_operand(batch, out), weights = random_operand(in, out);
    struct operand x = random_operand(batch, in), d_x = random_operand(batch, in);
    for (int which = 0; which < 2; which++)
        assert_ok(
            device_dense_backward(device_of(which), view_of(&d_y, which), view_of(&weights, which),
                view_of(&x, which), activation, view_of(&d_x, which), &error));
    finish("d_x", &d_x, true, sum_tolerance(out));
    finish("d_y", &d_y, false, 0);
    finish("weights", &weights, false, 0);
    finish("x", &x, false, 0);
}

static void check_update(size_t batch, size_t in, size_t out, float scale) {
    print_message(
        "dense_update [%zu, %zu]^T * [%zu, %zu], scale %g\n", batch, in, batch, out, (double)scale);
    struct operand x = random_operand(batch, in), d_y = random_operand(batch, out);
    struct operand weights = random_operand(in, out), bias = random_operand(1, out);
    for (int which = 0; which < 2; which++)
        assert_ok(device_dense_update(device_of(which), view_of(&x, which), view_of(&d_y, which),
            scale, view_of(&weights, which), view_of(&bias, which), &error));
    finish("weights", &weights, true, sum_tolerance(batch));
    finish("bias", &bias, true, sum_tolerance(batch));
    finish("x", &x, false, 0);
    finish("d_y", &d_y, false, 0);
}

static void test_dense_forward(void **state) {
    (void)state;
    for (int n = 0; n < cases; n++) {
        const size_t batch = draw_side(), in = draw_side(), out = draw_side();
        check_forward(batch, in, out, draw_activation());
    }
}

static void test_dense_backward(void **state) {
    (void)state;
    for (int n = 0; n < cases; n++) {
        const size_t batch = draw_side(), in = draw_side(), out = draw_side();
        check_backward(batch, in, out, draw_activation());
    }
}

static void test_dense_update(void **state) {
    (void)state;
    for (int n = 0; n < cases; n++) {
        const size_t batch = draw_side(), in = draw_side(), out = draw_side();
        check_update(batch, in, out, n % 2 ? -0.01f : 1.0f);
    }
}

/* Few results of many terms, which a device may divide among several workers. */
static void test_long_products(void **state) {
    (void)state;
    check_forward(3, 516, 5, ACTIVATION_SIGMOID);
    check_backward(3, 5, 516, ACTIVATION_RELU);
    check_update(516, 3, 5, -0.01f);
}

/* The default network's. */
static void test_usual_products(void **state) {
    (void)state;
    check_forward(1, 1024, 64, ACTIVATION_SIGMOID);
    check_forward(200, 1024, 64, ACTIVATION_SIGMOID);
    check_forward(300, 3072, 64, ACTIVATION_TANH);
    check_backward(1, 64, 32, ACTIVATION_SIGMOID);
    check_backward(200, 64, 32, ACTIVATION_SIGMOID);
    check_update(1, 1024, 64, -0.01f);
    check_update(200, 1024, 64, -0.01f);
}

/* Beyond every library's small-matrix path: wrong results from 1152 on have been seen. */
static void test_large_products(void **state) {
    (void)state;
    check_forward(1152, 1152, 1152, ACTIVATION_NONE);
    check_backward(1153, 1160, 256, ACTIVATION_NONE);
    check_update(300, 1153, 1155, -0.01f);
}

static void check_softmax(size_t batch, uint32_t classes, float spread, float scale) {
    print_message(
        "softmax_cross_entropy [%zu, %u], logits to %g\n", batch, classes, (double)spread);
    float *values = malloc(batch * classes * sizeof *values);
    uint32_t *bits = malloc(batch * classes * sizeof *bits);
    random_uniform(seed, RANDOM_CHECK, drawn++, values, batch * classes);
    for (size_t i = 0; i < batch * classes; i++)
        values[i] *= spread;
    memcpy(bits, values, batch * classes * sizeof *bits);
    struct operand logits = make_operand(batch, classes, bits);
    struct operand labels = random_indices(batch, classes), score = random_operand(batch, 2);
    for (int which = 0; which < 2; which++)
        assert_ok(device_softmax_cross_entropy(device_of(which), view_of(&logits, which),
            view_of(&labels, which), scale, view_of(&score, which), &error));
    finish("gradient", &logits, true, sum_tolerance(classes));
    finish("score", &score, true, sum_tolerance(classes));
    finish("labels", &labels, false, 0);
    free(values);
    free(bits);
}

static void test_softmax_cross_entropy(void **state) {
    (void)state;
    for (int n = 0; n < cases; n++)
        check_softmax(draw_side(), 1 + draw() % 40, n % 2 ? 1.0f : 20.0f, 0.1f);
    check_softmax(1, 10, 1.0f, 0.1f);
    check_softmax(cases * 5, 10, 1.0f, 0.1f);
    check_softmax(cases * 7, 10, 80.0f, 0.1f);
}

/* Of several largest, the first counts. */
static void test_softmax_ties(void **state) {
    (void)state;
    const float values[] = {1, 3, 2, 3, 3, 1, 2, 3, 3, 1, 3, 3, 3, 3, 3};
    const uint32_t labels[] = {1, 3, 0};
    uint32_t bits[15];
    memcpy(bits, values, sizeof bits);
    struct operand logits = make_operand(3, 5, bits), label = make_operand(3, 1, labels);
    struct operand score = random_operand(3, 2);
    float found[6];
    for (int which = 0; which < 2; which++) {
        assert_ok(device_softmax_cross_entropy(device_of(which), view_of(&logits, which),
            view_of(&label, which), 1.0f, view_of(&score, which), &error));
        assert_ok(device_download(device_of(which), view_of(&score, which), found, &error));
        assert_true(found[1] == 1.0f && found[3] == 0.0f && found[5] == 1.0f);
    }
    finish("gradient", &logits, true, TOLERANCE);
    finish("score", &score, true, TOLERANCE);
    finish("labels", &label, false, 0);
}

/* A loss that is not finite must come out as one. */
static void test_softmax_not_finite(void **state) {
    (void)state;
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    const uint32_t label = 1;
    for (size_t n = 0; n < 3; n++) {
        float values[] = {0.5f, bad[n], 0.25f}, score[2];
        struct buffer *logits, *labels, *result;
        assert_ok(device_allocate(tested, 3, &logits, &error));
        assert_ok(device_allocate(tested, 1, &labels, &error));
        assert_ok(device_allocate(tested, 2, &result, &error));
        assert_ok(device_upload(tested, device_view(logits, 1, 3), values, &error));
        assert_ok(device_upload(tested, device_view(labels, 1, 1), &label, &error));
        assert_ok(device_softmax_cross_entropy(tested, device_view(logits, 1, 3),
            device_view(labels, 1, 1), 1.0f, device_view(result, 1, 2), &error));
        assert_ok(device_download(tested, device_view(result, 1, 2), score, &error));
        if (n < 2) /* the loss of a label that is impossible may be large instead of infinite */
            assert_false(isfinite(score[0]));
        else
            assert_true(score[0] > 80.0f);
        device_release(logits);
        device_release(labels);
        device_release(result);
    }
}

static void test_gather_rows(void **state) {
    (void)state;
    for (int n = 0; n < cases; n++) {
        const size_t from = draw_side(), rows = draw_side(), columns = draw_side();
        struct operand source = random_operand(from, columns);
        struct operand index = random_indices(rows, (uint32_t)from);
        struct operand destination = random_operand(rows, columns);
        for (int which = 0; which < 2; which++)
            assert_ok(device_gather_rows(device_of(which), view_of(&source, which),
                view_of(&index, which), view_of(&destination, which), &error));
        finish("destination", &destination, true, 0);
        finish("source", &source, false, 0);
        finish("index", &index, false, 0);
    }
}

static void test_upload_pixels(void **state) {
    (void)state;
    for (int n = 0; n < 10 && n < cases; n++) {
        const size_t rows = 1 + draw() % (uint32_t)cases;
        const enum color color = n % 2 ? COLOR_GREY : COLOR_RGB;
        uint8_t *pixels = malloc(rows * 3072);
        for (size_t i = 0; i < rows * 3072; i++)
            pixels[i] = (uint8_t)(n == 0 ? 255 : draw());
        struct operand x = random_operand(rows, color == COLOR_GREY ? 1024 : 3072);
        for (int which = 0; which < 2; which++)
            assert_ok(
                device_upload_pixels(device_of(which), pixels, color, view_of(&x, which), &error));
        finish("pixels", &x, true, 3e-7);
        free(pixels);
    }
}

/* The same product of the same operands, again and again. */
static void test_same_bits(void **state) {
    (void)state;
    enum { BATCH = 300, IN = 1024, OUT = 64 };
    struct buffer *buffers[4];
    static const size_t sides[4][2] = {{BATCH, IN}, {IN, OUT}, {1, OUT}, {BATCH, OUT}};
    struct view views[4];
    float *values = malloc(BATCH * IN * sizeof *values);
    float *found[2] = {malloc(IN * OUT * sizeof(float)), malloc(IN * OUT * sizeof(float))};
    for (int b = 0; b < 4; b++) {
        assert_ok(device_allocate(tested, sides[b][0] * sides[b][1], &buffers[b], &error));
        views[b] = device_view(buffers[b], sides[b][0], sides[b][1]);
    }
    random_uniform(seed, RANDOM_CHECK, drawn++, values, BATCH * IN);
    for (int n = 0; n < 10; n++) {
        float *result = found[n > 0];
        for (int b = 0; b < 3; b++)
            assert_ok(device_upload(tested, views[b], values, &error));
        assert_ok(device_dense_forward(
            tested, views[0], views[1], views[2], ACTIVATION_TANH, views[3], &error));
        assert_ok(
            device_dense_update(tested, views[0], views[3], -0.01f, views[1], views[2], &error));
        assert_ok(device_download(tested, views[1], result, &error));
        assert_memory_equal(found[0], result, IN * OUT * sizeof *result);
    }
    for (int b = 0; b < 4; b++)
        device_release(buffers[b]);
    free(values);
    free(found[0]);
    free(found[1]);
}

/* --- Doing the same again --- */

/* A layer's three operations, one after another on the same operands. */
struct layer {
    int which;
    struct operand x, weights, bias, y, d_x;
};

static enum status enqueue_layer(void *context, struct error *problem) {
    const struct layer *at = context;
    struct device *device = device_of(at->which);
    const struct view x = view_of(&at->x, at->which), weights = view_of(&at->weights, at->which);
    const struct view bias = view_of(&at->bias, at->which), y = view_of(&at->y, at->which);
    const struct view d_x = view_of(&at->d_x, at->which);
    enum status status =
        device_dense_forward(device, x, weights, bias, ACTIVATION_TANH, y, problem);
    if (status == STATUS_OK)
        status = device_dense_update(device, x, y, 0.1f, weights, bias, problem);
    return status == STATUS_OK
               ? device_dense_backward(device, y, weights, x, ACTIVATION_TANH, d_x, problem)
               : status;
}

static void assert_untouched(const struct operand *operand) {
    uint32_t *found = malloc(operand->elements * sizeof *found);
    assert_ok(device_download(
        tested, device_view(operand->buffers[TESTED], 1, operand->elements), found, &error));
    assert_memory_equal(found, operand->start, operand->elements * sizeof *found);
    free(found);
}

/* What is recorded is not done, whatever the device has to find out about it; and then it is done
 * once, as if it had been called. */
static void test_record(void **state) {
    (void)state;
    struct layer at = {TESTED, random_operand(6, 19), random_operand(19, 11), random_operand(1, 11),
        random_operand(6, 11), random_operand(6, 19)};
    struct recording *recording;
    assert_ok(device_record(tested, enqueue_layer, &at, &recording, &error));
    assert_untouched(&at.x);
    assert_untouched(&at.weights);
    assert_untouched(&at.bias);
    assert_untouched(&at.y);
    assert_untouched(&at.d_x);
    assert_ok(device_run(tested, recording, enqueue_layer, &at, &error));
    at.which = REFERENCE;
    assert_ok(enqueue_layer(&at, &error));
    assert_ok(device_synchronise(tested, &error));
    device_forget(tested, recording);
    finish("x", &at.x, false, 0);
    finish("d_x", &at.d_x, true, 10 * sum_tolerance(19));
    finish("weights", &at.weights, true, 10 * sum_tolerance(19));
    finish("bias", &at.bias, true, 10 * sum_tolerance(19));
    finish("y", &at.y, true, 10 * sum_tolerance(19));
}

/* A recording keeps what it needs, though something larger is computed between its making and its
 * use. (Few results of many terms, and more of them: a device may have memory for parts of sums.)
 */
static void test_record_before_larger(void **state) {
    (void)state;
    struct layer at = {TESTED, random_operand(3, 516), random_operand(516, 5), random_operand(1, 5),
        random_operand(3, 5), random_operand(3, 516)};
    struct recording *recording;
    assert_ok(device_record(tested, enqueue_layer, &at, &recording, &error));
    check_forward(17, 517, 33, ACTIVATION_NONE);
    assert_ok(device_run(tested, recording, enqueue_layer, &at, &error));
    at.which = REFERENCE;
    assert_ok(enqueue_layer(&at, &error));
    assert_ok(device_synchronise(tested, &error));
    device_forget(tested, recording);
    finish("x", &at.x, false, 0);
    finish("d_x", &at.d_x, true, 10 * sum_tolerance(516));
    finish("weights", &at.weights, true, 10 * sum_tolerance(516));
    finish("bias", &at.bias, true, 10 * sum_tolerance(516));
    finish("y", &at.y, true, 10 * sum_tolerance(516));
}

struct pixels {
    const uint8_t *host;
    struct view to;
};

static enum status enqueue_pixels(void *context, struct error *problem) {
    const struct pixels *pixels = context;
    return device_upload_pixels(tested, pixels->host, COLOR_RGB, pixels->to, problem);
}

/* Sending is an operation, too: whether it is recorded or can't be, it is done when it is run, and
 * sends what is there then. */
static void test_record_pixels(void **state) {
    (void)state;
    uint8_t host[3072] = {0};
    float found[3072] = {0};
    struct buffer *buffer;
    struct recording *recording;
    assert_ok(device_allocate(tested, 3072, &buffer, &error));
    assert_ok(device_upload(tested, device_view(buffer, 1, 3072), found, &error));
    struct pixels pixels = {host, device_view(buffer, 1, 3072)};
    assert_ok(device_record(tested, enqueue_pixels, &pixels, &recording, &error));
    for (size_t n = 1; n <= 2; n++) {
        for (size_t i = 0; i < sizeof host; i++)
            host[i] = (uint8_t)(n * i % 256);
        assert_ok(device_run(tested, recording, enqueue_pixels, &pixels, &error));
        assert_ok(device_download(tested, device_view(buffer, 1, 3072), found, &error));
        for (size_t i = 0; i < 3072; i++)
            assert_true(fabsf(found[i] - (float)(n * i % 256) / 255.0f) < 1e-6f);
    }
    device_forget(tested, recording);
    device_release(buffer);
}

struct repeated {
    struct device *device;
    struct view x, d_y, weights, bias;
    int repeats, calls;
};

static enum status enqueue_updates(void *context, struct error *problem) {
    struct repeated *repeated = context;
    repeated->calls++;
    enum status status = STATUS_OK;
    for (int n = 0; n < repeated->repeats && status == STATUS_OK; n++)
        status = device_dense_update(repeated->device, repeated->x, repeated->d_y, 0.001f,
            repeated->weights, repeated->bias, problem);
    return status;
}

/* Runs `repeats` updates, three times, with new contents in between, as recordings and as plain
 * calls: the weights must be the same to the bit. Returns how often the recorded way enqueued. */
static int check_run(int repeats) {
    enum { BATCH = 9, IN = 21, OUT = 5 };
    float contents[3][BATCH * IN], d_y[BATCH * OUT], results[2][IN * OUT];
    const float zeros[IN * OUT + OUT] = {0};
    for (uint32_t n = 0; n < 3; n++)
        random_uniform(seed, RANDOM_CHECK, drawn++, contents[n], BATCH * IN);
    random_uniform(seed, RANDOM_CHECK, drawn++, d_y, BATCH * OUT);
    int calls = 0;
    for (int plain = 0; plain < 2; plain++) {
        struct buffer *buffers[4];
        static const size_t sides[4][2] = {{BATCH, IN}, {BATCH, OUT}, {IN, OUT}, {1, OUT}};
        struct view views[4];
        for (int b = 0; b < 4; b++) {
            assert_ok(device_allocate(tested, sides[b][0] * sides[b][1], &buffers[b], &error));
            views[b] = device_view(buffers[b], sides[b][0], sides[b][1]);
        }
        assert_ok(device_upload(tested, views[1], d_y, &error));
        assert_ok(device_upload(tested, views[2], zeros, &error));
        assert_ok(device_upload(tested, views[3], zeros, &error));
        struct repeated repeated = {tested, views[0], views[1], views[2], views[3], repeats, 0};
        struct recording *recording = NULL;
        if (!plain)
            assert_ok(device_record(tested, enqueue_updates, &repeated, &recording, &error));
        for (int n = 0; n < 3; n++) {
            assert_ok(device_upload(tested, views[0], contents[n], &error));
            if (plain)
                assert_ok(enqueue_updates(&repeated, &error));
            else
                assert_ok(device_run(tested, recording, enqueue_updates, &repeated, &error));
            assert_ok(device_synchronise(tested, &error));
        }
        if (!plain)
            calls = repeated.calls;
        assert_ok(device_download(tested, views[2], results[plain], &error));
        device_forget(tested, recording);
        for (int b = 0; b < 4; b++)
            device_release(buffers[b]);
    }
    assert_memory_equal(results[0], results[1], sizeof results[0]);
    return calls;
}

static bool records; /* the device does; found out by test_run */

static void test_run(void **state) {
    (void)state;
    const int calls = check_run(7);
    assert_true(calls == 1 || calls == 3);
    records = calls == 1;
    print_message("%s %s\n", spec, records ? "records" : "does plain calls");
    check_run(1000); /* more than a queue holds */
    /* More than a recording may hold. It takes long, and is the same however one multiplies. */
    if (!gemm || strcmp(gemm, "own") == 0)
        check_run(70000);
}

static enum status enqueue_failing(void *context, struct error *problem) {
    (void)context;
    return error_set(problem, STATUS_DIVERGED, "on purpose");
}

/* What fails while it is recorded fails, and leaves the device usable. */
static void test_run_failing(void **state) {
    (void)state;
    struct recording *recording = NULL;
    assert_int_equal(device_record(tested, enqueue_failing, NULL, &recording, &error),
        records ? STATUS_DIVERGED : STATUS_OK);
    assert_null(recording);
    assert_fails(
        device_run(tested, NULL, enqueue_failing, NULL, &error), STATUS_DIVERGED, "on purpose");
    check_forward(3, 4, 5, ACTIVATION_NONE);
}

/* --- What is refused --- */

static void test_refused(void **state) {
    (void)state;
    struct buffer *buffer = NULL, *other;
    assert_ok(device_allocate(tested, 12, &buffer, &error));
    assert_ok(device_allocate(reference, 12, &other, &error));
    float host[12] = {0};
    const struct view whole = device_view(buffer, 3, 4);
    assert_fails(device_download(tested, device_view(buffer, 3, 5), host, &error), STATUS_FAILED,
        "download");
    assert_fails(device_download(tested, (struct view){buffer, 1, 3, 4}, host, &error),
        STATUS_FAILED, "[3, 4]+1 of 12");
    assert_fails(
        device_upload(tested, device_view(buffer, 0, 4), host, &error), STATUS_FAILED, "[0, 4]");
    assert_fails(device_upload(tested, (struct view){buffer, SIZE_MAX, 2, SIZE_MAX}, host, &error),
        STATUS_FAILED, "upload");
    assert_fails(device_upload(tested, device_view(other, 3, 4), host, &error), STATUS_FAILED,
        "upload"); /* another device's */
    assert_fails(device_dense_forward(tested, whole, whole, whole, ACTIVATION_NONE, whole, &error),
        STATUS_FAILED, "dense_forward");
    assert_fails(device_allocate(tested, 0, &buffer, &error), STATUS_FAILED, "0 elements");
    assert_null(buffer);
    device_release(whole.buffer);
    device_release(other);
    struct device *none;
    const struct device_options options = {0};
    assert_fails(device_open("tpu", &options, &none, &error), STATUS_DEVICE, "'tpu' is not here");
    assert_fails(device_open("tpu", &options, &none, &error), STATUS_DEVICE, "reference");
    char twice[64];
    snprintf(twice, sizeof twice, "%s:nonsense", spec);
    assert_fails(device_open(twice, &options, &none, &error), STATUS_DEVICE, "nonsense");
    assert_null(none);
}

/* A device that counts its memory counts right, and refuses what it has not. */
static void test_memory(void **state) {
    (void)state;
    const struct device_memory first = device_memory(tested);
    struct buffer *buffer, *other = NULL;
    assert_ok(device_allocate(tested, 1000, &buffer, &error));
    const struct device_memory with = device_memory(tested);
    if (first.free_bytes == SIZE_MAX) {
        assert_true(with.free_bytes == SIZE_MAX && with.buffer_bytes == SIZE_MAX);
    } else {
        assert_int_equal(first.free_bytes - with.free_bytes, 1000 * sizeof(float));
        assert_fails(device_allocate(tested, with.buffer_bytes / sizeof(float) + 1, &other, &error),
            STATUS_DEVICE, "out of memory: a buffer of ");
        assert_null(other);
    }
    device_release(buffer);
    assert_true(device_memory(tested).free_bytes == first.free_bytes);
}

static void test_self_check(void **state) {
    (void)state;
    static const size_t shapes[][3] = {
        {1, 1, 1}, {300, 1024, 64}, {300, 64, 32}, {300, 32, 10}, {7, 3072, 1}, {2000, 1153, 1155}};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        assert_ok(device_check(tested, shapes[s][0], shapes[s][1], shapes[s][2], &error));
}

int main(int argc, char **argv) {
    /* Those up to the first large one are the small ones. */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dense_forward),
        cmocka_unit_test(test_dense_backward),
        cmocka_unit_test(test_dense_update),
        cmocka_unit_test(test_long_products),
        cmocka_unit_test(test_softmax_cross_entropy),
        cmocka_unit_test(test_softmax_ties),
        cmocka_unit_test(test_softmax_not_finite),
        cmocka_unit_test(test_gather_rows),
        cmocka_unit_test(test_upload_pixels),
        cmocka_unit_test(test_record),
        cmocka_unit_test(test_record_before_larger),
        cmocka_unit_test(test_record_pixels),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_usual_products),
        cmocka_unit_test(test_large_products),
        cmocka_unit_test(test_same_bits),
        cmocka_unit_test(test_run),
        cmocka_unit_test(test_run_failing),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_self_check),
    };
    enum { SMALL_TESTS = 13 };
    spec = argc > 1 ? argv[1] : "reference";
    gemm = argc > 2 ? argv[2] : NULL;
    const bool small = argc > 3 && strcmp(argv[3], "small") == 0;
    if (small) {
        cases = 4;
        side_max = 40;
    }
    const char *wanted_seed = getenv("TRAINER_TEST_SEED");
    if (wanted_seed)
        seed = strtoull(wanted_seed, NULL, 10);
    print_message("device %s %s, seed %llu\n", spec, gemm ? gemm : "", (unsigned long long)seed);
    const int missing = support_open(spec, gemm, 3, &tested); /* odd shares */
    if (missing)
        return missing;
    if (device_open("reference", &(struct device_options){0}, &reference, &error) != STATUS_OK)
        return 1;
    const int failed = small ? _cmocka_run_group_tests(spec, tests, SMALL_TESTS, NULL, NULL)
                             : cmocka_run_group_tests_name(spec, tests, NULL, NULL);
    device_close(tested);
    device_close(reference);
    return failed;
}
