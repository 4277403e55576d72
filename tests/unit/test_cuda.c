/* The cuda device on an emulated GPU: what an epoch submits, what it falls back to, and that it
 * ends well whichever call fails.
 *
 *   test_cuda */
#include "device/device_type.h"
#include "emulated_cuda.h"
#include "support.h"
#include "trainer/training.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct error error;
static struct dataset *dataset; /* 20 synthetic samples */

enum { SAMPLES = 20, EPOCHS = 2 };

static const struct network_shape small = {3, {CIFAR10_PLANE, 5, 3, 10}, ACTIVATION_SIGMOID};
static const struct network_shape usual = {3, {CIFAR10_PLANE, 64, 32, 10}, ACTIVATION_SIGMOID};
static const struct training_plan basic = {
    .epochs = EPOCHS, .batch_size = 10, .learning_rate = 0.01, .seed = 4};

static const struct device_options own = {.gemm = "own-small"}, library = {.gemm = "cublas"};

/* What a run has come to. */
struct outcome {
    enum status status;
    const char *submission;
    char warning[sizeof((struct device_info){0}.warning)];
    double losses[EPOCHS];
};

/* Everything that the program does with a device, from its opening to its closing. */
static struct outcome train(const struct network_shape *shape, const struct training_plan *plan,
    const struct device_options *options) {
    struct outcome outcome = {0};
    struct device *device = NULL;
    struct network *network = NULL;
    struct training_result result = {0};
    float *parameters = malloc(network_parameters_length(shape) * sizeof *parameters);
    network_first_parameters(shape, 9, parameters);
    outcome.status = device_open("cuda", options, &device, &error);
    if (outcome.status == STATUS_OK)
        outcome.status = training_check(device, shape, dataset, plan, &error);
    if (outcome.status == STATUS_OK)
        outcome.status = network_create(device, shape, plan->batch_size, &network, &error);
    if (outcome.status == STATUS_OK)
        outcome.status = network_upload(network, parameters, &error);
    if (outcome.status == STATUS_OK)
        outcome.status = training_run(network, dataset, plan, NULL, NULL, &result, &error);
    if (outcome.status == STATUS_OK)
        outcome.status = network_download(network, parameters, &error);
    for (size_t e = 0; e < result.reached.epochs_done; e++)
        outcome.losses[e] = result.reached.epochs[e].score.loss;
    if (device) {
        outcome.submission = device_info(device)->submission;
        memcpy(outcome.warning, device_info(device)->warning, sizeof outcome.warning);
    }
    training_result_free(&result);
    network_free(network);
    device_close(device);
    free(parameters);
    assert_int_equal(emulated_cuda_state.objects, 0);
    return outcome;
}

static int reset(void **state) {
    (void)state;
    emulated_cuda_reset();
    emulated_cuda.no_graphs = emulated_cuda.tolerant = false;
    emulated_cuda.capability = 90;
    emulated_cuda.gpus = 2;
    emulated_cuda.memory = (size_t)1 << 30;
    return 0;
}

/* --- An epoch --- */

struct steps {
    struct network *network;
    struct view x, labels, scale, scores;
    size_t count;
};

static enum status enqueue_steps(void *context, struct error *problem) {
    const struct steps *steps = context;
    enum status status = STATUS_OK;
    for (size_t s = 0; s < steps->count && status == STATUS_OK; s++)
        status = network_train(
            steps->network, steps->x, steps->labels, steps->scale, NULL, steps->scores, problem);
    return status;
}

enum { EPOCH_STEPS = 5 };

/* Runs an epoch of EPOCH_STEPS steps of the default net by a way to multiply; gives its launches.
 * It becomes what `submission` says. */
