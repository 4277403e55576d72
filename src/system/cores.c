#include "system/cores.h"

#include "system/file.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

/* Whether `processor` is the first allowed one among the hardware threads of its core. */
static bool is_first_of_core(int processor, const bool *allowed, int count, const char *folder) {
    char path[PATH_MAX], siblings[256];
    snprintf(path, sizeof path, "%s/cpu%d/topology/thread_siblings_list", folder, processor);
    if (!file_read_line(path, siblings, sizeof siblings))
        return true;
    for (char *text = siblings; *text;) { /* "0,32" or "0-1" */
        char *end;
        const long first = strtol(text, &end, 10);
        const long last = *end == '-' ? strtol(end + 1, &end, 10) : first;
        for (long sibling = first; sibling <= last && sibling < processor; sibling++)
            if (sibling >= 0 && sibling < count && allowed[sibling])
                return false;
        if (end == text)
            break;
        text = *end == ',' ? end + 1 : end;
    }
    return true;
}

int cores_count(const bool *allowed, int count, const char *folder) {
    int cores = 0;
    for (int processor = 0; processor < count; processor++)
        cores += allowed[processor] && is_first_of_core(processor, allowed, count, folder);
    return cores;
}
