/* Every operation against plain loops. */
#include "device_suite.h"

#include "device/operation.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct error error;

enum { ACTIVATIONS = 4 };

/* --- Plain loops, by the names of struct operation --- */

/* What plain loops make of its operands, which are given as arrays of the host. */
typedef void plain(const struct operation *operation, void *const *operands);

static void plain_gather(const struct operation *o, void *const *of) {
    plain_gather_rows(
        o->gather_rows.destination.rows, o->gather_rows.destination.columns, of[0], of[1], of[2]);
}

static void plain_forward(const struct operation *o, void *const *of) {
    plain_dense_forward(o->dense_forward.x.rows, o->dense_forward.x.columns,
        o->dense_forward.y.columns, of[0], of[1], of[2], o->activation, of[3]);
}

static void plain_backward(const struct operation *o, void *const *of) {
    plain_dense_backward(o->dense_backward.x.rows, o->dense_backward.x.columns,
        o->dense_backward.d_y.columns, of[0], of[1], of[2], o->activation, of[3]);
}

static void plain_gradient(const struct operation *o, void *const *of) {
    plain_dense_gradient(o->dense_gradient.x.rows, o->dense_gradient.x.columns,
        o->dense_gradient.d_y.columns, of[0], of[1], of[2], of[3]);
}

static void plain_step(const struct operation *o, void *const *of) {
    plain_optimize(o->optimize.parameters.rows * o->optimize.parameters.columns, o->optimizer,
        of[0], of[1], of[2], of[3], of[4]);
}

static void plain_update(const struct operation *o, void *const *of) {
    const size_t in = o->dense_update.x.columns, out = o->dense_update.d_y.columns;
    float *gradient = malloc((in + 1) * out * sizeof *gradient), *d_bias = gradient + in * out;
    plain_dense_gradient(o->dense_update.x.rows, in, out, of[0], of[1], gradient, d_bias);
    plain_optimize(in * out, o->optimizer, gradient, of[2], of[3], of[5], of[7]);
    plain_optimize(out, o->optimizer, d_bias, of[2], of[4], of[6], of[8]);
    free(gradient);
}

static void plain_softmax(const struct operation *o, void *const *of) {
    plain_softmax_cross_entropy(o->softmax_cross_entropy.logits.rows,
        o->softmax_cross_entropy.logits.columns, of[0], of[1], o->scale, o->smoothing, of[2]);
}

static void plain_drop(const struct operation *o, void *const *of) {
    const struct view to = o->dropout.destination;
    plain_dropout(to.rows, to.columns, of[0], *(uint32_t *)of[1], o->drawn.seed, o->drawn.first,
        o->drawn.layer, o->drawn.share, of[2]);
}

static void plain_turn(const struct operation *o, void *const *of) {
    plain_flip(o->flip.images.rows, o->flip.images.columns, *(uint32_t *)of[0], o->drawn.seed,
        o->drawn.first, o->width, of[1]);
}

static void plain_sums(const struct operation *o, void *const *of) {
    plain_square_sums(o->square_sums.values.rows, o->square_sums.values.columns, of[0], of[1]);
}

static void plain_limit(const struct operation *o, void *const *of) {
    plain_clip(o->clip.values.rows * o->clip.values.columns, of[0], o->largest, of[1]);
}

/* The device is alone. */
static void plain_alone(const struct operation *o, void *const *of) {
    (void)o, (void)of;
}

/* depth: the size, by its letter, of the sums that a result is; 0: it is none. Those that send are
 * tested by themselves. */
static const struct {
    plain *compute;
    char depth;
} plain_operations[OPERATION_KINDS] = {
    [OPERATION_GATHER_ROWS] = {plain_gather, 0},
    [OPERATION_DENSE_FORWARD] = {plain_forward, 'I'},
    [OPERATION_DENSE_BACKWARD] = {plain_backward, 'O'},
    [OPERATION_DENSE_GRADIENT] = {plain_gradient, 'B'},
    [OPERATION_OPTIMIZE] = {plain_step, 0},
    [OPERATION_DENSE_UPDATE] = {plain_update, 'B'},
    [OPERATION_SOFTMAX_CROSS_ENTROPY] = {plain_softmax, 'C'},
    [OPERATION_DROPOUT] = {plain_drop, 0},
    [OPERATION_FLIP] = {plain_turn, 0},
    [OPERATION_SQUARE_SUMS] = {plain_sums, 'S'},
    [OPERATION_CLIP] = {plain_limit, 0},
    [OPERATION_ALL_REDUCE] = {plain_alone, 0},
};

/* --- An operation of random operands --- */

/* Adamw's mean of the gradients' squares. */
static bool is_squares(const char *name) {
    return strstr(name, "state 1") != NULL;
}

