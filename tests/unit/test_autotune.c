/* Autotuning: which way a gemm is computed, by the time that each takes, on a device of the tests'
 * own whose kernels take as long as a test says. The clock is the test's, too: no time passes but
 * theirs. */
#include "device/choices.h"
#include "device/gpu/gemm.h"
#include "device/gpu/gpu.h"
#include "support.h"
#include "system/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct error error;

/* --- The clock, in the place of system/clock.c --- */

static double now;

double clock_seconds(void) {
    return now;
}

/* --- What a gemm takes, by each algorithm --- */

enum algorithm { SMALL, MEDIUM, LIBRARY, ALGORITHMS };
static const char *const names[ALGORITHMS] = {"own-small", "own-medium", "blas"};

static double seconds[ALGORITHMS]; /* of a gemm */
static double latency[ALGORITHMS]; /* seconds until a wait ends, besides its gemms */
static bool hiccups[ALGORITHMS];   /* every second wait for it takes five times as long */
static unsigned able[ALGORITHMS];  /* gemms that it does before it fails */

static unsigned gemms[ALGORITHMS]; /* that were enqueued since `multiply` began */
static size_t fewest_rows;         /* of such a gemm by the library */
static size_t farthest;            /* of such a gemm's inputs in their buffer */
static unsigned without_scale;     /* such gemms that have none */

static void set_seconds(double small, double medium, double library) {
    memcpy(seconds, (double[ALGORITHMS]){small, medium, library}, sizeof seconds);
}

static unsigned enqueued(void) {
    return gemms[SMALL] + gemms[MEDIUM] + gemms[LIBRARY];
}

/* --- A device --- */

struct gpu_program {
    int algorithm; /* of gemm.cl; ALGORITHMS: of another file */
};

struct gpu_function {
    const struct gpu_program *program;
};

struct gpu_graph {
    double work;
    int algorithm;
};

struct fake {
    struct gpu gpu;
    double pending; /* seconds of work since somebody waited */
    int last;       /* the algorithm of that work */
    unsigned waits;
};

static enum status compile(struct gpu *gpu, const char *file, const char *text, const char *options,
    struct gpu_program **program, void **code, size_t *length, struct error *problem) {
    (void)gpu, (void)text, (void)length, (void)problem;
    *code = NULL;
    *program = calloc(1, sizeof **program);
    (*program)->algorithm = strcmp(file, "gemm.cl") != 0              ? ALGORITHMS
                            : strstr(options, "-DGROUP_M=16") != NULL ? MEDIUM
                                                                      : SMALL;
    return STATUS_OK;
}

static void free_program(struct gpu_program *program) {
    free(program);
}

static enum status create_function(struct gpu_program *program, const char *name,
    struct gpu_function **function, struct error *problem) {
    (void)name, (void)problem;
    *function = calloc(1, sizeof **function);
    (*function)->program = program;
    return STATUS_OK;
}

static void free_function(struct gpu_function *function) {
    free(function);
}

static enum status gemm_workspace(
    struct gpu *gpu, const struct gpu_gemm *gemm, size_t *elements, struct error *problem) {
    (void)gpu, (void)gemm, (void)problem;
    *elements = 0;
    return STATUS_OK;
}

static int algorithm_of(const struct gpu_command *command) {
    if (!command->function && command->gemm.a.offset > farthest)
        farthest = command->gemm.a.offset;
    return command->function ? command->function->program->algorithm : LIBRARY;
}

static enum status enqueue(
    struct gpu *gpu, const struct gpu_command *command, struct error *problem) {
    struct fake *fake = (struct fake *)gpu;
    const int algorithm = algorithm_of(command);
    if (algorithm == ALGORITHMS)
        return STATUS_OK;
    gemms[algorithm]++;
    without_scale += algorithm == LIBRARY && !command->gemm.scale.buffer;
    if (algorithm == LIBRARY && command->gemm.m < fewest_rows)
        fewest_rows = command->gemm.m;
    if (gemms[algorithm] > able[algorithm])
        return error_set(problem, STATUS_DEVICE, "%s has no room", names[algorithm]);
    fake->pending += seconds[algorithm];
    fake->last = algorithm;
    return STATUS_OK;
}

