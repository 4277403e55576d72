/* Lists the devices, finds the one that a spec means, and opens it. */
#include "device/choices.h"
#include "device/device_type.h"
#include "device/environment.h"
#include "system/locale.h"
#include "system/nearest.h"
#include "system/text.h"
#include "system/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- Listing --- */

static void list_lacking(device_visitor *visit, void *context) {
    for (const struct device_lacking *lacking = device_types_lacking; lacking->kind; lacking++)
        visit(context, &(struct device_entry){.spec = lacking->kind, .reason = lacking->reason});
}

void device_list(device_visitor *visit, void *context) {
    for (const struct device_type *const *type = device_types; *type; type++)
        (*type)->list(visit, context);
    list_lacking(visit, context);
}

void device_list_kinds(device_visitor *visit, void *context) {
    for (const struct device_type *const *type = device_types; *type; type++) {
        struct device_entry entry = {.spec = (*type)->kind, .available = true};
        struct error error;
        char *text = entry.info.library;
        if ((*type)->library &&
            (*type)->library(text, sizeof entry.info.library, &error) != STATUS_OK) {
            entry.available = false;
            entry.reason = error.message;
        }
        visit(context, &entry);
    }
    list_lacking(visit, context);
}

const char *device_list_others(const char *except, char *text, size_t size) {
    text[0] = '\0';
    for (const struct device_type *const *type = device_types; *type; type++)
        if (strcmp((*type)->kind, except) != 0)
            text_append(text, size, "%s%s", text[0] ? ", " : "", (*type)->kind);
    return text;
}

/* --- Names --- */

/* Whether the first `length` letters of `one` are `name`, in upper or lower case. */
static bool is_name(const char *one, size_t length, const char *name) {
    return strlen(name) == length && locale_is_same(one, name, length);
}

/* Whether the spec leaves the choice to us: "auto" is the best device that opens, "gpu" the best
 * GPU. */
static bool is_automatic(const char *spec) {
    return is_name(spec, strlen(spec), "auto") || is_name(spec, strlen(spec), "gpu");
}

/* Whether "auto" or "gpu", which `spec` is, may choose this type. */
static bool may_take(const char *spec, const struct device_type *type) {
    return is_name(spec, strlen(spec), "gpu") ? type->gpu : type->automatic;
}

/* Whether the spec is "kind" or "kind:..." of this type. */
static bool is_kind(const struct device_type *type, const char *spec) {
    return is_name(spec, strcspn(spec, ":"), type->kind);
}

static const char *rest_of(const char *spec) {
    const char *colon = strchr(spec, ':');
    return colon ? colon + 1 : NULL;
}

/* The name of a device that a misspelt spec may mean; NULL: there is none. */
static const char *meant_by(const char *spec) {
    const char *names[16] = {"auto", "gpu"}, *found;
    size_t count = 2;
    char kind[32];
    for (const struct device_type *const *type = device_types; *type && count < 16; type++)
        names[count++] = (*type)->kind;
    snprintf(kind, sizeof kind, "%.*s", (int)strcspn(spec, ":"), spec);
    found = nearest(kind, names, count);
    return found;
}

/* The type of the device that the spec names. NULL, with an error that lists the devices, when this
 * build lacks it. */
static const struct device_type *find_type(const char *spec, struct error *error) {
    for (const struct device_type *const *type = device_types; *type; type++)
        if (is_kind(*type, spec))
            return *type;
    for (const struct device_lacking *lacking = device_types_lacking; lacking->kind; lacking++)
        if (is_name(spec, strcspn(spec, ":"), lacking->kind)) {
            error_set(error, STATUS_DEVICE, "device '%s' is not here: %s", spec, lacking->reason);
            return NULL;
        }
    char list[512];
    const char *meant = meant_by(spec);
    error_set(error, STATUS_DEVICE,
        "device '%s' is not here; there are: %s, auto and gpu%s%s%s; see --list-devices", spec,
        device_list_others("", list, sizeof list), meant ? "; did you mean '" : "",
        meant ? meant : "", meant ? "'?" : "");
    return NULL;
}

/* --- Options --- */

/* Something that device_options may ask of a device. */
struct demand {
    /* The name asked for (NULL: none), and the name that every device takes. */
    const char *wanted, *usual;
    const char *const *names; /* the names that this device takes; NULL: it has no choice */
    const char *complaint;    /* what the error says of `wanted` */
    const struct device_lacking *lacking; /* names that this build lacks; NULL: none */
};

