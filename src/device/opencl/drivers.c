#include "device/opencl/drivers.h"

#include "device/opencl/discovery.h"
#include "device/opencl/vendors.h"
#include "device/program_cache.h"
#include "system/child.h"
#include "system/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    PATIENCE = 30,      /* seconds that drivers have to answer; a busy machine needs several */
    KEPT_SECONDS = 600, /* for which we remember that a driver is too slow */
    REASON = 512,
    LINE = REASON + PATH_MAX
};

/* Apple's driver can't be called in a copy of a process. It isn't registered anywhere either, so
 * that there is none to leave out. */
#if defined(__APPLE__)
enum { ASKS = false };
#else
enum { ASKS = true };
#endif

/* What is known of the drivers. It belongs to the process, as the loader and its drivers do. */
static struct {
    bool asked;
    char vendors[PATH_MAX]; /* what OCL_ICD_VENDORS must be; empty: it stays as it is */
    char (*left_out)[LINE];
    size_t count;
} process;

/* --- Asking --- */

static void ignore(void *context, const struct device_entry *entry) {
    (void)context, (void)entry;
}

/* Runs in the copy of the process. Asks of the drivers all that this program asks before it opens a
 * device. `context` is the one driver to load; NULL: all of them. */
static void list_all(void *context) {
    const struct vendor *only = context;
    if (only)
        vendors_take_only(only);
    opencl_list(ignore, NULL);
}

/* --- Remembering --- */

/* Writes the question under which an answer is kept: which drivers are asked, and what decides
 * their answer. The caller frees it. NULL when memory is refused. */
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

/* Gives an answer that was kept: `how` the driver failed, which is empty if it did not. The cache
 * has it after the time at which it was given. False when there is no answer, or when a failure is
 * too long ago. */
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

/* Whether drivers may be loaded into this process: the driver of `alone` or, if that is NULL, those
 * of all vendors at once, as the loader loads them. If not, `how` says how they fail. If there is
 * no process to ask them in, they may be loaded. A driver that fails is asked again in the next
 * run, as it may have been mended. Only a failure that took long is remembered. */
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

/* Asks each driver by itself. Those that fail are left out, and the others stay in the list. */
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
    /* This path is neither a folder nor a library, so that a loader loads nothing. */
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