static enum status synchronise_gpu(struct gpu *gpu, struct error *problem) {
    (void)problem;
    struct fake *fake = (struct fake *)gpu;
    const bool hiccup = fake->pending > 0.0 && hiccups[fake->last] && fake->waits++ % 2 == 0;
    now += hiccup ? 5.0 * fake->pending : fake->pending;
    now += fake->pending > 0.0 ? latency[fake->last] : 0.0;
    fake->pending = 0.0;
    return STATUS_OK;
}

static enum status make_graph(struct gpu *gpu, const struct gpu_command *commands, size_t count,
    struct gpu_graph **graph, struct error *problem) {
    (void)gpu, (void)problem;
    *graph = calloc(1, sizeof **graph);
    for (size_t c = 0; c < count; c++)
        if (algorithm_of(&commands[c]) < ALGORITHMS) {
            (*graph)->algorithm = algorithm_of(&commands[c]);
            (*graph)->work += seconds[(*graph)->algorithm];
        }
    return STATUS_OK;
}

static enum status run_graph(struct gpu *gpu, struct gpu_graph *graph, struct error *problem) {
    (void)problem;
    struct fake *fake = (struct fake *)gpu;
    fake->pending += graph->work;
    fake->last = graph->algorithm;
    return STATUS_OK;
}

static void free_graph(struct gpu *gpu, struct gpu_graph *graph) {
    (void)gpu;
    free(graph);
}

static int buffers_left; /* buffers that there are yet */

static enum status allocate(
    struct device *device, size_t elements, struct buffer **buffer, struct error *problem) {
    (void)device, (void)elements;
    if (buffers_left-- <= 0)
        return error_set(problem, STATUS_DEVICE, "no room");
    *buffer = calloc(1, sizeof **buffer);
    return STATUS_OK;
}

static void free_buffer(struct buffer *buffer) {
    free(buffer);
}

static enum status upload(
    struct gpu *gpu, struct view destination, const void *host, struct error *problem) {
    (void)gpu, (void)destination, (void)host, (void)problem;
    return STATUS_OK;
}

static const struct device_type type = {.kind = "opencl",
    .allocate = allocate,
    .free_buffer = free_buffer,
    .longest = 4096,
    GPU_OPERATIONS};

#define DRIVER                                                                                     \
    .library = "blas", .fused_reduction = true, .language = "", .compile = compile,                \
    .free_program = free_program, .create_function = create_function,                              \
    .free_function = free_function, .upload = upload, .gemm_workspace = gemm_workspace,            \
    .enqueue = enqueue, .synchronise = synchronise_gpu

static const struct gpu_driver launching = {DRIVER, .library_share = 0.8};
static const struct gpu_driver scaling = {DRIVER, .library_share = 1.0, .library_scales = true};
static const struct gpu_driver recording = {DRIVER, .library_share = 1.0, .make_graph = make_graph,
    .run_graph = run_graph, .free_graph = free_graph};

static struct fake fake; /* the one that is open */
static size_t largest_group;

static void open_fake(const struct gpu_driver *driver, const char *identity, const char *gemm) {
    fake = (struct fake){.gpu = {.driver = driver,
                             .largest_group = largest_group,
                             .group_bytes = 1 << 16,
                             .vector_width = 1,
                             .memory_bytes = 1 << 30,
                             .buffer_bytes = 1 << 30}};
    fake.gpu.base.info =
        (struct device_info){.kind = "opencl", .type = "gpu", .precision = "fp32", .units = 4};
    snprintf(fake.gpu.base.info.name, sizeof fake.gpu.base.info.name, "Fake");
    snprintf(fake.gpu.base.info.library, sizeof fake.gpu.base.info.library, "BLAS 1");
    snprintf(fake.gpu.compiled_for, sizeof fake.gpu.compiled_for, "%s", identity);
    assert_ok(gpu_open(&fake.gpu, &type, &(struct device_options){.gemm = gemm}, &error));
}

static void close_fake(void) {
    choices_free(&fake.gpu.base);
    gpu_close(&fake.gpu);
}

/* y[batch, 64] = x[batch, in] * weights[in, 64]: the algorithm that did it, with how many gemms
 * were enqueued for it. */
