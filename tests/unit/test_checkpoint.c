/* Weights in files: what is saved is loaded, and whatever else is refused. */
#include "support.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char path[512];
static struct error error;
static const struct network_shape shape = {2, {3, 2, 4}, ACTIVATION_SIGMOID};

enum { DATA = (3 * 2 + 2 + 2 * 4 + 4) * 4 }; /* bytes of the shape's tensors */

static size_t length_of(const struct network_shape *of) {
    return network_parameters_length(of);
}

/* Opens, loads the weights, closes. */
static enum status load(const struct network_shape *of, float *parameters) {
    struct checkpoint *checkpoint;
    enum status status = checkpoint_open(path, &checkpoint, &error);
    if (status == STATUS_OK)
        status = checkpoint_load(checkpoint, of, parameters, &error);
    checkpoint_close(checkpoint);
    return status;
}

static enum status save(const float *parameters) {
    return support_save(path, &shape, parameters, NULL, &error);
}

static void test_round_trip(void **state) {
    (void)state;
    const struct network_shape shapes[] = {{1, {1024, 10}, ACTIVATION_TANH},
        {3, {1024, 64, 32, 10}, ACTIVATION_SIGMOID}, {4, {3072, 1, 7, 33, 10}, ACTIVATION_RELU}};
    for (size_t s = 0; s < 3; s++) {
        const size_t length = length_of(&shapes[s]);
        float *saved = malloc(length * sizeof *saved), *loaded = malloc(length * sizeof *loaded);
        network_first_parameters(&shapes[s], s, saved);
        memset(loaded, 0x55, length * sizeof *loaded);
        assert_ok(support_save(path, &shapes[s], saved, NULL, &error));
        assert_ok(load(&shapes[s], loaded));
        assert_memory_equal(saved, loaded, length * sizeof *saved);
        free(saved);
        free(loaded);
    }
}

static void write_bytes(const void *bytes, size_t count) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, count, file), count);
    assert_int_equal(fclose(file), 0);
}

/* A file of a header and `data_bytes` of data, each float being its index. */
static void write_file(const char *header, size_t data_bytes) {
    const uint64_t length = strlen(header);
    unsigned char bytes[4096];
    float data[256];
    for (int i = 0; i < 256; i++)
        data[i] = (float)i;
    memcpy(bytes, &length, sizeof length);
    memcpy(bytes + 8, header, length);
    memcpy(bytes + 8 + length, data, data_bytes);
    write_bytes(bytes, 8 + length + data_bytes);
}

#define GOOD_0 "\"0.weight\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]}"
#define GOOD_1 "\"0.bias\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[24,32]}"
#define GOOD_2 "\"2.weight\":{\"dtype\":\"F32\",\"shape\":[4,2],\"data_offsets\":[32,64]}"
#define GOOD_3 "\"2.bias\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[64,80]}"

/* As another writer may have it: another order, spaces, metadata. And [out, in] becomes [in, out].
 */
static void test_layout(void **state) {
    (void)state;
    float *loaded = malloc(length_of(&shape) * sizeof *loaded);
    write_file("{" GOOD_3 ", " GOOD_0 "," GOOD_2 ",\n\"__metadata__\":{\"by\":\"hand\"}," GOOD_1
               "}  ",
        DATA);
    assert_ok(load(&shape, loaded));
    const float *weights = loaded + network_weights_offset(&shape, 0);
    for (int in = 0; in < 3; in++)
        for (int out = 0; out < 2; out++)
            assert_true(weights[in * 2 + out] == (float)(out * 3 + in));
    assert_true(loaded[network_bias_offset(&shape, 0)] == 6.0f);
    assert_true(loaded[network_bias_offset(&shape, 1) + 3] == 19.0f);
    free(loaded);
}

/* The header says for whom it is, as PyTorch's readers want it, and ends so that the data is
 * aligned, however long it is. */
