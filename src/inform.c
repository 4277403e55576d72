#include "inform.h"

#include "trainer/device.h"
#include "version.h"

static void print_entry(void *context, const struct device_entry *entry) {
    FILE *file = context;
    const struct device_info *info = &entry->info;
    if (!entry->available) {
        fprintf(file, "%-10s  not here: %s\n", entry->spec, entry->reason);
        return;
    }
    fprintf(file, "%-10s  %s (%s%s%s); %s", entry->spec, info->name, info->type,
        info->vendor[0] ? ", " : "", info->vendor, info->library[0] ? info->library : "no library");
    if (info->kernels[0])
        fprintf(file, "; kernels: %s", info->kernels);
    if (info->platform[0])
        fprintf(file, "; driver: %s %s", info->platform, info->driver);
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
    if (entry->available)
        fprintf(file, "%-10s  %s\n", entry->spec,
            entry->info.library[0] ? entry->info.library : "no library");
    else
        fprintf(file, "%-10s  not here: %s\n", entry->spec, entry->reason);
}

void inform_version(FILE *file) {
    fprintf(file, "trainer %s (commit %s%s%s)\n%s\n%s\n\n", version_number, version_commit,
        version_unknown[0] ? ": " : "", version_unknown, version_compiler, version_flags);
    device_list_kinds(print_library, file);
}

void inform_devices(FILE *file) {
    device_list(print_entry, file);
}
