/* What is written of a run: every figure in its place, in every form. The records are made by hand,
 * with another value in each of their members, and what is expected was worked out by hand, too. */
#include "fake_ranks.h"
#include "support.h"
#include "trainer/record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct error error;

/* A record with all that it refers to. */
static struct {
    struct record record;
    struct device_info device;
    struct network_shape shape;
    struct training_plan plan;
    struct dataset dataset;
    struct training_position resumed;
    struct training_result result;
    struct training_epoch epochs[4];
    char *variables[4];
} whole;

static int make_record(void **state) {
    (void)state;
    static uint32_t confusion[100];
    for (uint32_t c = 0; c < 100; c++)
        confusion[c] = c;
    const struct training_epoch epochs[4] = {
        {0.25, {2.25, 0.1}}, {0.5, {2.125, 0.2}}, {0.125, {2.0625, 0.3}}, {0.375, {1.9375, 0.4}}};
    memcpy(whole.epochs, epochs, sizeof epochs);
    static char places[] = "OMP_PLACES=cores", debug[] = "POCL_DEBUG=1",
                most[] = "POCL_MAX_PTHREAD_COUNT=2"; /* the first is nothing to OpenCL */
    whole.variables[0] = places;
    whole.variables[1] = debug;
    whole.variables[2] = most;
    whole.device = (struct device_info){.kind = "opencl",
        .type = "gpu",
        .name = "Radeon 9",
        .vendor = "AMD",
        .library = "CLBlast 1.5",
        .gemm = "clblast 2, own-host 1",
        .kernels = "OpenCL C 3.0",
        .platform = "ROCm",
        .driver = "5.7",
        .precision = "tf32",
        .step = "fused",
        .submission = "graph",
        .threads = 3,
        .units = 11,
        .memory_bytes = 8000000000};
    whole.shape = (struct network_shape){
        .layers = 3, .widths = {1024, 16, 8, 10}, .activation = ACTIVATION_TANH};
    whole.plan = (struct training_plan){.epochs = 6,
        .batch_size = 120,
        .learning_rate = 0.03,
        .color = COLOR_GREY,
        .tail = TAIL_SHORT,
        .shuffle = true,
        .seed = 77,
        .optimizer = {METHOD_SGD, 0.0625, 0.875, true, 0.75, 0.5, 0.125},
        .schedule = SCHEDULE_LINEAR,
        .warm_up_epochs = 2};
    whole.dataset = (struct dataset){.path = "/data/cifar", .origin = "files", .seconds = 0.75};
    whole.dataset.train.count = 4321;
    whole.dataset.test.count = 987;
    whole.resumed = (struct training_position){
        .epochs_done = 2, .epochs = whole.epochs, .batches_done = 5, .seconds = 0.03125};
    whole.result = (struct training_result){.batches = 37,
        .samples = 4440,
        .recording = 2.0,
        .batching = 0.6875,
        .release = 0.0195,
        .evaluate = 0.8125,
        .warm_up = 1.0625,
        .clocks = {2, {1755, 2600, 0}, {1980, 2619, 0}, CLOCK_LIMIT_POWER | CLOCK_LIMIT_SETTING},
        .unfinished = 0.0469,
        .reached = {.epochs_done = 4, .epochs = whole.epochs, .seconds = 0.0009},
        .tested = true,
        .confusion = confusion,
        .test = {1.625, 0.4375}};
    whole.record = (struct record){.time = "2026-03-04T05:06:07Z",
        .commit = "0123456789ab",
        .variables = whole.variables,
        .host = {"ada", "Linux 6.1", "EPYC", 7, 16000000000},
        .spec = "opencl:1:2",
        .device = &whole.device,
        .shape = &whole.shape,
        .plan = &whole.plan,
        .dataset = &whole.dataset,
        .fingerprint = "fedcba9876543210",
        .setup = 0.0625,
        .open = 1.5,
        .checkpoint = 0.9375,
        .wall = 12.375,
        .memory = {123456789, 987654321, false},
        .resumed = &whole.resumed,
        .result = &whole.result,
        .status = "complete"};
    return 0;
}

/* Its four epochs take 1.25 s, so that their mean is 0.3125 s, which is 4440 / 0.3125 = 14208
 * samples/s. A sample takes 2 (1024 16 + 16 8 + 8 10) = 33184 operations forward, as many for the
 * weights' gradient, and 2 (16 8 + 8 10) = 416 for the inputs': 66784; times 14208 is 0.948867072
 * GFLOP/s. To open took 1.5 + 2 s, with the recording. What was resumed has 0.25 + 0.5 + 0.03125 s.
 */

