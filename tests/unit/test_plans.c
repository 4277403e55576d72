/* What the cpu device makes of recordings: batches that are read where they lie, batches in blocks,
 * results that are divided by columns. Whatever it does, the recording leaves every element of
 * memory as the same operations do one by one, to the bit; and with our own gemm, so does any
 * number of threads.
 *
 * Recordings are random, from a seed that is printed ($TRAINER_TEST_SEED sets another). */
#include "device/cpu/cpu.h"
#include "device/operation.h"
#include "support.h"
#include "trainer/random.h"
#include "turns.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct error error;
static uint64_t seed = 20261130;
static uint32_t drawn; /* numbers of the seed that are used up */

static uint32_t draw(uint32_t bound) {
    uint32_t bits[4];
    random_bits(seed, RANDOM_CHECK, 0, drawn++, bits);
    return bits[0] % bound;
}

/* --- A program: operations on views of one buffer, and what is in it before --- */

enum { OPERATIONS_MAX = 128 };

struct program {
    struct operation operations[OPERATIONS_MAX]; /* without their buffers */
    size_t operations_count;
    void *memory; /* of float32 and uint32 */
    size_t elements;
    float *expected; /* the memory after it, as one thread leaves it */
};

static void add(struct program *program, struct operation operation) {
    assert_true(program->operations_count < OPERATIONS_MAX);
    program->operations[program->operations_count++] = operation;
}

/* Memory that nothing else has, with any numbers of at most `spread`. What is between two views is
 * to stay as it is. */
static struct view place(struct program *program, size_t rows, size_t columns, float spread) {
    const size_t gap = draw(4), count = rows * columns;
    const struct view view = {NULL, program->elements + gap, rows, columns};
    program->elements = view.offset + count;
    program->memory = realloc(program->memory, program->elements * sizeof(float));
    float *values = (float *)program->memory + view.offset;
    for (size_t i = 1; i <= gap; i++)
        values[-(ptrdiff_t)i] = 7.0f;
    random_uniform(seed, RANDOM_CHECK, drawn++, values, count);
    for (size_t i = 0; i < count; i++)
        values[i] *= spread;
    return view;
}

static struct view place_integers(struct program *program, size_t rows, size_t bound) {
    const struct view view = place(program, rows, 1, 0.0f);
    for (size_t i = 0; i < rows; i++)
        ((uint32_t *)program->memory)[view.offset + i] = draw((uint32_t)bound);
    return view;
}

/* --- A net --- */

enum { LAYERS_MAX = 4, INDICES = 2, CLASSES = 7 };

struct net {
    size_t layers, batch;
    bool gathered;
    struct view x, labels, score, scale, all_x, all_labels, index[INDICES];
    struct view all_indices, choice; /* an index is gathered, too: [any, 1], [batch, 1] */
    struct view weights[LAYERS_MAX], bias[LAYERS_MAX], y[LAYERS_MAX], d_y[LAYERS_MAX];
    struct view d_weights, d_bias; /* of the last layer */
    enum activation activations[LAYERS_MAX];
};

/* Batches that may be taken in blocks, if layers are narrow; smaller ones; and layers whose columns
 * are divided. */
enum form { LARGE, SMALL, WIDE, FORMS };

static size_t draw_batch(enum form form) {
    static const size_t batches[FORMS][6] = {[LARGE] = {1919, 1920, 1921, 2400, 2879, 2881},
        [SMALL] = {1, 13, 100, 479, 481, 961},
        [WIDE] = {1, 5, 11, 12, 50, 100}};
    return batches[form][draw(6)];
}

static size_t draw_width(enum form form) {
    static const size_t wides[] = {24, 255, 256, 257, 300, 512, 1040};
    return form == WIDE ? wides[draw(7)] : 1 + draw(20);
}

