#include "system/budget.h"

#include <stdint.h>

size_t budget_elements(const struct budget_row *row, size_t batch) {
    return row->fixed + batch * row->sample;
}

size_t budget_bytes(const struct budget_row *rows, size_t count, size_t batch) {
    size_t bytes = 0;
    for (size_t r = 0; r < count; r++)
        bytes += budget_elements(&rows[r], batch) * rows[r].size;
    return bytes;
}

size_t budget_largest_batch(const struct budget_row *rows, size_t count, size_t bytes) {
    size_t sample = 0;
    const size_t fixed = budget_bytes(rows, count, 0);
    for (size_t r = 0; r < count; r++)
        sample += rows[r].sample * rows[r].size;
    if (bytes < fixed)
        return 0;
    return sample > 0 ? (bytes - fixed) / sample : SIZE_MAX;
}
