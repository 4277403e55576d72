#include "device/opencl/drivers.h"

#include "device/gpu/program_cache.h"
#include "device/opencl/discovery.h"
#include "device/opencl/vendors.h"
#include "system/child.h"
#include "system/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    PATIENCE = 30,      /* seconds; a small machine that is busy loads a compiler in some */
    KEPT_SECONDS = 600, /* that it is known of a driver that it is too slow */
    REASON = 512,
    LINE = REASON + PATH_MAX
};

/* Apple's driver, which nobody registers, does not bear being called in a copy of a process. */
#if defined(__APPLE__)
enum { ASKS = false };
#else
enum { ASKS = true };
#endif

/* Of the process, as the loader and its drivers are. */
static struct {
    bool asked;
    char vendors[PATH_MAX]; /* what OCL_ICD_VENDORS is to be; empty: what it is */
    char (*left_out)[LINE];
    size_t count;
} process;

/* --- Asking --- */

static void ignore(void *context, const struct device_entry *entry) {
    (void)context, (void)entry;
}

/* In the child: all that this program asks before it opens one. */
static void list_all(void *context) {
    const struct vendor *only = context;
    if (only)
        vendors_take_only(only);
    opencl_list(ignore, NULL);
}

/* --- Remembering --- */

/* The question, to be ended by free(); NULL where there is no memory for it. */
static char *describe_question(const struct vendor *vendors, size_t count, size_t *length) {
    char *text = NULL;
    FILE *file = open_memstream(&text, length);
    if (!file)
        return NULL;
    fprintf(file, "OpenCL drivers, asked for their devices\n");
    vendors_print(vendors, count, file);
    const bool whole = ferror(file) == 0;
    if (fclose(file) == 0 && whole)
        return text;
    free(text);
    return NULL;
}

/* An answer that is kept: the time, and how a driver failed; nothing, if it did not. */
static bool recall(const char *question, size_t length, char *how, size_t size) {
    void *content;
    size_t bytes;
    if (!question || !program_cache_load(question, length, &content, &bytes))
        return false;
    long long kept = 0;
    int used = 0;
    char text[REASON + 32];
    snprintf(text, sizeof text, "%.*s", (int)(bytes < sizeof text ? bytes : 0), (char *)content);
    free(content);
    if (sscanf(text, "%lld %n", &kept, &used) != 1)
        return false;
    snprintf(how, size, "%s", text + used);
    const long long age = (long long)time(NULL) - kept;
    return !how[0] || (age >= 0 && age < KEPT_SECONDS);
}

static void remember(const char *question, size_t length, const char *how) {
    char text[REASON + 32];
    const int bytes = snprintf(text, sizeof text, "%lld %s", (long long)time(NULL), how);
    if (question)
        program_cache_store(question, length, text, (size_t)bytes);
}

/* Whether drivers may be loaded here: those of all these vendors, as the loader would do it, or of
 * a single one, `alone`. If not, `how` they fail. What can't be asked for want of a process may be.
 * A failure is asked for again, as it may be mended any time, unless it was long to wait for. */
static bool ask(const struct vendors *vendors, struct vendor *alone, char how[REASON]) {
    size_t length = 0;
    char *question =
        describe_question(alone ? alone : vendors->list, alone ? 1 : vendors->count, &length);
    if (!recall(question, length, how, REASON)) {
        const enum child_end end = child_do(list_all, alone, PATIENCE, how, REASON);
        if (end == CHILD_NONE)
            how[0] = '\0';
        else if (end != CHILD_BROKEN)
            remember(question, length, how);
    }
    free(question);
    return !how[0];
}

/* --- Leaving out --- */

#if defined(__GNUC__)
__attribute__((format(printf, 1, 2)))
#endif
static void
add_line(const char *format, ...) {
    char(*grown)[LINE] = realloc(process.left_out, (process.count + 1) * sizeof *grown);
    if (!grown)
        return;
    va_list arguments;
    va_start(arguments, format);
    process.left_out = grown;
    vsnprintf(grown[process.count++], LINE, format, arguments);
    va_end(arguments);
}

/* Leaves out those that fail by themselves, and keeps the others. */
static void sort_out(struct vendors *vendors) {
    size_t kept = 0;
    char how[REASON];
    for (size_t v = 0; v < vendors->count; v++) {
        struct vendor *vendor = &vendors->list[v];
        if (ask(vendors, vendor, how))
            vendors->list[kept++] = *vendor;
        else
            add_line("%s: its driver %s when it was asked for its devices, and is left out",
                vendor->path, how);
    }
    vendors->count = kept;
}

static void leave_out(struct vendors *vendors) {
    char how[REASON];
    if (ask(vendors, NULL, how))
        return;
    sort_out(vendors);
    /* No folder, and no library: of that a loader loads nothing. */
    snprintf(process.vendors, sizeof process.vendors, "/dev/null");
    if (process.count == 0)
        add_line("one of its drivers %s when all were asked for their devices, which none does "
                 "alone: they are left out; name one with OCL_ICD_VENDORS",
            how);
    else if (vendors->count > 0 && !vendors_make_folder(vendors, process.vendors)) {
        snprintf(process.vendors, sizeof process.vendors, "/dev/null");
        add_line("its other drivers are left out, too, for want of a folder to name them in: set "
                 "XDG_CACHE_HOME, or name one with OCL_ICD_VENDORS");
    }
}

const char *opencl_driver_environment(const char **value) {
    if (ASKS && !process.asked) {
        struct vendors vendors = vendors_find();
        process.asked = true;
        leave_out(&vendors);
        vendors_free(&vendors);
    }
    const char *vendors = getenv("OCL_ICD_VENDORS"), *libraries = getenv("OCL_ICD_FILENAMES");
    if (!process.vendors[0])
        return NULL;
    *value = process.vendors;
    if (!vendors || strcmp(vendors, process.vendors) != 0)
        return "OCL_ICD_VENDORS";
    *value = "";
    return libraries && *libraries ? "OCL_ICD_FILENAMES" : NULL;
}

const char *opencl_left_out(size_t index) {
    return index < process.count ? process.left_out[index] : NULL;
}

void opencl_append_left_out(char *text, size_t size) {
    for (size_t l = 0; l < process.count; l++)
        text_append(text, size, "; %s", process.left_out[l]);
}
