/* Doing the same again: what a device records, it does later, as if it were called then. */
#include "device_suite.h"

#include <math.h>
#include <string.h>

static struct error error;

/* --- A layer --- */

/* A layer's three operations, one after another on the same operands. */
struct layer {
    struct operand x, weights, bias, scale, y, d_x;
};

static struct layer make_layer(size_t batch, size_t in, size_t out) {
    return (struct layer){random_operand(batch, in), random_operand(in, out),
        random_operand(1, out), random_operand(1, 1), random_operand(batch, out),
        random_operand(batch, in)};
}

static void free_layer(struct layer *at) {
    free_operand(&at->x);
    free_operand(&at->weights);
    free_operand(&at->bias);
    free_operand(&at->scale);
    free_operand(&at->y);
    free_operand(&at->d_x);
}

static enum status enqueue_layer(void *context, struct error *problem) {
    const struct layer *at = context;
    const struct view x = view_of(&at->x), weights = view_of(&at->weights);
    const struct view bias = view_of(&at->bias), y = view_of(&at->y), d_x = view_of(&at->d_x);
    enum status status =
        device_dense_forward(tested, x, weights, bias, ACTIVATION_TANH, y, problem);
    if (status == STATUS_OK)
        status = device_dense_update(tested, x, y, view_of(&at->scale), weights, bias, problem);
    return status == STATUS_OK
               ? device_dense_backward(tested, y, weights, x, ACTIVATION_TANH, d_x, problem)
               : status;
}

/* Runs it, and compares with plain loops. */
static void finish_layer(struct layer *at, struct recording *recording) {
    const size_t batch = at->x.rows, in = at->x.columns, out = at->y.columns;
    assert_ok(device_run(tested, recording, enqueue_layer, at, &error));
    plain_dense_forward(batch, in, out, at->x.expected, at->weights.expected, at->bias.expected,
        ACTIVATION_TANH, at->y.expected);
    plain_dense_update(batch, in, out, at->x.expected, at->y.expected,
        *(const float *)at->scale.expected, at->weights.expected, at->bias.expected);
    plain_dense_backward(batch, in, out, at->y.expected, at->weights.expected, at->x.expected,
        ACTIVATION_TANH, at->d_x.expected);
    assert_ok(device_synchronise(tested, &error));
    recording_free(tested, recording);
    finish_read(&at->x);
    finish_read(&at->scale);
    finish_written("d_x", &at->d_x, 10 * sum_tolerance(in));
    finish_written("weights", &at->weights, 10 * sum_tolerance(in));
    finish_written("bias", &at->bias, 10 * sum_tolerance(in));
    finish_written("y", &at->y, 10 * sum_tolerance(in));
}

/* What is recorded is not done, whatever the device has to find out about it; and then it is done
 * once, as if it had been called. */
void test_record(void **state) {
    (void)state;
    struct layer at = make_layer(6, 19, 11);
    struct recording *recording;
    assert_ok(device_record(tested, enqueue_layer, &at, &recording, &error));
    assert_untouched(&at.x);
    assert_untouched(&at.weights);
    assert_untouched(&at.bias);
    assert_untouched(&at.y);
    assert_untouched(&at.d_x);
    finish_layer(&at, recording);
}

/* A recording keeps what it needs, though something larger is computed between its making and its
 * use. (Few results of many terms, and more of them: a device may have memory for parts of sums.)
 */
void test_record_before_larger(void **state) {
    (void)state;
    struct layer at = make_layer(3, 516, 5);
    struct recording *recording;
    assert_ok(device_record(tested, enqueue_layer, &at, &recording, &error));
    check_forward(17, 517, 33, ACTIVATION_NONE);
    finish_layer(&at, recording);
}

/* --- Pixels --- */

struct pixels {
    const uint8_t *host;
    struct view to;
};

static enum status enqueue_pixels(void *context, struct error *problem) {
    static const struct pixel_format format = {.channels = 3, .plane = 1024};
    const struct pixels *pixels = context;
    return device_upload_pixels(tested, pixels->host, &format, pixels->to, problem);
}

/* Sending is an operation, too: whether it is recorded or can't be, it is done when it is run, and
 * sends what is there then. */
void test_record_pixels(void **state) {
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
    recording_free(tested, recording);
    buffer_free(buffer);
}