static enum status multiply(size_t batch, size_t in) {
    enum { OUT = 64 };
    struct device *device = &fake.gpu.base;
    struct buffer *buffers[4];
    const size_t elements[4] = {batch * in, in * OUT, OUT, batch * OUT};
    memset(gemms, 0, sizeof gemms);
    fewest_rows = SIZE_MAX;
    farthest = 0;
    for (int b = 0; b < 4; b++)
        assert_ok(device_allocate(device, elements[b], &buffers[b], &error));
    const enum status status = device_dense_forward(device, device_view(buffers[0], batch, in),
        device_view(buffers[1], in, OUT), device_view(buffers[2], 1, OUT), ACTIVATION_NONE,
        device_view(buffers[3], batch, OUT), &error);
    for (int b = 0; b < 4; b++)
        buffer_free(buffers[b]);
    return status;
}

/* A gemm of this shape is computed by `algorithm`; and whether the algorithms were timed for that.
 */
static void expect(size_t batch, size_t in, enum algorithm algorithm, bool timed) {
    char line[128];
    assert_ok(multiply(batch, in));
    char *choices = device_choices(&fake.gpu.base);
    snprintf(line, sizeof line, "dense_forward %zu %zu 64 %s\n", batch, in, names[algorithm]);
    if (!strstr(choices, line))
        fail_msg("'%s' is not among these choices: %s", line, choices);
    free(choices);
    if (timed)
        assert_true(enqueued() > 3);
    else
        assert_int_equal(enqueued(), 1);
    assert_true(gemms[algorithm] > 0);
}

static int set_up(void **state) {
    memset(able, 0xff, sizeof able);
    memset(hiccups, 0, sizeof hiccups);
    memset(latency, 0, sizeof latency);
    largest_group = 1024;
    buffers_left = 1000000;
    return support_make_folder(state) == 0 ? setenv("XDG_CACHE_HOME", support_folder, 1) : -1;
}

static const struct gpu_driver *const drivers[] = {&launching, &recording};

/* --- By time --- */

/* The inputs lie in twice as many bytes as the cache has; where there is no memory for that, in one
 * place. */
static void test_cold_inputs(void **state) {
    (void)state;
    for (size_t d = 0; d < 2; d++) {
        open_fake(drivers[d], d == 0 ? "one" : "other", "auto");
        set_seconds(3e-6, 2e-6, 1e-6);
        expect(100, 32, LIBRARY, true);
        assert_int_equal(farthest, 0); /* of which no cache is known */
        fake.gpu.algorithms.cold_bytes = 1 << 17;
        expect(101, 32, LIBRARY, true);
        assert_int_equal(farthest, ((1 << 17) / (4 * 101 * 32)) * 101 * 32);
        fake.gpu.algorithms.cold_bytes = 4 * 102 * 32 - 1;
        expect(102, 32, LIBRARY, true);
        assert_int_equal(farthest, 0);
        fake.gpu.algorithms.cold_bytes = 1 << 17;
        buffers_left = 5; /* of the gemm, and for its results */
        expect(103, 32, LIBRARY, true);
        assert_int_equal(farthest, 0);
        buffers_left = 1000000;
        close_fake();
    }
}

static void test_fastest(void **state) {
    (void)state;
    static const double times[][ALGORITHMS] = {
        {1e-3, 2e-3, 3e-3}, {2e-3, 1e-3, 3e-3}, {3e-3, 2e-3, 1e-3}, {1e-6, 2e-6, 3e-6}};
    static const enum algorithm fastest[] = {SMALL, MEDIUM, LIBRARY, SMALL};
    for (size_t d = 0; d < 2; d++) {
        open_fake(drivers[d], d == 0 ? "one" : "other", "auto");
        for (size_t t = 0; t < 4; t++) {
            set_seconds(times[t][SMALL], times[t][MEDIUM], times[t][LIBRARY]);
            expect(100 + t, 32, fastest[t], true);
            expect(100 + t, 32, fastest[t], false); /* and remembered */
        }
        assert_string_equal(fake.gpu.base.info.gemm, "own-small 2, own-medium 1, blas 1");
        close_fake();
    }
}

/* What a turn takes besides its gemms, they share; a gemm that is timed alone bears all of it. */
static void test_repeats(void **state) {
    (void)state;
    latency[SMALL] = 1.5e-4;
    for (size_t d = 0; d < 2; d++) {
        open_fake(drivers[d], d == 0 ? "one" : "other", "auto");
        set_seconds(1e-4, 2e-4, 1e-2);
        expect(100, 32, SMALL, true);
        set_seconds(1.8e-4, 2e-4, 1e-2); /* which is 2.2e-4 where four make up a turn */
        expect(200, 32, MEDIUM, true);
        close_fake();
    }
}

