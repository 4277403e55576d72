/* Whether training steps are fused: by the time that each way takes, on a device of the tests' own.
 * Its clock is the test's: no time passes but that of its kernels. Of the arithmetic there is only
 * that each step adds to the first parameter. */
#include "device/choices.h"
#include "device/gpu/gpu.h"
#include "device/gpu/step_choice.h"
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

/* --- A device, whose memory is the host's, and whose commands are done at once --- */

static double fused_seconds, separate_seconds; /* of a step */
static float fused_adds;                       /* to the first parameter; others add 0.5 */
static unsigned fused_steps, separate_steps;   /* that were done */
static bool refuse_step_kernels;               /* they can't be compiled */
static bool several_ways;                      /* of steps that are fused */

struct memory {
    struct buffer base;
    float *floats;
};

struct gpu_function {
    char name[32];
};

static enum status compile(struct gpu *gpu, const char *file, const char *text, const char *options,
    struct gpu_program **program, void **code, size_t *length, struct error *problem) {
    (void)gpu, (void)text, (void)options, (void)length;
    *code = NULL;
    *program = NULL;
    if (refuse_step_kernels && strcmp(file, "step.cl") == 0)
        return error_set(problem, STATUS_DEVICE, "step.cl can't be compiled");
    *program = malloc(1);
    return STATUS_OK;
}

static void free_program(struct gpu_program *program) {
    free(program);
}

static enum status create_function(struct gpu_program *program, const char *name,
    struct gpu_function **function, struct error *problem) {
    (void)program, (void)problem;
    *function = calloc(1, sizeof **function);
    snprintf((*function)->name, sizeof(*function)->name, "%s", name);
    return STATUS_OK;
}

static void free_function(struct gpu_function *function) {
    free(function);
}

static enum status enqueue(
    struct gpu *gpu, const struct gpu_command *command, struct error *problem) {
    (void)gpu, (void)problem;
    if (strcmp(command->name, "step_weights") == 0) {
        struct buffer *parameters = command->arguments[6].value.buffer;
        const uint32_t batch = command->arguments[command->arguments_count - 2].value.number;
        if (batch == 0)
            return STATUS_OK;
        ((struct memory *)parameters)->floats[0] += fused_adds;
        now += fused_seconds;
        fused_steps++;
    } else if (strcmp(command->name, "softmax_cross_entropy") == 0) {
        now += separate_seconds;
        separate_steps++;
    } else if (strcmp(command->name, "dense_update") == 0) {
        struct memory *parameters = (struct memory *)command->arguments[4].value.buffer;
        if (command->arguments[5].value.offset == 0) /* of the first layer */
            parameters->floats[0] += 0.5f;
    }
    return STATUS_OK;
}

static enum status gemm_workspace(
    struct gpu *gpu, const struct gpu_gemm *gemm, size_t *elements, struct error *problem) {
    (void)gpu, (void)gemm, (void)problem;
    *elements = 0;
    return STATUS_OK;
}

static enum status synchronise(struct gpu *gpu, struct error *problem) {
    (void)gpu, (void)problem;
    return STATUS_OK;
}

static enum status allocate(
    struct device *device, size_t elements, struct buffer **buffer, struct error *problem) {
    (void)device, (void)problem;
    struct memory *memory = calloc(1, sizeof *memory);
    memory->floats = calloc(elements, sizeof *memory->floats);
    *buffer = &memory->base;
    return STATUS_OK;
}

static void free_buffer(struct buffer *buffer) {
    free(((struct memory *)buffer)->floats);
    free(buffer);
}

static enum status upload(
    struct gpu *gpu, struct view destination, const void *host, struct error *problem) {
    (void)gpu, (void)problem;
    memcpy(((struct memory *)destination.buffer)->floats + destination.offset, host,
        destination.rows * destination.columns * sizeof(float));
    return STATUS_OK;
}

static enum status download(
    struct device *device, struct view source, void *host, struct error *problem) {
    (void)device, (void)problem;
    memcpy(host, ((struct memory *)source.buffer)->floats + source.offset,
        source.rows * source.columns * sizeof(float));
    return STATUS_OK;
}

