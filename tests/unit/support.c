#include "support.h"

#include <ftw.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void support_assert_fails(
    enum status status, enum status wanted, const char *text, const struct error *error) {
    if (status != wanted)
        fail_msg("status %d, expected %d (%s)", status, wanted,
            status == STATUS_OK ? "no error" : error->message);
    if (!strstr(error->message, text))
        fail_msg("the message \"%s\" does not say \"%s\"", error->message, text);
}

double support_root_mean_square(const float *values, size_t count) {
    double square = 0.0;
    for (size_t i = 0; i < count; i++)
        square += (double)values[i] * values[i];
    return sqrt(square / (double)count);
}

void support_assert_close(
    const char *what, const float *found, const float *expected, size_t count, double tolerance) {
    const double size = support_root_mean_square(expected, count) + 1e-30;
    support_assert_within(what, found, expected, count, tolerance * size);
}

void support_assert_within(
    const char *what, const float *found, const float *expected, size_t count, double bound) {
    for (size_t i = 0; i < count; i++)
        if (!(fabs((double)found[i] - expected[i]) <= bound))
            fail_msg("%s: element %zu of %zu is %.9g, expected %.9g within %.3g", what, i, count,
                (double)found[i], (double)expected[i], bound);
}

/* Whether $TRAINER_REQUIRE_DEVICES, a list with commas, names the kind of this device. */
static bool is_required(const char *spec) {
    const size_t length = strcspn(spec, ":");
    const char *name = getenv("TRAINER_REQUIRE_DEVICES");
    for (; name && *name; name += strspn(name, ",")) {
        if (strcspn(name, ",") == length && strncmp(name, spec, length) == 0)
            return true;
        name += strcspn(name, ",");
    }
    return false;
}

int support_open(const char *spec, const char *gemm, int threads, struct device **device) {
    struct error error;
    struct device_options options = {.threads = threads, .gemm = gemm};
    enum status status = device_open(spec, &options, device, &error);
    if (status == STATUS_DEVICE && strstr(error.message, "--threads")) {
        options.threads = 0;
        status = device_open(spec, &options, device, &error);
    }
    if (status == STATUS_OK)
        return 0;
    const bool must = is_required(spec) && !strstr(error.message, "this processor has no");
    print_message("%s: %s\n", must ? "FAILED" : "skipped", error.message);
    return must ? 1 : 77;
}

char support_folder[256];

int support_make_folder(void **state) {
    (void)state;
    const char *base = getenv("TMPDIR");
    snprintf(support_folder, sizeof support_folder, "%s/trainer-test-XXXXXX",
        base && *base ? base : "/tmp");
    return mkdtemp(support_folder) ? 0 : -1;
}

static int remove_entry(
    const char *path, const struct stat *status, int flag, struct FTW *position) {
    (void)status, (void)flag, (void)position;
    return remove(path);
}

int support_remove_folder(void **state) {
    (void)state;
    return nftw(support_folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

enum status support_save(const char *path, const struct network_shape *shape,
    const float *parameters, const struct checkpoint_run *run, struct error *error) {
    struct reservation *place;
    enum status status = checkpoint_reserve(path, shape, NULL, 0, &place, error);
    if (status == STATUS_OK)
        status = checkpoint_save_last(place, shape, parameters, run, error);
    checkpoint_close_place(place);
    return status;
}