static struct net draw_net(struct program *program, enum form form) {
    struct net net = {.layers = 1 + draw(LAYERS_MAX), .batch = draw_batch(form)};
    const size_t samples = net.batch + draw(20);
    size_t in = form == WIDE ? 20 : 8 + draw(24);
    net.gathered = draw(4) > 0;
    net.x = place(program, net.batch, in, 1.0f);
    net.labels = place_integers(program, net.batch, CLASSES);
    net.score = place(program, net.batch, 2, 1.0f);
    net.scale = place(program, 1, 1, 0.01f);
    net.all_x = place(program, samples, in, 1.0f);
    net.all_labels = place_integers(program, samples, CLASSES);
    for (int i = 0; i < INDICES; i++)
        net.index[i] = place_integers(program, net.batch, samples);
    net.all_indices = place_integers(program, 30, samples);
    net.choice = place_integers(program, net.batch, 30);
    for (size_t l = 0; l < net.layers; l++) {
        const bool last = l + 1 == net.layers;
        const size_t out = last ? CLASSES : draw_width(form);
        net.weights[l] = place(program, in, out, 0.2f);
        net.bias[l] = place(program, 1, out, 0.2f);
        net.y[l] = place(program, net.batch, out, 1.0f);
        net.d_y[l] = last ? net.y[l] : place(program, net.batch, out, 1.0f);
        net.activations[l] = last ? ACTIVATION_NONE : (enum activation)draw(4);
        net.d_weights = last ? place(program, in, out, 1.0f) : net.x;
        in = out;
    }
    net.d_bias = place(program, 1, CLASSES, 1.0f);
    return net;
}

/* --- Operations on it --- */

static void add_gather(
    struct program *program, struct view source, struct view index, struct view destination) {
    add(program, (struct operation){
                     .kind = OPERATION_GATHER_ROWS, .gather_rows = {source, index, destination}});
}

/* A step of `rows` samples, as the network enqueues it. */
static void add_step(struct program *program, struct net net, size_t rows) {
    const struct view index = view_rows(net.index[draw(INDICES)], 0, rows);
    net.x.rows = net.labels.rows = net.score.rows = rows;
    for (size_t l = 0; l < net.layers; l++)
        net.y[l].rows = net.d_y[l].rows = rows;
    if (net.gathered) {
        add_gather(program, net.all_x, index, net.x);
        add_gather(program, net.all_labels, index, net.labels);
    }
    for (size_t l = 0; l < net.layers; l++)
        add(program, (struct operation){.kind = OPERATION_DENSE_FORWARD,
                         .dense_forward = {l == 0 ? net.x : net.y[l - 1], net.weights[l],
                             net.bias[l], net.y[l]},
                         .activation = net.activations[l]});
    add(program, (struct operation){.kind = OPERATION_SOFTMAX_CROSS_ENTROPY,
                     .softmax_cross_entropy = {net.y[net.layers - 1], net.labels, net.score},
                     .scale = 0.1f});
    for (size_t l = net.layers - 1; l > 0; l--)
        add(program,
            (struct operation){.kind = OPERATION_DENSE_BACKWARD,
                .dense_backward = {net.d_y[l], net.weights[l], net.y[l - 1], net.d_y[l - 1]},
                .activation = net.activations[l - 1]});
    for (size_t l = 0; l < net.layers; l++)
        add(program, (struct operation){.kind = OPERATION_DENSE_UPDATE,
                         .dense_update = {l == 0 ? net.x : net.y[l - 1], net.d_y[l], net.scale,
                             net.weights[l], net.bias[l]}});
}

