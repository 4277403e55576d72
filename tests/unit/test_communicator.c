/* What ranks do together: with a module that has no MPI, and others who do as they are told. And
 * who is taken for a rank. (tests/program/ranks.py has real ones.) */
#include "communicator/launcher.h"
#include "communicator/wait.h"
#include "fake_ranks.h"
#include "support.h"
#include "training/share.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

static struct error error;

/* --- Launchers --- */

static const char *const variables[] = {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE",
    "MPI_LOCALNRANKS", "PMI_RANK", "PMI_SIZE", "PMIX_RANK", "PMIX_NAMESPACE", "SLURM_STEP_ID",
    "SLURM_STEP_NUM_TASKS", "SLURM_PROCID", "SLURM_NTASKS", NULL};

/* "NAME=VALUE NAME=VALUE", and nothing else of these. */
static void set_environment(const char *text) {
    char copy[256], *rest;
    for (size_t v = 0; variables[v]; v++)
        unsetenv(variables[v]);
    snprintf(copy, sizeof copy, "%s", text);
    for (char *one = strtok_r(copy, " ", &rest); one; one = strtok_r(NULL, " ", &rest)) {
        char *value = strchr(one, '=');
        *value = '\0';
        setenv(one, value + 1, 1);
    }
}

static void test_launchers(void **state) {
    (void)state;
    static const struct {
        const char *environment;
        enum communicator_library library;
        int ranks;
        bool only;
    } cases[] = {
        {"OMPI_COMM_WORLD_RANK=3 OMPI_COMM_WORLD_SIZE=4 PMIX_RANK=3", COMMUNICATOR_OPENMPI, 4,
            true},
        {"MPI_LOCALNRANKS=1 PMI_RANK=0 PMI_SIZE=2", COMMUNICATOR_MPICH, 2, true},
        {"PMI_RANK=1 PMI_SIZE=8 SLURM_STEP_ID=0 SLURM_STEP_NUM_TASKS=8", COMMUNICATOR_MPICH, 8,
            false},
        {"PMIX_RANK=1 PMIX_NAMESPACE=slurm.pmix.31.0 SLURM_STEP_NUM_TASKS=8", COMMUNICATOR_OPENMPI,
            8, false},
        {"PMIX_RANK=1 PMIX_NAMESPACE=prterun-vm-7@1 SLURM_STEP_NUM_TASKS=1", COMMUNICATOR_OPENMPI,
            0, false},
        {"PMIX_RANK=0", COMMUNICATOR_OPENMPI, 0, false},
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        struct launcher launcher;
        enum status status = STATUS_FAILED;
        set_environment(cases[c].environment);
        assert_true(launcher_find(&launcher, &status, &error));
        assert_int_equal(status, STATUS_OK);
        assert_int_equal(launcher.library, cases[c].library);
        assert_int_equal(launcher.ranks, cases[c].ranks);
        assert_int_equal(launcher.only, cases[c].only);
    }
}

/* What a batch script starts itself, and a single task, is alone. Tasks without an MPI are refused.
 */
static void test_no_launcher(void **state) {
    (void)state;
    static const char *const alone[] = {"", "SLURM_PROCID=0 SLURM_NTASKS=4",
        "SLURM_STEP_ID=0 SLURM_STEP_NUM_TASKS=1 SLURM_PROCID=0", "PMI_SIZE=4"};
    struct launcher launcher;
    enum status status;
    for (size_t c = 0; c < sizeof alone / sizeof *alone; c++) {
        set_environment(alone[c]);
        assert_false(launcher_find(&launcher, &status, &error));
        assert_int_equal(status, STATUS_OK);
    }
    set_environment("SLURM_STEP_ID=0 SLURM_STEP_NUM_TASKS=4");
    assert_false(launcher_find(&launcher, &status, &error));
    assert_fails(status, STATUS_USAGE, "Slurm has started 4 processes");
    const struct communicator_options options = {.limit = 1};
    struct communicator *communicator;
    assert_fails(communicator_open(&options, &communicator, &error), STATUS_USAGE,
        "--mpi=pmix (for Open MPI)");
    /* One task of Slurm's, as in a shell of its own, joins nobody. */
    static const char *const single[] = {"PMI_RANK=0 PMI_SIZE=1",
        "PMIX_RANK=0 PMIX_NAMESPACE=slurm.pmix.31.0 SLURM_STEP_NUM_TASKS=1"};
    for (size_t c = 0; c < sizeof single / sizeof *single; c++) {
        set_environment(single[c]);
        assert_ok(communicator_open(&options, &communicator, &error));
        assert_null(communicator);
    }
    set_environment("");
}