/* --- Many operations --- */

enum { BATCH = 9, IN = 21, OUT = 5, CONTENTS = 3 };

/* Updates of the same weights, `repeats` in one submission, for each of several x in turn. */
struct updates {
    float x[CONTENTS][BATCH * IN], d_y[BATCH * OUT];
    struct view x_view, d_y_view, scale, weights, bias;
    int repeats, calls; /* calls: how often they were enqueued */
};

static const float SCALE = 0.001f;

static enum status enqueue_updates(void *context, struct error *problem) {
    struct updates *updates = context;
    updates->calls++;
    enum status status = STATUS_OK;
    for (int n = 0; n < updates->repeats && status == STATUS_OK; n++)
        status = device_dense_update(tested, updates->x_view, updates->d_y_view, updates->scale,
            updates->weights, updates->bias, problem);
    return status;
}

/* weights[IN, OUT] and, after them, bias[OUT] = what all updates make of 0, recorded or called. */
static void run_updates(struct updates *updates, bool recorded, float *weights) {
    static const size_t sides[5][2] = {{BATCH, IN}, {BATCH, OUT}, {1, 1}, {IN, OUT}, {1, OUT}};
    static const float zeros[IN * OUT];
    struct view *const views[5] = {
        &updates->x_view, &updates->d_y_view, &updates->scale, &updates->weights, &updates->bias};
    for (int v = 0; v < 5; v++) {
        struct buffer *buffer;
        assert_ok(device_allocate(tested, sides[v][0] * sides[v][1], &buffer, &error));
        *views[v] = device_view(buffer, sides[v][0], sides[v][1]);
    }
    assert_ok(device_upload(tested, updates->d_y_view, updates->d_y, &error));
    assert_ok(device_upload(tested, updates->scale, &SCALE, &error));
    assert_ok(device_upload(tested, updates->weights, zeros, &error));
    assert_ok(device_upload(tested, updates->bias, zeros, &error));
    struct recording *recording = NULL;
    updates->calls = 0;
    if (recorded)
        assert_ok(device_record(tested, enqueue_updates, updates, &recording, &error));
    for (int n = 0; n < CONTENTS; n++) {
        assert_ok(device_upload(tested, updates->x_view, updates->x[n], &error));
        assert_ok(recorded ? device_run(tested, recording, enqueue_updates, updates, &error)
                           : enqueue_updates(updates, &error));
        assert_ok(device_synchronise(tested, &error));
    }
    assert_ok(device_download(tested, updates->weights, weights, &error));
    assert_ok(device_download(tested, updates->bias, weights + IN * OUT, &error));
    recording_free(tested, recording);
    for (int v = 0; v < 5; v++)
        buffer_free(views[v]->buffer);
}

/* Recorded they must come to the same bits as called, and both to what plain loops give, as far as
 * sums of so many terms in single precision can: each addition may round by 6e-8 of what the
 * element is at that moment, and as the terms are all alike, always to the same side. Returns how
 * often the recorded way enqueued. */
static int check_run(int repeats) {
    enum { LENGTH = IN * OUT + OUT };
    struct updates updates = {.repeats = repeats};
    float recorded[LENGTH], called[LENGTH], expected[LENGTH] = {0}, largest[LENGTH] = {0};
    draw_values(updates.d_y, BATCH * OUT);
    for (int n = 0; n < CONTENTS; n++) {
        draw_values(updates.x[n], BATCH * IN);
        plain_dense_update(BATCH, IN, OUT, updates.x[n], updates.d_y, (double)SCALE * repeats,
            expected, expected + IN * OUT);
        for (size_t i = 0; i < LENGTH; i++)
            largest[i] = fmaxf(largest[i], fabsf(expected[i]));
    }
    run_updates(&updates, false, called);
    run_updates(&updates, true, recorded);
    assert_memory_equal(recorded, called, sizeof recorded);
    const double size = support_root_mean_square(expected, LENGTH);
    for (size_t i = 0; i < LENGTH; i++)
        support_assert_within("a parameter", &recorded[i], &expected[i], 1,
            TOLERANCE * size + CONTENTS * repeats * 6e-8 * (double)largest[i]);
    return updates.calls;
}

