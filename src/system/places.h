/* Where things of this user are kept, as the environment says. */
#ifndef SYSTEM_PLACES_H
#define SYSTEM_PLACES_H

#include <stdbool.h>
#include <stddef.h>

/* Writes the path of `name` in the user's cache folder: in $XDG_CACHE_HOME where that is an
 * absolute path (another one is to be ignored: XDG Base Directory Specification), else in
 * $HOME/.cache. False, with an empty path, when neither names a place or the path is too long for
 * `size`. Makes nothing; what is missing may be made below the first *given characters (NULL is
 * fine), which are the home. */
bool places_cache(const char *name, char *path, size_t size, size_t *given);

/* The folder for temporary files: $TMPDIR where that is an absolute path, else /tmp. */
const char *places_temporary(void);

#endif
