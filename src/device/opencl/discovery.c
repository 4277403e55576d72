#include "device/opencl/discovery.h"

#include "device/opencl/drivers.h"
#include "device/opencl/pocl.h"
#include "device/opencl/status.h"
#include "device/spec.h"
#include "system/text.h"
#include "system/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Advice for those who have no driver: the packages that bring one. */
#define PACKAGES                                                                                   \
    "install your hardware's (Debian: mesa-opencl-icd for AMD and Intel, intel-opencl-icd, "       \
    "nvidia-opencl-icd; pocl-opencl-icd for any CPU)"

/* --- Asking --- */

enum status opencl_device_info(
    cl_device_id id, cl_device_info what, void *value, size_t size, struct error *error) {
    size_t needed = 0;
    cl_int code = clGetDeviceInfo(id, what, 0, NULL, &needed);
    char *whole = code == CL_SUCCESS ? calloc(1, needed + 1) : NULL;
    if (whole)
        code = clGetDeviceInfo(id, what, needed, whole, NULL);
    char number[32];
    snprintf(number, sizeof number, "query 0x%x", what);
    enum status status = STATUS_OK;
    if (code != CL_SUCCESS)
        status = opencl_failed("clGetDeviceInfo", code, number, error);
    else if (!whole)
        status = error_memory(error, "what an OpenCL device says of itself", needed);
    else
        memcpy(value, whole, needed < size ? needed : size);
    free(whole);
    return status;
}

/* Gives a text that a device says of itself: in UTF-8, without the spaces around it, cut to `size`
 * bytes. */
static enum status device_text(
    cl_device_id id, cl_device_info what, char *text, size_t size, struct error *error) {
    char value[256] = "";
    const enum status status = opencl_device_info(id, what, value, sizeof value - 1, error);
    if (status != STATUS_OK)
        return status;
    static const char spaces[] = " \t\n\v\f\r";
    size_t length = strlen(value);
    while (length > 0 && strchr(spaces, value[length - 1]))
        value[--length] = '\0';
    utf8_show(value + strspn(value, spaces), false, text, size);
    return STATUS_OK;
}

/* --- What there is --- */

/* A device, and the numbers by which a spec names it: "opencl:P:D", platform and device. */
struct place {
    unsigned platform, device;
    cl_device_id id;
    cl_device_type type;
    char name[128];
    int rank; /* 2: a GPU, 1: an accelerator, 0: a CPU, or a GPU in name only */
};

/* Every device of every platform, in the order of their numbers. A broken driver does not hide the
 * devices of the others. Its error is reported only when there is no device at all. */
struct places {
    struct place *places;
    size_t count;
    struct error broken; /* a broken driver's error; empty: none is broken */
};

/* Whether the device is a renderer in software: its type is a GPU, but it computes on a CPU. */
static bool is_software(const char *name) {
    static const char *const renderers[] = {"llvmpipe", "softpipe", "swiftshader", "swrast"};
    for (size_t r = 0; r < sizeof renderers / sizeof *renderers; r++)
        if (spec_is_part(renderers[r], name))
            return true;
    return false;
}

static enum status describe_place(struct place *place, struct error *error) {
    enum status status =
        opencl_device_info(place->id, CL_DEVICE_TYPE, &place->type, sizeof place->type, error);
    if (status == STATUS_OK)
        status = device_text(place->id, CL_DEVICE_NAME, place->name, sizeof place->name, error);
    place->rank = is_software(place->name)                   ? 0
                  : place->type & CL_DEVICE_TYPE_GPU         ? 2
                  : place->type & CL_DEVICE_TYPE_ACCELERATOR ? 1
                                                             : 0;
    return status;
}

static enum status add_places(
    struct places *places, unsigned platform, cl_platform_id id, struct error *error) {
    cl_uint count = 0;
    enum status status = pocl_check(id, error);
    if (status != STATUS_OK)
        return status;
    cl_int code = clGetDeviceIDs(id, CL_DEVICE_TYPE_ALL, 0, NULL, &count);
    if (code == CL_DEVICE_NOT_FOUND || (code == CL_SUCCESS && count == 0))
        return STATUS_OK;
    if (code != CL_SUCCESS)
        return opencl_failed("clGetDeviceIDs", code, "counting", error);
    cl_device_id *ids = calloc(count, sizeof(cl_device_id));
    struct place *grown = realloc(places->places, (places->count + count) * sizeof *places->places);
    if (grown)
        places->places = grown;
    if (!ids || !grown)
        status = error_memory(error, "the list of OpenCL devices", count * sizeof *grown);
    else if ((code = clGetDeviceIDs(id, CL_DEVICE_TYPE_ALL, count, ids, NULL)) != CL_SUCCESS)
        status = opencl_failed("clGetDeviceIDs", code, "", error);
    for (cl_uint d = 0; d < count && status == STATUS_OK; d++) {
        struct place place = {.platform = platform, .device = d, .id = ids[d]};
        status = describe_place(&place, error);
        if (status == STATUS_OK)
            places->places[places->count++] = place;
    }
    free(ids);
    return status;
}