/* --- Exchanges --- */

static void test_alone(void **state) {
    (void)state;
    float values[2] = {1, 2};
    int number = 7, most = 0;
    assert_int_equal(communicator_rank(NULL), 0);
    assert_int_equal(communicator_ranks(NULL), 1);
    assert_int_equal(communicator_info(NULL)->hosts, 1);
    assert_string_equal(communicator_host(NULL, 0), "");
    assert_ok(communicator_sum(NULL, values, 2, &error));
    assert_ok(communicator_broadcast(NULL, values, sizeof values, &error));
    assert_ok(communicator_gather(NULL, &number, sizeof number, &most, &error));
    assert_int_equal(most, 7);
    assert_ok(communicator_most(NULL, 5, &most, &error));
    assert_int_equal(most, 5);
    assert_int_equal(communicator_agree(NULL, STATUS_DATASET, &error), STATUS_DATASET);
    assert_true(communicator_agreed(NULL));
    assert_ok(communicator_close(NULL, &error));
}

static void test_places(void **state) {
    (void)state;
    struct communicator *communicator = fake_communicator(3);
    const struct communicator_info *info = communicator_info(communicator);
    assert_int_equal(info->rank, 3);
    assert_int_equal(info->ranks, 4);
    assert_int_equal(info->local_rank, 1);
    assert_int_equal(info->local_ranks, 2);
    assert_int_equal(info->hosts, 2);
    assert_string_equal(info->library, "MPI 1.2");
    assert_string_equal(communicator_host(communicator, 0), "host0");
    assert_string_equal(communicator_host(communicator, 3), "host1");
    assert_int_equal(info->sharing, 1);
    assert_in_range(info->bound_cores, 1, info->host_cores);
    assert_ok(communicator_close(communicator, &error));
    assert_int_equal(fake_ranks.closed, 1);
    communicator = fake_communicator(0);
    assert_int_equal(communicator_info(communicator)->sharing, 2);
    assert_ok(communicator_close(communicator, &error));
}

static void test_sums(void **state) {
    (void)state;
    struct communicator *communicator = fake_communicator(0);
    float values[3] = {1, 2, 3};
    const int others[FAKE_RANKS] = {0, 9, 4, 2};
    int most;
    assert_ok(communicator_sum(communicator, values, 3, &error));
    assert_true(values[0] == 7 && values[1] == 14 && values[2] == 21);
    assert_true(communicator_seconds(communicator) >= 0.0);
    for (int r = 1; r < FAKE_RANKS; r++)
        fake_ranks.gathered[r] = &others[r];
    assert_ok(communicator_most(communicator, 3, &most, &error));
    assert_int_equal(most, 9);
    fake_ranks.problem = "MPI_Something: broken";
    assert_fails(communicator_sum(communicator, values, 3, &error), STATUS_FAILED,
        "MPI 1.2: MPI_Something: broken");
    assert_fails(communicator_broadcast(communicator, values, 4, &error), STATUS_FAILED, "broken");
    assert_fails(communicator_most(communicator, 3, &most, &error), STATUS_FAILED, "broken");
    assert_fails(communicator_agree(communicator, STATUS_OK, &error), STATUS_FAILED, "broken");
    assert_false(communicator_agreed(communicator));
    assert_fails(communicator_close(communicator, &error), STATUS_FAILED, "broken");
    fake_ranks.problem = NULL;
    error_set(&error, STATUS_FAILED, "what was broken");
    assert_fails(communicator_agree(communicator, STATUS_FAILED, &error), STATUS_FAILED,
        "what was broken"); /* and not of all ranks, which are not asked any more */
    assert_false(communicator_agreed(communicator));
    assert_ok(communicator_close(communicator, &error));
}