static enum status check_demand(
    const struct device_type *type, const struct demand *demand, struct error *error) {
    char list[256] = "";
    if (!demand->wanted || strcmp(demand->wanted, demand->usual) == 0)
        return STATUS_OK;
    text_append(list, sizeof list, "%s", demand->usual);
    for (const char *const *name = demand->names; name && *name; name++) {
        if (strcmp(*name, demand->wanted) == 0)
            return STATUS_OK;
        if (strcmp(*name, demand->usual) != 0)
            text_append(list, sizeof list, ", %s", *name);
    }
    for (const struct device_lacking *name = demand->lacking; name && name->kind; name++)
        if (strcmp(name->kind, demand->wanted) == 0)
            return error_set(error, STATUS_USAGE, "%s: this build has no '%s': %s", type->kind,
                name->kind, name->reason);
    return error_set(error, STATUS_USAGE, "%s: '%s' %s; %s: %s", type->kind, demand->wanted,
        demand->complaint, demand->names ? "there are" : "it has one way only", list);
}

/* STATUS_USAGE unless the device has what the options ask for. */
static enum status check_demands(
    const struct device_type *type, const struct device_options *options, struct error *error) {
    const struct demand demands[] = {
        {options->gemm, "auto", type->gemms, "does not multiply matrices there",
            type->gemms_lacking},
        {options->precision, "fp32", type->precisions, "is not a precision of its products"},
        {options->step, "auto", type->steps, "is not how training steps are done there"},
        {options->submission, "auto", type->submissions, "is not how work is submitted there"},
        {options->exchange, "auto", type->exchanges, "is not how gradients are exchanged there"},
    };
    enum status status = STATUS_OK;
    for (size_t c = 0; c < sizeof demands / sizeof *demands && status == STATUS_OK; c++)
        status = check_demand(type, &demands[c], error);
    return status;
}

/* As check_demands, and STATUS_USAGE when an environment variable would prevent it. */
static enum status check_options(
    const struct device_type *type, const struct device_options *options, struct error *error) {
    const enum status status = check_demands(type, options, error);
    return status == STATUS_OK ? environment_check(type->kind, options, error) : status;
}

/* --- Finding and opening --- */

static enum status find_hardware(const struct device_type *type, const char *rest, bool automatic,
    const char **shortly, struct error *error) {
    return type->find ? type->find(rest, automatic, shortly, error) : STATUS_OK;
}

/* The error for options that the chosen device can't meet, which is no reason to choose another
 * device. */
static enum status refuse_automatic(const char *spec, const struct device_type *type,
    const struct error *failure, enum status status, struct error *error) {
    return error_set(error, status,
        "--device %s comes to %s, which can't do what is asked of it: %.1600s; leave that out, or "
        "name the --device",
        spec, type->kind, failure->message);
}

/* The kinds that "auto" or "gpu" has passed over: a short line for each, and their full errors. */
struct passed_over {
    char lines[sizeof((struct device_info){0}.passed_over)];
    char failures[sizeof((struct error){0}.message)];
};

static void pass_over(struct passed_over *passed, const struct device_type *type,
    const char *shortly, const struct error *failure) {
    const size_t kind = strlen(type->kind);
    if (strncmp(shortly, type->kind, kind) == 0 && strncmp(shortly + kind, ": ", 2) == 0)
        /* An error's text begins with the kind, which is not to be there twice. */
        shortly += kind + 2;
    char line[401]; /* one line, even if the text of a compiler or a driver has several */
    text_append(passed->lines, sizeof passed->lines, "%s%s: %s", passed->lines[0] ? "\n" : "",
        type->kind, utf8_show(shortly, true, line, sizeof line));
    text_append(passed->failures, sizeof passed->failures, "%s%.1000s",
        passed->failures[0] ? "; " : "", failure->message);
}

static enum status refuse_all(
    const char *spec, const struct passed_over *passed, struct error *error) {
    return error_set(error, STATUS_DEVICE, "--device %s: there is none: %s", spec,
        passed->failures[0] ? passed->failures : "this build has no such device");
}