static unsigned long count_launches(const char *gemm, const char *step, const char *submission) {
    enum { BATCH = 300 };
    const struct device_options options = {.gemm = gemm, .step = step, .submission = submission};
    struct device *device;
    struct network *network;
    struct buffer *buffers[4];
    assert_ok(device_open("cuda", &options, &device, &error));
    assert_ok(network_check(device, &usual, BATCH, &error));
    assert_ok(network_create(device, &usual, BATCH, &network, &error));
    const size_t widths[4] = {CIFAR10_PLANE, 1, 2, 1};
    for (int b = 0; b < 4; b++)
        assert_ok(device_allocate(device, BATCH * widths[b], &buffers[b], &error));
    float *zeros = calloc(BATCH * CIFAR10_PLANE, sizeof *zeros);
    float *parameters = malloc(network_parameters_length(&usual) * sizeof *parameters);
    network_first_parameters(&usual, 9, parameters);
    assert_ok(network_upload(network, parameters, &error));
    assert_ok(device_upload(device, device_view(buffers[0], BATCH, CIFAR10_PLANE), zeros, &error));
    assert_ok(device_upload(device, device_view(buffers[1], BATCH, 1), zeros, &error));
    assert_ok(device_upload(device, device_view(buffers[3], 1, 1), zeros, &error));
    assert_ok(device_synchronise(device, &error));
    struct steps steps = {network, device_view(buffers[0], BATCH, CIFAR10_PLANE),
        device_view(buffers[1], BATCH, 1), device_view(buffers[3], 1, 1),
        device_view(buffers[2], BATCH, 2), EPOCH_STEPS};
    struct recording *recording;
    assert_ok(device_record(device, enqueue_steps, &steps, &recording, &error));
    assert_non_null(recording);
    assert_string_equal(device_info(device)->submission, submission);

    /* One submission, and no call but that: nothing is allocated, loaded or waited for. */
    const struct emulated_cuda_state before = emulated_cuda_state;
    assert_ok(device_run(device, recording, enqueue_steps, &steps, &error));
    assert_int_equal(emulated_cuda_state.submissions, before.submissions + 1);
    assert_int_equal(emulated_cuda_state.calls, before.calls + 2); /* cudaSetDevice is the other */
    assert_int_equal(emulated_cuda_state.commands, before.commands);
    assert_ok(device_synchronise(device, &error));
    const unsigned long launches = emulated_cuda_state.graph_nodes;
    assert_int_equal(emulated_cuda_state.commands, before.commands + launches);
    recording_free(device, recording);
    for (int b = 0; b < 4; b++)
        buffer_free(buffers[b]);
    network_free(network);
    device_close(device);
    free(zeros);
    free(parameters);
    print_message("--gemm %s --step %s: %lu launches\n", gemm, step, launches);
    return launches;
}

static void test_launches(void **state) {
    (void)state;
    assert_int_equal(count_launches("own", "separate", "graph"), 9 * EPOCH_STEPS);
    assert_int_equal(count_launches("own-small", "auto", "graph"), 9 * EPOCH_STEPS);
    assert_int_equal(
        count_launches("cublas", "auto", "graph"), 17 * EPOCH_STEPS); /* an epilogue is its own */
    assert_int_equal(count_launches("auto", "fused", "graph"), 2 * EPOCH_STEPS + 1);
    assert_int_equal(emulated_cuda_state.overlapping, 0);
    /* The first launch is behind kernels that don't say when something may begin. */
    assert_int_equal(count_launches("auto", "fused", "overlapped"), 2 * EPOCH_STEPS + 1);
    assert_int_equal(emulated_cuda_state.overlapping, 2 * EPOCH_STEPS);
}

/* What is too long to be recorded is no error, and no graph. */
static void test_too_long(void **state) {
    (void)state;
    enum { BATCH = 1, STEPS = 4000 };
    const struct device_options options = {.gemm = "own-small"};
    struct device *device;
    struct network *network;
    struct buffer *buffer;
    struct recording *recording;
    assert_ok(device_open("cuda", &options, &device, &error));
    assert_ok(network_create(device, &small, BATCH, &network, &error));
    assert_ok(device_allocate(device, CIFAR10_PLANE + 4, &buffer, &error));
    struct steps steps = {network, {buffer, 0, BATCH, CIFAR10_PLANE},
        {buffer, CIFAR10_PLANE, BATCH, 1}, {buffer, CIFAR10_PLANE + 3, 1, 1},
        {buffer, CIFAR10_PLANE + 1, BATCH, 2}, STEPS};
    assert_ok(device_record(device, enqueue_steps, &steps, &recording, &error));
    assert_non_null(recording);
    assert_string_equal(device_info(device)->submission, "graph");
    recording_free(device, recording);
    steps.count *= 2;
    assert_ok(device_record(device, enqueue_steps, &steps, &recording, &error));
    assert_null(recording);
    assert_string_equal(device_info(device)->submission, "stream");
    buffer_free(buffer);
    network_free(network);
    device_close(device);
}

