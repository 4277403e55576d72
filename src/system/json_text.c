#include "system/json_text.h"

#include <stdlib.h>

char *json_text(const json_t *root, size_t flags, size_t *length) {
    *length = root ? json_dumpb(root, NULL, 0, flags) : 0;
    char *text = *length > 0 ? malloc(*length + 1) : NULL;
    /* The same length again: nothing was left out. */
    if (text && json_dumpb(root, text, *length, flags) == *length)
        return text;
    free(text);
    return NULL;
}