/* The first rank that failed is heard, and named unless all have failed. */
static void test_agreement(void **state) {
    (void)state;
    static const int fine = STATUS_OK, lost = STATUS_DATASET, full = STATUS_FAILED;
    static const struct error said = {"the file is not there"};
    struct communicator *communicator = fake_communicator(1);
    assert_ok(communicator_agree(communicator, STATUS_OK, &error));
    assert_false(communicator_agreed(communicator));
    fake_ranks.gathered[0] = &fine;
    fake_ranks.gathered[2] = &lost;
    fake_ranks.gathered[3] = &full;
    fake_ranks.broadcast = &said;
    assert_fails(communicator_agree(communicator, STATUS_OK, &error), STATUS_DATASET,
        "rank 2 on host1: the file is not there");
    assert_true(communicator_agreed(communicator));
    error_set(&error, STATUS_DEVICE, "own");
    assert_fails(communicator_agree(communicator, STATUS_DEVICE, &error), STATUS_DEVICE,
        "rank 1 on host0: own");
    fake_ranks.gathered[0] = &lost;
    assert_int_equal(communicator_agree(communicator, STATUS_DEVICE, &error), STATUS_DATASET);
    assert_string_equal(error.message, said.message);
    assert_ok(communicator_close(communicator, &error));
}

/* --- The watch --- */

static bool wait_until_late(void) {
    while (!atomic_load(&fake_ranks.is_late))
        ;
    return true;
}

static void test_lateness(void **state) {
    (void)state;
    struct communicator *communicator = fake_communicator_of(2, 0.01);
    float value = 1;
    fake_ranks.wait = wait_until_late;
    assert_ok(communicator_sum(communicator, &value, 1, &error));
    char expected[512];
    snprintf(expected, sizeof expected,
        "rank 2 of 4 on %s: an exchange of gradients or scores has taken longer than 0.01 s: "
        "another rank has died or hangs, or a link is cut (--exchange-timeout)",
        communicator_info(communicator)->host);
    assert_string_equal(fake_ranks.late, expected);
    assert_true(communicator_seconds(communicator) >= 0.01);
    assert_ok(communicator_close(communicator, &error));
}

#ifdef TEST_WRAPS_CLOCK
/* The clock of the process, which may jump, as if it had been stopped for a while, or may only go
 * on as a test says. */
static _Atomic double jump, held;
static atomic_int looks;
double __real_clock_seconds(void);
double __wrap_clock_seconds(void);
double __wrap_clock_seconds(void) {
    atomic_fetch_add(&looks, 1);
    const double at = atomic_load(&held);
    return at > 0.0 ? at : __real_clock_seconds() + atomic_load(&jump);
}

/* Lets the watch look at a clock that goes on, unless it has ended. */
static void go_on(double seconds) {
    atomic_store(&held, atomic_load(&held) + seconds);
    atomic_store(&looks, 0);
    while (atomic_load(&looks) < 2 && !atomic_load(&fake_ranks.is_late))
        ;
}

/* Until the watch has looked some times more. */
static bool be_stopped(void) {
    atomic_store(&jump, 1e6);
    atomic_store(&looks, 0);
    while (atomic_load(&looks) < 5)
        ;
    return true;
}

static void test_pause(void **state) {
    (void)state;
    struct communicator *communicator = fake_communicator_of(2, 1000);
    float value = 1;
    fake_ranks.wait = be_stopped;
    assert_ok(communicator_sum(communicator, &value, 1, &error));
    assert_false(atomic_load(&fake_ranks.is_late));
    assert_ok(communicator_close(communicator, &error));
}

