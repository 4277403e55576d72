/* The limits of arithmetic, with instruction sets of the test's own, whose work takes its time by a
 * clock of the test's own. */
#include "device/device_type.h"
#include "device/instruction_set.h"
#include "device/multiply_add.h"
#include "support.h"
#include "system/clock.h"

#include <math.h>
#include <omp.h>
#include <stdatomic.h>

enum { THREADS = 2 };

static struct device *device;
static struct error error;

static double now; /* seconds */
static double quiet_from, quiet_until;
static atomic_size_t runs;       /* of all threads, that are done */
static bool read_within;         /* the clock was read while only some threads were done */
static size_t windows, switches; /* from one instruction set to another */
static double last_window;       /* seconds that it would take undisturbed */
static const char *last_set;

double clock_seconds(void) {
    read_within = read_within || atomic_load(&runs) % THREADS != 0;
    return now;
}

/* A disturbed window takes half a second more, and so does every third one. Rounds of one thread
 * alone, by which the length of a window is found out, take no longer than in a team. */
static void take(const char *set, size_t rounds, double rounds_per_second) {
    const int team = omp_get_num_threads();
    if (omp_get_thread_num() == team - 1) {
        const double seconds = (double)rounds / rounds_per_second;
        const bool disturbed = now < quiet_from || now >= quiet_until || windows % 3 == 2;
        windows++;
        switches += last_set && last_set != set;
        last_set = set;
        last_window = seconds;
        now += seconds + (disturbed ? 0.5 : 0.0);
    }
    if (team == THREADS)
        atomic_fetch_add(&runs, 1);
}

static void run_wide(float *values, float factor, size_t rounds) {
    (void)values, (void)factor;
    take("wide", rounds, 4194304.0);
}

static void run_narrow(float *values, float factor, size_t rounds) {
    (void)values, (void)factor;
    take("narrow", rounds, 1048576.0);
}

static const struct multiply_add wide = {8, 16, run_wide}, narrow = {4, 4, run_narrow};

static bool is_usable(void) {
    return true;
}

static bool is_not_usable(void) {
    return false;
}

const struct instruction_set instruction_sets[] = {
    {.name = "wider", .usable = is_not_usable},
    {.name = "wide", .usable = is_usable, .multiply_add = &wide},
    {.name = "narrow", .usable = is_usable, .multiply_add = &narrow},
    {.name = NULL},
};

const struct instruction_set *instruction_set_best(void) {
    return &instruction_sets[1];
}

static int begin(void **state) {
    (void)state;
    now = quiet_from = 0.0;
    quiet_until = INFINITY;
    atomic_store(&runs, 0);
    read_within = false;
    windows = switches = 0;
    last_set = NULL;
    return 0;
}

static void check_peaks(const struct arithmetic_peak *arithmetic) {
    /* a second: 2 operations, of 8 x 16 values, 2^22 times, by 2 threads; and 4 x 4, 2^20 times */
    assert_string_equal(arithmetic[0].name, "wide");
    assert_true(fabs(arithmetic[0].flops - 2147483648.0) < 1.0);
    assert_string_equal(arithmetic[1].name, "narrow");
    assert_true(fabs(arithmetic[1].flops - 67108864.0) < 1.0);
    assert_null(arithmetic[2].name);
}

static void test_rates(void **state) {
    (void)state;
    struct device_peak peak = {0};
    assert_ok(device->type->measure_arithmetic(device, &peak, &error));
    check_peaks(peak.arithmetic);
    assert_false(read_within);
    assert_true(last_window >= 0.001); /* else its beginning and end would matter */
    assert_true(last_window < 0.002);  /* else a busy machine would disturb it */
}

/* What lasts for seconds, at the beginning or at the end, falls on all sets alike: their windows
 * are spread over the whole time. */
static void test_turns(void **state) {
    (void)state;
    struct device_peak peak = {0};
    quiet_from = 4.0;
    quiet_until = 12.0;
    assert_ok(device->type->measure_arithmetic(device, &peak, &error));
    check_peaks(peak.arithmetic);
    assert_true(switches >= 20);
    assert_true(now > quiet_until);
}

static void test_smaller_team(void **state) {
    (void)state;
    struct device_peak peak = {0};
    const int levels = omp_get_max_active_levels();
    omp_set_max_active_levels(0);
    const enum status status = device->type->measure_arithmetic(device, &peak, &error);
    omp_set_max_active_levels(levels);
    assert_fails(status, STATUS_DEVICE, "reference: OpenMP gave only 1 of 2 threads");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_rates, begin),
        cmocka_unit_test_setup(test_turns, begin),
        cmocka_unit_test_setup(test_smaller_team, begin),
    };
    const int skipped = support_open("reference", NULL, THREADS, &device);
    if (skipped)
        return skipped;
    const int failed = cmocka_run_group_tests_name("arithmetic", tests, NULL, NULL);
    device_close(device);
    return failed;
}
