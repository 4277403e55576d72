/* Whole training steps: what a device records of them, fused where it can, against plain loops. */
#include "device_suite.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct error error;

/* --- A net and its steps --- */

enum { LAYERS_MAX = 5, STEPS_MAX = 3 };

struct net {
    size_t layers, widths[LAYERS_MAX + 1], batches[STEPS_MAX], steps;
    enum activation activation;
    size_t
        images; /* from which an index takes each batch; 0: batches are rows of x in their order */
    enum optimizer optimizer;
    float smoothing;
};

/* Each row of `rates` is of a step. The parameters of all layers are one operand, with their states
 * behind them, and so are their values, and their gradients, as in a network. */
struct operands {
    struct operand parameters, values, gradients, all_x, all_labels, index, x, labels, score, rates;
};

static size_t batch_most(const struct net *net) {
    size_t most = 0;
    for (size_t s = 0; s < net->steps; s++)
        most = net->batches[s] > most ? net->batches[s] : most;
    return most;
}

static size_t samples_before(const struct net *net, size_t step) {
    size_t samples = 0;
    for (size_t s = 0; s < step; s++)
        samples += net->batches[s];
    return samples;
}

/* Where a layer's weights begin in the parameters; its bias follows. */
static size_t weights_at(const struct net *net, size_t layer) {
    size_t at = 0;
    for (size_t l = 0; l < layer; l++)
        at += (net->widths[l] + 1) * net->widths[l + 1];
    return at;
}

static size_t bias_at(const struct net *net, size_t layer) {
    return weights_at(net, layer) + net->widths[layer] * net->widths[layer + 1];
}

static size_t values_at(const struct net *net, size_t layer) {
    size_t at = 0;
    for (size_t l = 0; l < layer; l++)
        at += batch_most(net) * net->widths[l + 1];
    return at;
}

/* The parameters with their states, of which the second ones, means of squares, are not negative.
 */
static struct operand make_parameters(const struct net *net) {
    const size_t each = weights_at(net, net->layers);
    const size_t count = each * (1 + optimizer_states[net->optimizer]);
    float *values = malloc(count * sizeof *values);
    draw_values(values, count);
    for (size_t i = 0; i < count; i++)
        values[i] = 0.5f * (i < 2 * each ? values[i] : fabsf(values[i]));
    const struct operand made = make_operand(1, count, values);
    free(values);
    return made;
}

/* Each step's are a little less than those before it. */
static struct operand make_rates(const struct net *net) {
    const size_t columns = optimizer_rates[net->optimizer];
    float rates[STEPS_MAX * OPTIMIZER_RATES_MAX];
    for (size_t i = 0; i < net->steps * columns; i++)
        rates[i] = some_rates[net->optimizer][i % columns] * (1.0f - 0.01f * (float)(i / columns)) /
                   (net->optimizer == OPTIMIZER_ADAMW ? 1.0f : (float)batch_most(net));
    return make_operand(net->steps, columns, rates);
}

static struct operands make_operands(const struct net *net) {
    const size_t samples = samples_before(net, net->steps), rows = batch_most(net);
    const size_t all = net->images > 0 ? net->images : samples;
    const uint32_t classes = (uint32_t)net->widths[net->layers];
    struct operands made = {
        .parameters = make_parameters(net),
        .values = random_operand(1, values_at(net, net->layers)),
        .gradients = random_operand(1, values_at(net, net->layers)),
        .all_x = random_operand(all, net->widths[0]),
        .all_labels = random_indices(all, classes),
        .index = random_indices(samples, (uint32_t)all),
        .x = random_operand(rows, net->widths[0]),
        .labels = random_indices(rows, classes),
        .score = random_operand(samples, 2),
        .rates = make_rates(net),
    };
    return made;
}

static void free_operands(struct operands *at) {
    struct operand *const all[] = {&at->parameters, &at->values, &at->gradients, &at->all_x,
        &at->all_labels, &at->index, &at->x, &at->labels, &at->score, &at->rates};
    for (size_t o = 0; o < sizeof all / sizeof *all; o++)
        free_operand(all[o]);
}

/* A part of an operand of one row. */
static struct view part_of(const struct operand *operand, size_t at, size_t rows, size_t columns) {
    const struct view whole = view_of(operand);
    return (struct view){whole.buffer, whole.offset + at, rows, columns};
}

/* --- On the device --- */

struct steps {
    const struct net *net;
    const struct operands *operands;
};

/* The views of step `s`, of which a layer's x is `y[l]`, and its y is `y[l + 1]`. */
struct step_views {
    struct dense_parameters parameters[LAYERS_MAX], states[LAYERS_MAX][OPTIMIZER_STATES_MAX];
    struct view y[LAYERS_MAX + 1], d_y[LAYERS_MAX];
    struct view labels;
};