static const struct device_type type = {.kind = "opencl",
    .allocate = allocate,
    .free_buffer = free_buffer,
    .download = download,
    .longest = 4096,
    GPU_OPERATIONS};

static const struct gpu_driver driver = {.library = "blas",
    .library_share = 0.0, /* it never is */
    .fused_reduction = true,
    .language = "",
    .compile = compile,
    .free_program = free_program,
    .create_function = create_function,
    .free_function = free_function,
    .upload = upload,
    .gemm_workspace = gemm_workspace,
    .enqueue = enqueue,
    .synchronise = synchronise};

static struct gpu gpu; /* the one that is open */

static void open_device(const char *identity, const char *gemm, const char *step) {
    const struct device_options options = {.gemm = gemm, .step = step};
    gpu = (struct gpu){.driver = &driver,
        .largest_group = 1024,
        .group_bytes = 1 << 16,
        .vector_width = 1,
        .ways = {[STEP_FUSED] = true, [STEP_OVERLAPPED] = several_ways},
        .memory_bytes = 1 << 30,
        .buffer_bytes = 1 << 30};
    gpu.base.info =
        (struct device_info){.kind = "opencl", .type = "gpu", .precision = "fp32", .units = 4};
    snprintf(gpu.base.info.name, sizeof gpu.base.info.name, "Fake");
    snprintf(gpu.compiled_for, sizeof gpu.compiled_for, "%s", identity);
    assert_ok(gpu_open(&gpu, &type, &options, &error));
}

static void close_device(void) {
    choices_free(&gpu.base);
    gpu_close(&gpu);
}

/* --- Steps of a net 6-3-2 --- */

enum { BATCH = 4, IN = 6, HIDDEN = 3, OUT = 2, STEPS = 5 };
enum { PARAMETERS, VALUES, GRADIENTS, X, LABELS, SCORE, SCALE, BUFFERS };
static struct buffer *buffers[BUFFERS];
static size_t rows = BATCH;  /* of each batch that is enqueued */
static size_t steps = STEPS; /* that are enqueued */

static enum status enqueue_steps(void *context, struct error *problem) {
    (void)context;
    struct device *device = &gpu.base;
    const struct view w1 = {buffers[PARAMETERS], 0, IN, HIDDEN};
    const struct view b1 = {buffers[PARAMETERS], IN * HIDDEN, 1, HIDDEN};
    const struct view w2 = {buffers[PARAMETERS], 21, HIDDEN, OUT};
    const struct view b2 = {buffers[PARAMETERS], 27, 1, OUT};
    const struct view y1 = {buffers[VALUES], 0, rows, HIDDEN};
    const struct view y2 = {buffers[VALUES], BATCH * HIDDEN, rows, OUT};
    const struct view d1 = {buffers[GRADIENTS], 0, rows, HIDDEN};
    const struct view scale = {buffers[SCALE], 0, 1, 1};
    enum status status = STATUS_OK;
    for (size_t s = 0; s < steps && status == STATUS_OK; s++) {
        const struct view x = {buffers[X], s * BATCH * IN, rows, IN};
        const struct view labels = {buffers[LABELS], s * BATCH, rows, 1};
        const struct view score = {buffers[SCORE], s * BATCH * 2, rows, 2};
        const enum status all[] = {
            device_dense_forward(device, x, w1, b1, ACTIVATION_SIGMOID, y1, problem),
            device_dense_forward(device, y1, w2, b2, ACTIVATION_NONE, y2, problem),
            device_softmax_cross_entropy(device, y2, labels, 0.5f, 0.0f, score, problem),
            device_dense_backward(device, y2, w2, y1, ACTIVATION_SIGMOID, d1, problem),
            device_dense_update(device, x, d1, scale, w1, b1, problem),
            device_dense_update(device, y1, y2, scale, w2, b2, problem)};
        for (size_t o = 0; o < sizeof all / sizeof *all; o++)
            status = all[o] != STATUS_OK ? all[o] : status;
    }
    return status;
}

