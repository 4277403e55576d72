/* The programs of kernels that a GPU's device compiles: each file with the options of each tile,
 * and of whole steps of some nets. */
#ifndef KERNEL_PROGRAMS_H
#define KERNEL_PROGRAMS_H

#include <stddef.h>

struct kernel_program {
    const char *file;       /* of kernels/ */
    const char *what;       /* a tile, a net */
    const char *kernels[5]; /* its kernels, up to a NULL */
    const char *options;
    size_t items;  /* of a group of the first kernel, the largest; 0: any */
    size_t groups; /* that are to be at work on a unit at once */
    size_t loads;  /* of an item that are to be under way before the first is stored; 0: any */
};

/* Calls `visit` for each of a device that is `cuda`, or of one that is opencl. */
void kernel_programs(void (*visit)(const struct kernel_program *program), int cuda);

#endif