static void test_header(void **state) {
    (void)state;
    for (size_t layers = 1; layers <= 5; layers++) { /* of lengths that differ */
        const struct network_shape of = {layers, {3, 5, 7, 11, 13, 17}, ACTIVATION_SIGMOID};
        float *parameters = calloc(length_of(&of), sizeof *parameters);
        uint64_t length;
        char header[2048] = "";
        assert_ok(support_save(path, &of, parameters, NULL, &error));
        FILE *file = fopen(path, "rb");
        assert_non_null(file);
        assert_int_equal(fread(&length, sizeof length, 1, file), 1);
        assert_true(length % 8 == 0 && length < sizeof header);
        assert_int_equal(fread(header, 1, length, file), length);
        assert_non_null(strstr(header, "\"__metadata__\":{\"format\":\"pt\"}"));
        fclose(file);
        free(parameters);
    }
}

/* What the format allows, and others write, though we do not. */
static void test_lenient(void **state) {
    (void)state;
    enum { LONG = 2000000 };
    static const char *const more[] = {"", ",\"__metadata__\":null", ",\"__metadata__\":{}",
        ",\"__metadata__\":{\"format\":\"pt\",\"odd\":\"a\\u0000b\"}"};
    float *loaded = malloc(length_of(&shape) * sizeof *loaded);
    for (size_t m = 0; m < sizeof more / sizeof *more; m++) {
        char header[512];
        snprintf(header, sizeof header, "{" GOOD_0 "," GOOD_1 "," GOOD_2 "," GOOD_3 "%s}", more[m]);
        write_file(header, DATA);
        assert_ok(load(&shape, loaded));
    }
    write_file("{" GOOD_0 "," GOOD_1 "," GOOD_2 ",\"2.bias\":{\"dtype\":\"F32\",\"shape\":[4],"
               "\"note\":[1],\"data_offsets\":[64,80]}}",
        DATA);
    assert_ok(load(&shape, loaded));
    /* A long header. */
    static const char start[] =
        "{" GOOD_0 "," GOOD_1 "," GOOD_2 "," GOOD_3 ",\"__metadata__\":{\"a\":\"";
    char *bytes = malloc(LONG);
    const uint64_t length = LONG - 8 - DATA;
    memset(bytes, 'x', LONG - DATA);
    memcpy(bytes, &length, sizeof length);
    memcpy(bytes + 8, start, sizeof start - 1);
    memcpy(bytes + LONG - DATA - 3, "\"}}", 3);
    memset(bytes + LONG - DATA, 0, DATA);
    write_bytes(bytes, LONG);
    assert_ok(load(&shape, loaded));
    free(bytes);
    free(loaded);
}

/* Only names that are given here make a file one that may be replaced. */
static void test_ours(void **state) {
    (void)state;
    static const struct {
        const char *header;
        bool ours;
    } cases[] = {{"{" GOOD_0 "," GOOD_1 "}", true}, {"{\"__metadata__\":null}", true},
        {"{\"12.weight\":{},\"trainer.epochs\":{},\"trainer.scores\":{}}", true},
        {"{" GOOD_0 ",\"model.0.weight\":{}}", false}, {"{\".weight\":{}}", false},
        {"{\"0.weights\":{}}", false}, {"{\"0.running_mean\":{}}", false}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        struct checkpoint *checkpoint;
        write_file(cases[c].header, DATA);
        assert_ok(checkpoint_open(path, &checkpoint, &error));
        assert_int_equal(checkpoint_is_ours(checkpoint), cases[c].ours);
        checkpoint_close(checkpoint);
    }
}

static void refused(const char *text) {
    float *loaded = malloc(length_of(&shape) * sizeof *loaded);
    assert_fails(load(&shape, loaded), STATUS_CHECKPOINT, text);
    assert_fails(load(&shape, loaded), STATUS_CHECKPOINT, path);
    free(loaded);
}

