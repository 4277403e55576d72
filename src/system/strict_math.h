/* Included by files that ask whether a value is finite, or whose sums must be added in their order.
 * With -ffast-math or -Ofast such a test is left out: a diverged training would end as if nothing
 * had happened, and its weights would replace good ones. */
#ifndef SYSTEM_STRICT_MATH_H
#define SYSTEM_STRICT_MATH_H

#if defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__
#error "needs NaN and infinity: take -ffast-math, -Ofast or -ffinite-math-only out of CFLAGS"
#endif
#if defined(__FAST_MATH__) || defined(__ASSOCIATIVE_MATH__)
#error "needs sums in their order: take -ffast-math or -fassociative-math out of CFLAGS"
#endif

#endif
