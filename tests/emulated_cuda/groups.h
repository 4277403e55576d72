/* Kernels compiled as C, whose items are fibers: the groups of a launch are at work at once, in an
 * order that is drawn anew all the time, and each has a view of its own of the GPU's memory. So it
 * matters whether a group publishes what it writes before others read it, and whether an item waits
 * for the others of its group. */
#ifndef EMULATED_CUDA_GROUPS_H
#define EMULATED_CUDA_GROUPS_H

#include <cuda_runtime_api.h>
#include <stdbool.h>
#include <stddef.h>

enum { GROUP_ARGUMENTS = 26, GROUP_KERNELS = 8 };

struct group_kernel {
    char name[64];
    size_t count;
    enum group_argument { FOUR, EIGHT, ADDRESS } kinds[GROUP_ARGUMENTS];
    bool written[GROUP_ARGUMENTS]; /* ADDRESS: the kernel may write there */
    void (*run)(void *const *arguments);
};

/* Compiles a program's text with the options of its macros ("-DA=1 -DB=2"). Ends the process where
 * that can't be done. Gives its kernels; *host is for emulated_groups_run. */
size_t emulated_groups_compile(
    const char *text, const char *options, struct group_kernel kernels[GROUP_KERNELS], void **host);

/* Runs a launch. arguments[a] is where argument a is. At most `most` groups are at work at once;
 * where they are `together`, all of them are. The order follows from the seed. */
void emulated_groups_run(const struct group_kernel *kernel, void *host,
    unsigned char (*arguments)[8], dim3 grid, dim3 block, size_t most, unsigned long seed);

#endif