/* What is no step, and reads or changes what the steps beside it work with. */
static void add_other(struct program *program, const struct net *net) {
    const size_t rows = 1 + draw((uint32_t)net->batch), last = net->layers - 1;
    const struct view x = view_rows(net->x, 0, rows), index = net->index[draw(INDICES)];
    switch (draw(6)) {
    case 0: /* the batch is read */
        add(program,
            (struct operation){.kind = OPERATION_DENSE_FORWARD,
                .dense_forward = {x, net->weights[0], net->bias[0], view_rows(net->y[0], 0, rows)},
                .activation = ACTIVATION_RELU});
        break;
    case 1: /* a part of it is replaced, and all of it is read */
        add_gather(program, net->all_x, view_rows(index, 0, rows), x);
        add(program,
            (struct operation){.kind = OPERATION_DENSE_UPDATE,
                .dense_update = {net->x, net->d_y[0], net->scale, net->weights[0], net->bias[0]}});
        break;
    case 2:
        add_gather(
            program, net->all_labels, view_rows(index, 0, rows), view_rows(net->labels, 0, rows));
        break;
    case 3: /* the order of the next step */
        add_gather(program, net->all_indices, net->choice, index);
        break;
    case 4: /* the samples themselves */
        add_gather(program, net->x, view_rows(net->index[0], 0, 1), view_rows(net->all_x, 0, 1));
        break;
    default:
        add(program, (struct operation){.kind = OPERATION_DENSE_GRADIENT,
                         .dense_gradient = {last == 0 ? net->x : net->y[last - 1], net->d_y[last],
                             net->d_weights, net->d_bias}});
        add(program, (struct operation){.kind = OPERATION_OPTIMIZE,
                         .optimize = {net->d_weights, net->scale, net->weights[last]},
                         .optimizer = OPTIMIZER_GRADIENT_DESCENT});
        break;
    }
}

/* Some steps of one or two nets. */
static struct program draw_program(void) {
    enum { STEPS_MAX = 4 };
    struct program program = {.memory = NULL};
    const enum form form = (enum form)draw(FORMS);
    const struct net nets[2] = {draw_net(&program, form), draw_net(&program, form)};
    const uint32_t nets_count = 1 + draw(2), first = draw(2);
    for (uint32_t s = nets_count + draw(STEPS_MAX); s > 0; s--) {
        const struct net *net = &nets[(s + first) % nets_count];
        const bool tail = draw(4) == 0;
        add_step(&program, *net, tail ? 1 + draw((uint32_t)net->batch) : net->batch);
        if (draw(4) == 0)
            add_other(&program, net);
    }
    program.expected = malloc(program.elements * sizeof *program.expected);
    return program;
}

/* --- Running it --- */

static struct device *device;

/* A program on the device. */
struct run {
    const struct program *program;
    struct buffer *buffer;
};

static enum status enqueue(void *context, struct error *problem) {
    const struct run *run = context;
    enum status status = STATUS_OK;
    for (size_t o = 0; o < run->program->operations_count && status == STATUS_OK; o++) {
        struct operation operation = run->program->operations[o];
        const size_t count = operation_operands(&operation);
        for (size_t v = 0; v < count; v++)
            operation.views[v].buffer = run->buffer;
        status = operation_enqueue(device, &operation, problem);
    }
    return status;
}

/* found[elements] = the memory after it, recorded or one by one. */
static void run_program(const struct program *program, bool recorded, float *found) {
    struct run run = {.program = program};
    struct recording *recording = NULL;
    assert_ok(device_allocate(device, program->elements, &run.buffer, &error));
    const struct view memory = device_view(run.buffer, 1, program->elements);
    assert_ok(device_upload(device, memory, program->memory, &error));
    if (recorded) {
        assert_ok(device_record(device, enqueue, &run, &recording, &error));
        assert_non_null(recording);
    }
    assert_ok(device_run(device, recording, enqueue, &run, &error));
    assert_ok(device_download(device, memory, found, &error));
    recording_free(device, recording);
    buffer_free(run.buffer);
}

/* The device's choice, as chance has it; but as it is documented of large batches. */
enum status __wrap_autotune_choose(struct gemm_choices *choices, const struct operation *gemm,
    size_t *algorithm, struct error *problem);

enum status __wrap_autotune_choose(struct gemm_choices *choices, const struct operation *gemm,
    size_t *algorithm, struct error *problem) {
    const struct gemm_shape shape = gemm_shape_of(gemm);
    uint32_t bits[4];
    (void)choices, (void)problem;
    random_bits(seed, RANDOM_CHECK, (uint32_t)(100 * shape.batch + shape.kind),
        1000 * shape.in + shape.out, bits);
    *algorithm = shape.batch >= CPU_BATCH_IN_BLOCKS
                     ? 0
                     : bits[0] % ((const struct cpu *)device)->algorithms_count;
    return STATUS_OK;
}

