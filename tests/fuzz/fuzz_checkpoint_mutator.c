/* Inputs of fuzz_checkpoint are changed in their header or in their data, and the header's length
 * is kept right: else nearly every change would end at the length, and none in the tensors. */
#include "fuzz.h"

#include <string.h>

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t limit); /* of libFuzzer: any change */

/* For libFuzzer: changes data[size], which has room for `limit`, and returns its new size. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t limit, unsigned seed);

enum { LENGTH_BYTES = 8 };

/* Changes the header, and moves the data behind it. */
static size_t mutate_header(uint8_t *data, size_t length, size_t size, size_t limit) {
    uint8_t *const header = data + LENGTH_BYTES;
    const size_t data_bytes = size - LENGTH_BYTES - length;
    uint8_t *const kept = malloc(data_bytes + 1);
    FUZZ_REQUIRE(kept, "out of memory: %zu bytes", data_bytes);
    memcpy(kept, header + length, data_bytes);
    const uint64_t changed = LLVMFuzzerMutate(header, length, limit - LENGTH_BYTES - data_bytes);
    memcpy(header + changed, kept, data_bytes);
    memcpy(data, &changed, sizeof changed);
    free(kept);
    return LENGTH_BYTES + changed + data_bytes;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t limit, unsigned seed) {
    uint64_t length = 0;
    if (size >= LENGTH_BYTES)
        memcpy(&length, data, sizeof length);
    const unsigned way = seed % 16;
    if (way == 0 || length == 0 || length > size - LENGTH_BYTES)
        return LLVMFuzzerMutate(data, size, limit);
    if (way > 3)
        return mutate_header(data, length, size, limit);
    const size_t start = LENGTH_BYTES + length;
    if (start == limit)
        return size;
    return start + LLVMFuzzerMutate(data + start, size - start, limit - start);
}