/* Finds all devices. STATUS_DEVICE when there is none. The caller frees places->places, whatever is
 * returned. */
static enum status find_places(struct places *places, struct error *error) {
    *places = (struct places){0};
    cl_uint count = 0;
    cl_int code = clGetPlatformIDs(0, NULL, &count);
    const bool none = code == -1001 || (code == CL_SUCCESS && count == 0);
    if (none && opencl_left_out(0))
        return error_set(
            error, STATUS_DEVICE, "opencl: no driver is left (CL_PLATFORM_NOT_FOUND_KHR)");
    if (none)
        return error_set(error, STATUS_DEVICE,
            "opencl: no driver works here (CL_PLATFORM_NOT_FOUND_KHR): none is registered, or none "
            "of those loads (OCL_ICD_DEBUG=15 may say why): " PACKAGES);
    if (code != CL_SUCCESS)
        return opencl_failed("clGetPlatformIDs", code, "counting", error);
    cl_platform_id *ids = calloc(count, sizeof(cl_platform_id));
    if (!ids)
        return error_memory(error, "the list of OpenCL platforms", count * sizeof *ids);
    if ((code = clGetPlatformIDs(count, ids, NULL)) != CL_SUCCESS) {
        free(ids);
        return opencl_failed("clGetPlatformIDs", code, "", error);
    }
    for (cl_uint p = 0; p < count; p++)
        add_places(places, p, ids[p], &places->broken);
    free(ids);
    if (places->count > 0)
        return STATUS_OK;
    if (places->broken.message[0])
        return error_set(error, STATUS_DEVICE, "%s", places->broken.message);
    return error_set(error, STATUS_DEVICE,
        "opencl: %u driver%s registered, but without any hardware for it "
        "(CL_DEVICE_NOT_FOUND): " PACKAGES,
        count, count == 1 ? " is" : "s are");
}

/* --- Describing --- */

static const char *type_name(cl_device_type type) {
    return type & CL_DEVICE_TYPE_GPU           ? "gpu"
           : type & CL_DEVICE_TYPE_ACCELERATOR ? "accelerator"
                                               : "cpu";
}

enum status opencl_library(char *text, size_t size, struct error *error) {
    (void)error;
    snprintf(text, size, "CLBlast %d.%d.%d", CLBLAST_VERSION_MAJOR, CLBLAST_VERSION_MINOR,
        CLBLAST_VERSION_PATCH);
    return STATUS_OK;
}

static enum status describe(cl_device_id id, struct device_info *info, struct error *error) {
    *info = (struct device_info){.kind = "opencl", .precision = "fp32"};
    cl_device_type type = 0;
    cl_ulong memory = 0;
    cl_uint units = 0;
    cl_platform_id platform = NULL;
    struct {
        cl_device_info what;
        void *value;
        size_t size;      /* of a number; 0: a text */
        size_t text_size; /* of a text */
    } const queries[] = {
        {CL_DEVICE_TYPE, &type, sizeof type, 0},
        {CL_DEVICE_GLOBAL_MEM_SIZE, &memory, sizeof memory, 0},
        {CL_DEVICE_MAX_COMPUTE_UNITS, &units, sizeof units, 0},
        {CL_DEVICE_PLATFORM, &platform, sizeof platform, 0},
        {CL_DEVICE_NAME, info->name, 0, sizeof info->name},
        {CL_DEVICE_VENDOR, info->vendor, 0, sizeof info->vendor},
        {CL_DRIVER_VERSION, info->driver, 0, sizeof info->driver},
        {CL_DEVICE_OPENCL_C_VERSION, info->kernels, 0, sizeof info->kernels},
    };
    for (size_t q = 0; q < sizeof queries / sizeof *queries; q++) {
        const enum status status =
            queries[q].size > 0
                ? opencl_device_info(id, queries[q].what, queries[q].value, queries[q].size, error)
                : device_text(id, queries[q].what, queries[q].value, queries[q].text_size, error);
        if (status != STATUS_OK)
            return status;
    }
    size_t length = 0;
    cl_int code = clGetPlatformInfo(platform, CL_PLATFORM_NAME, 0, NULL, &length);
    char *name = code == CL_SUCCESS ? calloc(1, length + 1) : NULL;
    if (name)
        code = clGetPlatformInfo(platform, CL_PLATFORM_NAME, length, name, NULL);
    if (name)
        snprintf(info->platform, sizeof info->platform, "%s", name);
    free(name);
    if (code != CL_SUCCESS)
        return opencl_failed("clGetPlatformInfo", code, "CL_PLATFORM_NAME", error);
    if (!name)
        return error_memory(error, "the name of an OpenCL platform", length);
    opencl_library(info->library, sizeof info->library, error);
    info->type = type_name(type);
    info->memory_bytes = memory;
    info->units = (int)units;
    info->threads = strcmp(info->type, "cpu") == 0 ? info->units : 0;
    if (is_software(info->name))
        snprintf(info->warning, sizeof info->warning,
            "'%.100s' draws on a CPU: its times are not a GPU's", info->name);
    else if (strcmp(info->type, "cpu") == 0)
        snprintf(info->warning, sizeof info->warning,
            "there is no OpenCL GPU in use: '%.100s' is a CPU, for which --device cpu is made",
            info->name);
    return STATUS_OK;
}

