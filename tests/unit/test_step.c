/* Steps in lists of operations: every net's is found, and nothing that is almost one. */
#include "device/step.h"
#include "support.h"
#include "trainer/random.h"

#include <string.h>

enum { LAYERS_MAX = 6, OPERATIONS_MAX = 3 * LAYERS_MAX + 3 };

/* Views are told apart by their places in one buffer, which no device has. */
static char memory[sizeof(void *)];
static struct buffer *const buffer = (struct buffer *)memory;

static const uint64_t seed = 20261128;
static uint32_t drawn;

static uint32_t draw(uint32_t bound) {
    uint32_t bits[4];
    random_bits(seed, RANDOM_CHECK, 0, drawn++, bits);
    return bits[0] % bound;
}

/* --- A net, and its step as the network enqueues it --- */

struct net {
    size_t layers;
    struct view x, labels, score, scale, all_x, all_labels, index;
    struct view weights[LAYERS_MAX], bias[LAYERS_MAX], y[LAYERS_MAX], d_y[LAYERS_MAX];
    struct dense_parameters states[LAYERS_MAX][OPTIMIZER_STATES_MAX];
    enum activation activations[LAYERS_MAX];
    enum optimizer optimizer;
    bool gathered;
};

/* Memory that nothing else has. */
static struct view place(size_t rows, size_t columns) {
    static size_t next;
    const struct view view = {buffer, next, rows, columns};
    next += rows * columns + draw(2);
    return view;
}

static struct net draw_net(void) {
    struct net net = {.layers = 1 + draw(LAYERS_MAX),
        .gathered = draw(2) == 1,
        .optimizer = (enum optimizer)draw(OPTIMIZERS)};
    const size_t batch = 1 + draw(20), samples = 1 + draw(50);
    size_t in = 1 + draw(20);
    net.x = place(batch, in);
    net.labels = place(batch, 1);
    net.score = place(batch, 2);
    net.scale = place(1, optimizer_rates[net.optimizer]);
    net.all_x = place(samples, in);
    net.all_labels = place(samples, 1);
    net.index = place(batch, 1);
    for (size_t l = 0; l < net.layers; l++) {
        const bool last = l + 1 == net.layers;
        const size_t out = 1 + draw(20);
        net.weights[l] = place(in, out);
        net.bias[l] = place(1, out);
        for (size_t s = 0; s < optimizer_states[net.optimizer]; s++)
            net.states[l][s] = (struct dense_parameters){place(in, out), place(1, out)};
        net.y[l] = place(batch, out);
        net.d_y[l] = last ? net.y[l] : place(batch, out);
        net.activations[l] = last ? ACTIVATION_NONE : (enum activation)draw(4);
        in = out;
    }
    return net;
}

static size_t list_step(const struct net *net, struct operation operations[OPERATIONS_MAX]) {
    size_t n = 0;
    if (net->gathered) {
        operations[n++] = (struct operation){
            .kind = OPERATION_GATHER_ROWS, .gather_rows = {net->all_x, net->index, net->x}};
        operations[n++] = (struct operation){.kind = OPERATION_GATHER_ROWS,
            .gather_rows = {net->all_labels, net->index, net->labels}};
    }
    for (size_t l = 0; l < net->layers; l++)
        operations[n++] = (struct operation){.kind = OPERATION_DENSE_FORWARD,
            .dense_forward = {l == 0 ? net->x : net->y[l - 1], net->weights[l], net->bias[l],
                net->y[l]},
            .activation = net->activations[l]};
    operations[n++] = (struct operation){.kind = OPERATION_SOFTMAX_CROSS_ENTROPY,
        .softmax_cross_entropy = {net->y[net->layers - 1], net->labels, net->score},
        .scale = 0.125f};
    for (size_t l = net->layers - 1; l > 0; l--)
        operations[n++] = (struct operation){.kind = OPERATION_DENSE_BACKWARD,
            .dense_backward = {net->d_y[l], net->weights[l], net->y[l - 1], net->d_y[l - 1]},
            .activation = net->activations[l - 1]};
    for (size_t l = 0; l < net->layers; l++) {
        struct operation *update = &operations[n++];
        *update = (struct operation){.kind = OPERATION_DENSE_UPDATE,
            .optimizer = net->optimizer,
            .dense_update = {l == 0 ? net->x : net->y[l - 1], net->d_y[l], net->scale,
                net->weights[l], net->bias[l]}};
        memcpy(update->dense_update.states, net->states[l], sizeof net->states[l]);
    }
    return n;
}

static void assert_same(struct view a, struct view b) {
    assert_ptr_equal(a.buffer, b.buffer);
    assert_int_equal(a.offset, b.offset);
    assert_int_equal(a.rows, b.rows);
    assert_int_equal(a.columns, b.columns);
}

