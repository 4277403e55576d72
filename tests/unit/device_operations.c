/* Every operation against plain loops. */
#include "device_suite.h"

#include <math.h>
#include <stdlib.h>

static struct error error;

enum { ACTIVATIONS = 4 };

void check_forward(size_t batch, size_t in, size_t out, enum activation activation) {
    print_message("dense_forward [%zu, %zu] * [%zu, %zu], %s\n", batch, in, in, out,
        activation_names[activation]);
    struct operand x = random_operand(batch, in), weights = random_operand(in, out);
    struct operand bias = random_operand(1, out), y = random_operand(batch, out);
    assert_ok(device_dense_forward(
        tested, view_of(&x), view_of(&weights), view_of(&bias), activation, view_of(&y), &error));
    plain_dense_forward(
        batch, in, out, x.expected, weights.expected, bias.expected, activation, y.expected);
    /* An activation passes the sums' error on, which goes by their size: sqrt(in) / 3. */
    const double size = activation == ACTIVATION_NONE ? 1.0 : fmax(1.0, sqrt((double)in) / 3.0);
    finish_written("y", &y, size * sum_tolerance(in));
    finish_read(&x);
    finish_read(&weights);
    finish_read(&bias);
}

static void check_backward(size_t batch, size_t in, size_t out, enum activation activation) {
    print_message("dense_backward [%zu, %zu] * [%zu, %zu]^T, %s\n", batch, out, in, out,
        activation_names[activation]);
    struct operand d_y = random_operand(batch, out), weights = random_operand(in, out);
    struct operand x = random_operand(batch, in), d_x = random_operand(batch, in);
    assert_ok(device_dense_backward(
        tested, view_of(&d_y), view_of(&weights), view_of(&x), activation, view_of(&d_x), &error));
    plain_dense_backward(
        batch, in, out, d_y.expected, weights.expected, x.expected, activation, d_x.expected);
    finish_written("d_x", &d_x, sum_tolerance(out));
    finish_read(&d_y);
    finish_read(&weights);
    finish_read(&x);
}

static void check_update(size_t batch, size_t in, size_t out, float scale) {
    print_message(
        "dense_update [%zu, %zu]^T * [%zu, %zu], scale %g\n", batch, in, batch, out, (double)scale);
    struct operand x = random_operand(batch, in), d_y = random_operand(batch, out);
    struct operand weights = random_operand(in, out), bias = random_operand(1, out);
    assert_ok(device_dense_update(
        tested, view_of(&x), view_of(&d_y), scale, view_of(&weights), view_of(&bias), &error));
    plain_dense_update(
        batch, in, out, x.expected, d_y.expected, scale, weights.expected, bias.expected);
    finish_written("weights", &weights, sum_tolerance(batch));
    finish_written("bias", &bias, sum_tolerance(batch));
    finish_read(&x);
    finish_read(&d_y);
}

void test_dense_forward(void **state) {
    (void)state;
    for (int n = 0; n < cases; n++) {
        const size_t batch = draw_side(), in = draw_side(), out = draw_side();
        check_forward(batch, in, out, (enum activation)(n % ACTIVATIONS));
    }
}

void test_dense_backward(void **state) {
    (void)state;
    for (int n = 0; n < cases; n++) {
        const size_t batch = draw_side(), in = draw_side(), out = draw_side();
        check_backward(batch, in, out, (enum activation)(n % ACTIVATIONS));
    }
}

void test_dense_update(void **state) {
    (void)state;
    for (int n = 0; n < cases; n++) {
        const size_t batch = draw_side(), in = draw_side(), out = draw_side();
        check_update(batch, in, out, n % 2 ? -0.01f : 1.0f);
    }
}

/* Few results of many terms, which a device may divide among several workers. */
void test_long_products(void **state) {
    (void)state;
    check_forward(3, 516, 5, ACTIVATION_SIGMOID);
    check_backward(3, 5, 516, ACTIVATION_RELU);
    check_update(516, 3, 5, -0.01f);
}