/* A library has to be faster by what its driver says. */
static void test_library_share(void **state) {
    (void)state;
    open_fake(&launching, "one", "auto");
    set_seconds(1e-3, 2e-3, 0.85e-3);
    expect(100, 32, SMALL, true);
    set_seconds(1e-3, 2e-3, 0.75e-3);
    expect(200, 32, LIBRARY, true);
    close_fake();
    open_fake(&recording, "other", "auto");
    set_seconds(1e-3, 2e-3, 0.95e-3);
    expect(100, 32, LIBRARY, true);
    set_seconds(1e-3, 2e-3, 1.05e-3);
    expect(200, 32, SMALL, true);
    close_fake();
}

/* What else the machine does makes a turn longer, and never shorter: the best one counts. */
static void test_disturbed(void **state) {
    (void)state;
    hiccups[SMALL] = true;
    for (size_t d = 0; d < 2; d++) {
        open_fake(drivers[d], d == 0 ? "one" : "other", "auto");
        set_seconds(1e-3, 1.2e-3, 2e-3);
        expect(100, 32, SMALL, true);
        close_fake();
    }
}

/* One that can't, from its first gemm on or later, is out of it. */
static void test_failing(void **state) {
    (void)state;
    set_seconds(1e-3, 2e-3, 1e-4);
    open_fake(&launching, "one", "auto");
    able[LIBRARY] = 0;
    expect(100, 32, SMALL, true);
    able[LIBRARY] = 4;
    expect(101, 32, SMALL, true);
    able[SMALL] = 0;
    expect(200, 32, MEDIUM, true);
    able[MEDIUM] = able[LIBRARY] = 0;
    assert_fails(multiply(300, 32), STATUS_DEVICE, "blas has no room");
    close_fake();
}

/* How an update is done is timed as one of gradient descent, whoever asks first: a library's gemm
 * can only take that step itself. */
static void test_any_optimizer(void **state) {
    (void)state;
    enum { BATCH = 100, IN = 32, OUT = 64, BUFFERS = 9 };
    static const size_t sides[BUFFERS][2] = {{BATCH, IN}, {BATCH, OUT}, {1, OPTIMIZER_RATES_MAX},
        {IN, OUT}, {1, OUT}, {IN, OUT}, {1, OUT}, {IN, OUT}, {1, OUT}};
    static const char *const devices[OPTIMIZERS] = {"one", "two", "three"};
    set_seconds(1e-4, 2e-4, 1e-3);
    for (int optimizer = 0; optimizer < OPTIMIZERS; optimizer++) {
        struct view v[BUFFERS];
        open_fake(&scaling, devices[optimizer], "auto");
        for (int b = 0; b < BUFFERS; b++) {
            struct buffer *buffer;
            assert_ok(device_allocate(&fake.gpu.base, sides[b][0] * sides[b][1], &buffer, &error));
            v[b] = device_view(buffer, sides[b][0], sides[b][1]);
        }
        v[2].columns = optimizer_rates[optimizer];
        const struct dense_parameters states[] = {{v[5], v[6]}, {v[7], v[8]}};
        memset(gemms, 0, sizeof gemms);
        without_scale = 0;
        assert_ok(device_dense_update_by(&fake.gpu.base, (enum optimizer)optimizer, v[0], v[1],
            v[2], (struct dense_parameters){v[3], v[4]}, states, &error));
        assert_true(gemms[LIBRARY] > 1);
        assert_int_equal(without_scale, 0);
        for (int b = 0; b < BUFFERS; b++)
            buffer_free(v[b].buffer);
        close_fake();
    }
}

/* A gemm that would take long is timed with fewer samples, but not with so few that it tells
 * nothing; and then all of it is done. */