static void test_bad_headers(void **state) {
    (void)state;
    static const struct {
        const char *header;
        size_t data_bytes;
        const char *text;
    } cases[] = {
        {"{" GOOD_0 "," GOOD_1 "," GOOD_2 "}", DATA, "\"2.bias\": is missing"},
        {"{" GOOD_0 "," GOOD_1 "," GOOD_2 "," GOOD_3 ",\"4.bias\":{}}", DATA,
            "\"4.bias\" is not of this network"},
        {"{" GOOD_0 "," GOOD_0 "," GOOD_1 "," GOOD_2 "," GOOD_3 "}", DATA, "duplicate"},
        {"{\"0.weight\":{\"dtype\":\"F16\",\"shape\":[2,3],\"data_offsets\":[0,24]}," GOOD_1
         "," GOOD_2 "," GOOD_3 "}",
            DATA, "offset 256: tensor \"0.weight\": is F16 [2, 3]; expected F32 [2, 3]"},
        {"{\"0.weight\":{\"dtype\":\"F32\",\"shape\":[3,2],\"data_offsets\":[0,24]}," GOOD_1
         "," GOOD_2 "," GOOD_3 "}",
            DATA, "is F32 [3, 2]; expected F32 [2, 3]"},
        {"{\"0.weight\":{\"dtype\":\"F32\",\"shape\":[2,3,1],\"data_offsets\":[0,24]}," GOOD_1
         "," GOOD_2 "," GOOD_3 "}",
            DATA, "is F32 [2, 3, 1]; expected"},
        {"{" GOOD_0 ",\"0.bias\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[20,28]}," GOOD_2
         "," GOOD_3 "}",
            DATA, "\"0.bias\" begins at offset 276, \"0.weight\" ends at offset 280: they overlap"},
        {"{" GOOD_0 "," GOOD_1 "," GOOD_2
         ",\"2.bias\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[68,84]}}",
            DATA + 4, "\"2.bias\" begins at offset 324, \"2.weight\" ends at offset 320: a hole"},
        {"{\"0.weight\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[80,104]}," GOOD_1
         "," GOOD_2 "," GOOD_3 "}",
            DATA + 24, "\"0.bias\" begins at offset 282, the header ends at offset 258: a hole"},
        {"{" GOOD_0 "," GOOD_1 "," GOOD_2
         ",\"2.bias\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[68,84]}}",
            DATA, "\"2.bias\": data_offsets"},
        {"{" GOOD_0 "," GOOD_1 "," GOOD_2
         ",\"2.bias\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[-16,0]}}",
            DATA, "\"2.bias\": data_offsets"},
        {"{" GOOD_0 "," GOOD_1 "," GOOD_2
         ",\"2.bias\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[64,9223372036854775807]}}",
            DATA, "\"2.bias\": data_offsets"},
        {"{" GOOD_0 "," GOOD_1 "," GOOD_2
         ",\"2.bias\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":\"64\"}}",
            DATA, "\"2.bias\": "},
        {"{" GOOD_0 "," GOOD_1 "," GOOD_2 "," GOOD_3 "}", DATA + 4,
            "4 bytes after the last tensor, \"2.bias\""},
        {"{" GOOD_0 "," GOOD_1 "," GOOD_2 "," GOOD_3 "}", DATA - 1, "\"2.bias\": data_offsets"},
        {"{\"__metadata__\":[]," GOOD_0 "," GOOD_1 "," GOOD_2 "," GOOD_3 "}", DATA,
            "is not an object of texts"},
        {"{\"__metadata__\":{\"a\":1}," GOOD_0 "," GOOD_1 "," GOOD_2 "," GOOD_3 "}", DATA,
            "is not an object of texts"},
        {"[]", DATA, "not a JSON object"},
        {"{", DATA, "header:"},
        {"", DATA, "header:"},
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        write_file(cases[c].header, cases[c].data_bytes);
        refused(cases[c].text);
    }
}

static void test_bad_files(void **state) {
    (void)state;
    unlink(path);
    refused("No such file");
    write_bytes("", 0);
    refused("offset 0: the file ends here");
    write_bytes("\xff\xff\xff\xff\xff\xff\xff\xff{}", 10);
    refused("offset 0: a header of 18446744073709551615 bytes");
    write_bytes("\x01\xe1\xf5\x05\x00\x00\x00\x00{}", 10); /* over 100 MB */
    refused("offset 0: a header of 100000001 bytes");
    assert_int_equal(truncate(path, 100000100), 0); /* that the file really has */
    refused("offset 0: a header of 100000001 bytes");
    write_bytes("\x00\xe1\xf5\x05\x00\x00\x00\x00{}", 10); /* 100 MB, that it has not */
    refused("offset 0: a header of 100000000 bytes in a file of 10 ");
    unlink(path);
    assert_int_equal(mkfifo(path, 0666), 0);
    refused("is a FIFO");
    unlink(path);
    assert_int_equal(mkdir(path, 0777), 0);
    refused("is a directory");
    rmdir(path);
}

