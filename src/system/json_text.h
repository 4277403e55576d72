/* JSON as text. */
#ifndef SYSTEM_JSON_TEXT_H
#define SYSTEM_JSON_TEXT_H

#include <jansson.h>

/* `root` as text, which the caller frees, and its length; there is room for one more byte after it.
 * NULL when memory is refused. Not json_dumps: jansson 2.14 leaves a key out, and says nothing,
 * when it is refused memory for it. */
char *json_text(const json_t *root, size_t flags, size_t *length);

#endif
