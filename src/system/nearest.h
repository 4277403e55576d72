/* Finds the word that somebody may have meant who mistyped it. */
#ifndef SYSTEM_NEAREST_H
#define SYSTEM_NEAREST_H

#include <stddef.h>

/* The one of `count` words that is nearest to `word`, in upper or lower case. At most one letter in
 * three may be wrong, missing, too many, or swapped with the next one. Of several it is the first.
 * NULL when none is so near, or when `word` is longer than 31 letters. */
const char *nearest(const char *word, const char *const *words, size_t count);

#endif