/* It is not loaded; and not saved, but for what is there. */
static void test_not_finite(void **state) {
    (void)state;
    float *parameters = calloc(length_of(&shape), sizeof *parameters), infinite = INFINITY;
    assert_ok(save(parameters));
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, -(long)sizeof infinite, SEEK_END), 0); /* of the last bias */
    char place[128];
    snprintf(place, sizeof place, "tensor \"2.bias\": offset %ld: the value inf is not finite",
        ftell(file));
    assert_int_equal(fwrite(&infinite, sizeof infinite, 1, file), 1);
    fclose(file);
    refused(place);
    const size_t places[] = {network_weights_offset(&shape, 0), network_bias_offset(&shape, 0) + 1,
        network_bias_offset(&shape, 1) + 3}; /* the first weight, one between, the last bias */
    memset(parameters, 0, length_of(&shape) * sizeof *parameters);
    assert_ok(save(parameters));
    for (size_t p = 0; p < sizeof places / sizeof *places; p++) {
        parameters[places[p]] = NAN;
        assert_fails(save(parameters), STATUS_DIVERGED, "a weight is nan, so ");
        assert_ok(load(&shape, parameters));
    }
    free(parameters);
}

/* --- Runs --- */

enum { EPOCHS = 2, SCORED = 3 };

static struct training_epoch epochs[EPOCHS] = {{0.1, {2.5, 0.125}}, {1e-300, {1.0 / 3.0, 1.0}}};
static float scores[SCORED * 2] = {0.1f, 1.0f, 3e38f, 0.0f, 1e-45f, 1.0f};
static const struct training_position position = {
    EPOCHS, epochs, 1, SCORED, scores, 0.1234567890123456789};

static const struct checkpoint_setting settings[] = {{"--seed", "12"},
    {"--data", "/h\xc3\xa9/\xe2\x82\xac/\xf0\x9f\x98\x80"}, /* UTF-8 of 2, 3 and 4 bytes */
    {"latin", "caf\xe9"}, {"long", "\xc0\xaf"}, {"surrogate", "\xed\xa0\x80"}, {"cut", "\xe2\x82"},
    {"beyond", "\xf4\x90\x80\x80"}};

static void save_run(const struct training_position *at) {
    const struct checkpoint_run run = {settings, sizeof settings / sizeof *settings, at, NULL};
    float *parameters = malloc(length_of(&shape) * sizeof *parameters);
    network_first_parameters(&shape, 3, parameters);
    assert_ok(support_save(path, &shape, parameters, &run, &error));
    free(parameters);
}

static enum status load_position(struct training_position *found) {
    struct checkpoint *checkpoint;
    *found = (struct training_position){0};
    enum status status = checkpoint_open(path, &checkpoint, &error);
    if (status == STATUS_OK)
        status = checkpoint_load_position(checkpoint, &shape, found, &error);
    checkpoint_close(checkpoint);
    return status;
}

/* All of it comes back to the bit; settings that JSON can't have do not. */
static void test_run(void **state) {
    (void)state;
    struct training_position found;
    struct checkpoint *checkpoint;
    const struct training_position at[] = {position, {0}, {EPOCHS, epochs, 0, 0, NULL, 0.0}};
    for (size_t p = 0; p < 3; p++) {
        save_run(&at[p]);
        assert_ok(load_position(&found));
        assert_int_equal(found.epochs_done, at[p].epochs_done);
        assert_int_equal(found.batches_done, at[p].batches_done);
        assert_int_equal(found.samples_done, at[p].samples_done);
        assert_memory_equal(&found.seconds, &at[p].seconds, sizeof found.seconds);
        if (at[p].epochs_done > 0)
            assert_memory_equal(found.epochs, epochs, sizeof epochs);
        if (at[p].samples_done > 0)
            assert_memory_equal(found.scores, scores, sizeof scores);
        training_position_free(&found);
    }
    save_run(&position);
    assert_ok(checkpoint_open(path, &checkpoint, &error));
    assert_string_equal(checkpoint_setting(checkpoint, "--seed"), "12");
    assert_string_equal(checkpoint_setting(checkpoint, "--data"), settings[1].value);
    for (size_t s = 2; s < sizeof settings / sizeof *settings; s++)
        assert_null(checkpoint_setting(checkpoint, settings[s].name));
    checkpoint_close(checkpoint);
    float *loaded = malloc(length_of(&shape) * sizeof *loaded); /* the weights alone, too */
    assert_ok(load(&shape, loaded));
    free(loaded);
}