/* What lies, of layer `layer`, in array number `array` of the parameters and their states. */
static struct dense_parameters array_of(
    const struct net *net, const struct operands *at, size_t array, size_t layer) {
    const size_t in = net->widths[layer], out = net->widths[layer + 1];
    const size_t first = array * weights_at(net, net->layers);
    return (struct dense_parameters){
        part_of(&at->parameters, first + weights_at(net, layer), in, out),
        part_of(&at->parameters, first + bias_at(net, layer), 1, out)};
}

static struct step_views views_of_step(const struct net *net, const struct operands *at, size_t s) {
    const size_t batch = net->batches[s], first = samples_before(net, s);
    struct step_views views = {.labels = view_rows(view_of(&at->all_labels), first, batch)};
    views.y[0] = view_rows(view_of(&at->all_x), first, batch);
    if (net->images > 0) {
        views.labels = view_rows(view_of(&at->labels), 0, batch);
        views.y[0] = view_rows(view_of(&at->x), 0, batch);
    }
    for (size_t l = 0; l < net->layers; l++) {
        const size_t out = net->widths[l + 1];
        views.parameters[l] = array_of(net, at, 0, l);
        for (size_t i = 0; i < optimizer_states[net->optimizer]; i++)
            views.states[l][i] = array_of(net, at, 1 + i, l);
        views.y[l + 1] = part_of(&at->values, values_at(net, l), batch, out);
        views.d_y[l] = l + 1 < net->layers ? part_of(&at->gradients, values_at(net, l), batch, out)
                                           : views.y[l + 1];
    }
    return views;
}

static enum status enqueue_step(
    const struct net *net, const struct operands *at, size_t s, struct error *problem) {
    const struct step_views v = views_of_step(net, at, s);
    const size_t first = samples_before(net, s), last = net->layers - 1;
    enum status status = STATUS_OK;
    if (net->images > 0) {
        const struct view index = view_rows(view_of(&at->index), first, net->batches[s]);
        status = device_gather_rows(tested, view_of(&at->all_x), index, v.y[0], problem);
        if (status == STATUS_OK)
            status = device_gather_rows(tested, view_of(&at->all_labels), index, v.labels, problem);
    }
    for (size_t l = 0; l <= last && status == STATUS_OK; l++)
        status = device_dense_forward(tested, v.y[l], v.parameters[l].weights, v.parameters[l].bias,
            l < last ? net->activation : ACTIVATION_NONE, v.y[l + 1], problem);
    if (status == STATUS_OK)
        status = device_softmax_cross_entropy(tested, v.y[last + 1], v.labels, 0.25f,
            net->smoothing, view_rows(view_of(&at->score), first, net->batches[s]), problem);
    for (size_t l = last; l > 0 && status == STATUS_OK; l--)
        status = device_dense_backward(tested, v.d_y[l], v.parameters[l].weights, v.y[l],
            net->activation, v.d_y[l - 1], problem);
    for (size_t l = 0; l <= last && status == STATUS_OK; l++)
        status = device_dense_update_by(tested, net->optimizer, v.y[l], v.d_y[l],
            view_rows(view_of(&at->rates), s, 1), v.parameters[l], v.states[l], problem);
    return status;
}

static enum status enqueue_steps(void *context, struct error *problem) {
    const struct steps *steps = context;
    enum status status = STATUS_OK;
    for (size_t s = 0; s < steps->net->steps && status == STATUS_OK; s++)
        status = enqueue_step(steps->net, steps->operands, s, problem);
    return status;
}

/* --- In plain loops --- */

static void plain_update(const struct net *net, const struct operands *at, size_t s, size_t layer,
    const float *x, const float *d_y) {
    const size_t in = net->widths[layer], out = net->widths[layer + 1];
    const size_t all = weights_at(net, net->layers), count = (in + 1) * out; /* bias included */
    float *const parameters = (float *)at->parameters.expected + weights_at(net, layer);
    const float *const rates = (float *)at->rates.expected + s * optimizer_rates[net->optimizer];
    float *const gradient = malloc(count * sizeof *gradient);
    plain_dense_gradient(net->batches[s], in, out, x, d_y, gradient, gradient + in * out);
    plain_optimize(
        count, net->optimizer, gradient, rates, parameters, parameters + all, parameters + 2 * all);
    free(gradient);
}