/* Each kernel has run when a device was opened and checked: its first use is no epoch's cost. */
static void test_first_runs(void **state) {
    (void)state;
    static const struct pixel_format format = {3, CIFAR10_PLANE, true, {0.299, 0.587, 0.114}};
    static const uint8_t pixels[CIFAR10_PIXELS];
    struct device *device;
    struct buffer *buffer;
    assert_ok(device_open("cuda", &own, &device, &error));
    assert_ok(device_check(device, 2, 3, 4, &error));
    assert_ok(device_allocate(device, CIFAR10_PLANE, &buffer, &error));
    const unsigned long before = emulated_cuda_state.first_runs;
    const struct view row = device_view(buffer, 1, CIFAR10_PLANE), label = {buffer, 0, 1, 1},
                      logits = {buffer, 1, 1, 3}, gathered = {buffer, 4, 1, 3},
                      score = {buffer, 7, 1, 2};
    assert_ok(device_upload_pixels(device, pixels, &format, row, &error));
    assert_ok(device_gather_rows(device, logits, label, gathered, &error));
    assert_ok(device_softmax_cross_entropy(device, logits, label, 0.1f, 0.0f, score, &error));
    assert_ok(device_check(device, 2, 3, 4, &error));
    assert_true(before > 0);
    assert_int_equal(emulated_cuda_state.first_runs, before);
    buffer_free(buffer);
    device_close(device);
}

/* --- Images that are sent within an epoch --- */

/* They are sent while the steps before them are still to be done: two parts, as there are two
 * buffers for them, and the third when the first has been read. */
static void test_sent_ahead(void **state) {
    (void)state;
    enum { ROWS = 50, PARTS = 5 };
    const struct pixel_format grey = {3, CIFAR10_PLANE, true, {0.25, 0.5, 0.25}};
    uint8_t *pixels = malloc(PARTS * ROWS * 3 * CIFAR10_PLANE);
    float *found = malloc(ROWS * CIFAR10_PLANE * sizeof *found);
    for (size_t i = 0; i < PARTS * ROWS * 3 * CIFAR10_PLANE; i++)
        pixels[i] = (uint8_t)(51 * (i / (ROWS * 3 * CIFAR10_PLANE))); /* part p: p / 5 */
    for (int eager = 0; eager < 2; eager++) {
        struct device *device;
        struct buffer *x;
        assert_ok(device_open("cuda", &own, &device, &error));
        assert_ok(device_allocate(device, PARTS * ROWS * CIFAR10_PLANE, &x, &error));
        assert_true(device_pin(device, pixels, PARTS * ROWS * 3 * CIFAR10_PLANE));
        assert_false(device_pin(device, pixels, 1)); /* it is */
        const struct view all = device_view(x, PARTS * ROWS, CIFAR10_PLANE);
        emulated_cuda.eager = eager;
        const struct emulated_cuda_state before = emulated_cuda_state;
        for (size_t p = 0; p < PARTS; p++)
            assert_ok(device_upload_pixels(device, pixels + p * ROWS * 3 * CIFAR10_PLANE, &grey,
                view_rows(all, p * ROWS, ROWS), &error));
        assert_int_equal(emulated_cuda_state.commands, before.commands);
        assert_int_equal(emulated_cuda_state.copies, before.copies + (eager ? 2 : 0));
        assert_ok(device_synchronise(device, &error));
        assert_int_equal(emulated_cuda_state.copies, before.copies + PARTS);
        emulated_cuda.eager = false;
        for (size_t p = 0; p < PARTS; p++) {
            assert_ok(device_download(device, view_rows(all, p * ROWS, ROWS), found, &error));
            for (size_t i = 0; i < ROWS * CIFAR10_PLANE; i++)
                assert_true(fabsf(found[i] - 0.2f * (float)p) < 1e-6f);
        }
        device_unpin(device, pixels);
        buffer_free(x);
        device_close(device);
    }
    free(pixels);
    free(found);
}