/* Replaces a text of the file by another one of its length. */
static void edit(const char *from, const char *to) {
    static char bytes[8192];
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    const size_t count = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    assert_int_equal(strlen(from), strlen(to));
    char *at = memmem(bytes, count, from, strlen(from));
    assert_non_null(at);
    memcpy(at, to, strlen(to));
    write_bytes(bytes, count);
}

/* The states of an optimiser: a run keeps them beside the weights, under torch.optim's names. */
static void test_states(void **state) {
    (void)state;
    static const char *const names[OPTIMIZERS][OPTIMIZER_STATES_MAX] = {
        [OPTIMIZER_MOMENTUM] = {"\"trainer.momentum_buffer.0.weight\""},
        [OPTIMIZER_ADAMW] = {"\"trainer.exp_avg.2.bias\"", "\"trainer.exp_avg_sq.0.weight\""}};
    for (enum optimizer optimizer = 0; optimizer < OPTIMIZERS; optimizer++) {
        struct network_shape of = shape;
        of.optimizer = optimizer;
        const size_t length = network_length(&of), weights = length_of(&shape);
        const struct checkpoint_run run = {settings, 1, &position, NULL};
        float *saved = calloc(length, sizeof *saved), *loaded = malloc(length * sizeof *loaded);
        for (size_t s = 0; s <= optimizer_states[optimizer]; s++)
            network_first_parameters(&shape, s, saved + s * weights);
        struct checkpoint *checkpoint;
        assert_ok(support_save(path, &of, saved, &run, &error));
        assert_ok(checkpoint_open(path, &checkpoint, &error));
        assert_true(checkpoint_is_ours(checkpoint));
        assert_ok(checkpoint_load(checkpoint, &of, loaded, &error));
        assert_memory_equal(loaded, saved, weights * sizeof *saved);
        for (size_t i = weights; i < length; i++)
            assert_true(loaded[i] == 0.0f);
        assert_ok(checkpoint_load_states(checkpoint, &of, loaded, &error));
        assert_memory_equal(loaded, saved, length * sizeof *saved);
        for (enum optimizer other = 0; other < OPTIMIZERS; other++) {
            of.optimizer = other;
            if (other != optimizer)
                assert_fails(checkpoint_load_states(checkpoint, &of, loaded, &error),
                    STATUS_CHECKPOINT, "are not those of its tensors");
        }
        of.optimizer = optimizer;
        checkpoint_close(checkpoint);
        struct training_position found;
        assert_ok(load_position(&found)); /* whatever the states are */
        assert_memory_equal(found.epochs, epochs, sizeof epochs);
        training_position_free(&found);
        assert_ok(load(&shape, loaded)); /* for another run, which has none */
        for (size_t s = 0; s < optimizer_states[optimizer]; s++) {
            char *other = strdup(names[optimizer][s]);
            other[strlen(other) - 3] ^= 1;
            edit(names[optimizer][s], other);
            assert_fails(load(&of, loaded), STATUS_CHECKPOINT, "is missing");
            edit(other, names[optimizer][s]);
            free(other);
        }
        assert_ok(support_save(path, &of, saved, NULL, &error)); /* weights alone */
        assert_ok(checkpoint_open(path, &checkpoint, &error));
        assert_ok(checkpoint_load(checkpoint, &of, loaded, &error));
        if (optimizer != OPTIMIZER_GRADIENT_DESCENT)
            assert_fails(checkpoint_load_states(checkpoint, &of, loaded, &error), STATUS_CHECKPOINT,
                "are not those of its tensors");
        checkpoint_close(checkpoint);
        saved[length - weights + network_bias_offset(&shape, 1)] = NAN; /* of the last array */
        if (optimizer != OPTIMIZER_GRADIENT_DESCENT)
            assert_fails(support_save(path, &of, saved, &run, &error), STATUS_DIVERGED, "is nan");
        free(saved);
        free(loaded);
    }
}

