/* What the fuzz targets share. A target is one function that is given any bytes: libFuzzer's main
 * (the preset fuzz) makes them up, replay.c reads those of tests/fuzz/corpus. Both come by limit.c,
 * where an input ends the process that takes more than a second of the processor. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* The target: tries one input. */
void fuzz_try(const uint8_t *data, size_t size);

/* Of libFuzzer: tries one input, and returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A finding, when the condition does not hold: says so as printf would, and ends the process. */
#define FUZZ_REQUIRE(condition, ...)                                                               \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                \
            fprintf(stderr, __VA_ARGS__);                                                          \
            fputc('\n', stderr);                                                                   \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* Each line of the input in memory of its own, so that no byte beyond it is read unnoticed. Lines
 * end at newlines or zeros. Returns how many there are, at most `limit`; what lies beyond is
 * ignored. The caller frees each. */
static inline size_t fuzz_split(const uint8_t *data, size_t size, char **lines, size_t limit) {
    size_t count = 0;
    for (size_t start = 0; start < size && count < limit; count++) {
        size_t end = start;
        while (end < size && data[end] != '\n' && data[end] != '\0')
            end++;
        lines[count] = malloc(end - start + 1);
        FUZZ_REQUIRE(lines[count], "out of memory: %zu bytes", end - start + 1);
        for (size_t i = start; i < end; i++)
            lines[count][i - start] = (char)data[i];
        lines[count][end - start] = '\0';
        start = end + 1;
    }
    return count;
}

#endif