/* Whenever they are sent, it is the same training; and where the host's memory can't be locked. */
static void test_streamed(void **state) {
    (void)state;
    struct training_plan plan = basic;
    const struct outcome resident = train(&small, &plan, &own);
    assert_int_equal(resident.status, STATUS_OK);
    plan.batches = BATCHES_STREAMED;
    for (int n = 0; n < 3; n++) {
        emulated_cuda.eager = n == 1;
        emulated_cuda.refused = n == 2 ? "cudaHostRegister" : NULL;
        const struct outcome streamed = train(&small, &plan, &own);
        assert_int_equal(streamed.status, STATUS_OK);
        assert_memory_equal(streamed.losses, resident.losses, sizeof resident.losses);
    }
}

/* --- Choosing --- */

static void test_submissions(void **state) {
    (void)state;
    const struct outcome graph =
        train(&small, &basic, &(struct device_options){.gemm = "own-small"});
    assert_int_equal(graph.status, STATUS_OK);
    assert_string_equal(graph.submission, "graph");
    assert_string_equal(graph.warning, "");
    const struct outcome stream = train(
        &small, &basic, &(struct device_options){.gemm = "own-small", .submission = "stream"});
    emulated_cuda.no_graphs = true;
    const struct outcome without =
        train(&small, &basic, &(struct device_options){.gemm = "own-small"});
    const struct outcome *others[] = {&stream, &without};
    for (int o = 0; o < 2; o++) {
        assert_int_equal(others[o]->status, STATUS_OK);
        assert_string_equal(others[o]->submission, "stream");
        assert_memory_equal(others[o]->losses, graph.losses, sizeof graph.losses);
    }
    assert_string_equal(stream.warning, ""); /* it was asked for */
    assert_string_equal(without.warning,
        "an epoch is no graph here, but single launches: cuda: cudaStreamBeginCapture gave "
        "cudaErrorStreamCaptureUnsupported (900): operation not permitted when stream is "
        "capturing");
    /* What is sent within an epoch is not recorded, but each of its steps is. */
    emulated_cuda.no_graphs = false;
    struct training_plan plan = basic;
    plan.batches = BATCHES_STREAMED;
    const struct outcome sent = train(&small, &plan, &(struct device_options){.gemm = "own-small"});
    assert_int_equal(sent.status, STATUS_OK);
    assert_string_equal(sent.submission, "graph");
    assert_memory_equal(sent.losses, graph.losses, sizeof graph.losses);
    /* Algorithms are timed as graphs, and that is no epoch's. */
    setenv("XDG_CACHE_HOME", "/dev/null", 1);
    const struct outcome chosen = train(&small, &plan, &(struct device_options){.gemm = "auto"});
    assert_int_equal(chosen.status, STATUS_OK);
    assert_string_equal(chosen.submission, "graph");
}

/* One launch does all steps, and gives the bits that a graph of launches does. Where not all of its
 * groups can be at work at once, the GPU is shared, or a launch may not last long, it is a graph.
 */
