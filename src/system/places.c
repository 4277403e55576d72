#include "system/places.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool places_cache(const char *name, char *path, size_t size, size_t *given) {
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    const bool is_named = cache && cache[0] == '/';
    const bool is_usual = !is_named && home && home[0] == '/';
    int length = -1;
    if (is_named)
        length = snprintf(path, size, "%s/%s", cache, name);
    else if (is_usual)
        length = snprintf(path, size, "%s/.cache/%s", home, name);
    if (given)
        *given = is_usual ? strlen(home) : 0;
    const bool found = length > 0 && (size_t)length < size;
    if (!found)
        path[0] = '\0';
    return found;
}

const char *places_temporary(void) {
    const char *named = getenv("TMPDIR");
    return named && named[0] == '/' ? named : "/tmp";
}
