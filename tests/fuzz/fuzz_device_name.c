/* A device is found by exactly the names that it has, with exactly the options that it has, what
 * follows "kind:" reaches the device that it is for, and is read there as the numbers or the part
 * of a name that it is. The input, a line each: the device, --gemm, --precision, --submission
 * (where a line is missing: NULL), the name of some hardware, and --step. */
#include "device/device_type.h"
#include "device/spec.h"
#include "fuzz.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <strings.h>

/* --- Devices that are nothing but names (in the place of list.c) --- */

static void list(const char *spec, device_visitor *visit, void *context) {
    visit(context, &(struct device_entry){.spec = spec, .available = true});
}

static void cuda_list(device_visitor *visit, void *context) {
    list("cuda:0", visit, context);
}

static void opencl_list(device_visitor *visit, void *context) {
    visit(context, &(struct device_entry){.spec = "opencl", .reason = "there is none"});
}

static void cpu_list(device_visitor *visit, void *context) {
    list("cpu", visit, context);
}

static void reference_list(device_visitor *visit, void *context) {
    list("reference", visit, context);
}

static struct device opened;
static const char *opened_rest;

static enum status open_any(const char *rest, const struct device_options *options,
    struct device **device, struct error *error) {
    (void)options;
    opened_rest = rest;
    if (rest && strchr(rest, 'x'))
        return error_set(error, STATUS_DEVICE, "no such device: %s", rest);
    *device = &opened;
    return STATUS_OK;
}

static const char *needed_variable(const char **value) {
    *value = "1";
    return "of its library";
}

static const char *needed_driver_variable(const char **value) {
    *value = "2";
    return "of its driver";
}

static const char *const cuda_gemms[] = {"cublas", "own", "own-small", "own-medium", NULL};
static const char *const opencl_gemms[] = {"clblast", "own", "own-host", NULL};
static const char *const precisions[] = {"fp32", "tf32", NULL};
static const char *const steps[] = {"fused", "separate", NULL};
static const char *const submissions[] = {"graph", "stream", NULL};

static void close_any(struct device *device) {
    (void)device;
}

static enum status find_any(
    const char *rest, bool automatic, const char **shortly, struct error *error) {
    (void)automatic;
    *shortly = "there is none";
    return rest && strchr(rest, 'y') ? error_set(error, STATUS_DEVICE, "there is no %s", rest)
                                     : STATUS_OK;
}

static const struct device_type cuda = {.kind = "cuda",
    .automatic = true,
    .gpu = true,
    .gemms = cuda_gemms,
    .precisions = precisions,
    .steps = steps,
    .submissions = submissions,
    .list = cuda_list,
    .find = find_any,
    .open = open_any,
    .close = close_any};
static const struct device_type opencl = {.kind = "opencl",
    .automatic = true,
    .gpu = true,
    .gemms = opencl_gemms,
    .list = opencl_list,
    .open = open_any,
    .close = close_any,
    .driver_environment = needed_driver_variable};
static const struct device_type cpu = {.kind = "cpu",
    .automatic = true,
    .list = cpu_list,
    .open = open_any,
    .close = close_any,
    .environment = needed_variable};
static const struct device_type reference = {
    .kind = "reference", .list = reference_list, .open = open_any, .close = close_any};

const struct device_type *const device_types[] = {&cuda, &opencl, &cpu, &reference, NULL};
const struct device_lacking device_types_lacking[] = {{"absent", "it is not built"}, {NULL, NULL}};

/* --- What is right --- */

static bool is_among(const char *wanted, const char *usual, const char *const *names) {
    bool found = !wanted || strcmp(wanted, usual) == 0;
    for (; names && *names; names++)
        found = found || strcmp(wanted, *names) == 0;
    return found;
}

static bool meets_demands(const struct device_type *type, const struct device_options *options) {
    return is_among(options->gemm, "auto", type->gemms) &&
           is_among(options->precision, "fp32", type->precisions) &&
           is_among(options->step, "auto", type->steps) &&
           is_among(options->submission, "auto", type->submissions);
}

/* The device of a name that is neither auto nor gpu; NULL: none. */
static const struct device_type *type_of(const char *spec) {
    char kind[16] = "";
    if (sscanf(spec, "%15[^:]", kind) == 1 && strchr(":", spec[strlen(kind)]))
        for (const struct device_type *const *type = device_types; *type; type++)
            if (strcasecmp((*type)->kind, kind) == 0)
                return *type;
    return NULL;
}

static bool is_automatic(const char *spec) {
    return strcasecmp(spec, "auto") == 0 || strcasecmp(spec, "gpu") == 0;
}

static enum status right_status(const char *spec, const struct device_options *options) {
    const struct device_type *type = is_automatic(spec) ? &cuda : type_of(spec); /* it is there */
    const char *colon = strchr(spec, ':');
    return !type                                          ? STATUS_DEVICE
           : !meets_demands(type, options)                ? STATUS_USAGE
           : type == &cuda && colon && strchr(colon, 'y') ? STATUS_DEVICE
                                                          : STATUS_OK;
}