/* --- What is written --- */

static char text[8192];

enum form { JSON, CSV, MARKDOWN, PLAN, SUMMARY };

static const char *write_record(enum form form) {
    FILE *file = fmemopen(text, sizeof text, "w");
    assert_non_null(file);
    switch (form) {
    case JSON:
        assert_ok(record_write_json(&whole.record, file, &error));
        break;
    case CSV:
        assert_ok(record_write_csv(&whole.record, file, &error));
        break;
    case MARKDOWN:
        assert_ok(record_write_markdown(&whole.record, file, &error));
        break;
    case PLAN:
        record_print_plan(&whole.record, file);
        break;
    case SUMMARY:
        record_print_summary(&whole.record, file);
        break;
    }
    assert_int_equal(fclose(file), 0);
    return text;
}

static void assert_says(enum form form, const char *part) {
    if (!strstr(write_record(form), part))
        fail_msg("this does not say \"%s\":\n%s", part, text);
}

static void assert_silent(enum form form, const char *part) {
    if (strstr(write_record(form), part))
        fail_msg("this says \"%s\":\n%s", part, text);
}

/* --- JSON --- */

static void test_json(void **state) {
    (void)state;
    assert_string_equal(write_record(JSON),
        "{\"schema\":1,\"time\":\"2026-03-04T05:06:07Z\",\"commit\":\"0123456789ab\","
        "\"host\":{\"name\":\"ada\",\"os\":\"Linux 6.1\",\"cpu\":\"EPYC\",\"cores\":7,"
        "\"memory_bytes\":16000000000},"
        "\"device\":{\"spec\":\"opencl:1:2\",\"kind\":\"opencl\",\"type\":\"gpu\","
        "\"name\":\"Radeon 9\",\"vendor\":\"AMD\",\"kernels\":\"OpenCL C 3.0\","
        "\"library\":\"CLBlast 1.5\",\"gemm\":\"clblast 2, own-host 1\",\"platform\":\"ROCm\","
        "\"driver\":\"5.7\",\"threads\":3,\"compute_units\":11,\"memory_bytes\":8000000000,"
        "\"precision\":\"tf32\",\"step\":\"fused\",\"submission\":\"graph\","
        "\"environment\":{\"POCL_DEBUG\":\"1\",\"POCL_MAX_PTHREAD_COUNT\":\"2\"}},"
        "\"config\":{\"epochs\":6,\"batch_size\":120,\"layers\":[1024,16,8,10],"
        "\"activation\":\"tanh\",\"learning_rate\":0.03,\"color\":\"grey\",\"tail\":\"short\","
        "\"batches\":\"resident\",\"seed\":77,\"shuffle\":true,\"optimizer\":\"sgd\","
        "\"momentum\":0.875,\"nesterov\":true,\"weight_decay\":0.0625,\"beta1\":0.75,"
        "\"beta2\":0.5,\"epsilon\":0.125,\"schedule\":\"linear\",\"warmup_epochs\":2,"
        "\"validation\":0,"
        "\"target_accuracy\":null,\"patience\":0,\"keep_best\":false,\"initial\":\"normal\","
        "\"label_smoothing\":0.0,\"dropout\":0.0,\"clip_norm\":null,"
        "\"normalize\":false,\"flip\":false},"
        "\"dataset\":{\"name\":\"CIFAR-10\",\"source\":\"files\",\"path\":\"/data/cifar\","
        "\"train\":4321,\"validation\":0,\"test\":987,\"fingerprint\":\"fedcba9876543210\"},"
        "\"memory\":{\"host_bytes\":123456789,\"device_bytes\":987654321},"
        "\"resumed\":{\"epochs\":2,\"batches\":5,\"seconds\":0.78125},\"ranks\":null,"
        "\"clocks\":{\"processor_mhz\":[1755,1980],\"memory_mhz\":[2600,2619],"
        "\"limits\":[\"power\",\"setting\"]},"
        "\"seconds\":{\"setup\":0.0625,\"load\":0.75,\"open\":3.5,\"batching\":0.6875,"
        "\"warm_up\":1.0625,"
        "\"epochs\":[0.25,0.5,0.125,0.375],\"mean_epoch\":0.3125,\"unfinished\":0.0469,"
        "\"validate\":0.0,\"meet\":0.0,\"checkpoint\":0.9375,\"release\":0.0195,\"evaluate\":0."
        "8125,\"wall\":12."
        "375},"
        "\"epochs\":[{\"seconds\":0.25,\"loss\":2.25,\"accuracy\":0.1,\"validation\":null},"
        "{\"seconds\":0.5,\"loss\":2.125,\"accuracy\":0.2,\"validation\":null},"
        "{\"seconds\":0.125,\"loss\":2.0625,\"accuracy\":0.3,\"validation\":null},"
        "{\"seconds\":0.375,\"loss\":1.9375,\"accuracy\":0.4,\"validation\":null}],"
        "\"best\":null,\"target\":null,\"ended\":null,"
        "\"test\":{\"loss\":1.625,\"accuracy\":0.4375,\"confusion\":["
        "[0,1,2,3,4,5,6,7,8,9],[10,11,12,13,14,15,16,17,18,19],"
        "[20,21,22,23,24,25,26,27,28,29],[30,31,32,33,34,35,36,37,38,39],"
        "[40,41,42,43,44,45,46,47,48,49],[50,51,52,53,54,55,56,57,58,59],"
        "[60,61,62,63,64,65,66,67,68,69],[70,71,72,73,74,75,76,77,78,79],"
        "[80,81,82,83,84,85,86,87,88,89],[90,91,92,93,94,95,96,97,98,99]]},"
        "\"samples_per_second\":14208.0,\"gflops\":0.948867072,\"status\":\"complete\"}\n");
}