static void assert_found(const struct net *net, const struct step *step) {
    assert_int_equal(step->layers_count, net->layers);
    assert_int_equal(step->gathered, net->gathered);
    assert_true(step->loss_scale == 0.125f);
    assert_int_equal(step->optimizer, net->optimizer);
    assert_same(step->rates, net->scale);
    assert_same(step->labels, net->labels);
    assert_same(step->score, net->score);
    if (net->gathered) {
        assert_same(step->all_x, net->all_x);
        assert_same(step->all_labels, net->all_labels);
        assert_same(step->index, net->index);
    }
    for (size_t l = 0; l < net->layers; l++) {
        const struct step_layer *layer = &step->layers[l];
        assert_same(layer->x, l == 0 ? net->x : net->y[l - 1]);
        assert_same(layer->weights, net->weights[l]);
        assert_same(layer->bias, net->bias[l]);
        assert_same(layer->y, net->y[l]);
        assert_same(layer->d_y, net->d_y[l]);
        assert_int_equal(layer->activation, net->activations[l]);
        for (size_t s = 0; s < optimizer_states[net->optimizer]; s++) {
            assert_same(layer->states[s].weights, net->states[l][s].weights);
            assert_same(layer->states[s].bias, net->states[l][s].bias);
        }
    }
}

/* --- Finding --- */

enum { NETS = 300 };

static struct step step;

/* One step after another, each of any net, and what is no step after the last. */
static void test_found(void **state) {
    (void)state;
    for (int n = 0; n < NETS; n++) {
        struct operation operations[3 * OPERATIONS_MAX];
        const struct net first = draw_net(), second = draw_net();
        const size_t length = list_step(&first, operations);
        const size_t count = length + list_step(&second, operations + length);
        assert_true(step_find(operations, count, &step));
        assert_int_equal(step.operations, length);
        assert_found(&first, &step);
        assert_true(step_find(operations + length, count - length, &step));
        assert_int_equal(step.operations, count - length);
        assert_found(&second, &step);
        for (size_t less = 1; less <= count - length; less++)
            assert_false(step_find(operations + length, count - length - less, &step));
        assert_int_equal(step.operations, 0);
    }
}

/* A step that lacks any one of its operations, has it twice, or has any two of them the other way
 * round, is none, but for a layer alone with the same one again. */
static void test_other_orders(void **state) {
    (void)state;
    for (int n = 0; n < NETS; n++) {
        struct operation operations[OPERATIONS_MAX], changed[OPERATIONS_MAX + 1];
        const struct net net = draw_net();
        const size_t count = list_step(&net, operations);
        for (size_t o = 0; o < count; o++) {
            memcpy(changed, operations, o * sizeof *changed);
            memcpy(changed + o, operations + o + 1, (count - o - 1) * sizeof *changed);
            const bool without_gather = net.gathered && o == 0;
            assert_false(!without_gather && step_find(changed, count - 1, &step));
            memcpy(changed + o, operations + o, (count - o) * sizeof *changed);
            memmove(changed + o + 1, changed + o, (count - o) * sizeof *changed);
            assert_false(step_find(changed, count + 1, &step) && step.operations != count);
            for (size_t other = 0; other < o; other++) {
                memcpy(changed, operations, count * sizeof *changed);
                changed[o] = operations[other];
                changed[other] = operations[o];
                assert_false(step_find(changed, count, &step));
            }
        }
    }
}

/* Any view of any operation that is another one, by its buffer, its place or its shape. */
static void test_other_views(void **state) {
    (void)state;
    static char elsewhere[sizeof(void *)];
    for (int n = 0; n < NETS; n++) {
        struct operation operations[OPERATIONS_MAX];
        const struct net net = draw_net();
        const size_t count = list_step(&net, operations);
        for (size_t o = 0; o < count; o++) {
            const struct operation_type *type = &operation_types[operations[o].kind];
            for (size_t v = 0; v < operation_operands(&operations[o]); v++) {
                struct view *view = &operations[o].views[v];
                const struct view right = *view;
                /* Nobody else knows of these. */
                const bool alone =
                    type->operands[v].states || strcmp(type->operands[v].name, "score") == 0 ||
                    (strcmp(type->operands[v].name, "rates") == 0 && net.layers == 1) ||
                    strcmp(type->operands[v].name, "source") == 0 ||
                    (strcmp(type->operands[v].name, "labels") == 0 && !net.gathered);
                if (alone)
                    continue;
                view->buffer = (struct buffer *)elsewhere;
                assert_false(step_find(operations, count, &step));
                *view = right;
                view->offset++;
                assert_false(step_find(operations, count, &step));
                *view = right;
                view->rows++;
                assert_false(step_find(operations, count, &step));
                *view = right;
                view->columns++;
                assert_false(step_find(operations, count, &step));
                *view = right;
            }
        }
        assert_true(step_find(operations, count, &step));
    }
}