/* Records the steps; gives what came of it. The steps of the trials are counted. */
static enum status record(void) {
    static const size_t elements[BUFFERS] = {29, BATCH * (HIDDEN + OUT), BATCH * HIDDEN,
        STEPS * BATCH * IN, STEPS * BATCH, STEPS * BATCH * 2, 1};
    struct recording *recording = NULL;
    for (int b = 0; b < BUFFERS; b++)
        assert_ok(device_allocate(&gpu.base, elements[b], &buffers[b], &error));
    fused_steps = separate_steps = 0;
    const enum status status = device_record(&gpu.base, enqueue_steps, NULL, &recording, &error);
    const float *parameters = ((struct memory *)buffers[PARAMETERS])->floats;
    assert_true(parameters[0] == 0.0f); /* the trials were on other memory */
    const unsigned tried = fused_steps, others = separate_steps;
    if (status == STATUS_OK) {
        assert_ok(device_run(&gpu.base, recording, enqueue_steps, NULL, &error));
        const bool fused = strcmp(gpu.base.info.step, "fused") == 0;
        assert_int_equal(fused_steps - tried, fused ? steps : 0);
        assert_int_equal(separate_steps - others, fused ? 0 : steps);
        assert_true(parameters[0] == (float)steps * (fused ? fused_adds : 0.5f));
    }
    fused_steps = tried;
    separate_steps = others;
    recording_free(&gpu.base, recording);
    for (int b = 0; b < BUFFERS; b++)
        buffer_free(buffers[b]);
    return status;
}

static int set_up(void **state) {
    fused_seconds = separate_seconds = 1e-3;
    fused_adds = 0.5f;
    rows = BATCH;
    steps = STEPS;
    refuse_step_kernels = false;
    return support_make_folder(state) == 0 ? setenv("XDG_CACHE_HOME", support_folder, 1) : -1;
}

static void expect_choice(const char *way) {
    char line[64], *choices = device_choices(&gpu.base);
    snprintf(line, sizeof line, "step 4 6-3-2 sigmoid %s\n", way);
    assert_non_null(strstr(choices, line));
    free(choices);
    assert_string_equal(gpu.base.info.step, way);
}

/* The faster way is taken, and taken again without being timed: in this run and in later ones. */
static void test_fastest(void **state) {
    (void)state;
    static const double times[][2] = {{1e-3, 2e-3}, {2e-3, 1e-3}};
    static const char *const ways[] = {"fused", "separate"};
    for (size_t t = 0; t < 2; t++) {
        fused_seconds = times[t][0];
        separate_seconds = times[t][1];
        for (int run = 0; run < 2; run++) {
            open_device(ways[t], "auto", "auto");
            assert_string_equal(gpu.base.info.step, "separate"); /* nothing is recorded yet */
            assert_ok(record());
            expect_choice(ways[t]);
            if (run == 0)
                assert_true(fused_steps > 3 * STEPS && separate_steps > 3 * STEPS);
            else /* what is used is checked once more: a step each way */
                assert_true(fused_steps <= 1 && separate_steps <= 1);
            assert_ok(record());
            assert_int_equal(fused_steps + separate_steps, 0);
            close_device();
            fused_seconds = separate_seconds = 1e-3;
        }
    }
}

/* What is chosen among fused ways alone, where the user asks for one of them, is kept for the next
 * who asks for that. It is no choice for who asks for the fastest of all. */
static void test_asked_kept_apart(void **state) {
    (void)state;
    fused_seconds = 2e-3;
    several_ways = true;
    for (int run = 0; run < 2; run++) {
        open_device("apart", "auto", "fused");
        assert_ok(record());
        assert_string_equal(gpu.base.info.step, "fused");
        assert_true(run == 0 ? fused_steps > 3 * STEPS : fused_steps <= 1);
        close_device();
    }
    open_device("apart", "auto", "auto");
    assert_ok(record());
    expect_choice("separate");
    close_device();
    several_ways = false;
}

/* Whether steps are fused makes a difference to the bits, so it is the same where they are recorded
 * one by one, as for streamed batches, and where there are other fused ways to choose from, as with
 * another --submission: whichever run comes first. */
