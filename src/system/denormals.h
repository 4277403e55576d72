/* Denormals: numbers so small (below 1.2e-38 in float32) that processors keep them in another form.
 * Many take a hundred times as long for them, and a state that decays, such as the momentum of a
 * neuron that has no gradient any more, ends as one. Between these two calls the calling thread
 * takes them as 0, and gives 0 in place of them, where the processor can do that. */
#ifndef TRAINER_DENORMALS_H
#define TRAINER_DENORMALS_H

#include <stdint.h>

#if defined(__SSE2_MATH__)
#include <immintrin.h>

enum { DENORMALS_ARE_ZERO = 0x0040, DENORMALS_TO_ZERO = 0x8000 }; /* of MXCSR */

/* Gives what denormals_restore takes. */
static inline uint64_t denormals_flush(void) {
    const unsigned before = _mm_getcsr();
    _mm_setcsr(before | DENORMALS_ARE_ZERO | DENORMALS_TO_ZERO);
    return before;
}

static inline void denormals_restore(uint64_t before) {
    _mm_setcsr((unsigned)before);
}

#elif defined(__aarch64__)

enum { DENORMALS_FLUSHED = 1 << 24 }; /* FZ, of FPCR */

static inline void denormals_restore(uint64_t before) {
    __asm__ volatile("msr fpcr, %0" : : "r"(before));
}

static inline uint64_t denormals_flush(void) {
    uint64_t before;
    __asm__ volatile("mrs %0, fpcr" : "=r"(before));
    denormals_restore(before | DENORMALS_FLUSHED);
    return before;
}

#else

static inline uint64_t denormals_flush(void) {
    return 0;
}

static inline void denormals_restore(uint64_t before) {
    (void)before;
}

#endif

#endif
