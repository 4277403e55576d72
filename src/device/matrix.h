/* A matrix in host memory, or the transpose of one, which needs no copy. */
#ifndef DEVICE_MATRIX_H
#define DEVICE_MATRIX_H

#include <stddef.h>

/* Element (i, j) is data[i * row + j * column]. So {data, columns, 1} is a row-major matrix without
 * gaps, and {data, 1, columns} is its transpose. */
struct matrix {
    const float *data;
    size_t row, column;
};

static inline float matrix_at(struct matrix matrix, size_t i, size_t j) {
    return matrix.data[i * matrix.row + j * matrix.column];
}

#endif
