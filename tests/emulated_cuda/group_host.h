/* What the host does for the items of kernels that are compiled as C (dialect_of_c.h, groups.c). */
#ifndef EMULATED_CUDA_GROUP_HOST_H
#define EMULATED_CUDA_GROUP_HOST_H

typedef unsigned char uchar;
typedef unsigned int uint;
typedef unsigned long ulong;

struct group_host {
    const struct group_item {
        uint item[3], items[3], group[3], groups[3];
    } *at; /* work now */
    void (*barrier)(void);
    void (*publish)(void);
    float (*load_published)(const float *from);
    uint (*atomic_add)(uint *count, uint more);
    uint (*atomic_read)(const uint *count);
    void *(*shared)(const void *declaration, ulong bytes);
};

#endif