/* How much more than of typical results the error of the largest may be. The error of a square is
 * twice the gradient's times the gradient, and the largest of many gradients are five times their
 * root mean square: 2 x 5 / sqrt(3). One of the sums may have all the numbers, and the others none.
 */
static double error_factor(const char *name) {
    if (strcmp(name, "sums") == 0)
        return sqrt(SQUARE_SUMS);
    return is_squares(name) ? 6.0 : 1.0;
}

/* An operand of this name, of random numbers or such that are of use. */
static struct operand draw_operand(const struct operation *operation, const char *name, size_t rows,
    size_t columns, float spread) {
    if (strcmp(name, "rates") == 0)
        return make_operand(rows, columns, some_rates[operation->optimizer]);
    if (!is_squares(name) && operation->kind != OPERATION_CLIP)
        return spread_operand(rows, columns, spread);
    float *squares = malloc(rows * columns * sizeof *squares);
    draw_values(squares, rows * columns);
    for (size_t i = 0; i < rows * columns; i++)
        squares[i] = fabsf(squares[i]);
    const struct operand operand = make_operand(rows, columns, squares);
    free(squares);
    return operand;
}

/* The sizes of an operation, by the letters of its type. */
struct sizes {
    size_t of[CHAR_MAX + 1];
};

static size_t side_of(char said, const struct sizes *sizes) {
    return said >= '0' && said <= '9' ? (size_t)(said - '0') : sizes->of[(int)said];
}

/* Whether an operation only moves numbers. */
static bool is_moved(enum operation_kind kind) {
    return kind == OPERATION_GATHER_ROWS || kind == OPERATION_FLIP || kind == OPERATION_ALL_REDUCE;
}

/* Does it, on operands of these sizes, and compares all of them with what they should be. Logits
 * are up to `spread`. */
static void check(struct operation operation, struct sizes sizes, float spread) {
    const struct operation_type *type = &operation_types[operation.kind];
    const size_t count = operation_operands(&operation);
    struct operand operands[OPERATION_VIEWS];
    void *expected[OPERATION_VIEWS] = {NULL};
    sizes.of['r'] = operation_size(&operation, 'r');
    sizes.of['q'] = SQUARE_SUMS;
    print_message("%s", type->name);
    for (size_t v = 0; v < count; v++) {
        const struct operand_type *of = &type->operands[v];
        const size_t rows = side_of(of->rows, &sizes), columns = side_of(of->columns, &sizes);
        const uint32_t below = of->below == '*' ? UINT32_MAX : (uint32_t)sizes.of[(int)of->below];
        operands[v] = of->below ? random_indices(rows, below)
                                : draw_operand(&operation, of->name, rows, columns, spread);
        operation.views[v] = view_of(&operands[v]);
        expected[v] = operands[v].expected;
        print_message(" %s [%zu, %zu]", of->name, rows, columns);
    }
    if (operation.kind == OPERATION_ALL_REDUCE) /* alone: the sums take the values' place */
        operation.views[1] = operation.views[0];
    print_message(
        ", %s, optimiser %d\n", activation_names[operation.activation], (int)operation.optimizer);
    assert_ok(operation_enqueue(tested, &operation, &error));
    plain_operations[operation.kind].compute(&operation, expected);
    const char letter = plain_operations[operation.kind].depth;
    const double depth = letter ? (double)sizes.of[(int)letter] : 0.0;
    /* An activation passes the sums' error on, which goes by their size: sqrt(depth) / 3. */
    const double size = operation.kind == OPERATION_DENSE_FORWARD && operation.activation
                            ? fmax(1.0, sqrt(depth) / 3.0)
                            : 1.0;
    /* What terms come to: gemms of two numbers below 1; or shares of `scale`. */
    const double least =
        operation.kind == OPERATION_SOFTMAX_CROSS_ENTROPY ? (double)operation.scale : 0.3;
    for (size_t v = 0; v < count; v++) {
        const char *name = type->operands[v].name;
        const double tolerance = size * sum_tolerance((size_t)depth) * error_factor(name);
        if (type->operands[v].use == OPERAND_READ)
            finish_read(&operands[v]);
        else
            finish_computed(name, &operands[v], is_moved(operation.kind) ? 0.0 : tolerance, least);
    }
}

static struct sizes layer_sizes(size_t batch, size_t in, size_t out) {
    return (struct sizes){.of = {['B'] = batch, ['I'] = in, ['O'] = out}};
}

void check_forward(size_t batch, size_t in, size_t out, enum activation activation) {
    check((struct operation){.kind = OPERATION_DENSE_FORWARD, .activation = activation},
        layer_sizes(batch, in, out), 1.0f);
}

