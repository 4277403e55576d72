/* The drivers that OpenCL's loader is told to load, by its own rules: those of ocl-icd, and of
 * Khronos's, which differ in little. */
#ifndef DEVICE_OPENCL_VENDORS_H
#define DEVICE_OPENCL_VENDORS_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct vendor {
    char path[PATH_MAX];    /* what names it: a file NAME.icd, or the library itself */
    char library[PATH_MAX]; /* a path or, where the system's loader looks for it, a name */
};

struct vendors {
    struct vendor *list; /* by their paths */
    size_t count;
};

/* The environment's, else the system's. Of a loader that was built to look elsewhere, none. Ended
 * by vendors_free(). */
struct vendors vendors_find(void);
void vendors_free(struct vendors *vendors);

/* Names them to a loader that is not loaded yet: this process's environment has no others. */
void vendors_take_only(const struct vendor *vendor);

/* Prints all that decides what their drivers do, as far as that can be told from outside. */
void vendors_print(const struct vendor *vendors, size_t count, FILE *file);

/* Makes a folder of them in the user's cache, or finds it there: OCL_ICD_VENDORS may be its path.
 * False when it can't be had. */
bool vendors_make_folder(const struct vendors *vendors, char path[PATH_MAX]);

#endif
