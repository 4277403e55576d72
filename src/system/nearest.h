/* What somebody who mistyped a word may have meant. */
#ifndef SYSTEM_NEAREST_H
#define SYSTEM_NEAREST_H

#include <stddef.h>

/* Of `count` words the one that is nearest to `word`, in upper or lower case: at most one letter of
 * every three is wrong, missing, too much, or swapped with the next one. The first of several; NULL
 * when none is so near, or `word` is longer than any should be. */
const char *nearest(const char *word, const char *const *words, size_t count);

#endif