static void plain_step(const struct net *net, const struct operands *at, size_t s) {
    const size_t batch = net->batches[s], first = samples_before(net, s), last = net->layers - 1;
    float *const parameters = at->parameters.expected, *const values = at->values.expected;
    float *const gradients = at->gradients.expected;
    const float *x = (float *)at->all_x.expected + first * net->widths[0];
    const uint32_t *labels = (uint32_t *)at->all_labels.expected + first;
    if (net->images > 0) {
        const uint32_t *index = (uint32_t *)at->index.expected + first;
        plain_gather_rows(batch, net->widths[0], at->all_x.expected, index, at->x.expected);
        plain_gather_rows(batch, 1, at->all_labels.expected, index, at->labels.expected);
        x = at->x.expected;
        labels = at->labels.expected;
    }
    for (size_t l = 0; l <= last; l++)
        plain_dense_forward(batch, net->widths[l], net->widths[l + 1],
            l == 0 ? x : values + values_at(net, l - 1), parameters + weights_at(net, l),
            parameters + bias_at(net, l), l < last ? net->activation : ACTIVATION_NONE,
            values + values_at(net, l));
    plain_softmax_cross_entropy(batch, net->widths[last + 1], values + values_at(net, last), labels,
        0.25, (double)net->smoothing, (float *)at->score.expected + 2 * first);
    for (size_t l = last; l > 0; l--)
        plain_dense_backward(batch, net->widths[l], net->widths[l + 1],
            (l == last ? values : gradients) + values_at(net, l), parameters + weights_at(net, l),
            values + values_at(net, l - 1), net->activation, gradients + values_at(net, l - 1));
    for (size_t l = 0; l <= last; l++)
        plain_update(net, at, s, l, l == 0 ? x : values + values_at(net, l - 1),
            (l == last ? values : gradients) + values_at(net, l));
}

/* --- The tests --- */

/* Opens the device once more, to fuse steps or not, and to submit them in some way, in place of the
 * one that is tested; where it has no choice, as it is. */
static struct device *open_to_submit(const char *step, const char *submission) {
    struct device *const before = tested;
    struct device_options options = {
        .threads = 3, .gemm = gemm, .step = step, .submission = submission};
    if (device_find(spec, &options, &error) == STATUS_USAGE)
        options.step = options.submission = NULL;
    if (device_open(spec, &options, &tested, &error) != STATUS_OK) {
        options.threads = 0;
        assert_ok(device_open(spec, &options, &tested, &error));
    }
    return before;
}

static struct device *open_with(const char *step) {
    return open_to_submit(step, NULL);
}

static void close_again(struct device *before) {
    device_close(tested);
    tested = before;
}

/* Records the steps, runs them, and compares all that they read and write. */
static void check_steps(const struct net *net) {
    struct operands at = make_operands(net);
    struct steps steps = {net, &at};
    struct recording *recording;
    print_message("%zu steps of %zu, %zu-%zu-...-%zu, activation %d, %zu images, optimiser %d, "
                  "smoothed by %g\n",
        net->steps, net->batches[0], net->widths[0], net->widths[1], net->widths[net->layers],
        (int)net->activation, net->images, (int)net->optimizer, (double)net->smoothing);
    assert_ok(device_record(tested, enqueue_steps, &steps, &recording, &error));
    assert_untouched(&at.parameters);
    assert_untouched(&at.values);
    assert_untouched(&at.gradients);
    assert_untouched(&at.score);
    assert_untouched(&at.x);
    assert_ok(device_run(tested, recording, enqueue_steps, &steps, &error));
    assert_ok(device_synchronise(tested, &error));
    recording_free(tested, recording);
    for (size_t s = 0; s < net->steps; s++)
        plain_step(net, &at, s);
    const double tolerance = 20 * sum_tolerance(net->widths[0] + batch_most(net));
    finish_computed("parameters", &at.parameters, tolerance, 1e-2);
    finish_computed("values", &at.values, tolerance, 1e-2);
    finish_computed("gradients", &at.gradients, tolerance, 1e-2);
    finish_computed("score", &at.score, tolerance, 1e-2);
    finish_read(&at.all_x);
    finish_read(&at.all_labels);
    finish_read(&at.index);
    finish_read(&at.rates);
    finish_written("x", &at.x, 1e-7);
    if (net->images == 0)
        finish_read(&at.labels);
    else
        free_operand(&at.labels);
}

/* Steps that are fused where the device can: the usual net, which takes the longest; one layer; a
 * single number of everything; sides around those of tiles and chunks; batches of several sizes;
 * and batches that an index takes from few images, each of them more than once. */
