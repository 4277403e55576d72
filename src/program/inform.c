#include "program/inform.h"

#include "program/environment.h"
#include "program/version.h"
#include "system/utf8.h"
#include "trainer/device.h"

/* Prints `before` and then a text from outside, as a part of a line. */
static void put(const char *before, const char *text, FILE *file) {
    char shown[sizeof((struct error){0}.message)];
    fprintf(file, "%s%s", before, utf8_show(text, true, shown, sizeof shown));
}

static void print_absent(const struct device_entry *entry, FILE *file) {
    fprintf(file, "%-10s", entry->spec);
    put("  not here: ", entry->reason, file);
    fputc('\n', file);
}

static void print_entry(void *context, const struct device_entry *entry) {
    FILE *file = context;
    const struct device_info *info = &entry->info;
    if (!entry->available) {
        print_absent(entry, file);
        return;
    }
    fprintf(file, "%-10s", entry->spec);
    put("  ", info->name, file);
    fprintf(file, " (%s", info->type);
    if (info->vendor[0])
        put(", ", info->vendor, file);
    put("); ", info->library[0] ? info->library : "no library", file);
    if (info->kernels[0])
        put("; kernels: ", info->kernels, file);
    if (info->platform[0]) {
        put("; driver: ", info->platform, file);
        put(" ", info->driver, file);
    }
    if (info->memory_bytes > 0)
        fprintf(file, "; memory: %.1f GiB", (double)info->memory_bytes / (1 << 30));
    if (info->units > 0)
        fprintf(file, "; %d compute unit%s", info->units, info->units == 1 ? "" : "s");
    if (info->threads > 0)
        fprintf(file, "; %d thread%s", info->threads, info->threads == 1 ? "" : "s");
    fprintf(file, "\n");
}

static void print_library(void *context, const struct device_entry *entry) {
    FILE *file = context;
    if (!entry->available) {
        print_absent(entry, file);
        return;
    }
    fprintf(file, "%-10s", entry->spec);
    put("  ", entry->info.library[0] ? entry->info.library : "no library", file);
    fputc('\n', file);
}

void inform_version(FILE *file) {
    environment_set(NULL);
    fprintf(file, "trainer %s (commit %s", version_number, version_commit);
    put(version_unknown[0] ? ": " : "", version_unknown, file);
    fprintf(file, ")\n%s\n%s\n\n", version_compiler, version_flags);
    device_list_kinds(print_library, file);
}

void inform_devices(FILE *file) {
    environment_set("auto");
    device_list(print_entry, file);
}