/* Gives the reason why a device can't be used; NULL when it can. When that can't be found out, the
 * status is an error, and the reason is NULL, too. */
static enum status check_usable(cl_device_id id, const char **reason, struct error *error) {
    cl_bool available = CL_FALSE, compiler = CL_FALSE;
    char version[64] = ""; /* "OpenCL 3.0 ..." */
    *reason = NULL;
    enum status status =
        opencl_device_info(id, CL_DEVICE_AVAILABLE, &available, sizeof available, error);
    if (status == STATUS_OK)
        status =
            opencl_device_info(id, CL_DEVICE_COMPILER_AVAILABLE, &compiler, sizeof compiler, error);
    if (status == STATUS_OK)
        status = device_text(id, CL_DEVICE_VERSION, version, sizeof version, error);
    if (status != STATUS_OK)
        return status;
    *reason = !available  ? "it is not available (CL_DEVICE_NOT_AVAILABLE)"
              : !compiler ? "its driver has no compiler (CL_COMPILER_NOT_AVAILABLE)"
              : strncmp(version, "OpenCL 1.0", 10) == 0 || strncmp(version, "OpenCL 1.1", 10) == 0
                  ? "its driver is older than OpenCL 1.2"
                  : NULL;
    return STATUS_OK;
}

static void spec_of(const struct place *place, char *spec, size_t size) {
    snprintf(spec, size, "opencl:%u:%u", place->platform, place->device);
}

void opencl_list(device_visitor *visit, void *context) {
    struct places places;
    struct error error;
    if (find_places(&places, &error) != STATUS_OK)
        visit(context,
            &(struct device_entry){.spec = "opencl", .reason = error.message + strlen("opencl: ")});
    else
        for (size_t p = 0; p < places.count; p++) {
            const cl_device_id id = places.places[p].id;
            char spec[48];
            struct device_entry entry = {.spec = spec};
            spec_of(&places.places[p], spec, sizeof spec);
            if (describe(id, &entry.info, &error) != STATUS_OK ||
                check_usable(id, &entry.reason, &error) != STATUS_OK)
                entry.reason = error.message;
            entry.available = entry.reason == NULL;
            visit(context, &entry);
        }
    free(places.places);
    const char *line;
    for (size_t l = 0; (line = opencl_left_out(l)); l++)
        visit(context, &(struct device_entry){.spec = "opencl", .reason = line});
}

/* --- Choosing --- */

/* Writes all devices as "opencl:0:0 'GeForce RTX 3090' (gpu), ...", for messages. */
static const char *list_places(const struct places *places, char *text, size_t size) {
    text[0] = '\0';
    for (size_t p = 0; p < places->count; p++) {
        const struct place *place = &places->places[p];
        char spec[48];
        spec_of(place, spec, sizeof spec);
        text_append(text, size, "%s%s '%s' (%s)", p > 0 ? ", " : "", spec, place->name,
            type_name(place->type));
    }
    return text;
}

/* The best device that can be used, of this platform and with this number in it; -1 stands for any.
 * With `automatic`, only GPUs count. NULL, with an error, when there is none. */
static const struct place *best_of(
    const struct places *places, long platform, long device, bool automatic, struct error *error) {
    const struct place *best = NULL;
    char unusable[256] = "", list[1024];
    for (size_t p = 0; p < places->count; p++) {
        const struct place *place = &places->places[p];
        const char *reason;
        if ((platform >= 0 && (long)place->platform != platform) ||
            (device >= 0 && (long)place->device != device) || (automatic && place->rank < 2) ||
            (best && place->rank <= best->rank))
            continue;
        if (check_usable(place->id, &reason, error) != STATUS_OK)
            return NULL;
        if (!reason)
            best = place;
        else
            snprintf(unusable, sizeof unusable, "opencl:%u:%u can't be used: %s; ", place->platform,
                place->device, reason);
    }
    if (!best)
        error_set(error, STATUS_DEVICE, "opencl: %s%s; there is: %s", unusable,
            automatic ? "no GPU" : "no such device", list_places(places, list, sizeof list));
    return best;
}