/* What a run keeps of images that are held back: the score after each epoch, and the best weights.
 */
static void test_validations(void **state) {
    (void)state;
    struct training_validation validations[EPOCHS] = {{0.5, {2.0, 0.25}}, {1e-9, {1.0 / 3.0, 0.5}}};
    for (enum optimizer optimizer = 0; optimizer < OPTIMIZERS; optimizer++)
        for (int keeps = 0; keeps < 2; keeps++) {
            struct network_shape of = shape;
            of.optimizer = optimizer;
            const size_t length = network_length(&of);
            float *saved = calloc(length, sizeof *saved), *best = calloc(length, sizeof *best);
            network_first_parameters(&shape, 1, saved);
            network_first_parameters(&shape, 2, best);
            struct training_position at = position, found = {0};
            at.validated = EPOCHS;
            at.validations = validations;
            at.best = keeps ? best : NULL;
            const struct checkpoint_run run = {settings, 1, &at, NULL};
            struct checkpoint *checkpoint;
            assert_ok(support_save(path, &of, saved, &run, &error));
            assert_ok(checkpoint_open(path, &checkpoint, &error));
            assert_true(checkpoint_is_ours(checkpoint));
            assert_ok(checkpoint_load_position(checkpoint, &of, &found, &error));
            assert_int_equal(found.validated, EPOCHS);
            assert_memory_equal(found.validations, validations, sizeof validations);
            assert_memory_equal(found.epochs, epochs, sizeof epochs);
            assert_memory_equal(found.scores, scores, sizeof scores);
            assert_int_equal(found.best != NULL, keeps);
            if (keeps)
                assert_memory_equal(found.best, best, length_of(&shape) * sizeof *best);
            training_position_free(&found);
            float *loaded = malloc(length * sizeof *loaded);
            assert_ok(checkpoint_load(checkpoint, &of, loaded, &error));
            assert_memory_equal(loaded, saved, length_of(&shape) * sizeof *saved);
            checkpoint_close(checkpoint);
            edit("\"trainer.validation\"", "\"trainer.validatiom\"");
            assert_fails(load(&of, loaded), STATUS_CHECKPOINT, "is not of this network");
            edit("\"trainer.validatiom\"", "\"trainer.validation\"");
            if (keeps) {
                edit("\"trainer.best.2.bias\"", "\"trainer.best.4.bias\"");
                assert_fails(
                    load(&of, loaded), STATUS_CHECKPOINT, "\"trainer.best.2.bias\": is missing");
            }
            free(saved);
            free(best);
            free(loaded);
        }
}

/* The choices of a net of as many layers as there may be, three for each and for two sizes of
 * batches: as long as they are, or not there. */
static void test_choices(void **state) {
    (void)state;
    const size_t size = (size_t)NETWORK_MAX_LAYERS * 6 * 64;
    char *choices = calloc(size, 1), *end = choices;
    for (size_t c = 0; c < (size_t)NETWORK_MAX_LAYERS * 6; c++)
        end +=
            snprintf(end, size - (size_t)(end - choices), "dense_backward %zu %d %zu own-medium\n",
                c % 2 ? (size_t)50000 : 300, NETWORK_MAX_WIDTH, NETWORK_MAX_WIDTH - c);
    const char *const cases[][2] = {
        {choices, choices}, {"", NULL}, {NULL, NULL}, {"caf\xe9", NULL}};
    float *parameters = calloc(length_of(&shape), sizeof *parameters);
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        struct checkpoint *checkpoint;
        const struct checkpoint_run run = {settings, 1, &position, cases[c][0]};
        assert_ok(support_save(path, &shape, parameters, &run, &error));
        assert_ok(checkpoint_open(path, &checkpoint, &error));
        const char *found = checkpoint_setting(checkpoint, CHECKPOINT_CHOICES);
        assert_int_equal(found != NULL, cases[c][1] != NULL);
        if (found)
            assert_string_equal(found, cases[c][1]);
        checkpoint_close(checkpoint);
    }
    free(parameters);
    free(choices);
}

static void test_weights_are_no_run(void **state) {
    (void)state;
    struct training_position found;
    float *parameters = calloc(length_of(&shape), sizeof *parameters);
    assert_ok(save(parameters));
    free(parameters);
    assert_fails(load_position(&found), STATUS_CHECKPOINT, "no run to continue");
    training_position_free(&found);
}

