/* Finds the drivers that OpenCL's loader is told to load, by the loader's own rules. There are two
 * loaders, ocl-icd and Khronos's, whose rules differ in little. */
#ifndef DEVICE_OPENCL_VENDORS_H
#define DEVICE_OPENCL_VENDORS_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct vendor {
    char path[PATH_MAX];    /* a file NAME.icd that names the library, or the library itself */
    char library[PATH_MAX]; /* a path, or a name that the system's loader looks for */
};

struct vendors {
    struct vendor *list; /* sorted by path */
    size_t count;
};

/* Finds the drivers that the environment names or, if it names none, those of the system. A loader
 * may have been built to look elsewhere; its drivers are not found. Ended by vendors_free(). */
struct vendors vendors_find(void);
void vendors_free(struct vendors *vendors);

/* Sets this process's environment so that a loader, which must not be loaded yet, finds this driver
 * alone. */
void vendors_take_only(const struct vendor *vendor);

/* Prints everything that decides how these drivers behave, as far as it can be seen from outside.
 */
void vendors_print(const struct vendor *vendors, size_t count, FILE *file);

/* Makes a folder in the user's cache that names these drivers to a loader, or finds it there. Its
 * path can then be the value of OCL_ICD_VENDORS. False when it can't be made. */
bool vendors_make_folder(const struct vendors *vendors, char path[PATH_MAX]);

#endif