static void test_large(void **state) {
    (void)state;
    static const size_t cases[][2] = {{100, 100}, {200, 200}, {201, 200}, {1000, 200}};
    set_seconds(3e-3, 2e-3, 1e-3);
    for (size_t d = 0; d < 2; d++)
        for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
            open_fake(drivers[d], d == 0 ? "one" : "other", "auto");
            fake.gpu.algorithms.multiplications = 200.0 * 32 * 64;
            expect(cases[c][0], 32, LIBRARY, true);
            assert_int_equal(fewest_rows, cases[c][1]);
            expect(cases[c][0], 32, LIBRARY, false);
            assert_int_equal(fewest_rows, cases[c][0]);
            close_fake();
        }
    open_fake(&launching, "one", "auto");
    fake.gpu.algorithms.multiplications = 200.0;
    expect(1001, 32, LIBRARY, true);
    assert_int_equal(fewest_rows, 32);
    expect(31, 32, LIBRARY, true);
    assert_int_equal(fewest_rows, 31);
    close_fake();
}

/* A batch may be too large to be timed at all. */
static void test_largest_batch(void **state) {
    (void)state;
    set_seconds(3e-3, 2e-3, 1e-3);
    open_fake(&launching, "one", "auto");
    fake.gpu.algorithms.largest_batch = 100;
    expect(101, 32, SMALL, false);
    expect(100, 32, LIBRARY, true);
    expect(101, 32, SMALL, false);
    assert_string_equal(fake.gpu.base.info.gemm, "own-small 1, blas 1");
    close_fake();
}

/* When the time for all shapes is over, each algorithm takes one turn only, after the two gemms
 * that tell how long it is, and large gemms have fewer samples yet. */
static void test_enough_in_all(void **state) {
    (void)state;
    set_seconds(1e-3, 1.1e-3, 1.2e-3);
    open_fake(&launching, "one", "auto");
    fake.gpu.algorithms.enough_in_all = 0.03;
    fake.gpu.algorithms.multiplications = 1600.0 * 32 * 64;
    expect(101, 33, SMALL, true);
    assert_int_equal(fewest_rows, 101);
    assert_true(enqueued() > 3 * 2 + 3);
    set_seconds(1.2e-3, 1e-3, 1.1e-3);
    expect(101, 32, MEDIUM, true);
    assert_int_equal(enqueued(), 3 * (2 + 1) + 1);
    assert_int_equal(fewest_rows, 100);
    close_fake();
}

/* --- By the cache --- */

/* A choice is for its shape, device, library, algorithms and environment, and for nothing else. */
static void test_key(void **state) {
    (void)state;
    unsetenv("POCL_AFFINITY");
    set_seconds(1e-3, 2e-3, 3e-3);
    open_fake(&launching, "one", "auto");
    expect(100, 32, SMALL, true);
    close_fake();
    set_seconds(3e-3, 2e-3, 1e-3); /* is it timed, the library wins from here on */
    open_fake(&launching, "one", "auto");
    expect(100, 32, SMALL, false);
    expect(101, 32, LIBRARY, true);
    expect(100, 33, LIBRARY, true);
    close_fake();
    open_fake(&launching, "another", "auto");
    expect(100, 32, LIBRARY, true);
    close_fake();
    open_fake(&launching, "one", "auto");
    snprintf(fake.gpu.base.info.library, sizeof fake.gpu.base.info.library, "BLAS 2");
    expect(100, 32, LIBRARY, true);
    close_fake();
    open_fake(&launching, "one", "own"); /* which has no library */
    expect(100, 32, MEDIUM, true);
    close_fake();
    largest_group = 64; /* that of a medium tile is larger */
    open_fake(&launching, "one", "auto");
    expect(100, 32, LIBRARY, true);
    close_fake();
    largest_group = 1024;
    setenv("POCL_AFFINITY", "1", 1);
    open_fake(&launching, "one", "auto");
    expect(100, 32, LIBRARY, true);
    close_fake();
    unsetenv("POCL_AFFINITY");
    open_fake(&launching, "one", "auto");
    expect(100, 32, SMALL, false);
    close_fake();
}

/* What could not be timed, for want of memory to write to, is nobody else's choice. */
static void test_no_room(void **state) {
    (void)state;
    set_seconds(3e-3, 2e-3, 1e-3);
    open_fake(&launching, "one", "auto");
    buffers_left = 4; /* the operands */
    expect(100, 32, SMALL, false);
    close_fake();
    buffers_left = 1000000;
    open_fake(&launching, "one", "auto");
    expect(100, 32, LIBRARY, true);
    close_fake();
}

/* --- By an earlier run --- */