/* The only device that has `text` in its name, in upper or lower case. NULL, with an error, when
 * there is none, when there are several, or when it can't be used. */
static const struct place *named(
    const struct places *places, const char *text, struct error *error) {
    const struct place *found = NULL;
    size_t matches = 0;
    char list[1024];
    for (size_t p = 0; p < places->count; p++)
        if (spec_is_part(text, places->places[p].name)) {
            found = &places->places[p];
            matches++;
        }
    const char *reason = NULL;
    if (matches == 1 && check_usable(found->id, &reason, error) != STATUS_OK)
        return NULL;
    if (matches == 1 && !reason)
        return found;
    error_set(error, STATUS_DEVICE, "opencl: '%s' %s%s; there is: %s", text,
        matches == 0  ? "is part of no device's name"
        : matches > 1 ? "is part of several devices' names: use numbers, or more of the name"
                      : "can't be used: ",
        reason ? reason : "", list_places(places, list, sizeof list));
    return NULL;
}

/* From the best GPU on, the one that is `turn` usable GPUs of its platform further, counted round.
 */
static const struct place *take_turn(
    const struct places *places, const struct place *best, int turn) {
    const char *reason;
    size_t p = (size_t)(best - places->places);
    while (turn > 0 && best->rank == 2) {
        p = (p + 1) % places->count;
        const struct place *place = &places->places[p];
        if (place->platform == best->platform && place->rank == best->rank &&
            check_usable(place->id, &reason, NULL) == STATUS_OK && !reason)
            turn--;
    }
    return &places->places[p];
}

static const struct place *choose(
    const struct places *places, const char *rest, int turn, bool automatic, struct error *error) {
    long numbers[2] = {-1, -1}; /* of platform and device; -1: any */
    if (rest && *rest && !spec_numbers(rest, numbers, 2))
        return named(places, rest, error);
    const struct place *best = best_of(places, numbers[0], numbers[1], automatic, error);
    return best && numbers[1] < 0 ? take_turn(places, best, turn) : best;
}

/* Adds to an error which drivers were left out; NULL is fine. */
static void add_left_out(struct error *error) {
    if (error)
        opencl_append_left_out(error->message, sizeof error->message);
}

/* Finds the place of the device that opencl_choose takes. If there is none, *shortly says why in a
 * few words. */
static enum status find_place(const char *rest, int turn, bool automatic, struct place *found,
    const char **shortly, struct error *error) {
    struct places places;
    enum status status = find_places(&places, error);
    *shortly = status == STATUS_OK ? "no GPU" : "no driver with hardware";
    const struct place *place =
        status == STATUS_OK ? choose(&places, rest, turn, automatic, error) : NULL;
    if (place)
        *found = *place;
    else if (status == STATUS_OK)
        status = STATUS_DEVICE;
    free(places.places);
    if (status != STATUS_OK && opencl_left_out(0)) { /* one of theirs may fit */
        *shortly = opencl_left_out(0);
        add_left_out(error);
    }
    return status;
}

enum status opencl_find(
    const char *rest, bool automatic, const char **shortly, struct error *error) {
    struct place place;
    return find_place(rest, 0, automatic, &place, shortly, error);
}

/* Adds to a device's warning which drivers were left out, because one of theirs may have been
 * better. */
static void warn_of_left_out(struct device_info *info) {
    char lines[sizeof info->warning] = "";
    opencl_append_left_out(lines, sizeof lines);
    text_append(info->warning, sizeof info->warning, "%s",
        !info->warning[0] && lines[0] ? lines + strlen("; ") : lines);
}

/* Where the device is on its host's bus, if its driver tells (cl_khr_pci_bus_info). */
static void find_address(cl_device_id id, char *address, size_t size) {
    struct {
        cl_uint domain, bus, device, function;
    } place;
    enum { PCI_BUS_INFO = 0x410F }; /* CL_DEVICE_PCI_BUS_INFO_KHR, which older headers lack */
    if (opencl_device_info(id, PCI_BUS_INFO, &place, sizeof place, NULL) == STATUS_OK)
        snprintf(address, size, "%04x:%02x:%02x", place.domain, place.bus, place.device);
}

enum status opencl_choose(const char *rest, const struct device_options *options,
    struct opencl *opencl, struct error *error) {
    struct device_info *info = &opencl->gpu.base.info;
    struct place place;
    const char *shortly;
    const int turn = communicator_info(options->communicator)->local_rank;
    enum status status = find_place(rest, turn, options->automatic, &place, &shortly, error);
    if (status != STATUS_OK)
        return status;
    opencl->id = place.id;
    status = describe(place.id, info, error);
    find_address(place.id, info->address, sizeof info->address);
    warn_of_left_out(info);
    return status;
}