/* More results than a group of workers has, so that a simulator sees that no group writes
 * another's. */
void test_several_tiles(void **state) {
    (void)state;
    check_forward(70, 3, 70, ACTIVATION_RELU);
    check_backward(70, 70, 3, ACTIVATION_TANH);
    check_update(3, 70, 70, -0.01f);
}

/* The default network's. */
void test_usual_products(void **state) {
    (void)state;
    check_forward(1, 1024, 64, ACTIVATION_SIGMOID);
    check_forward(200, 1024, 64, ACTIVATION_SIGMOID);
    check_forward(300, 3072, 64, ACTIVATION_TANH);
    check_backward(1, 64, 32, ACTIVATION_SIGMOID);
    check_backward(200, 64, 32, ACTIVATION_SIGMOID);
    check_update(1, 1024, 64, -0.01f);
    check_update(200, 1024, 64, -0.01f);
}

void test_large_products(void **state) {
    (void)state;
    check_forward(large_side, large_side, large_side, ACTIVATION_NONE);
    check_backward(large_side + 1, large_side + 8, 256, ACTIVATION_NONE);
    check_update(300, large_side + 1, large_side + 3, -0.01f);
}

static void check_softmax(size_t batch, uint32_t classes, float spread, float scale) {
    print_message(
        "softmax_cross_entropy [%zu, %u], logits to %g\n", batch, classes, (double)spread);
    float *values = malloc(batch * classes * sizeof *values);
    draw_values(values, batch * classes);
    for (size_t i = 0; i < batch * classes; i++)
        values[i] *= spread;
    struct operand logits = make_operand(batch, classes, values);
    struct operand labels = random_indices(batch, classes), score = random_operand(batch, 2);
    assert_ok(device_softmax_cross_entropy(
        tested, view_of(&logits), view_of(&labels), scale, view_of(&score), &error));
    plain_softmax_cross_entropy(
        batch, classes, logits.expected, labels.expected, scale, score.expected);
    finish_written("gradient", &logits, sum_tolerance(classes));
    finish_written("score", &score, sum_tolerance(classes));
    finish_read(&labels);
    free(values);
}

void test_softmax_cross_entropy(void **state) {
    (void)state;
    for (int n = 0; n < cases; n++)
        check_softmax(draw_side(), 1 + draw() % 40, n % 2 ? 1.0f : 20.0f, 0.1f);
    check_softmax(1, 10, 1.0f, 0.1f);
    check_softmax(cases * 5, 10, 1.0f, 0.1f);
    check_softmax(cases * 7, 10, 80.0f, 0.1f);
}

/* Of several largest, the first counts. */
void test_softmax_ties(void **state) {
    (void)state;
    const float values[] = {1, 3, 2, 3, 3, 1, 2, 3, 3, 1, 3, 3, 3, 3, 3};
    const uint32_t labels[] = {1, 3, 0};
    struct operand logits = make_operand(3, 5, values), label = make_operand(3, 1, labels);
    struct operand score = random_operand(3, 2);
    float found[6];
    assert_ok(device_softmax_cross_entropy(
        tested, view_of(&logits), view_of(&label), 1.0f, view_of(&score), &error));
    assert_ok(device_download(tested, view_of(&score), found, &error));
    assert_true(found[1] == 1.0f && found[3] == 0.0f && found[5] == 1.0f);
    plain_softmax_cross_entropy(3, 5, logits.expected, label.expected, 1.0, score.expected);
    finish_written("gradient", &logits, TOLERANCE);
    finish_written("score", &score, TOLERANCE);
    finish_read(&label);
}