static void test_persistent(void **state) {
    (void)state;
    static const struct device_options graph = {.step = "fused", .submission = "graph"},
                                       persistent = {.step = "fused", .submission = "persistent"},
                                       separate = {.step = "separate", .submission = "persistent"};
    emulated_cuda.groups = true;
    const struct outcome good = train(&small, &basic, &graph);
    const struct outcome few = train(&small, &basic, &persistent); /* 8 units for 35 groups */
    assert_int_equal(emulated_cuda_state.together, 0);
    emulated_cuda.units = 20;
    const struct outcome asked = train(&small, &basic, &persistent);
    const unsigned long launches = emulated_cuda_state.together;
    const struct outcome single = train(&small, &basic, &separate);
    emulated_cuda.refused = "cudaLaunchCooperativeKernel";
    const struct outcome refused = train(&small, &basic, &persistent);
    emulated_cuda.refused = "cudaOccupancyMaxActiveBlocksPerMultiprocessor";
    const struct outcome unknown = train(&small, &basic, &persistent);
    emulated_cuda.refused = NULL;
    emulated_cuda.shared = true;
    const struct outcome shared = train(&small, &basic, &persistent);
    emulated_cuda.shared = false;
    emulated_cuda.draws = true;
    const struct outcome draws = train(&small, &basic, &persistent);
    const struct outcome *all[] = {
        &good, &few, &asked, &single, &shared, &draws, &refused, &unknown};
    for (size_t o = 0; o < sizeof all / sizeof *all; o++) {
        assert_int_equal(all[o]->status, STATUS_OK);
        assert_string_equal(all[o]->submission, all[o] == &asked ? "persistent" : "graph");
        if (all[o] != &refused && all[o] != &unknown)
            assert_string_equal(all[o]->warning, "");
        if (all[o] != &single)
            assert_memory_equal(all[o]->losses, good.losses, sizeof good.losses);
    }
    assert_non_null(strstr(refused.warning, "an epoch is not one launch: cuda: "
                                            "cudaLaunchCooperativeKernel"));
    assert_non_null(strstr(unknown.warning, "an epoch is not one launch: cuda: cudaOccupancy"));
    assert_true(launches > 0);
    /* Where it gives other bits (an OpenCL driver's, here), it is not taken, and that is said. */
    emulated_cuda.shared = emulated_cuda.draws = emulated_cuda.groups = false;
    const struct outcome others = train(&small, &basic, &persistent);
    assert_int_equal(others.status, STATUS_OK);
    assert_string_equal(others.submission, "graph");
    assert_non_null(
        strstr(others.warning, "fused steps of [10, 1024] give other bits in one launch"));
    emulated_cuda.units = 8;
}

/* Launches that overlap give the same bits; the record says whether they do. Where the driver does
 * not know such launches, they don't, and nobody needs to be warned; where the GPU can't, who asks
 * for them is told. */
static void test_overlapped(void **state) {
    (void)state;
    static const struct device_options graph = {.step = "fused", .submission = "graph"},
                                       overlapped = {.step = "fused", .submission = "overlapped"},
                                       any = {.step = "fused"}, separate = {.step = "separate"};
    const struct outcome good = train(&small, &basic, &graph);
    assert_int_equal(good.status, STATUS_OK);
    assert_string_equal(good.submission, "graph");
    const struct outcome asked = train(&small, &basic, &overlapped);
    const struct outcome chosen = train(&small, &basic, &any);
    emulated_cuda.refused = "cudaLaunchKernelExC";
    const struct outcome refused = train(&small, &basic, &overlapped);
    setenv("XDG_CACHE_HOME", "/dev/null", 1);
    const struct outcome only = train(&small, &basic, &any);
    emulated_cuda.refused = NULL;
    const struct outcome *all[] = {&asked, &chosen, &refused, &only};
    for (int o = 0; o < 4; o++) {
        assert_int_equal(all[o]->status, STATUS_OK);
        assert_string_equal(all[o]->warning, "");
        assert_memory_equal(all[o]->losses, good.losses, sizeof good.losses);
    }
    assert_string_equal(asked.submission, "overlapped");
    assert_string_equal(refused.submission, "graph");
    assert_string_equal(only.submission, "graph");
    assert_string_equal(train(&small, &basic, &separate).submission, "graph");
    struct device *device;
    emulated_cuda.capability = 89;
    assert_fails(device_open("cuda", &overlapped, &device, &error), STATUS_USAGE,
        "its compute capability is 8.9, 9.0 is the first");
}

