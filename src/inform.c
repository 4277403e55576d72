#include "inform.h"

#include "trainer/device.h"
#include "version.h"

#include <stdio.h>

static void print_entry(void *context, const struct device_entry *entry) {
    (void)context;
    const struct device_info *info = &entry->info;
    if (!entry->available) {
        printf("%-10s  not here: %s\n", entry->spec, entry->reason);
        return;
    }
    printf("%-10s  %s (%s%s%s); %s", entry->spec, info->name, info->type,
        info->vendor[0] ? ", " : "", info->vendor, info->library[0] ? info->library : "no library");
    if (info->kernels[0])
        printf("; kernels: %s", info->kernels);
    if (info->platform[0])
        printf("; driver: %s %s", info->platform, info->driver);
    if (info->memory_bytes > 0)
        printf("; memory: %.1f GiB", (double)info->memory_bytes / (1 << 30));
    if (info->units > 0)
        printf("; %d compute unit%s", info->units, info->units == 1 ? "" : "s");
    if (info->threads > 0)
        printf("; %d thread%s", info->threads, info->threads == 1 ? "" : "s");
    printf("\n");
}

static void print_library(void *context, const struct device_entry *entry) {
    (void)context;
    if (entry->available)
        printf("%-10s  %s\n", entry->spec,
            entry->info.library[0] ? entry->info.library : "no library");
    else
        printf("%-10s  not here: %s\n", entry->spec, entry->reason);
}

void inform_version(void) {
    printf("trainer %s (commit %s)\n%s\n%s\n\n", version_number, version_commit, version_compiler,
        version_flags);
    device_list(print_library, NULL);
}

void inform_devices(void) {
    device_list(print_entry, NULL);
}