static void test_same_for_all_recordings(void **state) {
    (void)state;
    static const double times[][2] = {{1e-3, 2e-3}, {2e-3, 1e-3}};
    static const char *const ways[] = {"fused", "separate"};
    for (size_t first = 0; first < 3; first++)
        for (size_t t = 0; t < 2; t++) {
            char identity[32];
            snprintf(identity, sizeof identity, "all %zu %zu", first, t);
            for (size_t run = 0; run < 3; run++) {
                /* The first has these times, and the others the opposite. */
                fused_seconds = times[run == 0 ? t : 1 - t][0];
                separate_seconds = times[run == 0 ? t : 1 - t][1];
                steps = (first + run) % 3 == 1 ? 1 : STEPS;
                several_ways = (first + run) % 3 == 2;
                open_device(identity, "auto", "auto");
                assert_ok(record());
                expect_choice(ways[t]);
                close_device();
            }
        }
    several_ways = false;
}

/* A short last batch goes the way of those before it, and is not timed. */
static void test_short_batch(void **state) {
    (void)state;
    static const char *const ways[] = {"fused", "separate"};
    for (size_t w = 0; w < 2; w++) {
        fused_seconds = w == 0 ? 1e-3 : 2e-3;
        separate_seconds = w == 0 ? 2e-3 : 1e-3;
        open_device(w == 0 ? "short" : "shorter", "auto", "auto");
        rows = BATCH;
        assert_ok(record());
        expect_choice(ways[w]);
        fused_seconds = separate_seconds = 1e-3;
        rows = BATCH - 1;
        assert_ok(record());
        assert_string_equal(gpu.base.info.step, ways[w]);
        assert_true(fused_steps <= 1 && separate_steps <= 1);
        close_device();
    }
}

/* The choice of the run that this one continues comes before what this device would take. */
static void test_continued(void **state) {
    (void)state;
    fused_seconds = 2e-3;
    open_device("continued", "auto", "auto");
    assert_ok(choices_take_over(&gpu.base, "opencl\nFake\n\nstep 4 6-3-2 sigmoid fused\n", &error));
    assert_ok(record());
    expect_choice("fused");
    close_device();
}

/* Who names what multiplies matrices gets that, unless fused steps are asked for, too. */
static void test_asked(void **state) {
    (void)state;
    static const struct {
        const char *gemm, *step, *way;
    } cases[] = {{"own", NULL, "fused"}, {"own-small", "auto", "separate"},
        {"own-small", "fused", "fused"}, {"auto", "separate", "separate"}, {NULL, NULL, "fused"}};
    fused_seconds = 0.5e-3;
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        open_device("asked", cases[c].gemm, cases[c].step);
        assert_ok(record());
        assert_string_equal(gpu.base.info.step, cases[c].way);
        close_device();
    }
}

/* Kernels that give another result are never used; nor those that give NaN. */
static void test_wrong(void **state) {
    (void)state;
    static const float wrong[] = {0.0f, 0.51f, -0.5f, (float)(0.0 / 0.0)};
    fused_seconds = 0.5e-3;
    for (size_t w = 0; w < sizeof wrong / sizeof *wrong; w++) {
        fused_adds = wrong[w];
        open_device("wrong", "auto", w % 2 ? "auto" : "fused");
        assert_fails(record(), STATUS_DEVICE,
            "fails its self-check: a fused step of [4, 6]: parameter 0 is ");
        assert_non_null(strstr(error.message, "--step separate"));
        close_device();
    }
}

/* Where the kernels can't be compiled, it is done without them, and told; unless they are asked
 * for. */
static void test_not_compiled(void **state) {
    (void)state;
    refuse_step_kernels = true;
    open_device("refused", "auto", "auto");
    assert_ok(record());
    assert_string_equal(gpu.base.info.step, "separate");
    assert_string_equal(gpu.base.info.warning, "steps are not fused: step.cl can't be compiled");
    close_device();
    open_device("refused", "auto", "fused");
    assert_fails(record(), STATUS_DEVICE, "step.cl can't be compiled");
    close_device();
    open_device("refused", "auto", "separate");
    assert_ok(record());
    assert_string_equal(gpu.base.info.warning, "");
    close_device();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, support_remove_folder)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_fastest),
        TEST(test_asked_kept_apart),
        TEST(test_same_for_all_recordings),
        TEST(test_short_batch),
        TEST(test_continued),
        TEST(test_asked),
        TEST(test_wrong),
        TEST(test_not_compiled),
    };
    return cmocka_run_group_tests_name("step_choice", tests, NULL, NULL);
}
