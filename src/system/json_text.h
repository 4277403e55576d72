/* Writes JSON as text. */
#ifndef SYSTEM_JSON_TEXT_H
#define SYSTEM_JSON_TEXT_H

#include <jansson.h>

/* Makes `root` a text, which the caller frees, and gives its length. There is room for one more
 * byte after it. NULL when memory is refused. json_dumps does not do that: when jansson 2.14 is
 * refused memory for a key, it leaves the key out without saying so. */
char *json_text(const json_t *root, size_t flags, size_t *length);

#endif
