/* What the unit tests share. */
#ifndef SUPPORT_H
#define SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "trainer/checkpoint.h"
#include "trainer/device.h"

/* A status must be OK; prints the error's message when it isn't. */
#define assert_ok(expression)                                                                      \
    do {                                                                                           \
        if ((expression) != STATUS_OK)                                                             \
            fail_msg("%s: %s", #expression, error.message);                                        \
    } while (0)

/* A status must be `wanted`, and error.message must contain `text`. */
#define assert_fails(expression, wanted, text)                                                     \
    support_assert_fails((expression), wanted, text, &error)
void support_assert_fails(
    enum status status, enum status wanted, const char *text, const struct error *error);

/* found[count] must equal expected[count] up to `bound`; NaN equals nothing. `what` is named when
 * it doesn't. */
void support_assert_within(
    const char *what, const float *found, const float *expected, size_t count, double bound);

/* The same, up to `tolerance` times the root mean square of `expected`. */
double support_root_mean_square(const float *values, size_t count);
void support_assert_close(
    const char *what, const float *found, const float *expected, size_t count, double tolerance);

/* Opens the device that a suite is about, with `threads`, or all that it has where those are fewer.
 * 0 when it is open; else what the suite must return: 77, CTest's code for a skipped test, or 1
 * where $TRAINER_REQUIRE_DEVICES names the device. `gemm` may be NULL. */
int support_open(const char *spec, const char *gemm, int threads, struct device **device);

/* checkpoint_save_last to a place at `path` that is reserved for it alone. */
enum status support_save(const char *path, const struct network_shape *shape,
    const float *parameters, const struct checkpoint_run *run, struct error *error);

/* For a test or a group of tests: a new temporary folder, and its removal with everything in it. */
extern char support_folder[256];
int support_make_folder(void **state);
int support_remove_folder(void **state);

#endif
