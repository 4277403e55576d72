/* Folders for files of this user, as the environment names them. */
#ifndef SYSTEM_PLACES_H
#define SYSTEM_PLACES_H

#include <stdbool.h>
#include <stddef.h>

/* Writes to path[size] the path of `name` in the user's cache folder. That is $XDG_CACHE_HOME where
 * it is an absolute path (other values are to be ignored: XDG Base Directory Specification), else
 * $HOME/.cache. False, with an empty path, when neither names a place or the path is too long.
 * Nothing is created. *given (NULL is fine) becomes the length of the part that must exist already:
 * $HOME, or nothing (0) with $XDG_CACHE_HOME. Missing folders may be created below it. */
bool places_cache(const char *name, char *path, size_t size, size_t *given);

/* The folder for temporary files: $TMPDIR if it is an absolute path, else /tmp. */
const char *places_temporary(void);

#endif