/* A device's own exchanges may take long, as long as there is one after another. */
static void test_progress(void **state) {
    (void)state;
    atomic_store(&held, 1000.0);
    struct communicator *communicator = fake_communicator_of(2, 2.5);
    communicator_wait(communicator, "something", false);
    for (int step = 0; step < 6; step++) {
        go_on(0.9);
        communicator_progress(communicator);
    }
    communicator_waited(communicator);
    communicator_progress(communicator); /* it comes late, when nothing is waited for */
    for (int step = 0; step < 4; step++)
        go_on(0.9);
    communicator_wait(communicator, "something else", true);
    for (int step = 0; step < 4; step++)
        go_on(0.9);
    communicator_waited(communicator);
    assert_false(atomic_load(&fake_ranks.is_late));
    communicator_wait(communicator, "this", false);
    while (!atomic_load(&fake_ranks.is_late))
        go_on(0.9);
    communicator_waited(communicator);
    assert_non_null(strstr(fake_ranks.late, ": this has taken longer than 2.5 s: "));
    assert_ok(communicator_close(communicator, &error));
    atomic_store(&held, 0.0);
}
#endif

/* --- Shared memory --- */

#ifdef TEST_WRAPS_CLOCK
static bool is_full; /* the place for shared memory */
int __real_statvfs(const char *path, struct statvfs *found);
int __wrap_statvfs(const char *path, struct statvfs *found);
int __wrap_statvfs(const char *path, struct statvfs *found) {
    const int code = __real_statvfs(path, found);
    found->f_frsize = 1024;
    found->f_bavail = is_full ? 15 : 1000; /* two of each rank's, but for a page */
    return code;
}

/* Of the elements of which a rank's bytes take two pages. */
enum { SHARED = 160 };

static void test_shared_memory(void **state) {
    (void)state;
    struct communicator *communicator = fake_communicator_on_one_host(1);
    float *values, *sums, *again, *more;
    is_full = true;
    assert_ok(communicator_share(communicator, SHARED, &values, &sums, &error));
    assert_null(values);
    assert_int_equal(fake_ranks.shares, 0);
    is_full = false;
    assert_ok(communicator_share(communicator, SHARED, &values, &sums, &error));
    assert_non_null(values);
    assert_ok(
        communicator_share(communicator, SHARED, &again, &more, &error)); /* somebody has it */
    assert_null(again);
    communicator_unshare(communicator);
    assert_ok(
        communicator_share(communicator, SHARED + 1, &again, &more, &error)); /* it is too small */
    assert_null(again);
    assert_ok(communicator_share(communicator, SHARED, &again, &more, &error));
    assert_ptr_equal(again, values);
    assert_int_equal(fake_ranks.shares, 1);
    assert_ok(communicator_close(communicator, &error));
    communicator = fake_communicator(1); /* on two hosts */
    assert_ok(communicator_share(communicator, SHARED, &values, &sums, &error));
    assert_null(values);
    assert_int_equal(fake_ranks.shares, 0);
    assert_ok(communicator_close(communicator, &error));
    assert_ok(communicator_share(NULL, SHARED, &values, &sums, &error));
    assert_null(values);
}

static void test_shared_memory_refused(void **state) {
    (void)state;
    struct communicator *communicator = fake_communicator_on_one_host(1);
    float *values, *sums;
    is_full = false;
    fake_ranks.refuses = true;
    assert_ok(communicator_share(communicator, SHARED, &values, &sums, &error));
    assert_null(values);
    assert_int_equal(fake_ranks.shares, 1);
    assert_ok(communicator_close(communicator, &error));
    communicator = fake_communicator_on_one_host(1);
    fake_ranks.problem = "MPI_Bcast: no";
    assert_fails(communicator_share(communicator, SHARED, &values, &sums, &error), STATUS_FAILED,
        "MPI 1.2: MPI_Bcast: no");
    fake_ranks.problem = NULL;
    assert_ok(communicator_close(communicator, &error));
}
#endif