static void test_bad_runs(void **state) {
    (void)state;
    static const char *const cases[][3] = {
        {"\"trainer.epochs\":\"2\"", "\"trainer.epochs\":\"x\"", "expected a number"},
        {"\"trainer.epochs\":\"2\"", "\"trainer.epochs\":\"3\"",
            "is F64 [2, 3]; expected F64 [3, 3]"},
        {"\"trainer.epochs\":\"2\"", "\"trainer.epochs\":\"0\"", "\"trainer.epochs\" is not of"},
        {"\"trainer.samples\":\"3\"", "\"trainer.samples\":\"4\"", "expected F32 [4, 2]"},
        {"\"trainer.batches\"", "\"trainer.botches\"",
            "\"trainer.batches\" in the header's metadata"},
        {"\"trainer.seconds\":\"0.1", "\"trainer.seconds\":\"-.1", "expected seconds"},
        {"\"trainer.seconds\":\"0.12", "\"trainer.seconds\":\"1e99", "expected seconds"},
        {"Philox4x32-10", "Philox4x32-11", "are of \"Philox4x32-11\""},
        {"\"F64\"", "\"F32\"", "\"trainer.epochs\": is F32 [2, 3]; expected F64 [2, 3]"}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        struct training_position found;
        save_run(&position);
        edit(cases[c][0], cases[c][1]);
        assert_fails(load_position(&found), STATUS_CHECKPOINT, cases[c][2]);
        training_position_free(&found);
    }
    struct training_position found, at = position;
    float infinite[SCORED * 2] = {0.0f};
    infinite[5] = INFINITY;
    at.scores = infinite;
    save_run(&at);
    assert_fails(load_position(&found), STATUS_CHECKPOINT, "tensor \"trainer.scores\": offset");
    training_position_free(&found);
}

/* An open file stays what it was when another takes its name. */
static void test_replaced_while_open(void **state) {
    (void)state;
    const size_t length = length_of(&shape);
    float *first = malloc(length * sizeof *first), *loaded = malloc(length * sizeof *loaded);
    struct checkpoint *checkpoint;
    network_first_parameters(&shape, 1, first);
    assert_ok(save(first));
    assert_ok(checkpoint_open(path, &checkpoint, &error));
    network_first_parameters(&shape, 2, loaded);
    assert_ok(save(loaded));
    assert_ok(checkpoint_load(checkpoint, &shape, loaded, &error));
    assert_memory_equal(first, loaded, length * sizeof *first);
    checkpoint_close(checkpoint);
    free(first);
    free(loaded);
}

/* A file that shrinks after it was opened. */
static void test_shrinking(void **state) {
    (void)state;
    float *parameters = calloc(length_of(&shape), sizeof *parameters);
    struct checkpoint *checkpoint;
    assert_ok(save(parameters));
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    assert_ok(checkpoint_open(path, &checkpoint, &error));
    assert_int_equal(truncate(path, status.st_size - 5), 0);
    assert_fails(checkpoint_load(checkpoint, &shape, parameters, &error), STATUS_CHECKPOINT,
        "the file ends here");
    checkpoint_close(checkpoint);
    free(parameters);
}

static int set_up(void **state) {
    if (support_make_folder(state) != 0)
        return -1;
    snprintf(path, sizeof path, "%s/weights.safetensors", support_folder);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_layout),
        cmocka_unit_test(test_header),
        cmocka_unit_test(test_lenient),
        cmocka_unit_test(test_ours),
        cmocka_unit_test(test_bad_headers),
        cmocka_unit_test(test_bad_files),
        cmocka_unit_test(test_not_finite),
        cmocka_unit_test(test_run),
        cmocka_unit_test(test_states),
        cmocka_unit_test(test_validations),
        cmocka_unit_test(test_choices),
        cmocka_unit_test(test_weights_are_no_run),
        cmocka_unit_test(test_bad_runs),
        cmocka_unit_test(test_replaced_while_open),
        cmocka_unit_test(test_shrinking),
    };
    return cmocka_run_group_tests_name("checkpoint", tests, set_up, support_remove_folder);
}