/* A loss that is not finite must come out as one. What is there before is no such loss. */
void test_softmax_not_finite(void **state) {
    (void)state;
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    const uint32_t label = 1;
    for (size_t n = 0; n < 3; n++) {
        const float values[] = {0.5f, bad[n], 0.25f};
        float found[2];
        struct operand logits = make_operand(1, 3, values), labels = make_operand(1, 1, &label);
        struct operand score = random_operand(1, 2);
        assert_ok(device_softmax_cross_entropy(
            tested, view_of(&logits), view_of(&labels), 1.0f, view_of(&score), &error));
        assert_ok(device_download(tested, view_of(&score), found, &error));
        if (n < 2) /* the loss of a label that is impossible may be large instead of infinite */
            assert_false(isfinite(found[0]));
        else
            assert_true(found[0] > 80.0f);
        release_operand(&logits);
        release_operand(&labels);
        release_operand(&score);
    }
}

/* What is no number stays none, whatever is applied to it, and is its own row's alone. */
void test_activations_not_finite(void **state) {
    (void)state;
    const float inputs[] = {NAN, 1.0f, 0.5f, 1.0f};
    for (int a = ACTIVATION_NONE; a <= ACTIVATION_RELU; a++) {
        float found[6];
        struct operand x = make_operand(2, 2, inputs), weights = random_operand(2, 3);
        struct operand bias = random_operand(1, 3), y = random_operand(2, 3);
        assert_ok(device_dense_forward(tested, view_of(&x), view_of(&weights), view_of(&bias),
            (enum activation)a, view_of(&y), &error));
        assert_ok(device_download(tested, view_of(&y), found, &error));
        for (int i = 0; i < 3; i++)
            assert_true(isnan(found[i]) && isfinite(found[3 + i]));
        release_operand(&x);
        release_operand(&weights);
        release_operand(&bias);
        release_operand(&y);
    }
}

/* Where relu has given 0, of either sign, nothing is passed on: its derivative there is 0. */
void test_slope_at_zero(void **state) {
    (void)state;
    const float given[] = {0.0f, -0.0f, 0.5f}, one[] = {2.0f}, factors[] = {3.0f, 5.0f, 7.0f};
    float found[3];
    struct operand d_y = make_operand(1, 1, one), weights = make_operand(3, 1, factors);
    struct operand x = make_operand(1, 3, given), d_x = random_operand(1, 3);
    assert_ok(device_dense_backward(tested, view_of(&d_y), view_of(&weights), view_of(&x),
        ACTIVATION_RELU, view_of(&d_x), &error));
    assert_ok(device_download(tested, view_of(&d_x), found, &error));
    assert_true(found[0] == 0.0f && found[1] == 0.0f && found[2] == 14.0f);
    release_operand(&d_y);
    release_operand(&weights);
    release_operand(&x);
    release_operand(&d_x);
}

void test_gather_rows(void **state) {
    (void)state;
    for (int n = 0; n < cases; n++) {
        const size_t from = draw_side(), rows = draw_side(), columns = draw_side();
        struct operand source = random_operand(from, columns);
        struct operand index = random_indices(rows, (uint32_t)from);
        struct operand destination = random_operand(rows, columns);
        assert_ok(device_gather_rows(
            tested, view_of(&source), view_of(&index), view_of(&destination), &error));
        plain_gather_rows(rows, columns, source.expected, index.expected, destination.expected);
        finish_written("destination", &destination, 0);
        finish_read(&source);
        finish_read(&index);
    }
}

void test_upload_pixels(void **state) {
    (void)state;
    for (int n = 0; n < 10 && n < cases; n++) {
        /* Devices may send so many in parts. */
        const size_t rows = n == 1 ? 4100 : 1 + draw() % (uint32_t)cases;
        const enum color color = n % 2 ? COLOR_GREY : COLOR_RGB;
        uint8_t *pixels = malloc(rows * 3072);
        for (size_t i = 0; i < rows * 3072; i++)
            pixels[i] = (uint8_t)(n == 0 ? 255 : draw());
        struct operand x = random_operand(rows, color == COLOR_GREY ? 1024 : 3072);
        assert_ok(device_upload_pixels(tested, pixels, color, view_of(&x), &error));
        plain_upload_pixels(rows, pixels, color, x.expected);
        finish_written("pixels", &x, 3e-7);
        free(pixels);
    }
}