/* --- CSV --- */

static void test_csv(void **state) {
    (void)state;
    static const char *const fields[][2] = {{"time", "2026-03-04T05:06:07Z"},
        {"commit", "0123456789ab"}, {"host", "ada"}, {"os", "Linux 6.1"}, {"cpu", "EPYC"},
        {"cores", "7"}, {"spec", "opencl:1:2"}, {"device", "opencl"}, {"type", "gpu"},
        {"device_name", "Radeon 9"}, {"vendor", "AMD"}, {"library", "CLBlast 1.5"},
        {"gemm", "\"clblast 2, own-host 1\""}, {"kernels", "OpenCL C 3.0"}, {"platform", "ROCm"},
        {"driver", "5.7"}, {"threads", "3"}, {"precision", "tf32"}, {"step", "fused"},
        {"submission", "graph"}, {"environment", "POCL_DEBUG=1 POCL_MAX_PTHREAD_COUNT=2"},
        {"epochs", "6"}, {"batch_size", "120"}, {"layers", "1024-16-8-10"}, {"activation", "tanh"},
        {"learning_rate", "0.03"}, {"color", "grey"}, {"tail", "short"}, {"batches", "resident"},
        {"seed", "77"}, {"shuffle", "true"}, {"initial", "normal"}, {"label_smoothing", "0"},
        {"dropout", "0"}, {"clip_norm", ""}, {"normalize", "false"}, {"flip", "false"},
        {"optimizer", "sgd"}, {"momentum", "0.875"}, {"nesterov", "true"},
        {"weight_decay", "0.0625"}, {"beta1", "0.75"}, {"beta2", "0.5"}, {"epsilon", "0.125"},
        {"schedule", "linear"}, {"warmup_epochs", "2"}, {"source", "files"},
        {"path", "/data/cifar"}, {"train", "4321"}, {"test", "987"},
        {"fingerprint", "fedcba9876543210"}, {"host_bytes", "123456789"},
        {"device_bytes", "987654321"}, {"resumed", "true"}, {"resumed_seconds", "0.78125"},
        {"ranks", ""}, {"hosts", ""}, {"ranks_library", ""}, {"ranks_transport", ""},
        {"computing_seconds", ""}, {"exchanging_seconds", ""}, {"min_processor_mhz", "1755"},
        {"max_processor_mhz", "1980"}, {"min_memory_mhz", "2600"}, {"max_memory_mhz", "2619"},
        {"clock_limits", "power setting"}, {"setup", "0.0625"}, {"load", "0.75"}, {"open", "3.5"},
        {"batching", "0.6875"}, {"warm_up", "1.0625"}, {"mean_epoch", "0.3125"},
        {"min_epoch", "0.125"}, {"max_epoch", "0.5"}, {"unfinished", "0.0469"}, {"validate", "0"},
        {"meet", "0"}, {"checkpoint", "0.9375"}, {"release", "0.0195"}, {"evaluate", "0.8125"},
        {"wall", "12.375"}, {"loss", "1.9375"}, {"accuracy", "0.4"}, {"test_loss", "1.625"},
        {"test_accuracy", "0.4375"}, {"samples_per_second", "14208"}, {"gflops", "0.948867072"},
        {"validation", "0"}, {"target_accuracy", ""}, {"patience", "0"}, {"keep_best", "false"},
        {"validation_loss", ""}, {"validation_accuracy", ""}, {"best_epoch", ""},
        {"best_accuracy", ""}, {"target_epoch", ""}, {"target_epochs_seconds", ""},
        {"target_seconds", ""}, {"ended", ""}, {"status", "complete"}};
    char expected[8192];
    size_t used = 0;
    for (int line = 0; line < 2; line++)
        for (size_t f = 0, count = sizeof fields / sizeof *fields; f < count; f++)
            used += (size_t)snprintf(expected + used, sizeof expected - used, "%s%s",
                fields[f][line], f + 1 < count ? "," : "\n");
    assert_string_equal(write_record(CSV), expected);
}

