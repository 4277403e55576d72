/* For loops that wait for another processor. */
#ifndef SYSTEM_RELAX_H
#define SYSTEM_RELAX_H

/* Lets the processor rest for a moment: it takes less power, and leaves a core to its other thread.
 */
static inline void relax(void) {
#if defined __x86_64__ || defined __i386__
    __builtin_ia32_pause();
#elif defined __aarch64__
    __asm__ volatile("isb"); /* most processors ignore `yield` */
#endif
}

#endif
