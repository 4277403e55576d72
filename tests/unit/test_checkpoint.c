/* Weights in files: what is saved is loaded, and whatever else is refused. */
#include "support.h"
#include "trainer/checkpoint.h"

#include <dirent.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char path[512];
static struct error error;
static const struct network_shape shape = {2, {3, 2, 4}, ACTIVATION_SIGMOID};

enum { DATA = (3 * 2 + 2 + 2 * 4 + 4) * 4 }; /* bytes of the shape's tensors */

static size_t length_of(const struct network_shape *of) {
    return network_parameters_length(of);
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
        assert_ok(checkpoint_save(path, &shapes[s], saved, &error));
        assert_ok(checkpoint_load(path, &shapes[s], loaded, &error));
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
    assert_ok(checkpoint_load(path, &shape, loaded, &error));
    const float *weights = loaded + network_weights_offset(&shape, 0);
    for (int in = 0; in < 3; in++)
        for (int out = 0; out < 2; out++)
            assert_true(weights[in * 2 + out] == (float)(out * 3 + in));
    assert_true(loaded[network_bias_offset(&shape, 0)] == 6.0f);
    assert_true(loaded[network_bias_offset(&shape, 1) + 3] == 19.0f);
    free(loaded);
}

static void refused(const char *text) {
    float *loaded = malloc(length_of(&shape) * sizeof *loaded);
    assert_fails(checkpoint_load(path, &shape, loaded, &error), STATUS_CHECKPOINT, text);
    assert_fails(checkpoint_load(path, &shape, loaded, &error), STATUS_CHECKPOINT, path);
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
            DATA, "\"0.weight\": is F16 [2, 3]; the network needs F32 [2, 3]"},
        {"{\"0.weight\":{\"dtype\":\"F32\",\"shape\":[3,2],\"data_offsets\":[0,24]}," GOOD_1
         "," GOOD_2 "," GOOD_3 "}",
            DATA, "is F32 [3, 2]; the network needs F32 [2, 3]"},
        {"{\"0.weight\":{\"dtype\":\"F32\",\"shape\":[2,3,1],\"data_offsets\":[0,24]}," GOOD_1
         "," GOOD_2 "," GOOD_3 "}",
            DATA, "is F32 [2, 3, 1]; the network"},
        {"{" GOOD_0 ",\"0.bias\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[20,28]}," GOOD_2
         "," GOOD_3 "}",
            DATA, "\"0.weight\" and \"0.bias\" overlap"},
        {"{" GOOD_0 "," GOOD_1 "," GOOD_2
         ",\"2.bias\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[68,84]}}",
            DATA + 4, "\"2.bias\": data_offsets"},
        {"{" GOOD_0 "," GOOD_1 "," GOOD_2
         ",\"2.bias\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[-16,0]}}",
            DATA, "\"2.bias\": data_offsets"},
        {"{" GOOD_0 "," GOOD_1 "," GOOD_2
         ",\"2.bias\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[64,9223372036854775807]}}",
            DATA, "\"2.bias\": data_offsets"},
        {"{" GOOD_0 "," GOOD_1 "," GOOD_2
         ",\"2.bias\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":\"64\"}}",
            DATA, "\"2.bias\": "},
        {"{" GOOD_0 "," GOOD_1 "," GOOD_2 "," GOOD_3 "}", DATA + 4, "84 bytes of data"},
        {"{" GOOD_0 "," GOOD_1 "," GOOD_2 "," GOOD_3 "}", DATA - 1, "79 bytes of data"},
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
    refused("too few");
    write_bytes("\xff\xff\xff\xff\xff\xff\xff\xff{}", 10);
    refused("offset 0: a header of 18446744073709551615 bytes");
    write_bytes("\x01\x00\x01\x00\x00\x00\x00\x00{}", 10); /* over 64 KiB */
    refused("offset 0: a header of 65537 bytes");
    char *spaces = malloc(70000); /* that the file really has */
    memset(spaces, ' ', 70000);
    memcpy(spaces, "\x01\x00\x01\x00\x00\x00\x00\x00{}", 10);
    write_bytes(spaces, 70000);
    refused("offset 0: a header of 65537 bytes");
    free(spaces);
    unlink(path);
    assert_int_equal(mkfifo(path, 0666), 0);
    refused("is a FIFO");
    unlink(path);
    assert_int_equal(mkdir(path, 0777), 0);
    refused("is a directory");
    rmdir(path);
}

static void test_not_finite(void **state) {
    (void)state;
    float *parameters = calloc(length_of(&shape), sizeof *parameters);
    parameters[network_bias_offset(&shape, 0) + 1] = NAN;
    assert_ok(checkpoint_save(path, &shape, parameters, &error));
    refused("tensor \"0.bias\": offset");
    refused("is not finite");
    free(parameters);
}

static int count_files(void) {
    DIR *directory = opendir(support_folder);
    int count = 0;
    for (struct dirent *entry; (entry = readdir(directory));)
        count += entry->d_name[0] != '.';
    closedir(directory);
    return count;
}

/* Saving replaces a file, leaves no other behind, and never harms what isn't a file. */
static void test_saving(void **state) {
    (void)state;
    float *parameters = calloc(length_of(&shape), sizeof *parameters);
    unlink(path);
    assert_int_equal(count_files(), 0);
    assert_ok(checkpoint_check_path(path, &error));
    assert_int_equal(count_files(), 0);
    assert_ok(checkpoint_save(path, &shape, parameters, &error));
    assert_ok(checkpoint_save(path, &shape, parameters, &error));
    assert_int_equal(count_files(), 1);
    assert_fails(checkpoint_save("/nonexistent/w", &shape, parameters, &error), STATUS_FAILED,
        "/nonexistent/w");
    assert_fails(checkpoint_check_path("/nonexistent/w", &error), STATUS_FAILED, "No such file");
    assert_fails(checkpoint_save(support_folder, &shape, parameters, &error), STATUS_FAILED,
        "not a regular file");
    assert_fails(checkpoint_check_path("/dev/null", &error), STATUS_FAILED, "not a regular file");
    assert_int_equal(count_files(), 1);
    free(parameters);
}

/* A disk that fills up: the old file stays, and nothing else does. */
static void test_saving_cut_short(void **state) {
    (void)state;
    const size_t length = length_of(&shape);
    float *saved = malloc(length * sizeof *saved), *loaded = malloc(length * sizeof *loaded);
    network_first_parameters(&shape, 1, saved);
    assert_ok(checkpoint_save(path, &shape, saved, &error));
    network_first_parameters(&shape, 2, loaded);
    struct rlimit limit, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    small = limit;
    small.rlim_cur = 100;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    const enum status status = checkpoint_save(path, &shape, loaded, &error);
    setrlimit(RLIMIT_FSIZE, &limit);
    assert_fails(status, STATUS_FAILED, "File too large");
    assert_int_equal(count_files(), 1);
    assert_ok(checkpoint_load(path, &shape, loaded, &error));
    assert_memory_equal(saved, loaded, length * sizeof *saved);
    free(saved);
    free(loaded);
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
        cmocka_unit_test(test_bad_headers),
        cmocka_unit_test(test_bad_files),
        cmocka_unit_test(test_not_finite),
        cmocka_unit_test(test_saving),
        cmocka_unit_test(test_saving_cut_short),
    };
    return cmocka_run_group_tests_name("checkpoint", tests, set_up, support_remove_folder);
}