/* A field with a comma, a quotation mark or a line's end is between marks, which are then twice. */
static void test_csv_text(void **state) {
    (void)state;
    snprintf(whole.device.name, sizeof whole.device.name, "a \"b\", c");
    snprintf(whole.device.vendor, sizeof whole.device.vendor, "d\ne");
    snprintf(whole.device.platform, sizeof whole.device.platform, "f\xE9");
    assert_says(CSV, ",gpu,\"a \"\"b\"\", c\",\"d\ne\",CLBlast 1.5,");
    assert_says(CSV, ",f?,5.7,");
}

/* --- Markdown --- */

static const char markdown_head[] =
    "| Hardware | Device | Library | Threads | Data | Load dataset (s) | To batched input (s) "
    "| Mean epoch (s) | Samples/s | GFLOP/s | Test accuracy |\n"
    "| --- | --- | --- | ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n";

static void assert_markdown(const char *row) {
    char expected[2048];
    snprintf(expected, sizeof expected, "%s%s\n", markdown_head, row);
    assert_string_equal(write_record(MARKDOWN), expected);
}

static void test_markdown(void **state) {
    (void)state;
    assert_markdown(
        "| Radeon 9 | opencl | clblast 2, own-host 1 (CLBlast 1.5) | 3 | files | 0.7500 "
        "| 0.6875 | 0.3125 | 14208 | 0.9 | 0.4375 |");
    whole.device.library[0] = '\0';
    assert_says(MARKDOWN, "| opencl | clblast 2, own-host 1 | 3 |");
    whole.device.gemm[0] = '\0';
    assert_says(MARKDOWN, "| opencl | none | 3 |");
    snprintf(whole.device.library, sizeof whole.device.library, "OpenBLAS");
    assert_says(MARKDOWN, "| opencl | OpenBLAS | 3 |");
    whole.result.tested = false;
    whole.record.status = "diverged";
    assert_says(MARKDOWN, "| 0.9 | diverged |\n");
    whole.result.reached.epochs_done = 0;
    assert_markdown("| Radeon 9 | opencl | OpenBLAS | 3 | files | 0.7500 | 0.6875 | - | - | - | "
                    "diverged |");
}

/* A name stays in its cell, and is shown there as it is. */
static void test_markdown_text(void **state) {
    (void)state;
    static const struct {
        const char *name, *cell;
    } names[] = {
        {"a|b", "a\\|b"},
        {"a\nb\r\x1B[2Jc", "a?b??\\[2Jc"},
        {"\\| `x` *y* _z_ ~w~", "\\\\\\| \\`x\\` \\*y\\* \\_z\\_ \\~w\\~"},
        {"<b>&amp;</b>", "\\<b\\>\\&amp;\\</b\\>"},
        {"![i](u) [l](u) #1 $x$ {y}", "!\\[i\\](u) \\[l\\](u) \\#1 \\$x\\$ \\{y\\}"},
        {"@ada and a@b.c, @ 5", "@<!-- -->ada and a@<!-- -->b.c, @ 5"},
        {":smile: :+1: opencl:0 1: 2:", ":<!-- -->smile: :<!-- -->+1: opencl:<!-- -->0 1: 2:"},
        {"http://x.y/z?q=1", "http://x.y/z?q=1"},
        {"left\u202Eright\u2028\u2069", "left?right??"},
        {"caf\xE9 \u00FC", "caf? \u00FC"},
    };
    for (size_t n = 0; n < sizeof names / sizeof *names; n++) {
        char cell[256];
        snprintf(whole.device.name, sizeof whole.device.name, "%s", names[n].name);
        snprintf(cell, sizeof cell, "\n| %s | opencl | ", names[n].cell);
        assert_says(MARKDOWN, cell);
        snprintf(whole.device.library, sizeof whole.device.library, "%s", names[n].name);
        snprintf(cell, sizeof cell, " (%s) | 3 | ", names[n].cell);
        assert_says(MARKDOWN, cell);
    }
}

