#include "fuzz.h"

#include <time.h>

/* Not of the wall clock, which goes on while other processes have the processor. */
static double processor_seconds(void) {
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (double)used.tv_sec + 1e-9 * (double)used.tv_nsec;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const double start = processor_seconds();
    fuzz_try(data, size);
    const double seconds = processor_seconds() - start;
    FUZZ_REQUIRE(seconds < 1.0, "an input of %zu bytes took %.3f s", size, seconds);
    return 0;
}