static void check_backward(size_t batch, size_t in, size_t out, enum activation activation) {
    check((struct operation){.kind = OPERATION_DENSE_BACKWARD, .activation = activation},
        layer_sizes(batch, in, out), 1.0f);
}

/* The gradient, and the step by it. */
static void check_update(size_t batch, size_t in, size_t out) {
    const struct sizes sizes = layer_sizes(batch, in, out);
    check((struct operation){.kind = OPERATION_DENSE_GRADIENT}, sizes, 1.0f);
    for (int optimizer = 0; optimizer < OPTIMIZERS; optimizer++)
        check((struct operation){.kind = OPERATION_DENSE_UPDATE,
                  .optimizer = (enum optimizer)optimizer},
            sizes, 1.0f);
}

/* Every operation that there is, at random sizes. */
void test_operations(void **state) {
    (void)state;
    for (int kind = 0; kind < OPERATION_KINDS; kind++)
        for (int n = 0; n < cases && !operation_types[kind].sends; n++) {
            struct sizes sizes;
            for (size_t letter = 0; letter <= CHAR_MAX; letter++)
                sizes.of[letter] = draw_side();
            assert_non_null(plain_operations[kind].compute);
            check((struct operation){.kind = (enum operation_kind)kind,
                      .activation = (enum activation)(n % ACTIVATIONS),
                      .optimizer = (enum optimizer)(n % OPTIMIZERS),
                      .scale = n % 2 ? 0.1f : 1.0f,
                      .drawn = {(uint64_t)draw() << 32 | draw(), draw() >> 1, draw() >> 16,
                          (double)(n % 4) / 4},
                      .width = n % 2 ? sizes.of['S'] : 1,
                      .largest = n % 3 ? 0.5f : 1e9f},
                sizes, 1.0f);
        }
}

/* Chance that is of the size of CIFAR-10, where the values may stay where they are; and more
 * columns than a group or a vector has. */
void test_draws(void **state) {
    (void)state;
    const size_t batch = cases > 5 ? 50 : 3;
    const uint32_t passes[] = {0, 3};
    for (size_t n = 0; n < 2; n++) {
        struct operand x = random_operand(batch, 1024), pass = make_operand(1, 1, &passes[n]);
        const struct draws draws = {seed, n * 600, view_of(&pass)};
        assert_ok(device_flip(tested, view_of(&x), &draws, 32, &error));
        assert_ok(device_dropout(tested, view_of(&x), &draws, 1, 0.25, view_of(&x), &error));
        plain_flip(batch, 1024, passes[n], seed, n * 600, 32, x.expected);
        plain_dropout(batch, 1024, x.expected, passes[n], seed, n * 600, 1, 0.25, x.expected);
        finish_written("flipped and dropped", &x, TOLERANCE);
        finish_read(&pass);
    }
}

/* A norm below the limit, above it, and one that is no number. */
void test_clip(void **state) {
    (void)state;
    for (size_t n = 0; n < 3; n++) {
        const size_t rows = n == 0 ? 1063 : 5;
        struct operand values = random_operand(rows, 64), sums = random_operand(1, SQUARE_SUMS);
        const float none = NAN, limit = n == 1 ? 1e6f : 0.5f;
        float found[5 * 64];
        if (n == 2)
            assert_ok(device_upload(tested,
                (struct view){values.buffer, view_of(&values).offset + 7, 1, 1}, &none, &error));
        assert_ok(device_square_sums(tested, view_of(&values), view_of(&sums), &error));
        assert_ok(device_clip(tested, view_of(&sums), limit, view_of(&values), &error));
        if (n == 2) {
            assert_ok(device_download(tested, view_of(&values), found, &error));
            for (size_t i = 0; i < 5 * 64; i++)
                assert_true(isnan(found[i]));
            free_operand(&values);
            free_operand(&sums);
            continue;
        }
        plain_square_sums(rows, 64, values.expected, sums.expected);
        plain_clip(rows * 64, sums.expected, limit, values.expected);
        finish_written("clipped", &values, TOLERANCE);
        finish_written("sums", &sums, sum_tolerance(64 * (rows / SQUARE_SUMS + 1)));
    }
}

/* Few results of many terms, which a device may divide among several workers. */
void test_long_gemms(void **state) {
    (void)state;
    check_forward(3, 516, 5, ACTIVATION_SIGMOID);
    check_backward(3, 5, 516, ACTIVATION_RELU);
    check_update(516, 3, 5);
}

/* More results than a group of workers has, so that a simulator sees that no group writes
 * another's. */
void test_several_tiles(void **state) {
    (void)state;
    check_forward(70, 3, 70, ACTIVATION_RELU);
    check_backward(70, 70, 3, ACTIVATION_TANH);
    check_update(3, 70, 70);
}