/* --- The table --- */

static void test_plan(void **state) {
    (void)state;
    assert_string_equal(write_record(PLAN),
        "device    opencl: Radeon 9 (gpu), CLBlast 1.5, products: clblast 2, own-host 1, "
        "driver: ROCm 5.7, 3 threads, tf32\n"
        "data      CIFAR-10 in /data/cifar: 4321 training, 987 test images\n"
        "network   1024-16-8-10, tanh, grey\n"
        "training  6 epochs, batches of 120 (tail: short), learning rate 0.03, seed 77, shuffled\n"
        "optimizer sgd, momentum 0.875 (Nesterov), weight decay 0.0625, linear schedule, rate "
        "rises for 2 epochs\n"
        "memory    123.5 MB of the host, 987.7 MB of the device\n"
        "resumed   after epoch 2, batch 5 of the next\n");
}

/* What there is not, and what there is one of. */
static void test_lesser_plan(void **state) {
    (void)state;
    whole.device = (struct device_info){
        .kind = "reference", .type = "cpu", .name = "EPYC", .precision = "fp32", .threads = 1};
    whole.shape = (struct network_shape){.layers = 1, .widths = {3072, 10}};
    whole.plan.epochs = 1;
    whole.plan.color = COLOR_RGB;
    whole.plan.tail = TAIL_WRAP;
    whole.plan.shuffle = false;
    whole.plan.optimizer = (struct optimizer_plan){METHOD_SGD, 0.0, 0.0, false, 0.75, 0.5, 0.125};
    whole.plan.schedule = SCHEDULE_CONSTANT;
    whole.plan.warm_up_epochs = 0;
    whole.dataset.path[0] = '\0';
    whole.record.memory.streamed = true;
    whole.record.resumed = NULL;
    assert_string_equal(write_record(PLAN),
        "device    reference: EPYC (cpu), no library, 1 thread, fp32\n"
        "data      SYNTHETIC, not CIFAR-10: 4321 training, 987 test images\n"
        "network   3072-10, no hidden layer, rgb\n"
        "training  1 epoch, batches of 120 (tail: wrap), learning rate 0.03, seed 77\n"
        "memory    1111.1 MB; batches are streamed\n");
    whole.device.threads = 0;
    assert_says(PLAN, "no library, fp32\n");
}

/* Names are a part of their line. */
static void test_plan_text(void **state) {
    (void)state;
    snprintf(whole.device.name, sizeof whole.device.name, "a\nstatus");
    snprintf(whole.device.library, sizeof whole.device.library, "b\x1B[2J");
    snprintf(whole.device.platform, sizeof whole.device.platform, "c\u202Ed");
    snprintf(whole.device.driver, sizeof whole.device.driver, "e\u2028f");
    snprintf(whole.dataset.path, sizeof whole.dataset.path, "/g\x9B/h\t");
    assert_says(PLAN, "opencl: a?status (gpu), b?[2J, products");
    assert_says(PLAN, "driver: c?d e?f, 3 threads");
    assert_says(PLAN, "CIFAR-10 in /g?/h?: 4321");
}

static void test_epochs(void **state) {
    (void)state;
    FILE *file = fmemopen(text, sizeof text, "w");
    assert_non_null(file);
    record_print_epochs_head(false, false, file);
    record_print_epoch(0, &whole.epochs[0], NULL, file);
    record_print_epoch(11, &whole.epochs[3], NULL, file);
    record_print_epochs_head(true, false, file);
    fclose(file);
    assert_string_equal(text, "\nepoch     seconds        loss   accuracy\n"
                              "    1      0.2500    2.250000     0.1000\n"
                              "   12      0.3750    1.937500     0.4000\n"
                              "\n\033[1mepoch     seconds        loss   accuracy\033[0m\n");
}

