/* The network's gradients, on a device, against finite differences of its objective in double
 * precision; and its first parameters.
 *
 *   test_network SPEC */
#include "plain.h"
#include "support.h"
#include "trainer/network.h"
#include "trainer/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *spec;
static struct device *device;
static struct error error;

/* What dropout draws by. */
enum { SEED = 77, PASS = 3, FIRST = 40 };

/* What dropout makes of output j of a hidden layer. */
static double factor_of(const struct network_shape *shape, size_t sample, size_t layer, size_t j) {
    uint32_t bits[4];
    if (shape->dropout == 0.0)
        return 1.0;
    random_bits(
        SEED, RANDOM_DROPOUT, PASS, (uint64_t)(FIRST + sample) << 32 | layer << 16 | j / 4, bits);
    return bits[j % 4] < shape->dropout * 4294967296.0 ? 0.0 : 1.0 / (1.0 - shape->dropout);
}

/* The objective of a batch, straight from its definition: the sum of the cross-entropies / classes.
 */
static double objective(const struct network_shape *shape, const double *parameters, const float *x,
    const uint32_t *labels, size_t batch) {
    enum { WIDEST = 64 };
    const size_t classes = shape->widths[shape->layers];
    double total = 0.0;
    for (size_t i = 0; i < batch; i++) {
        double values[WIDEST], next[WIDEST];
        for (size_t j = 0; j < shape->widths[0]; j++)
            values[j] = x[i * shape->widths[0] + j];
        for (size_t l = 0; l < shape->layers; l++) {
            const size_t in = shape->widths[l], out = shape->widths[l + 1];
            const double *weights = parameters + network_weights_offset(shape, l);
            const double *bias = parameters + network_bias_offset(shape, l);
            for (size_t j = 0; j < out; j++) {
                next[j] = bias[j];
                for (size_t k = 0; k < in; k++)
                    next[j] += values[k] * weights[k * out + j];
                if (l + 1 < shape->layers)
                    next[j] =
                        plain_activate(shape->activation, next[j]) * factor_of(shape, i, l, j);
            }
            memcpy(values, next, sizeof values);
        }
        double sum = 0.0, mean = 0.0;
        for (size_t j = 0; j < classes; j++) {
            sum += exp(values[j]);
            mean += values[j] / (double)classes;
        }
        total += log(sum) - shape->label_smoothing * mean -
                 (1.0 - shape->label_smoothing) * values[labels[i]];
    }
    return total / (double)classes;
}

static struct view upload(const void *host, size_t rows, size_t columns) {
    struct buffer *buffer;
    assert_ok(device_allocate(device, rows * columns, &buffer, &error));
    const struct view view = device_view(buffer, rows, columns);
    assert_ok(device_upload(device, view, host, &error));
    assert_ok(device_synchronise(device, &error));
    return view;
}

/* The gradient by finite differences. */
static void differentiate(const struct network_shape *shape, const float *at, const float *x,
    const uint32_t *labels, size_t batch, double *gradient) {
    const size_t length = network_parameters_length(shape);
    const double step = 1e-6;
    double *parameters = malloc(length * sizeof *parameters);
    for (size_t i = 0; i < length; i++)
        parameters[i] = at[i];
    for (size_t i = 0; i < length; i++) {
        parameters[i] = at[i] + step;
        const double above = objective(shape, parameters, x, labels, batch);
        parameters[i] = at[i] - step;
        const double below = objective(shape, parameters, x, labels, batch);
        parameters[i] = at[i];
        gradient[i] = (above - below) / (2.0 * step);
    }
    free(parameters);
}

/* The factor that makes a gradient as short as it may be. */
static double clipping(const double *gradient, size_t length, double largest) {
    double square = 0.0;
    for (size_t i = 0; i < length; i++)
        square += gradient[i] * gradient[i];
    const double factor = largest / sqrt(square);
    return largest > 0.0 && factor < 1.0 ? factor : 1.0;
}