static void test_other_numbers(void **state) {
    (void)state;
    for (int n = 0; n < NETS; n++) {
        struct operation operations[OPERATIONS_MAX];
        const struct net net = draw_net();
        const size_t count = list_step(&net, operations);
        for (size_t o = 0; o < count; o++) {
            const struct operation right = operations[o];
            const enum operation_kind kind = right.kind;
            const bool last = kind == OPERATION_DENSE_FORWARD &&
                              operations[o + 1].kind != OPERATION_DENSE_FORWARD;
            operations[o].activation = (enum activation)((right.activation + 1) % 4);
            const bool matters = kind == OPERATION_DENSE_BACKWARD || last ||
                                 (kind == OPERATION_DENSE_FORWARD && net.layers > 1);
            assert_false(matters && step_find(operations, count, &step));
            operations[o] = right;
            operations[o].optimizer = (right.optimizer + 1) % OPTIMIZERS;
            assert_false(kind == OPERATION_DENSE_UPDATE && net.layers > 1 &&
                         step_find(operations, count, &step));
            operations[o] = right;
        }
        assert_true(step_find(operations, count, &step));
    }
}

/* Two memories of a net that share an element, wherever they are named. */
static void test_overlaps(void **state) {
    (void)state;
    for (int n = 0; n < NETS; n++) {
        struct operation operations[OPERATIONS_MAX];
        struct net net = draw_net();
        struct view *all[(4 + 2 * OPTIMIZER_STATES_MAX) * LAYERS_MAX + 7] = {
            &net.x, &net.labels, &net.score, &net.scale};
        size_t count = 4;
        if (net.gathered) {
            all[count++] = &net.all_x;
            all[count++] = &net.all_labels;
            all[count++] = &net.index;
        }
        for (size_t l = 0; l < net.layers; l++) {
            all[count++] = &net.weights[l];
            all[count++] = &net.bias[l];
            for (size_t s = 0; s < optimizer_states[net.optimizer]; s++) {
                all[count++] = &net.states[l][s].weights;
                all[count++] = &net.states[l][s].bias;
            }
            if (l + 1 < net.layers) {
                all[count++] = &net.y[l];
                all[count++] = &net.d_y[l];
            }
        }
        for (size_t a = 0; a < count; a++)
            for (size_t b = 0; b < count; b++) {
                const struct view right = *all[a];
                if (a == b)
                    continue;
                all[a]->offset = all[b]->offset + draw((uint32_t)(all[b]->rows * all[b]->columns));
                assert_false(step_find(operations, list_step(&net, operations), &step));
                *all[a] = right;
            }
        assert_true(step_find(operations, list_step(&net, operations), &step));
    }
}

/* More layers than a step has room for. */
static void test_deep(void **state) {
    (void)state;
    static struct operation operations[3 * (STEP_LAYERS_MAX + 1)];
    for (size_t layers = STEP_LAYERS_MAX; layers <= STEP_LAYERS_MAX + 1; layers++) {
        struct view y[STEP_LAYERS_MAX + 2], d_y[STEP_LAYERS_MAX + 2];
        struct view weights[STEP_LAYERS_MAX + 1], bias[STEP_LAYERS_MAX + 1];
        const struct view labels = place(2, 1), score = place(2, 2), scale = place(1, 1);
        size_t n = 0;
        y[0] = place(2, 3); /* the batch */
        for (size_t l = 0; l < layers; l++) {
            weights[l] = place(3, 3);
            bias[l] = place(1, 3);
            y[l + 1] = place(2, 3);
            d_y[l + 1] = l + 1 == layers ? y[l + 1] : place(2, 3);
            operations[n++] = (struct operation){.kind = OPERATION_DENSE_FORWARD,
                .dense_forward = {y[l], weights[l], bias[l], y[l + 1]}};
        }
        operations[n++] = (struct operation){.kind = OPERATION_SOFTMAX_CROSS_ENTROPY,
            .softmax_cross_entropy = {y[layers], labels, score}};
        for (size_t l = layers - 1; l > 0; l--)
            operations[n++] = (struct operation){.kind = OPERATION_DENSE_BACKWARD,
                .dense_backward = {d_y[l + 1], weights[l], y[l], d_y[l]}};
        for (size_t l = 0; l < layers; l++)
            operations[n++] = (struct operation){.kind = OPERATION_DENSE_UPDATE,
                .dense_update = {y[l], d_y[l + 1], scale, weights[l], bias[l]}};
        assert_int_equal(step_find(operations, n, &step), layers == STEP_LAYERS_MAX);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_found),
        cmocka_unit_test(test_other_orders),
        cmocka_unit_test(test_other_views),
        cmocka_unit_test(test_other_numbers),
        cmocka_unit_test(test_overlaps),
        cmocka_unit_test(test_deep),
    };
    print_message("seed %llu\n", (unsigned long long)seed);
    return cmocka_run_group_tests_name("step", tests, NULL, NULL);
}