/* --- Shares of a batch --- */

static void test_shares(void **state) {
    (void)state;
    for (size_t count = 0; count <= 7; count++)
        for (size_t ranks = 1; ranks <= 5; ranks++) {
            size_t next = 100;
            for (size_t rank = 0; rank < ranks; rank++) {
                const struct span own = share_of((struct span){100, count}, rank, ranks);
                assert_int_equal(own.first, next);
                assert_in_range(own.count, count / ranks, (count + ranks - 1) / ranks);
                next += own.count;
            }
            assert_int_equal(next, 100 + count);
        }
}

/* Of batches of 6 with a last one of 3, rank 2 of 4 has samples 3 and 4, and sample 7. */
static void test_results(void **state) {
    (void)state;
    const struct training_plan plan = {.batch_size = 6, .communicator = fake_communicator(2)};
    float values[18];
    for (size_t v = 0; v < 18; v++)
        values[v] = NAN;
    for (size_t v = 6; v < 8; v++)
        values[v] = 1;
    for (size_t v = 14; v < 16; v++)
        values[v] = 2;
    assert_int_equal(share_planned(&plan, (struct span){0, 6}).first, 3);
    assert_int_equal(share_planned(&plan, (struct span){0, 6}).count, 1);
    assert_int_equal(share_planned(&plan, (struct span){6, 3}).first, 7);
    assert_int_equal(training_share(&plan), 2);
    assert_ok(share_results(&plan, (struct span){0, 9}, 2, values, &error));
    for (size_t v = 0; v < 18; v++)
        assert_true(values[v] == (v / 2 == 3 ? 7 : v / 2 == 7 ? 14 : 0));
    assert_ok(communicator_close(plan.communicator, &error));
}

/* A rank whose parameters are others than those of rank 0 says so; all others hear it. */
static void test_comparison(void **state) {
    (void)state;
    static const int fine = STATUS_OK;
    static const uint64_t other = 0x123;
    const float parameters[3] = {1, 2, 3};
    const struct training_plan plan = {.communicator = fake_communicator(2)};
    assert_ok(share_compare(&plan, parameters, 3, &error));
    fake_ranks.broadcast = &other;
    for (int r = 0; r < FAKE_RANKS; r++)
        fake_ranks.gathered[r] = &fine;
    assert_fails(
        share_compare(&plan, parameters, 3, &error), STATUS_DEVICE, "rank 2 on host1: its ");
    assert_true(communicator_agreed(plan.communicator));
    assert_ok(communicator_close(plan.communicator, &error));
}

static void test_spread(void **state) {
    (void)state;
    static const double seconds[FAKE_RANKS] = {4, 0, 16, 2};
    const struct training_plan plan = {.communicator = fake_communicator(1)};
    struct training_spread spread;
    for (int r = 0; r < FAKE_RANKS; r++)
        fake_ranks.gathered[r] = &seconds[r];
    assert_ok(share_spread(&plan, 8, &spread, &error));
    assert_true(spread.least == 2 && spread.median == 6 && spread.greatest == 16);
    assert_ok(communicator_close(plan.communicator, &error));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_launchers),
        cmocka_unit_test(test_no_launcher),
        cmocka_unit_test(test_alone),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_sums),
        cmocka_unit_test(test_agreement),
        cmocka_unit_test(test_lateness),
#ifdef TEST_WRAPS_CLOCK
        cmocka_unit_test(test_pause),
        cmocka_unit_test(test_progress),
        cmocka_unit_test(test_shared_memory),
        cmocka_unit_test(test_shared_memory_refused),
#endif
        cmocka_unit_test(test_shares),
        cmocka_unit_test(test_results),
        cmocka_unit_test(test_comparison),
        cmocka_unit_test(test_spread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
