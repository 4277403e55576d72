/* The cpu device's queue: where the team waits, and that each row is done once. */
#include "device/cpu/queue.h"
#include "support.h"

#include <sched.h>

static float memory[6][1024];

static struct operand rows_of(int index, size_t rows, bool written) {
    return (struct operand){memory[index], sizeof memory[index], rows, written};
}

static void do_nothing(const struct command *command, int thread, int threads) {
    (void)command, (void)thread, (void)threads;
}

static bool waits(struct queue *queue, struct operand a, struct operand b, struct operand c) {
    const struct command command = {.run = do_nothing, .operands = {a, b, c}};
    queue_append(queue, &command);
    return queue->commands[queue->count - 1].wait;
}

/* A training step: nobody waits while threads stay on their rows, and all do where they meet. */
static void test_training_step(void **state) {
    (void)state;
    enum { X, WEIGHTS, VALUES, GRADIENTS };
    const size_t batch = 30, in = 17;
    struct queue queue = {0};
    assert_true(queue_reserve(&queue, 16));
    for (int step = 0; step < 2; step++) {
        /* forward: own rows of X, all weights -> own rows of VALUES */
        assert_int_equal(step > 0, waits(&queue, rows_of(X, batch, false),
                                       rows_of(WEIGHTS, 0, false), rows_of(VALUES, batch, true)));
        /* backward: own rows again */
        assert_false(waits(&queue, rows_of(VALUES, batch, false), rows_of(WEIGHTS, 0, false),
            rows_of(GRADIENTS, batch, true)));
        /* update: all rows of the batch -> own rows of the weights */
        assert_true(waits(&queue, rows_of(X, 0, false), rows_of(GRADIENTS, 0, false),
            rows_of(WEIGHTS, in, true)));
    }
    queue_free(&queue);
}

static void test_conflicts(void **state) {
    (void)state;
    const struct operand none = {0};
    struct queue queue = {0};
    assert_true(queue_reserve(&queue, 256));
    assert_false(waits(&queue, rows_of(0, 8, true), none, none));
    assert_true(waits(&queue, rows_of(0, 9, false), none, none));  /* split otherwise */
    assert_false(waits(&queue, rows_of(0, 0, false), none, none)); /* both only read */
    assert_true(waits(&queue, rows_of(0, 0, true), none, none));
    assert_true(waits(&queue, rows_of(0, 0, true), none, none)); /* all threads, the same place */
    struct operand part = rows_of(0, 8, true);
    part.data = &memory[0][4];
    part.bytes = 16;
    assert_true(waits(&queue, part, none, none)); /* overlaps from the middle */
    part.data = &memory[0][8];
    assert_false(waits(&queue, part, none, none)); /* begins where the other ends */
    int met = 0;
    for (int n = 0; n < 200; n++) /* however many there are, looking back ends */
        met += waits(&queue, rows_of(1, 8, false), none, none);
    assert_in_range(met, 1, 10);
    queue_free(&queue);
}

static void test_slices(void **state) {
    (void)state;
    for (size_t rows = 0; rows < 300; rows++)
        for (int threads = 1; threads < 20; threads++) {
            size_t next = 0;
            for (int thread = 0; thread < threads; thread++) {
                const struct slice slice = slice_rows(rows, thread, threads);
                assert_true(slice.first <= slice.end);
                if (slice.first < slice.end) {
                    assert_int_equal(slice.first, next);
                    next = slice.end;
                }
            }
            assert_int_equal(next, rows);
        }
}

enum { ROWS = 1000, COMMANDS = 400, SLOW = 40 };

/* What one row becomes of another and itself: whole numbers below a prime, so that what is wrong
 * once stays wrong. (Sums that grow would end as infinities, which are all equal.) */
static float mix_row(const float *from, size_t i) {
    enum { PRIME = 65521 };
    const uint32_t own = (uint32_t)from[i], other = (uint32_t)from[(i + ROWS / 2) % ROWS];
    return (float)((3 * own + other + (uint32_t)i) % PRIME);
}

/* A thread's rows, each made of one of its own and one of another thread's: wrong if anyone runs
 * ahead. At every SLOW-th command (its number is `in`) one thread lets all others go first, so that
 * they do run ahead if nothing holds them. */
static void mix(const struct command *command, int thread, int threads) {
    const float *from = command->operands[0].data;
    float *to = (float *)(uintptr_t)command->operands[1].data;
    const struct slice slice = slice_rows(command->rows, thread, threads);
    for (int n = 0; n < 200 && thread == 0 && command->in % SLOW == 0; n++)
        sched_yield();
    for (size_t i = slice.first; i < slice.end; i++)
        to[i] = mix_row(from, i);
}

static void test_team(void **state) {
    (void)state;
    struct queue queue = {0};
    assert_true(queue_reserve(&queue, COMMANDS));
    float expected[2][ROWS];
    for (size_t i = 0; i < ROWS; i++)
        expected[0][i] = memory[0][i] = (float)i;
    for (size_t n = 0; n < COMMANDS; n++) {
        const int from = n % 2, to = 1 - from;
        const struct command command = {.run = mix,
            .rows = ROWS,
            .in = n,
            .operands = {rows_of(from, 0, false), rows_of(to, ROWS, true)}};
        queue_append(&queue, &command);
        for (size_t i = 0; i < ROWS; i++)
            expected[to][i] = mix_row(expected[from], i);
    }
    queue_run(&queue, 4);
    assert_memory_equal(memory[0], expected[0], sizeof expected[0]);
    assert_memory_equal(memory[1], expected[1], sizeof expected[1]);
    queue_free(&queue);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_training_step),
        cmocka_unit_test(test_conflicts),
        cmocka_unit_test(test_slices),
        cmocka_unit_test(test_team),
    };
    return cmocka_run_group_tests_name("queue", tests, NULL, NULL);
}