static void test_precision(void **state) {
    (void)state;
    const struct device_options strict = {.gemm = "cublas"},
                                fast = {.gemm = "cublas", .precision = "tf32"};
    const struct outcome fp32 = train(&usual, &basic, &strict);
    const struct outcome tf32 = train(&usual, &basic, &fast);
    assert_int_equal(fp32.status, STATUS_OK);
    assert_int_equal(tf32.status, STATUS_OK);
    for (int e = 0; e < EPOCHS; e++) {
        assert_true(tf32.losses[e] != fp32.losses[e]);
        assert_true(
            tf32.losses[e] > 0.99 * fp32.losses[e] && tf32.losses[e] < 1.01 * fp32.losses[e]);
    }
    struct device *device;
    assert_fails(device_open("cuda", &(struct device_options){.gemm = "own", .precision = "tf32"},
                     &device, &error),
        STATUS_USAGE, "our own kernels (--gemm own) compute in fp32");
    emulated_cuda.capability = 75;
    assert_fails(device_open("cuda", &fast, &device, &error), STATUS_USAGE, "has no TF32");
    assert_null(device);
    assert_fails(device_find("reference", &fast, &error), STATUS_USAGE, "cublas");
    assert_fails(device_find("reference", &(struct device_options){.precision = "tf32"}, &error),
        STATUS_USAGE, "'tf32' is not a precision of its products");
}

/* A precision that cuBLAS would turn into another. */
static void test_environment(void **state) {
    (void)state;
    static const char *const cases[][3] = {{"fp32", "NVIDIA_TF32_OVERRIDE", "1"},
        {"fp32", "CUBLAS_EMULATE_SINGLE_PRECISION", "1"}, {"tf32", "NVIDIA_TF32_OVERRIDE", "0"}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        struct device *device;
        const struct device_options options = {.gemm = "cublas", .precision = cases[c][0]};
        setenv(cases[c][1], cases[c][2], 1);
        static const char *const specs[] = {"cuda", "auto", "gpu"};
        for (size_t s = 0; s < sizeof specs / sizeof *specs; s++)
            assert_fails(
                device_open(specs[s], &options, &device, &error), STATUS_USAGE, cases[c][1]);
        assert_ok(device_open("cuda", &own, &device, &error)); /* without cuBLAS: as ever */
        device_close(device);
        setenv(cases[c][1], *cases[c][2] == '0' ? "1" : "0", 1);
        assert_ok(device_open("cuda", &options, &device, &error));
        device_close(device);
        unsetenv(cases[c][1]);
    }
}

/* Two devices at once, one thread: each call is for its own. */
static void test_two_gpus(void **state) {
    (void)state;
    struct device *devices[2];
    struct buffer *buffers[2];
    float values[2][6] = {{1, 2, 3, 4, 5, 6}, {7, 8, 9, 10, 11, 12}}, found[6];
    static const char *const specs[] = {"cuda:0", "cuda:1"};
    for (int d = 0; d < 2; d++)
        assert_ok(device_open(
            specs[d], &(struct device_options){.gemm = "own-small"}, &devices[d], &error));
    for (int d = 0; d < 2; d++)
        assert_ok(device_allocate(devices[d], 6, &buffers[d], &error));
    for (int d = 0; d < 2; d++)
        assert_ok(device_upload(devices[d], device_view(buffers[d], 2, 3), values[d], &error));
    for (int d = 0; d < 2; d++) {
        assert_ok(device_download(devices[d], device_view(buffers[d], 2, 3), found, &error));
        assert_memory_equal(found, values[d], sizeof found);
        assert_ok(device_check(devices[1 - d], 3, 4, 5, &error));
    }
    for (int d = 0; d < 2; d++)
        buffer_free(buffers[d]);
    for (int d = 0; d < 2; d++)
        device_close(devices[d]);
    assert_int_equal(emulated_cuda_state.objects, 0);
}

static void test_no_gpu(void **state) {
    (void)state;
    struct device *device;
    const struct device_options options = {0};
    emulated_cuda.gpus = 0;
    assert_fails(
        device_open("cuda", &options, &device, &error), STATUS_DEVICE, "cudaErrorNoDevice");
    assert_non_null(strstr(error.message, "CUDA runtime: "));
    assert_non_null(strstr(error.message, "reference"));
    emulated_cuda.gpus = 2;
    assert_fails(device_open("cuda:2", &options, &device, &error), STATUS_DEVICE,
        "there is: cuda:0 Emulated GPU 0");
}

/* --- Failing --- */