static const struct net nets[] = {
    {3, {1024, 64, 32, 10}, {300, 300}, 2, ACTIVATION_SIGMOID, 0},
    {2, {33, 17, 9}, {97, 97, 13}, 3, ACTIVATION_TANH, 0},
    {1, {65, 7}, {31, 31}, 2, ACTIVATION_NONE, 0},
    {2, {1, 1, 1}, {1, 1, 1}, 3, ACTIVATION_SIGMOID, 0},
    {4, {150, 31, 16, 15, 3}, {193, 50}, 2, ACTIVATION_TANH, 40},
    {2, {64, 100, 12}, {128, 128}, 2, ACTIVATION_RELU, 500},
    {2, {33, 17, 9}, {97, 97, 13}, 3, ACTIVATION_TANH, 0, OPTIMIZER_ADAMW, 0.1f},
    {3, {70, 31, 16, 3}, {60, 60}, 2, ACTIVATION_SIGMOID, 40, OPTIMIZER_MOMENTUM, 0.75f},
};

void test_steps(void **state) {
    (void)state;
    struct device *const before = open_with("fused");
    for (size_t n = steps_only ? 1 : 0; n < sizeof nets / sizeof *nets; n++) {
        check_steps(&nets[n]);
        if (device_info(tested)->step)
            assert_string_equal(device_info(tested)->step, "fused");
    }
    close_again(before);
}

/* The same, in as few launches as can be, whose groups wait for one another. The emulated GPU must
 * run all kernels alike for that, as it does where only steps are tested: else these give other
 * bits than the other fused steps, and are not taken. */
void test_steps_together(void **state) {
    (void)state;
    const struct device_options options = {.submission = "persistent"};
    if (device_find(spec, &options, &error) == STATUS_USAGE)
        skip(); /* it has no such launches */
    struct device *const before = open_to_submit("fused", "persistent");
    for (size_t n = steps_only ? 1 : 0; n < sizeof nets / sizeof *nets; n++) {
        check_steps(&nets[n]);
        if (n == 1 && steps_only) /* others may have too many groups */
            assert_string_equal(device_info(tested)->submission, "persistent");
    }
    close_again(before);
}

/* The same, operation by operation. */
void test_steps_separate(void **state) {
    (void)state;
    struct device *const before = open_with("separate");
    check_steps(&nets[4]);
    if (device_info(tested)->step)
        assert_string_equal(device_info(tested)->step, "separate");
    close_again(before);
}

/* Runs two recordings of steps one after the other, twice; in a simulator one of them, once. Gives
 * the parameters. */
static void run_twice(const struct net *net, float *parameters) {
    seed = 20261129;
    struct operands at = make_operands(net);
    struct steps steps = {net, &at};
    struct recording *recordings[2];
    for (int r = 0; r < 2; r++)
        assert_ok(device_record(tested, enqueue_steps, &steps, &recordings[r], &error));
    const int runs = cases < 10 ? 1 : 4; /* a simulator takes long */
    for (int r = 0; r < runs; r++)
        assert_ok(device_run(tested, recordings[r % 2], enqueue_steps, &steps, &error));
    assert_ok(device_download(tested, view_of(&at.parameters), parameters, &error));
    for (int r = 0; r < 2; r++)
        recording_free(tested, recordings[r]);
    free_operands(&at);
}

/* Steps give the same bits, however often and in however many recordings they are done. */
void test_steps_same_bits(void **state) {
    (void)state;
    const struct net *net = &nets[1];
    const size_t count = weights_at(net, net->layers);
    float *first = malloc(count * sizeof *first), *second = malloc(count * sizeof *second);
    struct device *const before = open_with("fused");
    const uint32_t drawn_before = drawn;
    run_twice(net, first);
    drawn = drawn_before;
    run_twice(net, second);
    assert_memory_equal(first, second, count * sizeof *first);
    close_again(before);
    free(first);
    free(second);
}

/* A step that does not fit is an error where it was to be fused, and else done in the other way. */
void test_steps_unfit(void **state) {
    (void)state;
    static const struct net wide = {2, {3, 1500, 1500}, {5}, 1, ACTIVATION_SIGMOID, 0};
    struct recording *recording = NULL;
    if (!device_info(tested)->step)
        skip(); /* it has one way only */
    struct device *const before = open_with("fused");
    struct operands at = make_operands(&wide);
    struct steps steps = {&wide, &at};
    assert_fails(device_record(tested, enqueue_steps, &steps, &recording, &error), STATUS_DEVICE,
        "can't be fused on ");
    assert_null(recording);
    assert_untouched(&at.parameters);
    free_operands(&at);
    close_again(before);
    struct device *const again = open_with("auto");
    check_steps(&wide);
    assert_string_equal(device_info(tested)->step, "separate");
    close_again(again);
}