/* The loss of a batch, which no smoothing changes. */
static double total_loss(const struct network_shape *shape, const float *parameters, const float *x,
    const uint32_t *labels, size_t batch) {
    const size_t length = network_parameters_length(shape);
    struct network_shape unsmoothed = *shape;
    double *exact = malloc(length * sizeof *exact);
    unsmoothed.label_smoothing = 0.0;
    for (size_t i = 0; i < length; i++)
        exact[i] = parameters[i];
    const double loss = objective(&unsmoothed, exact, x, labels, batch);
    free(exact);
    return loss * (double)shape->widths[shape->layers];
}

/* One step with learning rate 1 takes the gradient off each parameter. */
static void check_gradient(const struct network_shape *shape, size_t batch, uint64_t seed) {
    print_message("%zu layers from %zu inputs, %s, smoothing %g, dropout %g, up to %g, batch %zu, "
                  "seed %llu\n",
        shape->layers, shape->widths[0], activation_names[shape->activation],
        shape->label_smoothing, shape->dropout, shape->clip_norm, batch, (unsigned long long)seed);
    const size_t length = network_parameters_length(shape), inputs = shape->widths[0];
    float *before = malloc(length * sizeof *before), *after = malloc(length * sizeof *after);
    double *gradient = malloc(length * sizeof *gradient);
    float *x = malloc(batch * inputs * sizeof *x);
    float *scores = calloc(batch * 2, sizeof *scores);
    uint32_t *labels = malloc(batch * sizeof *labels);
    random_normal(seed, RANDOM_CHECK, 0, 0.5, before, length);
    random_uniform(seed, RANDOM_CHECK, 1, x, batch * inputs);
    for (size_t i = 0; i < batch; i++)
        labels[i] = (uint32_t)(i % shape->widths[shape->layers]);

    struct network *network;
    assert_ok(network_create(device, shape, batch, &network, &error));
    assert_ok(network_upload(network, before, &error));
    const struct view x_view = upload(x, batch, inputs), labels_view = upload(labels, batch, 1);
    const struct view score_view = upload(scores, batch, 2);
    const float scale = -1.0f; /* the learning rate is 1 */
    const struct view scale_view = upload(&scale, 1, 1);
    const uint32_t pass = PASS;
    const struct draws draws = {SEED, FIRST, upload(&pass, 1, 1)};
    assert_ok(network_train(network, x_view, labels_view, scale_view, &draws, score_view, &error));
    assert_ok(network_download(network, after, &error));
    assert_ok(device_download(device, score_view, scores, &error));

    double loss = 0.0;
    for (size_t i = 0; i < batch; i++)
        loss += scores[2 * i];
    const double expected_loss = total_loss(shape, before, x, labels, batch);
    assert_true(fabs(loss - expected_loss) < 1e-5 * expected_loss);

    differentiate(shape, before, x, labels, batch, gradient);
    const double factor = clipping(gradient, length, shape->clip_norm);
    double largest = 0.0;
    for (size_t l = 0; l < shape->layers; l++) {
        const size_t out = shape->widths[l + 1];
        const size_t starts[] = {network_weights_offset(shape, l), network_bias_offset(shape, l)};
        const size_t counts[] = {shape->widths[l] * out, out};
        for (int part = 0; part < 2; part++)
            for (size_t i = starts[part]; i < starts[part] + counts[part]; i++) {
                const double expected = gradient[i] * factor;
                const double found = (double)before[i] - (double)after[i];
                const double off = fabs(found - expected);
                if (!(off <= 1e-6 + 1e-5 * fabs(expected)))
                    fail_msg("layer %zu, %s %zu: gradient %.9g, expected %.9g", l,
                        part ? "bias" : "weight", i - starts[part], found, expected);
                largest = off > largest ? off : largest;
            }
    }
    print_message("  largest difference %.2g\n", largest);
    network_free(network);
    buffer_free(x_view.buffer);
    buffer_free(labels_view.buffer);
    buffer_free(score_view.buffer);
    buffer_free(scale_view.buffer);
    buffer_free(draws.pass.buffer);
    free(before);
    free(after);
    free(gradient);
    free(x);
    free(scores);
    free(labels);
}

