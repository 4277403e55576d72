/* The clock for measurements. */
#ifndef SYSTEM_CLOCK_H
#define SYSTEM_CLOCK_H

/* Seconds since some fixed moment. The clock is monotonic: it never jumps. */
double clock_seconds(void);

#endif