/* That a message names the library's own error. */
static void assert_named(unsigned long call, const char *function) {
    if (!strstr(error.message, "cudaError") && !strstr(error.message, "CUBLAS_STATUS_") &&
        !strstr(error.message, "NVRTC_ERROR_"))
        fail_msg("call %lu, %s: the message \"%s\" names no error", call, function, error.message);
}

/* Calls whose failure may cost nothing but a graph, or the time to compile. */
static bool may_succeed(const char *function) {
    static const char *const names[] = {"cudaFree", "cudaStreamDestroy", "cublasDestroy_v2",
        "cudaLibraryUnload", "cudaLibraryLoadData", "cudaStreamBeginCapture",
        "cudaStreamEndCapture", "cudaGraphInstantiate", "cudaGraphUpload", "cudaGraphDestroy",
        "cudaGraphExecDestroy", "cudaStreamSynchronize", "cudaSetDevice", "cudaLaunchKernel",
        "cublasSetPointerMode_v2", "cublasGemmEx", "cudaHostRegister", "cudaHostUnregister",
        "cudaEventDestroy"};
    for (size_t n = 0; n < sizeof names / sizeof *names; n++)
        if (strcmp(names[n], function) == 0)
            return true;
    return false;
}

/* Every call fails once, or the GPU is lost from it on. */
static void fail_each(const char *what, const struct training_plan *plan,
    const struct device_options *options, bool lose) {
    emulated_cuda_reset();
    const struct outcome good = train(&small, plan, options);
    assert_int_equal(good.status, STATUS_OK);
    unsigned long failed = 0, survived = 0, call = 1;
    for (;; call++) {
        emulated_cuda_reset();
        *(lose ? &emulated_cuda.lose_at : &emulated_cuda.fail_at) = call;
        const struct outcome outcome = train(&small, plan, options);
        const char *function = emulated_cuda_state.failed;
        if (!function)
            break;
        if (outcome.status == STATUS_OK) {
            survived++;
            if (!may_succeed(function))
                fail_msg("call %lu, %s: it failed, and the run did not", call, function);
            assert_memory_equal(outcome.losses, good.losses, sizeof good.losses);
        } else {
            failed++;
            assert_int_equal(outcome.status, STATUS_DEVICE);
            assert_named(call, function);
            if (lose && strstr(error.message, "CUBLAS_STATUS_")) /* which does not tell why */
                assert_non_null(strstr(error.message, "because of cudaErrorIllegalAddress"));
        }
    }
    print_message("%s: %lu calls; %lu made the run fail, and without %lu it went on\n", what,
        call - 1, failed, survived);
    assert_true(failed > 100);
}

static void test_each_call(void **state) {
    (void)state;
    struct training_plan streamed = basic;
    streamed.batches = BATCHES_STREAMED;
    streamed.shuffle = true;
    setenv("XDG_CACHE_HOME", support_folder, 1);
    fail_each("own kernels, from the cache", &basic, &own, false);
    fail_each("batches sent in random order", &streamed, &own, false);
    setenv("XDG_CACHE_HOME", "/dev/null", 1);
    fail_each("cuBLAS, all compiled", &basic, &library, false);
}

static void test_lost(void **state) {
    (void)state;
    setenv("XDG_CACHE_HOME", support_folder, 1);
    fail_each("the GPU is lost", &basic, &library, true);
}

/* y[2, 3] = x[2, 4] * weights[4, 3], by a device that first times its ways to do it. */
static enum status multiply(float y[6]) {
    static const float x[8] = {1, 2, 3, 4, 5, 6, 7, 8},
                       weights[12] = {1, 0, 2, 0, 1, 1, 2, 0, 0, 1, 3, 1}, bias[3] = {0, 0, 0};
    static const size_t sides[4][2] = {{2, 4}, {4, 3}, {1, 3}, {2, 3}};
    const float *const values[4] = {x, weights, bias, y};
    struct device *device;
    struct buffer *buffers[4] = {NULL};
    struct view views[4];
    enum status status =
        device_open("cuda", &(struct device_options){.gemm = "auto"}, &device, &error);
    for (int b = 0; b < 4 && status == STATUS_OK; b++) {
        status = device_allocate(device, sides[b][0] * sides[b][1], &buffers[b], &error);
        views[b] = device_view(buffers[b], sides[b][0], sides[b][1]);
        if (status == STATUS_OK)
            status = device_upload(device, views[b], values[b], &error);
    }
    if (status == STATUS_OK)
        status = device_dense_forward(
            device, views[0], views[1], views[2], ACTIVATION_NONE, views[3], &error);
    if (status == STATUS_OK)
        status = device_download(device, views[3], y, &error);
    for (int b = 0; b < 4; b++)
        buffer_free(buffers[b]);
    device_close(device);
    assert_int_equal(emulated_cuda_state.objects, 0);
    return status;
}