static void test_gradients(void **state) {
    (void)state;
    static const enum activation activations[] = {
        ACTIVATION_SIGMOID, ACTIVATION_TANH, ACTIVATION_RELU};
    for (size_t a = 0; a < 3; a++) {
        check_gradient(&(struct network_shape){1, {7, 5}, activations[a]}, 6, 11);
        check_gradient(&(struct network_shape){2, {9, 17, 4}, activations[a]}, 1, 12);
        check_gradient(&(struct network_shape){3, {20, 16, 8, 10}, activations[a]}, 13, 13);
        check_gradient(&(struct network_shape){5, {3, 6, 5, 4, 7, 2}, activations[a]}, 33, 14);
    }
}

/* With what makes nets train: each by itself, and all together. */
static void test_ingredients(void **state) {
    (void)state;
    static const struct {
        double smoothing, dropout, clip;
    } of[] = {
        {0.3, 0.0, 0.0}, {0.0, 0.4, 0.0}, {0.0, 0.0, 0.02}, {0.0, 0.0, 1e6}, {0.1, 0.25, 0.05}};
    for (size_t n = 0; n < sizeof of / sizeof *of; n++)
        for (enum activation a = ACTIVATION_SIGMOID; a <= ACTIVATION_RELU; a++)
            check_gradient(&(struct network_shape){.layers = 4,
                               .widths = {9, 17, 12, 7, 4},
                               .activation = a,
                               .label_smoothing = of[n].smoothing,
                               .dropout = of[n].dropout,
                               .clip_norm = of[n].clip},
                11, 20 + n);
}

/* Evaluating gives the scores, without dropping or smoothing anything, and leaves the parameters as
 * they are. */
static void test_evaluate(void **state) {
    (void)state;
    const struct network_shape shape = {2, {6, 5, 3}, ACTIVATION_TANH},
                               dropping = {.layers = 2,
                                   .widths = {6, 5, 3},
                                   .activation = ACTIVATION_TANH,
                                   .dropout = 0.5,
                                   .label_smoothing = 0.5};
    const size_t length = network_parameters_length(&shape);
    float *before = malloc(length * sizeof *before), *after = malloc(length * sizeof *after);
    double exact[512];
    assert_true(length <= 512);
    const float x[12] = {0.5f, -1.0f, 0.25f, 0, 2.0f, 0, 1.0f};
    float scores[4] = {0};
    const uint32_t labels[2] = {2, 0};
    const struct view none = {0};
    network_first_parameters(&shape, 5, before);
    struct network *network;
    assert_ok(network_create(device, &dropping, 2, &network, &error));
    assert_ok(network_upload(network, before, &error));
    const struct view x_view = upload(x, 2, 6), labels_view = upload(labels, 2, 1);
    const struct view score_view = upload(scores, 2, 2);
    assert_ok(network_evaluate(network, x_view, labels_view, none, score_view, &error));
    assert_ok(network_download(network, after, &error));
    assert_memory_equal(before, after, length * sizeof *before);
    assert_ok(device_download(device, score_view, scores, &error));
    for (size_t i = 0; i < length; i++)
        exact[i] = before[i];
    for (size_t i = 0; i < 2; i++) {
        const double loss = objective(&shape, exact, x + 6 * i, labels + i, 1) * 3.0;
        assert_true(fabs(scores[2 * i] - loss) < 1e-6 * loss);
        assert_true(scores[2 * i + 1] == 0.0f || scores[2 * i + 1] == 1.0f);
    }
    /* The same scores where the outputs are wanted. */
    const float zeros[6] = {0};
    const struct view outputs_view = upload(zeros, 2, 3);
    float again[4], outputs[6];
    assert_ok(network_evaluate(network, x_view, labels_view, outputs_view, score_view, &error));
    assert_ok(device_download(device, score_view, again, &error));
    assert_ok(device_download(device, outputs_view, outputs, &error));
    assert_memory_equal(again, scores, sizeof scores);
    for (size_t i = 0; i < 2; i++) {
        const double p = outputs[3 * i + labels[i]] * 3.0 + 1.0;
        assert_true(fabs(-log(p) - scores[2 * i]) < 1e-5);
    }
    buffer_free(outputs_view.buffer);
    const struct view three = {x_view.buffer, 0, 3, 4};
    assert_fails(network_evaluate(network, three, labels_view, none, score_view, &error),
        STATUS_FAILED, "a batch of 3 samples; it has room for 2");
    network_free(network);
    buffer_free(x_view.buffer);
    buffer_free(labels_view.buffer);
    buffer_free(score_view.buffer);
    free(before);
    free(after);
}

