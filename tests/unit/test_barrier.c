/* The team's barrier: nobody passes it before all have come, who sleeps is woken, and what was
 * written before can be read after it. The test is built with futexes and without.
 *
 * On Linux the clock by which a thread spins is the test's own, and so is the call by which it
 * falls asleep. So the last thread comes when all others sleep, or just as one falls asleep, and
 * that takes no luck. */
#include "support.h"
#include "system/barrier.h"

#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

enum { THREADS = 64, SEED = 20261128 };

static struct barrier barrier;
static int processors = THREADS;

/* --- A team --- */

struct member {
    int thread, threads, rounds;
    void (*come)(struct member *member, int round); /* what it does until it is its turn to come */
    uint32_t random;
};

static int written[THREADS]; /* the round that a thread is in: memory like any other */

/* Comes to the barrier, and waits for the others. */
static void meet_others(const struct member *member, unsigned round) {
    barrier_arrive(&barrier, round, member->threads);
    barrier_wait(&barrier, round, member->threads);
}

/* Ends the process: a team that is out of step might never end. */
static void give_up(const char *why) {
    print_error("barrier: %s\n", why);
    _Exit(1);
}

static void *take_part(void *context) {
    struct member *member = context;
    for (int round = 1; round <= member->rounds; round++) {
        written[member->thread] = round;
        member->come(member, round);
        meet_others(member, 2 * (unsigned)round - 1);
        for (int other = 0; other < member->threads; other++)
            if (written[other] != round)
                give_up("a thread has passed before all had come");
        meet_others(member, 2 * (unsigned)round); /* before the next round is written */
    }
    return NULL;
}

static void meet(int threads, int rounds, void (*come)(struct member *member, int round)) {
    struct member members[THREADS];
    pthread_t ids[THREADS];
    barrier_open(&barrier, processors);
    for (int t = 0; t < threads; t++) {
        members[t] = (struct member){t, threads, rounds, come, SEED + (uint32_t)t};
        assert_int_equal(0, pthread_create(&ids[t], NULL, take_part, &members[t]));
    }
    for (int t = 0; t < threads; t++)
        assert_int_equal(0, pthread_join(ids[t], NULL));
    barrier_close(&barrier);
}

static void come_at_random(struct member *member, int round) {
    (void)round;
    member->random = member->random * 1664525u + 1013904223u;
    const uint32_t late = member->random >> 24;
    for (uint32_t n = 0; late < 64 && n < late; n++) /* one of four is late */
        sched_yield();
}

/* One barrier, hundreds of rounds, teams of any size. */
static void test_rounds(void **state) {
    (void)state;
    static const int teams[] = {1, 2, 3, 7, THREADS, 2};
    print_message("seed %d\n", SEED);
    for (size_t n = 0; n < sizeof teams / sizeof *teams; n++)
        meet(teams[n], teams[n] < THREADS ? 300 : 100, come_at_random);
}

/* Two others have done all of some rounds. Who comes late has nothing to wait for. */
static void test_past_rounds(void **state) {
    (void)state;
    barrier_open(&barrier, 1);
    for (unsigned round = 1; round <= 3; round++)
        for (int n = 0; n < 2; n++)
            barrier_arrive(&barrier, round, 2);
    for (unsigned round = 1; round <= 3; round++)
        barrier_wait(&barrier, round, 3);
    barrier_close(&barrier);
}

#ifdef TEST_WRAPS_BARRIER

/* --- The clock of the barrier: nanoseconds from one look to the next --- */

static atomic_int tick = 1000, looks;

int __wrap_timespec_get(struct timespec *now, int base);

int __wrap_timespec_get(struct timespec *now, int base) {
    static _Thread_local int looked; /* while time passes: at most some 70 times a round */
    const int passing = atomic_load_explicit(&tick, memory_order_relaxed);
    const int look = atomic_fetch_add_explicit(&looks, 1, memory_order_relaxed);
    const long long nanoseconds = 1000000000000 + (long long)look * passing;
    *now = (struct timespec){(time_t)(nanoseconds / 1000000000), (long)(nanoseconds % 1000000000)};
    looked += passing != 0;
    if (looked > 100000)
        give_up("a thread that waits does not sleep");
    return base;
}

/* --- How a thread falls asleep. Nothing here orders memory, or the barrier need not. --- */

static atomic_int sleepers, falls;
static bool held; /* a thread falls asleep after the end of its round */

