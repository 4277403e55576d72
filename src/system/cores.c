#include "system/cores.h"

#include "system/file.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

/* Reads one range of a list like "0,32-33,40", which is moved behind it. False at the list's end.
 */
static bool next_range(const char **list, long *first, long *last) {
    char *end;
    *first = *last = strtol(*list, &end, 10);
    if (end == *list)
        return false;
    if (*end == '-')
        *last = strtol(end + 1, &end, 10);
    *list = *end == ',' ? end + 1 : end;
    return true;
}

/* Whether `processor` is the first allowed one among the hardware threads of its core. */
static bool is_first_of_core(int processor, const bool *allowed, int count, const char *folder) {
    char path[PATH_MAX], siblings[256];
    snprintf(path, sizeof path, "%s/cpu%d/topology/thread_siblings_list", folder, processor);
    if (!file_read_line(path, siblings, sizeof siblings))
        return true;
    const char *list = siblings;
    for (long first, last; next_range(&list, &first, &last);)
        for (long sibling = first; sibling <= last && sibling < processor; sibling++)
            if (sibling >= 0 && sibling < count && allowed[sibling])
                return false;
    return true;
}

void cores_online(const char *folder, bool *online, int count) {
    char path[PATH_MAX], text[4096];
    snprintf(path, sizeof path, "%s/online", folder);
    const bool known = file_read_line(path, text, sizeof text);
    for (int processor = 0; processor < count; processor++)
        online[processor] = !known;
    const char *list = text;
    for (long first, last; known && next_range(&list, &first, &last);)
        for (long processor = first; processor <= last && processor < count; processor++)
            if (processor >= 0)
                online[processor] = true;
}

int cores_count(const bool *allowed, int count, const char *folder) {
    int cores = 0;
    for (int processor = 0; processor < count; processor++)
        cores += allowed[processor] && is_first_of_core(processor, allowed, count, folder);
    return cores;
}
