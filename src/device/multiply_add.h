/* Multiply-adds in registers, as many as an instruction set can do at best. The same text
 * (multiply_add.c) is compiled once for each set of device/instruction_set.h. */
#ifndef DEVICE_MULTIPLY_ADD_H
#define DEVICE_MULTIPLY_ADD_H

#include <stddef.h>

struct multiply_add {
    /* `vectors` vectors, each a register of `lanes` values. */
    size_t vectors, lanes;
    /* values[vectors, lanes]: in each round, from the last vector to the first,
     *     vector v += factor * vector v - 1
     * where the last vector, which is new by then, comes before the first. That is a multiply and
     * an add for each value. They never wait for each other: as many lie between a sum and its
     * next use as there are vectors. Nor is any of it the same in two rounds, so that the compiler
     * leaves nothing out. */
    void (*run)(float *values, float factor, size_t rounds);
};

enum { MULTIPLY_ADD_VALUES_MAX = 24 * 16 }; /* values of any instruction set */

#endif
