/* The program with a clock of its own, which stands still but for what the program does: each call
 * below takes its own time. A run then has the same seconds everywhere, to the last digit, and each
 * of its phases others. The program's objects are linked with this one and with the linker's
 * --wrap=NAME for each name that PACED or REPLACED has below (tests/CMakeLists.txt reads them
 * here).
 *
 *   TRAINER_PACE_TERM=N      the Nth step of training gets a SIGTERM
 *   TRAINER_PACE_NAME=TEXT   the name of the host and of its processor
 *
 * The time of day is 2024-02-29 23:30:45 UTC. */
#include "dataset/origin.h"
#include "trainer/checkpoint.h"
#include "trainer/device.h"
#include "trainer/host.h"
#include "trainer/network.h"
#include "training/loader.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now = 1000.0; /* seconds */

#define REPLACED(type, name, parameters)                                                           \
    type __wrap_##name parameters;                                                                 \
    type __wrap_##name parameters

/* A call that takes `seconds`, of a function that gives a status. */
#define PACED(seconds, name, parameters, arguments)                                                \
    enum status __real_##name parameters;                                                          \
    enum status __wrap_##name parameters;                                                          \
    enum status __wrap_##name parameters {                                                         \
        now += seconds;                                                                            \
        return __real_##name arguments;                                                            \
    }

/* The same, of one that gives nothing. */
#define PACED_VOID(seconds, name, parameters, arguments)                                           \
    void __real_##name parameters;                                                                 \
    void __wrap_##name parameters;                                                                 \
    void __wrap_##name parameters {                                                                \
        now += seconds;                                                                            \
        __real_##name arguments;                                                                   \
    }

/* --- The clock, and the machine --- */

REPLACED(double, clock_seconds, (void)) {
    return now;
}

enum { TIME_OF_DAY = 1709249445 };

REPLACED(time_t, time, (time_t *at)) {
    if (at)
        *at = TIME_OF_DAY;
    return TIME_OF_DAY;
}

/* That of a C library with more than one width of time. */
REPLACED(time_t, __time64, (time_t *at)) {
    return __wrap_time(at);
}

void __real_host_describe(struct host *host);
REPLACED(void, host_describe, (struct host * host)) {
    const char *name = getenv("TRAINER_PACE_NAME");
    __real_host_describe(host);
    if (name) {
        snprintf(host->name, sizeof host->name, "%s", name);
        snprintf(host->cpu, sizeof host->cpu, "%s", name);
    }
}

/* --- Setup --- */

PACED(1, device_find, (const char *spec, const struct device_options *options, struct error *error),
    (spec, options, error))
PACED(2, checkpoint_reserve,
    (const char *path, const struct network_shape *shape, size_t epochs, size_t samples,
        struct reservation **place, struct error *error),
    (path, shape, epochs, samples, place, error))

/* --- Load: twice 3 --- */

PACED_VOID(3, synthetic_fill, (uint64_t seed, uint32_t part, int threads, struct images *images),
    (seed, part, threads, images))

/* --- Open --- */

PACED(10, device_open,
    (const char *spec, const struct device_options *options, struct device **device,
        struct error *error),
    (spec, options, device, error))
PACED(20, network_create,
    (struct device * device, const struct network_shape *shape, size_t batch,
        struct network **network, struct error *error),
    (device, shape, batch, network, error))
PACED(40, device_record,
    (struct device * device, device_enqueue *enqueue, void *context, struct recording **recording,
        struct error *error),
    (device, enqueue, context, recording, error))

/* --- Batching; and in the test --- */

PACED(100, loader_create,
    (struct device * device, const struct loader_options *options, struct loader *loader,
        struct error *error),
    (device, options, loader, error))

/* --- Epochs: the Nth takes N times as long --- */

static int passes;
PACED(200 * ++passes, device_run,
    (struct device * device, struct recording *recording, device_enqueue *enqueue, void *context,
        struct error *error),
    (device, recording, enqueue, context, error))

/* A step; gives its seconds. */
static double step(void) {
    static long steps;
    const char *last = getenv("TRAINER_PACE_TERM");
    steps++;
    if (last && steps == strtol(last, NULL, 10))
        raise(SIGTERM);
    return 0.25;
}

PACED(step(), network_train,
    (struct network * network, struct view x, struct view labels, struct view rates,
        const struct draws *draws, struct view scores, struct error *error),
    (network, x, labels, rates, draws, scores, error))

/* --- Release; and in the test --- */

PACED_VOID(1000, recording_free, (struct device * of, struct recording *recording), (of, recording))
PACED_VOID(2000, loader_free, (struct loader * loader), (loader))

/* --- Evaluate --- */

PACED(5, network_evaluate,
    (struct network * network, struct view x, struct view labels, struct view outputs,
        struct view scores, struct error *error),
    (network, x, labels, outputs, scores, error))

/* --- Checkpoint --- */

uint64_t __real_dataset_fingerprint(const struct dataset *dataset);
REPLACED(uint64_t, dataset_fingerprint, (const struct dataset *dataset)) {
    now += 7;
    return __real_dataset_fingerprint(dataset);
}
PACED(11, network_download, (struct network * network, float *parameters, struct error *error),
    (network, parameters, error))
PACED(13, checkpoint_save,
    (struct reservation * place, const struct network_shape *shape, const float *parameters,
        const struct checkpoint_run *run, struct error *error),
    (place, shape, parameters, run, error))
PACED(13, checkpoint_save_last,
    (struct reservation * place, const struct network_shape *shape, const float *parameters,
        const struct checkpoint_run *run, struct error *error),
    (place, shape, parameters, run, error))