/* Every call fails once while algorithms are timed: an algorithm that fails is not chosen, and a
 * gemm is right or an error. */
static void test_choosing(void **state) {
    (void)state;
    static const float expected[6] = {11, 14, 8, 27, 30, 24};
    unsigned long call = 1, survived = 0;
    setenv("XDG_CACHE_HOME", "/dev/null", 1);
    for (;; call++) {
        float y[6] = {0};
        emulated_cuda_reset();
        emulated_cuda.fail_at = call;
        const enum status status = multiply(y);
        if (!emulated_cuda_state.failed)
            break;
        survived += status == STATUS_OK;
        if (status == STATUS_OK)
            assert_memory_equal(y, expected, sizeof expected);
        else
            assert_int_equal(status, STATUS_DEVICE);
    }
    print_message("algorithms timed: %lu calls; without %lu it went on\n", call - 1, survived);
    assert_true(survived > 30);
    /* A library that never works is none, and all that goes on without it is right. */
    emulated_cuda_reset();
    emulated_cuda.refused = "cublasGemmEx";
    float y[6] = {0};
    assert_ok(multiply(y));
    assert_memory_equal(y, expected, sizeof expected);
}

static void test_out_of_memory(void **state) {
    (void)state;
    setenv("XDG_CACHE_HOME", support_folder, 1);
    emulated_cuda.memory = (size_t)48 << 20; /* of which cuBLAS has 32 MiB, and pixels 12 */
    struct training_plan plan = basic;
    plan.batch_size = 2000;
    assert_int_equal(train(&usual, &plan, &library).status, STATUS_DEVICE);
    assert_non_null(strstr(error.message, "the largest --batch-size that fits is "));
    emulated_cuda.memory = (size_t)40 << 20;
    assert_int_equal(train(&usual, &plan, &library).status, STATUS_DEVICE);
    assert_non_null(strstr(error.message, "cudaErrorMemoryAllocation"));
    emulated_cuda.memory = (size_t)16 << 20;
    assert_int_equal(train(&usual, &plan, &library).status, STATUS_DEVICE);
    assert_non_null(strstr(error.message, "the workspace of cuBLAS"));
    assert_int_equal(train(&small, &basic, &own).status, STATUS_OK); /* which has none */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_launches, reset),
        cmocka_unit_test_setup(test_too_long, reset),
        cmocka_unit_test_setup(test_first_runs, reset),
        cmocka_unit_test_setup(test_sent_ahead, reset),
        cmocka_unit_test_setup(test_streamed, reset),
        cmocka_unit_test_setup(test_submissions, reset),
        cmocka_unit_test_setup(test_persistent, reset),
        cmocka_unit_test_setup(test_overlapped, reset),
        cmocka_unit_test_setup(test_precision, reset),
        cmocka_unit_test_setup(test_environment, reset),
        cmocka_unit_test_setup(test_two_gpus, reset),
        cmocka_unit_test_setup(test_no_gpu, reset),
        cmocka_unit_test_setup(test_each_call, reset),
        cmocka_unit_test_setup(test_lost, reset),
        cmocka_unit_test_setup(test_choosing, reset),
        cmocka_unit_test_setup(test_out_of_memory, reset),
    };
    const struct dataset_options data = {
        .data = "synthetic", .samples = SAMPLES, .seed = 3, .threads = 1};
    if (dataset_load(&data, &dataset, &error) != STATUS_OK)
        return 1;
    const int failed =
        cmocka_run_group_tests_name("cuda", tests, support_make_folder, support_remove_folder);
    dataset_free(dataset);
    return failed;
}