/* --- The tests --- */

#ifndef TEST_PROGRAMS
#define TEST_PROGRAMS 40
#endif
enum { PROGRAMS = TEST_PROGRAMS };

static struct program programs[PROGRAMS];

static void check(const struct program *program, const char *how, const float *expected) {
    float *found = malloc(program->elements * sizeof *found);
    run_program(program, strcmp(how, "recorded") == 0, found);
    for (size_t i = 0; i < program->elements; i++)
        if (memcmp(&found[i], &expected[i], sizeof *found) != 0)
            fail_msg("program %d, %s, %d threads with %s, where %s: element %zu is %.9g, not %.9g",
                (int)(program - programs), how, device_info(device)->threads,
                device_info(device)->gemm, turns_text(), i, (double)found[i], (double)expected[i]);
    free(found);
}

/* Each program, whoever is ahead, and with the device's team. */
static void check_recorded(const struct program *program, const float *expected) {
    for (turns = FIRST_AHEAD; turns <= TEAM; turns++)
        check(program, "recorded", expected);
}

static void open_device(const char *gemm, int threads) {
    const struct device_options options = {.threads = threads, .gemm = gemm};
    assert_ok(device_open("cpu", &options, &device, &error));
}

static const int numbers[] = {1, 2, 3, 7, 64};
enum { NUMBERS = sizeof numbers / sizeof *numbers };

/* By one thread, one by one. Numbers that are not finite would all be the same. */
static void compute_expected(struct program *program) {
    run_program(program, false, program->expected);
    for (size_t i = 0; i < program->elements; i++)
        assert_true(isfinite(program->expected[i]));
}

/* The same of our own gemm, whatever the number of threads. */
static void test_own(void **state) {
    (void)state;
    for (int n = 0; n < NUMBERS; n++) {
        turns_seen = (struct turns_seen){0};
        open_device("own", numbers[n]);
        for (int p = 0; p < PROGRAMS; p++) {
            turns = TEAM;
            if (n == 0)
                compute_expected(&programs[p]);
            else
                check(&programs[p], "one by one", programs[p].expected);
            check_recorded(&programs[p], programs[p].expected);
        }
        assert_true(turns_seen.unheld > PROGRAMS && turns_seen.ordered > PROGRAMS);
        assert_true(turns_seen.copied > PROGRAMS && (n == 0 || turns_seen.by_columns > 0));
        device_close(device);
    }
}

/* Results of one by one and recorded, with the same number of threads. */
static void check_gemm(const char *gemm) {
    for (int n = 0; n < NUMBERS; n++) {
        open_device(gemm, numbers[n]);
        for (int p = 0; p < PROGRAMS / 2; p++) {
            float *expected = malloc(programs[p].elements * sizeof *expected);
            turns = TEAM;
            run_program(&programs[p], false, expected);
            check_recorded(&programs[p], expected);
            free(expected);
        }
        device_close(device);
    }
}

#ifdef TEST_HAS_OPENBLAS
static void test_openblas(void **state) {
    (void)state;
    check_gemm("openblas");
}
#endif

/* A step whose gemms are computed in different ways. */
static void test_mixed(void **state) {
    (void)state;
    check_gemm("auto");
}

static int draw_programs(void **state) {
    (void)state;
    for (int p = 0; p < PROGRAMS; p++)
        programs[p] = draw_program();
    return 0;
}

static int free_programs(void **state) {
    (void)state;
    for (int p = 0; p < PROGRAMS; p++) {
        free(programs[p].memory);
        free(programs[p].expected);
    }
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_own),
#ifdef TEST_HAS_OPENBLAS
        cmocka_unit_test(test_openblas),
#endif
        cmocka_unit_test(test_mixed),
    };
    const char *wanted_seed = getenv("TRAINER_TEST_SEED");
    if (wanted_seed)
        seed = strtoull(wanted_seed, NULL, 10);
    print_message("seed %llu\n", (unsigned long long)seed);
    return cmocka_run_group_tests_name("plans", tests, draw_programs, free_programs);
}
