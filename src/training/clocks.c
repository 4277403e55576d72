#include "training/clocks.h"

#include "system/clock.h"

static void widen(unsigned value, unsigned *least, unsigned *most) {
    *least = value < *least ? value : *least;
    *most = value > *most ? value : *most;
}

void clocks_note(struct device *device, bool due, double *last, struct training_clocks *clocks) {
    const double often = 0.25, now = clock_seconds();
    struct device_clocks read;
    if ((!due && now - *last < often) || !device_read_clocks(device, &read))
        return;
    *last = now;
    if (clocks->readings++ == 0)
        clocks->least = clocks->most = read;
    widen(read.processor_mhz, &clocks->least.processor_mhz, &clocks->most.processor_mhz);
    widen(read.memory_mhz, &clocks->least.memory_mhz, &clocks->most.memory_mhz);
    clocks->limits |= read.limits;
}