/* Numbers with colons between, as the C library reads them. */
static bool right_numbers(const char *text, long *numbers, size_t count) {
    for (size_t n = 0; n < count; n++)
        numbers[n] = -1;
    for (size_t n = 0; n < count; n++) {
        const size_t digits = strspn(text, "0123456789");
        char *end;
        numbers[n] = digits > 0 ? strtol(text, &end, 10) : -1; /* LONG_MAX if it is too large */
        text += digits;
        if (digits == 0 || *text != ':')
            return digits > 0 && *text == '\0';
        text++;
    }
    return false;
}

static char *lower_case(const char *text) {
    char *lower = strdup(text);
    FUZZ_REQUIRE(lower, "out of memory");
    for (char *at = lower; *at; at++)
        *at = (char)tolower((unsigned char)*at);
    return lower;
}

/* --- */

static void check_find(const char *spec, const struct device_options *options) {
    struct error error;
    error.message[0] = '\0';
    const enum status status = device_find(spec, options, &error);
    FUZZ_REQUIRE(status == right_status(spec, options), "status %d", (int)status);
    FUZZ_REQUIRE(status == STATUS_OK || error.message[0], "refused, with no reason");
    FUZZ_REQUIRE(status != STATUS_DEVICE || type_of(spec) || strlen(spec) > 1024 ||
                     strstr(error.message, spec),
        "does not name it: %s", error.message);
}

static void check_open(const char *spec, const struct device_options *options) {
    const char *colon = strchr(spec, ':');
    const bool automatic = is_automatic(spec);
    struct device *device;
    struct error error;
    error.message[0] = '\0';
    enum status status = device_open(spec, options, &device, &error);
    enum status right = right_status(spec, options);
    if (right == STATUS_DEVICE && type_of(spec))
        right = STATUS_OK; /* which this device's opening does not ask */
    if (right == STATUS_OK) {
        const char *rest = colon ? colon + 1 : NULL;
        FUZZ_REQUIRE(opened_rest == rest, "another rest reaches the device");
        right = rest && strchr(rest, 'x') ? STATUS_DEVICE : STATUS_OK;
    }
    FUZZ_REQUIRE(status == right, "status %d", (int)status);
    FUZZ_REQUIRE((status == STATUS_OK) == (device != NULL), "a device with a failure, or none");
    FUZZ_REQUIRE(!device || device->type == (automatic ? &cuda : type_of(spec)), "another device");
    FUZZ_REQUIRE(device || error.message[0], "refused, with no reason");
}

static void check_environment(const char *spec) {
    const char *value;
    const bool automatic = strcasecmp(spec, "auto") == 0 || strcasecmp(spec, "gpu") == 0;
    const char *right = automatic || type_of(spec) == &opencl ? "of its driver"
                        : type_of(spec) == &cpu               ? "of its library"
                                                              : "none";
    const char *found = device_environment(spec, &value);
    found = found ? found : "none";
    FUZZ_REQUIRE(strcmp(found, right) == 0, "%s, not %s", found, right);
    found = device_environment(NULL, &value);
    FUZZ_REQUIRE(found && strcmp(found, "of its library") == 0, "that waits for a driver");
}

static void check_numbers(const char *text) {
    long found[3], right[3];
    for (size_t count = 1; count <= 3; count++) {
        const bool is_numbers = spec_numbers(text, found, count);
        FUZZ_REQUIRE(is_numbers == right_numbers(text, right, count), "%d", is_numbers);
        for (size_t n = 0; n < count; n++)
            FUZZ_REQUIRE(found[n] == (is_numbers ? right[n] : -1), "%ld", found[n]);
    }
}

static void check_part(const char *text, const char *name) {
    char *lower_text = lower_case(text), *lower_name = lower_case(name);
    const bool right = strstr(lower_name, lower_text) != NULL;
    FUZZ_REQUIRE(spec_is_part(text, name) == right, "'%s' of '%s'", text, name);
    free(lower_text);
    free(lower_name);
}

void fuzz_try(const uint8_t *data, size_t size) {
    enum { LINES = 6 };
    char *lines[LINES] = {NULL};
    fuzz_split(data, size, lines, LINES);
    const char *spec = lines[0] ? lines[0] : "", *colon = strchr(spec, ':');
    const char *rest = colon ? colon + 1 : spec;
    const struct device_options options = {
        .gemm = lines[1], .precision = lines[2], .submission = lines[3], .step = lines[5]};
    check_find(spec, &options);
    check_open(spec, &options);
    check_environment(spec);
    check_numbers(rest);
    if (*rest && lines[4])
        check_part(rest, lines[4]);
    for (size_t l = 0; l < LINES; l++)
        free(lines[l]);
}