static void test_summary(void **state) {
    (void)state;
    assert_string_equal(write_record(SUMMARY),
        "\n"
        "load      0.7500 s\n"
        "open      3.5000 s\n"
        "batching  0.6875 s\n"
        "warm-up   1.0625 s, of which nothing is kept\n"
        "epoch     0.3125 s mean, 0.1250 s min, 0.5000 s max; fused steps; submitted as a graph\n"
        "speed     14208 samples/s, 0.9 GFLOP/s\n"
        "clocks    1755 to 1980 MHz, memory 2600 to 2619 MHz; held down by: power, setting\n"
        "unfinished 0.0469 s in an epoch that did not end\n"
        "evaluate  0.8125 s\n"
        "test      loss 1.625000, accuracy 0.4375\n"
        "in all    12.3750 s, with 0.0625 s to set up and 0.0195 s to release memory\n"
        "          0.9375 s of it to write checkpoints\n");
}

/* --- Other runs --- */

static void test_streamed(void **state) {
    (void)state;
    whole.result.streamed = true;
    assert_says(JSON, "\"batches\":\"streamed\"");
    assert_says(CSV, ",short,streamed,77,");
    assert_says(SUMMARY, "\nbatching  0.6875 s; each batch is sent within its epoch\n");
}

/* Neither a test nor an epoch that ended: no figure is made up for them. */
static void test_no_epochs(void **state) {
    (void)state;
    whole.record.status = "interrupted";
    whole.record.resumed = NULL;
    whole.record.checkpoint = 0.0;
    whole.result.reached.epochs_done = 0;
    whole.result.tested = false;
    whole.result.evaluate = whole.result.warm_up = 0.0;
    whole.result.clocks = (struct training_clocks){0};
    whole.device.step = NULL;
    whole.device.submission = NULL;
    assert_says(JSON, "\"resumed\":null,\"ranks\":null,\"clocks\":null,");
    assert_says(JSON, "\"step\":null,\"submission\":null,\"environment\":");
    assert_says(JSON, "\"batching\":0.6875,\"warm_up\":0.0,\"epochs\":[],\"mean_epoch\":null,"
                      "\"unfinished\":0.0469,\"validate\":0.0,\"meet\":0.0,\"checkpoint\":0.0,"
                      "\"release\":0.0195,\"evaluate\":"
                      "null,\"wall\":12.375},"
                      "\"epochs\":[],\"best\":null,\"target\":null,\"ended\":null,"
                      "\"test\":null,\"samples_per_second\":null,\"gflops\":null,"
                      "\"status\":\"interrupted\"}\n");
    assert_says(CSV, ",tf32,,,POCL_DEBUG=1 POCL_MAX_PTHREAD_COUNT=2,6,");
    assert_says(CSV,
        ",false,0,,,,,,,,,,,,0.0625,0.75,3.5,0.6875,0,,,,0.0469,0,0,0,0.0195,,12.375,,,,,,,0,,"
        "0,false,,,,,,,,,interrupted\n");
    assert_string_equal(write_record(SUMMARY),
        "\n"
        "load      0.7500 s\n"
        "open      3.5000 s\n"
        "batching  0.6875 s\n"
        "unfinished 0.0469 s in an epoch that did not end\n"
        "in all    12.3750 s, with 0.0625 s to set up and 0.0195 s to release memory\n"
        "status    interrupted\n");
}

/* The test set was begun: its seconds are part of the wall time. */
static void test_untested(void **state) {
    (void)state;
    whole.record.status = "diverged";
    whole.result.tested = false;
    assert_says(JSON, "\"evaluate\":0.8125,");
    assert_says(JSON, "\"test\":null,\"samples_per_second\":14208.0,");
    assert_says(CSV, ",0.8125,12.375,1.9375,0.4,,,14208,");
    assert_says(SUMMARY, "\nevaluate  0.8125 s\nin all    ");
    assert_says(SUMMARY, "\nstatus    diverged\n");
    assert_silent(SUMMARY, "\ntest ");
}

