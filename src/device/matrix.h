/* A matrix in the memory of the host, or its transpose, which lies there all the same. */
#ifndef DEVICE_MATRIX_H
#define DEVICE_MATRIX_H

#include <stddef.h>

/* Element (i, j) is data[i * row + j * column]: {data, columns, 1} is a matrix without gaps, and
 * {data, 1, columns} its transpose. */
struct matrix {
    const float *data;
    size_t row, column;
};

static inline float matrix_at(struct matrix matrix, size_t i, size_t j) {
    return matrix.data[i * matrix.row + j * matrix.column];
}

#endif