/* The default network's. */
void test_usual_gemms(void **state) {
    (void)state;
    check_forward(1, 1024, 64, ACTIVATION_SIGMOID);
    check_forward(200, 1024, 64, ACTIVATION_SIGMOID);
    check_forward(300, 3072, 64, ACTIVATION_TANH);
    check_backward(1, 64, 32, ACTIVATION_SIGMOID);
    check_backward(200, 64, 32, ACTIVATION_SIGMOID);
    check_update(1, 1024, 64);
    check_update(200, 1024, 64);
}

void test_large_gemms(void **state) {
    (void)state;
    check_forward(large_side, large_side, large_side, ACTIVATION_NONE);
    check_backward(large_side + 1, large_side + 8, 256, ACTIVATION_NONE);
    check_update(300, large_side + 1, large_side + 3);
}

static void check_softmax(size_t batch, uint32_t classes, float spread, float smoothing) {
    print_message("logits to %g, smoothed by %g: ", (double)spread, (double)smoothing);
    check(
        (struct operation){
            .kind = OPERATION_SOFTMAX_CROSS_ENTROPY, .scale = 0.1f, .smoothing = smoothing},
        (struct sizes){.of = {['B'] = batch, ['C'] = classes}}, spread);
}

void test_softmax_cross_entropy(void **state) {
    (void)state;
    for (int n = 0; n < cases; n++)
        check_softmax(draw_side(), 1 + draw() % 40, n % 2 ? 1.0f : 20.0f, n % 3 ? 0.0f : 0.25f);
    check_softmax(1, 10, 1.0f, 0.0f);
    check_softmax(1, 10, 1.0f, 1.0f);
    check_softmax(cases * 5, 10, 1.0f, 0.1f);
    check_softmax(cases * 7, 10, 80.0f, 0.0f);
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
        tested, view_of(&logits), view_of(&label), 1.0f, 0.0f, view_of(&score), &error));
    assert_ok(device_download(tested, view_of(&score), found, &error));
    assert_true(found[1] == 1.0f && found[3] == 0.0f && found[5] == 1.0f);
    plain_softmax_cross_entropy(3, 5, logits.expected, label.expected, 1.0, 0.0, score.expected);
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
            tested, view_of(&logits), view_of(&labels), 1.0f, 0.0f, view_of(&score), &error));
        assert_ok(device_download(tested, view_of(&score), found, &error));
        if (n < 2) /* the loss of a label that is impossible may be large instead of infinite */
            assert_false(isfinite(found[0]));
        else
            assert_true(found[0] > 80.0f);
        free_operand(&logits);
        free_operand(&labels);
        free_operand(&score);
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
        free_operand(&x);
        free_operand(&weights);
        free_operand(&bias);
        free_operand(&y);
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
    free_operand(&d_y);
    free_operand(&weights);
    free_operand(&x);
    free_operand(&d_x);
}

/* CIFAR-10's form and others: with fewer channels or more, and planes of any size that gives an
 * image whole elements. */
static struct pixel_format draw_format(int n) {
    struct pixel_format format = {.channels = 3,
        .plane = 1024,
        .mixed = n % 2,
        .weights = {0.299, 0.587, 0.114},
        .normalized = n % 4 >= 2,
        .means = {0.5, 0.25, 0.75},
        .deviations = {0.5, 2.0, 1.0}};
    if (n < 4)
        return format;
    const bool few = format.mixed || format.normalized;
    format.channels = 1 + draw() % (few ? PIXELS_CHANNELS_MAX : 5);
    format.plane = format.channels == 4 ? 1 + draw() % 99 : 4 * (1 + draw() % 99);
    for (size_t c = 0; c < PIXELS_CHANNELS_MAX; c++)
        format.weights[c] = (double)(draw() % 1000) / 1000.0;
    return format;
}

void test_upload_pixels(void **state) {
    (void)state;
    for (int n = 0; n < 24 && n < cases; n++) {
        /* Devices may send so many in parts. */
        const size_t rows = n == 1 ? 4100 : 1 + draw() % (uint32_t)cases;
        const struct pixel_format format = draw_format(n);
        const size_t bytes = format.channels * format.plane;
        uint8_t *pixels = malloc(rows * bytes);
        for (size_t i = 0; i < rows * bytes; i++)
            pixels[i] = (uint8_t)(n == 0 ? 255 : draw());
        struct operand x = random_operand(rows, format.mixed ? format.plane : bytes);
        assert_ok(device_upload_pixels(tested, pixels, &format, view_of(&x), &error));
        plain_upload_pixels(rows, pixels, &format, x.expected);
        /* four roundings of the largest, which may be doubled, and one more */
        finish_written("pixels", &x, format.normalized ? 2e-6 : 6e-7);
        free(pixels);
    }
}