/* Four ranks on two hosts. */
static void test_ranks(void **state) {
    (void)state;
    whole.plan.communicator = fake_communicator(0);
    whole.result.computing = (struct training_spread){0.25, 0.5, 0.75};
    whole.result.exchanging = (struct training_spread){0.125, 0.1875, 0.375};
    whole.result.meet = 0.0625;
    snprintf(whole.device.transport, sizeof whole.device.transport, "memory");
    assert_says(JSON,
        "\"ranks\":{\"count\":4,\"hosts\":2,\"library\":\"MPI 1.2\",\"transport\":\"memory\","
        "\"computing\":{"
        "\"least\":0.25,\"median\":0.5,\"greatest\":0.75},\"exchanging\":{\"least\":"
        "0.125,\"median\":0.1875,\"greatest\":0.375}},");
    assert_says(JSON, "\"meet\":0.0625,");
    assert_says(CSV, ",4,2,MPI 1.2,memory,0.5,0.1875,");
    assert_says(PLAN, "\nranks     4 on 2 hosts, MPI 1.2\n");
    assert_says(SUMMARY,
        "\nexchange  0.1875 s of the epochs (median of the ranks; 0.1250 s to 0.3750 s), "
        "beside 0.5000 s to compute\n");
    whole.result.exchanging = (struct training_spread){0};
    whole.device.exchanges = true;
    snprintf(whole.device.transport, sizeof whole.device.transport, "NCCL 2.28.9");
    assert_says(JSON, "\"greatest\":0.75},\"exchanging\":null},");
    assert_says(CSV, ",4,2,MPI 1.2,NCCL 2.28.9,0.5,,");
    assert_says(SUMMARY, "\nexchange  part of the epochs, on the GPUs (NCCL 2.28.9)\n");
    whole.result.computing = whole.result.exchanging = (struct training_spread){0};
    assert_says(JSON, "\"computing\":null,\"exchanging\":null},");
    assert_silent(SUMMARY, "exchange");
    assert_ok(communicator_close(whole.plan.communicator, &error));
}

static void test_planned(void **state) {
    (void)state;
    whole.record.status = "planned";
    whole.result = (struct training_result){.streamed = true};
    whole.record.memory.streamed = true;
    assert_says(JSON, "\"batches\":\"streamed\"");
    assert_says(JSON, "\"status\":\"planned\"}\n");
    assert_says(PLAN, "of the device; batches are streamed\n");
}

/* What is not known, or not there, is null and empty. */
static void test_bare_device(void **state) {
    (void)state;
    whole.device = (struct device_info){
        .kind = "reference", .type = "cpu", .name = "EPYC", .precision = "fp32", .threads = 1};
    whole.dataset.path[0] = '\0';
    whole.dataset.origin = "synthetic";
    whole.record.variables = NULL;
    whole.record.fingerprint[0] = '\0';
    assert_says(JSON, "\"test\":987,\"fingerprint\":null}");
    assert_says(JSON, "\"vendor\":null,\"kernels\":null,\"library\":null,\"gemm\":null,"
                      "\"platform\":null,\"driver\":null,\"threads\":1,\"compute_units\":null,"
                      "\"memory_bytes\":null,\"precision\":\"fp32\",\"step\":null,\"submission\":"
                      "null,\"environment\":null}");
    assert_says(JSON, "{\"name\":\"synthetic\",\"source\":\"synthetic\",\"path\":null,");
    assert_says(CSV, ",reference,cpu,EPYC,,,,,,,1,fp32,,,,6,");
    assert_says(CSV, ",2,synthetic,,4321,");
    assert_says(SUMMARY, "0.5000 s max\n");
}

/* The epoch that was resumed counts once it is one of the record's. */
static void test_resumed(void **state) {
    (void)state;
    whole.result.reached.epochs_done = 3;
    assert_says(JSON, "\"resumed\":{\"epochs\":2,\"batches\":5,\"seconds\":0.78125}");
    whole.result.reached.epochs_done = 2;
    assert_says(JSON, "\"resumed\":{\"epochs\":2,\"batches\":5,\"seconds\":0.75}");
    assert_says(JSON, "\"epochs\":[0.25,0.5],\"mean_epoch\":0.375,");
    whole.resumed.epochs_done = 0;
    assert_says(JSON, "\"resumed\":{\"epochs\":0,\"batches\":5,\"seconds\":0.03125}");
    assert_says(CSV, ",987654321,true,0.03125,");
}

/* The clock stood still: there is no rate. */
static void test_no_time(void **state) {
    (void)state;
    for (int e = 0; e < 4; e++)
        whole.epochs[e].seconds = 0.0;
    assert_says(JSON, "\"mean_epoch\":0.0,");
    assert_says(JSON, "\"samples_per_second\":null,\"gflops\":null,");
    assert_says(CSV, ",0.4375,,,0,,0,false,,,,,,,,,complete\n");
}

/* Foreign text is there as it is, but for what is not UTF-8. */
static void test_json_text(void **state) {
    (void)state;
    snprintf(whole.device.name, sizeof whole.device.name, "a\n\x1B[2J \u202E| \"b\" \u00FC");
    snprintf(whole.record.host.name, sizeof whole.record.host.name, "caf\xE9\t");
    assert_says(JSON, "\"name\":\"a\\n\\u001B[2J \u202E| \\\"b\\\" \u00FC\",\"vendor\"");
    assert_says(JSON, "\"host\":{\"name\":\"caf?\\t\",");
}