static void test_shape(void **state) {
    (void)state;
    const struct network_shape shape = {3, {1024, 64, 32, 10}, ACTIVATION_SIGMOID};
    /* 13.845 GFLOP an epoch of 167 batches of 300 */
    assert_true(fabs(network_flops(&shape) * 300 * 167 / 1e9 - 13.845) < 0.001);
    float *first = malloc(network_parameters_length(&shape) * sizeof *first);
    network_first_parameters(&shape, 1, first);
    for (size_t l = 0; l < shape.layers; l++) {
        assert_int_equal(network_weights_offset(&shape, l) % 64, 0);
        assert_int_equal(network_bias_offset(&shape, l) % 64, 0);
        assert_true(first[network_bias_offset(&shape, l)] != 0.0f);
    }
    float starts[6]; /* of weights and biases, each of numbers of its own */
    for (size_t part = 0; part < 6; part++) {
        starts[part] = first[part % 2 ? network_bias_offset(&shape, part / 2)
                                      : network_weights_offset(&shape, part / 2)];
        for (size_t other = 0; other < part; other++)
            assert_true(starts[part] != starts[other]);
    }
    double square = 0.0;
    for (size_t i = 0; i < 1024 * 64; i++)
        square += (double)first[i] * first[i];
    assert_true(fabs(sqrt(square / (1024 * 64)) - 0.1) < 0.002);
    free(first);
}

/* The same random numbers with other deviations, and no biases. */
static void test_initial(void **state) {
    (void)state;
    struct network_shape of = {3, {512 - 12, 12, 20, 2}, ACTIVATION_RELU};
    static const double glorot[3] = {0.0625, 0.25, 0.30151134457776363}; /* sqrt(2 / 22) */
    static const double he[3] = {0.063245553203367583, 0.40824829046386302, 0.31622776601683794};
    float *normal = malloc(network_length(&of) * sizeof *normal);
    float *other = malloc(network_length(&of) * sizeof *other);
    network_first_parameters(&of, 5, normal);
    for (of.initial = INITIAL_GLOROT; of.initial <= INITIAL_HE; of.initial++) {
        network_first_parameters(&of, 5, other);
        for (size_t l = 0; l < of.layers; l++) {
            const double deviation = (of.initial == INITIAL_HE ? he : glorot)[l];
            const size_t weights = network_weights_offset(&of, l),
                         bias = network_bias_offset(&of, l);
            for (size_t i = weights; i < weights + of.widths[l] * of.widths[l + 1]; i++)
                assert_true(fabs(other[i] - deviation * 10.0 * normal[i]) <=
                            1e-6 * deviation * fabs(10.0 * normal[i]));
            for (size_t i = bias; i < bias + of.widths[l + 1]; i++)
                assert_true(other[i] == 0.0f && normal[i] != 0.0f);
        }
    }
    free(normal);
    free(other);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradients),
        cmocka_unit_test(test_ingredients),
        cmocka_unit_test(test_evaluate),
        cmocka_unit_test(test_shape),
        cmocka_unit_test(test_initial),
    };
    spec = argc > 1 ? argv[1] : "reference";
    const int missing = support_open(spec, NULL, 2, &device);
    if (missing)
        return missing;
    const int failed = cmocka_run_group_tests_name(spec, tests, NULL, NULL);
    device_close(device);
    return failed;
}