/* Checks whether the first device that is found has what the options ask for. */
static enum status find_automatic(
    const char *spec, const struct device_options *options, struct error *error) {
    struct passed_over passed = {"", ""};
    bool known = false; /* some device of this build has what is asked for */
    for (const struct device_type *const *type = device_types; *type; type++)
        known = known || check_demands(*type, options, NULL) == STATUS_OK;
    if (!known)
        return error_set(error, STATUS_USAGE,
            "no device of this build has all of --gemm %s, --precision %s, --step %s, --submission "
            "%s, --exchange %s",
            options->gemm ? options->gemm : "auto",
            options->precision ? options->precision : "fp32",
            options->step ? options->step : "auto",
            options->submission ? options->submission : "auto",
            options->exchange ? options->exchange : "auto");
    for (const struct device_type *const *type = device_types; *type; type++) {
        const char *shortly;
        struct error failure;
        if (!may_take(spec, *type))
            continue;
        if (find_hardware(*type, NULL, true, &shortly, &failure) != STATUS_OK) {
            pass_over(&passed, *type, shortly, &failure);
            continue;
        }
        const enum status status = check_options(*type, options, &failure);
        return status == STATUS_OK ? status
                                   : refuse_automatic(spec, *type, &failure, status, error);
    }
    return refuse_all(spec, &passed, error);
}

enum status device_find(
    const char *spec, const struct device_options *options, struct error *error) {
    if (is_automatic(spec))
        return find_automatic(spec, options, error);
    const struct device_type *type = find_type(spec, error);
    const char *shortly;
    enum status status = type ? check_options(type, options, error) : STATUS_DEVICE;
    return status == STATUS_OK ? find_hardware(type, rest_of(spec), false, &shortly, error)
                               : status;
}

static enum status open_type(const struct device_type *type, const char *rest,
    const struct device_options *options, struct device **device, struct error *error) {
    enum status status = check_options(type, options, error);
    if (status == STATUS_OK)
        status = type->open(rest, options, device, error);
    if (status != STATUS_OK)
        return status;
    (*device)->type = type;
    (*device)->communicator = options->communicator;
    status = choices_take_over(*device, options->choices, error);
    if (status != STATUS_OK) {
        device_close(*device);
        *device = NULL;
    }
    return status;
}

/* Whether a device did not open because of the options: they contradict the device or the
 * environment, or the device opens without them. */
static bool is_kept_by_options(
    const struct device_type *type, const struct device_options *options) {
    if (check_options(type, options, NULL) != STATUS_OK)
        return true;
    const struct device_options plain = {.automatic = true};
    struct device *device = NULL;
    const bool opens = open_type(type, NULL, &plain, &device, NULL) == STATUS_OK;
    device_close(device);
    return opens;
}

/* Opens the first device that is there and opens. Devices whose hardware is missing or does not
 * work are passed over, and reported. A device is never passed over because of the options. */
static enum status open_automatic(const char *spec, const struct device_options *options,
    struct device **device, struct error *error) {
    struct passed_over passed = {"", ""};
    struct device_options wanted = *options;
    wanted.automatic = true;
    for (const struct device_type *const *type = device_types; *type; type++) {
        struct error failure;
        const char *shortly = NULL;
        if (!may_take(spec, *type))
            continue;
        enum status status = find_hardware(*type, NULL, true, &shortly, &failure);
        const bool found = status == STATUS_OK;
        if (found)
            status = open_type(*type, NULL, &wanted, device, &failure);
        if (status == STATUS_OK) {
            memcpy((*device)->info.passed_over, passed.lines, sizeof passed.lines);
            return STATUS_OK;
        }
        if (found && is_kept_by_options(*type, &wanted))
            return refuse_automatic(spec, *type, &failure, status, error);
        pass_over(&passed, *type, found ? failure.message : shortly, &failure);
    }
    return refuse_all(spec, &passed, error);
}

enum status device_open(const char *spec, const struct device_options *options,
    struct device **device, struct error *error) {
    *device = NULL;
    if (is_automatic(spec))
        return open_automatic(spec, options, device, error);
    const struct device_type *type = find_type(spec, error);
    return type ? open_type(type, rest_of(spec), options, device, error) : STATUS_DEVICE;
}

void device_close(struct device *device) {
    if (!device)
        return;
    choices_free(device);
    device->type->close(device);
}

const char *device_environment(const char *spec, const char **value) {
    for (const struct device_type *const *type = device_types; *type; type++) {
        const bool meant =
            !spec || (is_automatic(spec) ? may_take(spec, *type) : is_kind(*type, spec));
        const char *name = meant && (*type)->environment ? (*type)->environment(value) : NULL;
        if (!name && meant && spec && (*type)->driver_environment)
            name = (*type)->driver_environment(value);
        if (name)
            return name;
    }
    return NULL;
}