static void fall_asleep(void) {
    const unsigned round = atomic_load_explicit(&barrier.round, memory_order_relaxed);
    atomic_fetch_add_explicit(&falls, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&sleepers, 1, memory_order_relaxed);
    while (held && atomic_load_explicit(&barrier.round, memory_order_relaxed) == round)
        sched_yield();
    for (int n = 0; held && n < 200;
        n++) /* the last one wakes all meanwhile, if nothing keeps it */
        sched_yield();
}

static void wake_up(void) {
    atomic_fetch_sub_explicit(&sleepers, 1, memory_order_relaxed);
}

#if BARRIER_HAS_FUTEX
#include <linux/futex.h>

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);

long __wrap_syscall(long number, ...) {
    va_list arguments;
    va_start(arguments, number);
    void *address = va_arg(arguments, void *);
    const int operation = va_arg(arguments, int), value = va_arg(arguments, int);
    va_end(arguments);
    if (operation != FUTEX_WAIT_PRIVATE)
        return __real_syscall(number, address, operation, value, NULL, NULL, 0);
    fall_asleep();
    const long result = __real_syscall(number, address, operation, value, NULL, NULL, 0);
    wake_up();
    return result;
}
#else
int __real_pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex);
int __wrap_pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex);

int __wrap_pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex) {
    fall_asleep();
    const int result = __real_pthread_cond_wait(condition, mutex);
    wake_up();
    return result;
}
#endif

/* Each in its turn is the last to come. */
static bool is_last(const struct member *member, int round) {
    return round % member->threads == member->thread;
}

/* All others have come, and sleep. */
static void come_after_sleepers(struct member *member, int round) {
    while (is_last(member, round) &&
           (atomic_load_explicit(&barrier.arrived, memory_order_relaxed) < member->threads - 1 ||
               atomic_load_explicit(&sleepers, memory_order_relaxed) < member->threads - 1))
        sched_yield();
}

static void test_sleepers(void **state) {
    (void)state;
    static const int teams[] = {2, 3, 7, THREADS};
    tick = 1000000;
    for (size_t n = 0; n < sizeof teams / sizeof *teams; n++)
        meet(teams[n], 100, come_after_sleepers);
}

/* Time passes only until the other one falls asleep: at the second barrier nobody does. */
static void come_as_it_falls(struct member *member, int round) {
    if (is_last(member, round))
        atomic_store_explicit(&tick, 1000000, memory_order_relaxed);
    come_after_sleepers(member, round);
    if (is_last(member, round))
        atomic_store_explicit(&tick, 0, memory_order_relaxed);
}

static void test_falling_asleep(void **state) {
    (void)state;
    tick = 0;
    held = true;
    meet(2, 20, come_as_it_falls);
    held = false;
}

static void come_late(struct member *member, int round) {
    for (int n = 0; is_last(member, round) && n < 200; n++)
        sched_yield();
}

/* As long as no time passes, nobody sleeps. */
static void test_spinning(void **state) {
    (void)state;
    tick = 0;
    falls = 0;
    meet(2, 20, come_late);
    assert_int_equal(0, falls);
}

static int looks_until_asleep;

static void come_and_count(struct member *member, int round) {
    come_after_sleepers(member, round);
    if (is_last(member, round))
        looks_until_asleep = atomic_load_explicit(&looks, memory_order_relaxed);
}

/* It spins for some microseconds, and not for ever where the clock is set back. */
static void test_time(void **state) {
    (void)state;
    static const struct {
        int tick, least, most;
    } clocks[] = {{1000, 10, 100}, {1000000, 2, 2}, {-1000000, 2, 2}};
    for (size_t n = 0; n < sizeof clocks / sizeof *clocks; n++) {
        tick = clocks[n].tick;
        looks = 0;
        meet(2, 1, come_and_count);
        assert_in_range(looks_until_asleep, clocks[n].least, clocks[n].most);
    }
}

/* Of more threads than processors, nobody spins. */
static void test_crowd(void **state) {
    (void)state;
    processors = 2;
    tick = 1000;
    looks = 0;
    meet(3, 100, come_after_sleepers);
    processors = THREADS;
    assert_int_equal(0, looks);
}

#endif

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rounds),
        cmocka_unit_test(test_past_rounds),
#ifdef TEST_WRAPS_BARRIER
        cmocka_unit_test(test_sleepers),
        cmocka_unit_test(test_falling_asleep),
        cmocka_unit_test(test_spinning),
        cmocka_unit_test(test_time),
        cmocka_unit_test(test_crowd),
#endif
    };
    return cmocka_run_group_tests_name("barrier", tests, NULL, NULL);
}
