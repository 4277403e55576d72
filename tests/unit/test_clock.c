/* Seconds of the clock: differences of times that binary fractions can tell are exact, so that
 * equal spans are equal, whenever they began. Tests of what is chosen by the clock rely on it. */
#include "support.h"
#include "system/clock.h"

#include <time.h>

static struct timespec shown;

int __real_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);

int __wrap_clock_gettime(clockid_t clock, struct timespec *now) {
    if (clock != CLOCK_MONOTONIC)
        return __real_clock_gettime(clock, now);
    *now = shown;
    return 0;
}

static void test_exact(void **state) {
    (void)state;
    enum { PARTS = 512, NANOSECONDS = 1000000000 / PARTS };
    for (long part = 0; part < 100000; part += 7) {
        shown = (struct timespec){part / PARTS, part % PARTS * NANOSECONDS};
        assert_true(clock_seconds() == (double)part / PARTS);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_exact)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