static bool records; /* the device does; found out by test_run */

void test_run(void **state) {
    (void)state;
    const int calls = check_run(7);
    assert_true(calls == 1 || calls == CONTENTS);
    records = calls == 1;
    print_message("%s %s\n", spec, records ? "records" : "does plain calls");
    check_run(1000); /* more than a queue holds */
    /* More than a recording may hold. It takes long, and is the same however one multiplies. */
    if (records && (!gemm || strcmp(gemm, "own") == 0))
        check_run(70000);
}

/* --- What changes between two runs --- */

/* A step by the fast path, and one by the gradient: each of parameters of its own. */
struct steps {
    struct operand x, d_y, scale, weights, bias, d_weights, d_bias, parameters;
};

static enum status enqueue_steps(void *context, struct error *problem) {
    const struct steps *at = context;
    const struct view x = view_of(&at->x), d_y = view_of(&at->d_y), scale = view_of(&at->scale);
    enum status status = device_dense_update(
        tested, x, d_y, scale, view_of(&at->weights), view_of(&at->bias), problem);
    if (status == STATUS_OK)
        status = device_dense_gradient(
            tested, x, d_y, view_of(&at->d_weights), view_of(&at->d_bias), problem);
    return status == STATUS_OK
               ? device_optimize(tested, OPTIMIZER_GRADIENT_DESCENT, view_of(&at->d_weights), scale,
                     view_of(&at->parameters), NULL, problem)
               : status;
}

/* A recording takes each step by the scale that the device has then, not by that of its making. */
void test_other_scale(void **state) {
    (void)state;
    static const float scales[] = {-0.5f, 0.25f, 0.0f};
    struct steps at = {random_operand(BATCH, IN), random_operand(BATCH, OUT), random_operand(1, 1),
        random_operand(IN, OUT), random_operand(1, OUT), random_operand(IN, OUT),
        random_operand(1, OUT), random_operand(IN, OUT)};
    struct recording *recording;
    assert_ok(device_record(tested, enqueue_steps, &at, &recording, &error));
    for (size_t s = 0; s < sizeof scales / sizeof *scales; s++) {
        assert_ok(device_upload(tested, view_of(&at.scale), &scales[s], &error));
        assert_ok(device_run(tested, recording, enqueue_steps, &at, &error));
        plain_dense_update(BATCH, IN, OUT, at.x.expected, at.d_y.expected, scales[s],
            at.weights.expected, at.bias.expected);
        plain_dense_gradient(BATCH, IN, OUT, at.x.expected, at.d_y.expected, at.d_weights.expected,
            at.d_bias.expected);
        plain_optimize(IN * OUT, OPTIMIZER_GRADIENT_DESCENT, at.d_weights.expected, &scales[s],
            at.parameters.expected, NULL, NULL);
    }
    assert_ok(device_synchronise(tested, &error));
    recording_free(tested, recording);
    const double tolerance = 3 * sum_tolerance(BATCH);
    finish_written("weights", &at.weights, tolerance);
    finish_written("bias", &at.bias, tolerance);
    finish_written("d_weights", &at.d_weights, tolerance);
    finish_written("d_bias", &at.d_bias, tolerance);
    finish_written("parameters", &at.parameters, tolerance);
    finish_read(&at.x);
    finish_read(&at.d_y);
    free_operand(&at.scale);
}

/* --- Failing --- */

/* A layer, and then no more. */
static enum status enqueue_failing(void *context, struct error *problem) {
    const enum status status = enqueue_layer(context, problem);
    return status == STATUS_OK ? error_set(problem, STATUS_DIVERGED, "on purpose") : status;
}

/* What fails while it is recorded fails, and leaves the device usable. */
void test_run_failing(void **state) {
    (void)state;
    struct layer at = make_layer(6, 19, 11);
    struct recording *recording = NULL;
    assert_int_equal(device_record(tested, enqueue_failing, &at, &recording, &error),
        records ? STATUS_DIVERGED : STATUS_OK);
    assert_null(recording);
    assert_untouched(&at.y);
    assert_fails(
        device_run(tested, NULL, enqueue_failing, &at, &error), STATUS_DIVERGED, "on purpose");
    free_layer(&at);
    check_forward(3, 4, 5, ACTIVATION_NONE);
}