/* Its choices stay, though the cache and the times say otherwise. */
static void test_earlier(void **state) {
    (void)state;
    set_seconds(1e-3, 2e-3, 3e-3);
    open_fake(&launching, "one", "auto");
    char *none = device_choices(&fake.gpu.base);
    assert_string_equal(none, "");
    free(none);
    expect(100, 32, SMALL, true);
    expect(10, 32, SMALL, true);
    char *choices = device_choices(&fake.gpu.base);
    assert_string_equal(choices, "opencl\nFake\nBLAS 1\ndense_forward 100 32 64 own-small\n"
                                 "dense_forward 10 32 64 own-small\n");
    close_fake();
    set_seconds(3e-3, 2e-3, 1e-3);
    open_fake(&launching, "another", "auto");
    assert_ok(choices_take_over(&fake.gpu.base, choices, &error));
    expect(10, 32, SMALL, false);
    expect(100, 32, SMALL, false);
    expect(1, 32, LIBRARY, true); /* of which it said nothing */
    assert_string_equal(fake.gpu.base.info.gemm, "own-small 2, blas 1");
    assert_string_equal(fake.gpu.base.info.warning, "");
    close_fake();
    free(choices);
}

static void test_earlier_elsewhere(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"cuda\nFake\nBLAS 1\ndense_forward 100 32 64 own-small\n", "on another device"},
        {"opencl\nFake 2\nBLAS 1\ndense_forward 100 32 64 own-small\n", "on another device"},
        {"opencl\nFake\nBLAS 10\ndense_forward 100 32 64 own-small\n", "another library"},
        {"nonsense", "on another device"},
        {"opencl\nFake\nBLAS 1\ndense_forward 100 32 64 own-huge\n",
            "by 'own-huge', which is not there any more"},
        {"opencl\nFake\nBLAS 1\ndense_forward 100 32 64 own-small-2\n", "by 'own-small-2'"},
        {"opencl\nFake\nBLAS 1\ndense_forward 100 32 64 \n", "by ''"},
        {"opencl\nFake\nBLAS 1\ndense_forward 100 32 64 \033[2J\xff\n", "by '?[2J?'"},
        {"opencl\nFake\nBLAS 1\ndense_forward 100 32 640 own-small\ndense_forward 100 32 64", ""},
        {"opencl\nFake\nBLAS 1\n", ""}, {"", ""}, {NULL, ""}};
    set_seconds(3e-3, 2e-3, 1e-3);
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        char identity[8];
        snprintf(identity, sizeof identity, "%zu", c);
        open_fake(&launching, identity, "auto");
        snprintf(fake.gpu.base.info.warning, sizeof fake.gpu.base.info.warning, "It is fake");
        assert_ok(choices_take_over(&fake.gpu.base, cases[c][0], &error));
        expect(100, 32, LIBRARY, true);
        const char *warning = fake.gpu.base.info.warning;
        assert_int_equal(strncmp(warning, "It is fake", 10), 0);
        if (!*cases[c][1])
            assert_string_equal(warning, "It is fake");
        else if (!strstr(warning, cases[c][1]) || !strstr(warning, "the last bits may differ"))
            fail_msg("the warning of case %zu is '%s'", c, warning);
        close_fake();
    }
}

/* One that many shapes had is missed once. */
static void test_earlier_missed(void **state) {
    (void)state;
    set_seconds(1e-3, 2e-3, 3e-3);
    open_fake(&launching, "one", "auto");
    assert_ok(choices_take_over(&fake.gpu.base,
        "opencl\nFake\nBLAS 1\ndense_forward 100 32 64 gone\ndense_forward 10 32 64 gone\n",
        &error));
    expect(100, 32, SMALL, true);
    const size_t length = strlen(fake.gpu.base.info.warning);
    assert_true(length > 0);
    expect(10, 32, SMALL, true);
    assert_int_equal(strlen(fake.gpu.base.info.warning), length);
    close_fake();
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, support_remove_folder)

int main(void) {
    const struct CMUnitTest tests[] = {TEST(test_cold_inputs), TEST(test_fastest),
        TEST(test_repeats), TEST(test_library_share), TEST(test_disturbed), TEST(test_failing),
        TEST(test_any_optimizer), TEST(test_large), TEST(test_largest_batch),
        TEST(test_enough_in_all), TEST(test_key), TEST(test_no_room), TEST(test_earlier),
        TEST(test_earlier_elsewhere), TEST(test_earlier_missed)};
    return cmocka_run_group_tests_name("autotune", tests, NULL, NULL);
}