/* --- A device's peak --- */

static void test_peak(void **state) {
    (void)state;
    const struct device_peak peak = {.side = 4096,
        .flops = 1234.5e9,
        .bytes = 100 << 20,
        .bandwidth = 567.75e9,
        .operation = 2.125e-6};
    struct device_peak host_peak = peak;
    host_peak.arithmetic[0] = (struct arithmetic_peak){"SVE", 2345.5e9};
    host_peak.arithmetic[1] = (struct arithmetic_peak){"NEON", 2000e9};
    FILE *file = fmemopen(text, sizeof text, "w");
    assert_non_null(file);
    assert_ok(record_write_peak_json(&whole.record, &peak, file, &error));
    fclose(file);
    assert_non_null(strstr(text,
        ",\"submission\":\"graph\",\"environment\":{\"POCL_DEBUG\":\"1\",\"POCL_MAX_PTHREAD_"
        "COUNT\":\"2\"}}"
        ",\"peak\":{\"gflops\":1234.5,\"side\":4096,"
        "\"bytes_per_second\":5.6775e11,\"bytes\":104857600,\"operation_seconds\":2.125e-6,"
        "\"arithmetic\":null},"
        "\"status\":\"complete\"}\n"));
    assert_non_null(strstr(text, "{\"schema\":1,\"time\":\"2026-03-04T05:06:07Z\",\"commit\":"
                                 "\"0123456789ab\",\"host\":{\"name\":\"ada\","));
    file = fmemopen(text, sizeof text, "w");
    assert_non_null(file);
    record_print_peak(&whole.record, &peak, file);
    fclose(file);
    assert_string_equal(text,
        "device    opencl: Radeon 9 (gpu), CLBlast 1.5, products: clblast 2, own-host 1, "
        "driver: ROCm 5.7, 3 threads, tf32\n"
        "product   1234.5 GFLOP/s, of 4096 x 4096 matrices\n"
        "copy      567.8 GB/s read and written, of 100 MiB\n"
        "operation 2.12 us at least\n");
    file = fmemopen(text, sizeof text, "w");
    assert_non_null(file);
    assert_ok(record_write_peak_json(&whole.record, &host_peak, file, &error));
    record_print_peak(&whole.record, &host_peak, file);
    fclose(file);
    assert_non_null(strstr(text, ",\"arithmetic\":{\"SVE\":2345.5,\"NEON\":2000.0}},"));
    assert_non_null(strstr(text,
        "\nlimit     2345.5 GFLOP/s with SVE, 2000.0 with NEON: multiply-adds in registers\n"
        "product   1234.5"));
}

/* --- A file that can't be written --- */

/* It fails when its buffer is flushed, which a record is too short for. */
static FILE *open_unwritable(void) {
    FILE *file = fopen("/dev/null", "w");
    assert_non_null(file);
    assert_int_equal(close(fileno(file)), 0);
    return file;
}

static void test_unwritten(void **state) {
    (void)state;
    const struct device_peak peak = {.side = 1, .flops = 1.0, .bytes = 1, .bandwidth = 1.0};
    for (int form = 0; form < 4; form++) {
        FILE *file = open_unwritable();
        const enum status status = form == 0   ? record_write_json(&whole.record, file, &error)
                                   : form == 1 ? record_write_csv(&whole.record, file, &error)
                                   : form == 2
                                       ? record_write_markdown(&whole.record, file, &error)
                                       : record_write_peak_json(&whole.record, &peak, file, &error);
        assert_fails(status, STATUS_FAILED, "can't write the record: Bad file descriptor");
        fclose(file);
    }
}

#define TEST(name) cmocka_unit_test_setup(name, make_record)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_json),
        TEST(test_csv),
        TEST(test_csv_text),
        TEST(test_markdown),
        TEST(test_markdown_text),
        TEST(test_plan),
        TEST(test_lesser_plan),
        TEST(test_plan_text),
        TEST(test_epochs),
        TEST(test_summary),
        TEST(test_streamed),
        TEST(test_no_epochs),
        TEST(test_untested),
        TEST(test_ranks),
        TEST(test_planned),
        TEST(test_bare_device),
        TEST(test_resumed),
        TEST(test_no_time),
        TEST(test_json_text),
        TEST(test_peak),
        TEST(test_unwritten),
    };
    return cmocka_run_group_tests_name("record", tests, NULL, NULL);
}
