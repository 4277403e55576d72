/* The cpu device's queue: where the team waits, and that each row is done once. */
#include "device/cpu/cpu.h"
#include "support.h"

#include <float.h>
#include <sched.h>
#include <stdatomic.h>
#include <time.h>

enum { ELEMENTS = 1024, MATRICES = 6 };

static float memory[MATRICES][ELEMENTS];
static struct host_buffer matrices[MATRICES];

/* All of a matrix, in so many rows. */
static struct view rows_of(int index, size_t rows) {
    return (struct view){&matrices[index].base, 0, rows, ELEMENTS / rows};
}

static bool entry_waits(struct queue *queue, const struct queue_entry *entry) {
    queue_append(queue, entry);
    return queue->entries[queue->count - 1].barrier;
}

static bool waits(struct queue *queue, struct operation operation) {
    return entry_waits(queue,
        &(struct queue_entry){
            .operation = operation, .how = &cpu_operations[operation.kind], .division = {4, 1}});
}

/* The same, where the team divides the columns of the result. */
static bool waits_by_columns(struct queue *queue, struct operation operation) {
    return entry_waits(queue, &(struct queue_entry){.operation = operation,
                                  .how = &cpu_operations[operation.kind],
                                  .by_columns = true,
                                  .division = {4, 1}});
}

/* The same, where the rows of the first operand are taken in an order. */
static bool waits_in_order(struct queue *queue, struct operation operation, struct view order) {
    return entry_waits(queue, &(struct queue_entry){.operation = operation,
                                  .how = &cpu_operations[operation.kind],
                                  .order = order,
                                  .division = {4, 1}});
}

static struct operation forward(struct view x, struct view weights, struct view y) {
    const struct view bias = rows_of(MATRICES - 1, 1);
    return (struct operation){
        .kind = OPERATION_DENSE_FORWARD, .dense_forward = {x, weights, bias, y}};
}

static struct operation update(struct view x, struct view d_y, struct view weights) {
    const struct view bias = rows_of(MATRICES - 2, 1);
    const struct view scale = {&matrices[MATRICES - 1].base, 0, 1, 1};
    return (struct operation){
        .kind = OPERATION_DENSE_UPDATE, .dense_update = {x, d_y, scale, weights, bias}};
}

static struct operation backward(
    struct view d_y, struct view weights, struct view x, struct view d_x) {
    return (struct operation){
        .kind = OPERATION_DENSE_BACKWARD, .dense_backward = {d_y, weights, x, d_x}};
}

static struct operation upload(struct view to) {
    return (struct operation){.kind = OPERATION_UPLOAD, .upload = {to}, .host = memory};
}

/* Every thread meets all of the source. */
static struct operation gather(struct view source, struct view to) {
    const struct view index = rows_of(MATRICES - 1, ELEMENTS);
    return (struct operation){.kind = OPERATION_GATHER_ROWS, .gather_rows = {source, index, to}};
}

/* A training step: nobody waits while threads stay on their rows, and all do where they meet. */
static void test_training_step(void **state) {
    (void)state;
    enum { X, WEIGHTS, VALUES, GRADIENTS };
    const size_t batch = 32, in = 16;
    const struct view x = rows_of(X, batch), weights = rows_of(WEIGHTS, in);
    const struct view values = rows_of(VALUES, batch), gradients = rows_of(GRADIENTS, batch);
    struct queue queue = {0};
    assert_true(queue_reserve(&queue, 16));
    for (int step = 0; step < 2; step++) {
        /* forward: own rows of X, all weights -> own rows of VALUES */
        assert_int_equal(step > 0, waits(&queue, forward(x, weights, values)));
        /* the same of them again */
        assert_false(waits(&queue, forward(values, weights, gradients)));
        /* update: all rows of the batch -> own rows of the weights */
        assert_true(waits(&queue, update(x, gradients, weights)));
    }
    queue_free(&queue);
}

static void test_conflicts(void **state) {
    (void)state;
    enum { BIAS = MATRICES - 2 };
    struct queue queue = {0};
    assert_true(queue_reserve(&queue, 256));
    assert_false(waits(&queue, upload(rows_of(0, 8))));
    assert_true(waits(&queue, forward(rows_of(0, 4), rows_of(1, 4), rows_of(2, 4)))); /* otherwise
                                                                                         split */
    assert_false(waits(&queue, gather(rows_of(0, 8), rows_of(3, 8)))); /* both only read it */
    assert_false(waits(&queue, update(rows_of(0, 8), rows_of(1, 8), rows_of(2, 4)))); /* its rows */
    assert_true(waits(&queue, gather(rows_of(2, 4), rows_of(3, 8))));
    assert_true(waits(&queue, update(rows_of(0, 8), rows_of(0, 8), rows_of(2, 4))));
    /* All threads, the same place: the bias. */
    assert_true(waits(&queue, update(rows_of(0, 8), rows_of(0, 8), rows_of(3, 4))));
    assert_true(waits(&queue, upload(rows_of(BIAS, 1))));
    assert_false(waits(&queue, upload(rows_of(BIAS, 1)))); /* each its rows of it */
    assert_true(waits(&queue, upload((struct view){&matrices[BIAS].base, 4, 8, 1}))); /* its middle
                                                                                       */
    assert_false(waits(&queue, upload((struct view){&matrices[BIAS].base, 12, 8, 1}))); /* begins
        where the other ends */
    int barriers = 0;
    for (int n = 0; n < 200; n++) /* however many there are, looking back ends */
        barriers += waits(&queue, gather(rows_of(0, 8), rows_of(1, 8)));
    assert_in_range(barriers, 1, 10);
    queue_free(&queue);
}

/* Who divides columns waits for those who divide rows of the same, and nobody for who divides the
 * same columns. */
static void test_columns(void **state) {
    (void)state;
    enum { X, WEIGHTS, Y, GRADIENTS, BIAS = MATRICES - 1 };
    const size_t batch = 8, in = 16;
    const struct view x = rows_of(X, batch), y = rows_of(Y, batch), weights = rows_of(WEIGHTS, in);
    const struct view d_x = rows_of(GRADIENTS, batch), bias = rows_of(BIAS, 1);
    struct queue queue = {0};
    assert_true(queue_reserve(&queue, 64));
    assert_false(waits_by_columns(&queue, forward(x, weights, y)));
    /* Of y it reads the columns that it has written. */
    assert_false(waits_by_columns(&queue, backward(x, weights, y, d_x)));
    assert_false(waits_by_columns(&queue, forward(x, weights, y)));
    assert_true(waits_by_columns(&queue, forward(y, weights, x)));              /* all of y */
    assert_true(waits(&queue, forward(x, weights, y)));                         /* rows of x */
    assert_true(waits_by_columns(&queue, forward(x, weights, y)));              /* rows of y */
    assert_true(waits_by_columns(&queue, forward(x, weights, rows_of(Y, in)))); /* others of y */
    assert_true(waits(&queue, update(x, d_x, weights)));                        /* rows of them */
    assert_true(waits_by_columns(&queue, forward(x, weights, y)));       /* columns of them */
    assert_true(waits(&queue, upload(weights)));                         /* rows */
    assert_true(waits_by_columns(&queue, backward(x, weights, y, d_x))); /* all of them */
    assert_false(waits_by_columns(&queue, forward(x, weights, y)));
    assert_true(waits(&queue, upload(bias)));
    assert_true(waits_by_columns(&queue, forward(x, weights, y))); /* columns of the bias */
    assert_false(waits_by_columns(&queue, backward(x, weights, y, d_x)));
    assert_true(waits_by_columns(&queue, backward(d_x, weights, y, x))); /* all of d_y */
    queue_free(&queue);
}

/* Of a matrix whose rows are taken in an order, anyone may meet any; of the order, what he would
 * else meet of the matrix. */
static void test_order(void **state) {
    (void)state;
    enum { ALL, WEIGHTS, Y, ORDERS };
    const size_t batch = 8;
    const struct view all = rows_of(ALL, batch), weights = rows_of(WEIGHTS, 4);
    const struct view y = rows_of(Y, batch), order = {&matrices[ORDERS].base, 0, batch, 1};
    struct queue queue = {0};
    assert_true(queue_reserve(&queue, 64));
    assert_false(waits(&queue, upload(order)));
    assert_false(waits_in_order(&queue, forward(all, weights, y), order)); /* his part of it */
    assert_false(waits(&queue, upload(order)));                            /* and again */
    assert_true(waits_in_order(&queue, update(all, y, weights), order));   /* all of it */
    assert_true(waits(&queue, upload(order)));
    assert_true(waits_in_order(&queue, forward(all, weights, y),
        (struct view){order.buffer, 1, batch, 1})); /* of other places */
    assert_true(waits(&queue, upload(all)));        /* the same rows, but any of them is read */
    assert_true(waits_in_order(&queue, forward(all, weights, y), order));
    assert_false(waits(&queue, forward(y, weights, rows_of(ORDERS + 1, batch)))); /* as ever */
    const struct queue_entry by_columns = {.operation = forward(all, weights, y),
        .how = &cpu_operations[OPERATION_DENSE_FORWARD],
        .order = order,
        .by_columns = true};
    assert_true(entry_waits(&queue, &by_columns)); /* rows of y are still being written */
    assert_true(waits(&queue, upload(order)));     /* he met all of it */
    queue_free(&queue);
}

typedef struct slice slice_function(size_t count, struct division division, int part);

/* Each of them once, and no slice begins within a unit. */
static void check_slices(slice_function *slice_of, size_t unit) {
    for (size_t count = 0; count < 300; count++)
        for (int parts = 1; parts < 20 * 5; parts++) {
            const struct division division = {1 + parts / 5, 1 + parts % 5};
            size_t next = 0;
            for (int part = 0; part < division_parts(division); part++) {
                const struct slice slice = slice_of(count, division, part);
                assert_true(slice.first <= slice.end);
                if (slice.first < slice.end) {
                    assert_int_equal(slice.first, next);
                    assert_int_equal(slice.first % unit, 0);
                    next = slice.end;
                }
            }
            assert_int_equal(next, count);
        }
}

static void test_slices(void **state) {
    (void)state;
    check_slices(slice_rows, 1);
    check_slices(slice_columns, 16);
}

/* A thread's parts become smaller, and the threads' shares are alike. */
static void test_shares(void **state) {
    (void)state;
    const struct division division = {2, 4};
    for (int thread = 0; thread < 2; thread++)
        for (size_t part = 0, lengths[] = {480, 360, 240, 120}; part < 4; part++) {
            const struct slice slice = slice_rows(2400, division, 4 * thread + (int)part);
            assert_int_equal(slice.end - slice.first, lengths[part]);
        }
}

enum { ROWS = ELEMENTS, ENTRIES = 400, SLOW = 40 };

/* What one row becomes of another and itself: whole numbers below a prime, so that what is wrong
 * once stays wrong. (Sums that grow would end as infinities, which are all equal.) */
static float mix_row(const float *from, size_t i) {
    enum { PRIME = 65521 };
    const uint32_t own = (uint32_t)from[i], other = (uint32_t)from[(i + ROWS / 2) % ROWS];
    return (float)((3 * own + other + (uint32_t)i) % PRIME);
}

/* A thread's rows, each made of one of its own and one of another thread's: wrong if anyone runs
 * ahead. Some operations are slow: their first part is done long after all others, which do run
 * ahead if nothing holds them. */
static void mix(const struct share *share) {
    static atomic_int others_done, wanted; /* parts of slow operations besides the first ones */
    const struct operation *operation = &share->entry->operation;
    const float *from = host_floats(operation->gather_rows.source);
    float *to = host_floats(operation->gather_rows.destination);
    const struct division division = share->entry->division;
    const struct slice slice = slice_rows(ROWS, division, share->part);
    const bool slow = operation->scale > 0.0f;
    if (slow && share->part == 0) {
        const int parts = division_parts(division) - 1;
        for (const int all = atomic_fetch_add(&wanted, parts) + parts;
            atomic_load(&others_done) < all;)
            sched_yield();
        for (int n = 0; n < 200; n++)
            sched_yield();
    }
    for (size_t i = slice.first; i < slice.end; i++)
        to[i] = mix_row(from, i);
    if (slow && share->part > 0)
        atomic_fetch_add(&others_done, 1);
}

static void test_team(void **state) {
    (void)state;
    static const struct cpu_operation mixing = {mix, {MET_ANY, MET_ROWS, MET_ROWS}};
    struct queue queues[2] = {{0}, {0}}; /* half of it each: the second follows the first */
    for (int q = 0; q < 2; q++)
        assert_true(queue_reserve(&queues[q], ENTRIES / 2));
    float expected[2][ROWS];
    for (size_t i = 0; i < ROWS; i++)
        expected[0][i] = memory[0][i] = (float)i;
    for (size_t n = 0; n < ENTRIES; n++) {
        const int from = n % 2, to = 1 - from;
        struct operation operation = gather(rows_of(from, ROWS), rows_of(to, ROWS));
        operation.scale = n % SLOW == SLOW - 1; /* the last one of a queue, too */
        const struct queue_entry entry = {
            .operation = operation, .how = &mixing, .division = {4, 2}};
        queue_append(&queues[n / (ENTRIES / 2)], &entry);
        for (size_t i = 0; i < ROWS; i++)
            expected[to][i] = mix_row(expected[from], i);
    }
    queue_run(&queues[0], &queues[1], NULL, 4);
    assert_memory_equal(memory[0], expected[0], sizeof expected[0]);
    assert_memory_equal(memory[1], expected[1], sizeof expected[1]);
    for (int q = 0; q < 2; q++)
        queue_free(&queues[q]);
}

/* A thread that has lost its processor: what it has not come to is done by the others. */
enum { TURNS = 12 };
static atomic_int turns_done, parts_done[TURNS];

static void linger(const struct share *share) {
    while (share->thread == 0 && atomic_load(&turns_done) < TURNS - 1)
        sched_yield();
    atomic_fetch_add(&parts_done[share->part], 1);
    if (division_parts(share->entry->division) == TURNS)
        atomic_fetch_add(&turns_done, 1);
}

static void test_taken_over(void **state) {
    (void)state;
    static const struct cpu_operation lingering = {linger, {MET_ANY, MET_ROWS, MET_ROWS}};
    struct queue queue = {0}, empty = {0};
    assert_true(queue_reserve(&queue, 2));
    for (int parts = TURNS; parts >= 5; parts -= 7) { /* fewer parts in the same section */
        const struct queue_entry entry = {
            .operation = gather(rows_of(0, ROWS), rows_of(parts == TURNS, ROWS)),
            .how = &lingering,
            .division = {parts, 1}};
        queue_append(&queue, &entry);
        queue.entries[queue.count - 1].barrier = false;
    }
    queue_run(&queue, &empty, NULL, 3);
    for (int part = 0; part < TURNS; part++)
        assert_int_equal(part < 5 ? 2 : 1, atomic_load(&parts_done[part]));
    queue_free(&queue);
}

#ifdef TEST_WRAPS_QUEUE

/* A thread that comes late to a barrier: the others have gone on without it, and it does nothing of
 * what they have done. It is late whenever it offers its processor to others. */
enum { SECTIONS = 60 };
static atomic_int sections_done;
static _Thread_local bool is_late;

int __real_sched_yield(void);
int __wrap_sched_yield(void);
int __wrap_timespec_get(struct timespec *now, int base);

/* A millisecond passes from one look at the clock to the next. */
int __wrap_timespec_get(struct timespec *now, int base) {
    static atomic_int looks;
    const int look = atomic_fetch_add(&looks, 1);
    *now = (struct timespec){look / 1000, look % 1000 * 1000000L};
    return base;
}

int __wrap_sched_yield(void) {
    enum { LATER = 7 };
    const int wanted = atomic_load(&sections_done) + LATER;
    while (is_late && wanted < SECTIONS && atomic_load(&sections_done) < wanted)
        __real_sched_yield();
    return __real_sched_yield();
}

static void count_section(const struct share *share) {
    is_late = share->thread == 0;
    mix(share);
    if (share->part == 0)
        atomic_fetch_add(&sections_done, 1);
}

static void test_late(void **state) {
    (void)state;
    static const struct cpu_operation counting = {count_section, {MET_ANY, MET_ROWS, MET_ROWS}};
    struct queue queue = {0}, empty = {0};
    assert_true(queue_reserve(&queue, SECTIONS));
    float expected[2][ROWS];
    for (size_t i = 0; i < ROWS; i++)
        expected[0][i] = memory[0][i] = (float)i;
    for (int n = 0; n < SECTIONS; n++) {
        const int from = n % 2, to = 1 - from;
        queue_append(&queue,
            &(struct queue_entry){.operation = gather(rows_of(from, ROWS), rows_of(to, ROWS)),
                .how = &counting,
                .division = {2, 3}});
        for (size_t i = 0; i < ROWS; i++)
            expected[to][i] = mix_row(expected[from], i);
    }
    queue_run(&queue, &empty, NULL, 2);
    is_late = false;
    assert_int_equal(SECTIONS, atomic_load(&sections_done));
    assert_memory_equal(memory[0], expected[0], sizeof expected[0]);
    assert_memory_equal(memory[1], expected[1], sizeof expected[1]);
    queue_free(&queue);
}

#endif

/* Operations wait for each other where they divide the same rows in other ways. */
static void test_parts(void **state) {
    (void)state;
    struct queue queue = {0};
    assert_true(queue_reserve(&queue, 5));
    for (int n = 0; n < 5; n++) {
        const struct division divisions[] = {{4, 1}, {4, 1}, {4, 2}, {4, 2}, {8, 1}};
        const bool expected[] = {false, false, true, false, true};
        assert_int_equal(expected[n],
            entry_waits(&queue, &(struct queue_entry){.operation = upload(rows_of(0, 8)),
                                    .how = &cpu_operations[OPERATION_UPLOAD],
                                    .division = divisions[n]}));
    }
    queue_free(&queue);
}

/* What half of the least normal number comes to in each thread of a team. */
static void halve(const struct share *share) {
    memory[0][share->part] = FLT_MIN * memory[1][share->part];
}

/* The team takes denormals as 0; the thread that calls it does not, before and after. */
static void test_denormals(void **state) {
    (void)state;
#if defined(__SSE2_MATH__) || defined(__aarch64__)
    enum { THREADS = 3 };
    static const struct cpu_operation halving = {halve, {MET_ROWS}};
    const struct division division = {THREADS, 1};
    struct queue queue = {0}, empty = {0};
    volatile float least = FLT_MIN;
    assert_true(queue_reserve(&queue, 1));
    for (int t = 0; t < THREADS; t++) {
        memory[0][t] = 1.0f;
        memory[1][t] = 0.5f;
    }
    queue_append(&queue,
        &(struct queue_entry){
            .operation = upload(rows_of(0, THREADS)), .how = &halving, .division = division});
    queue_run(&queue, &empty, NULL, THREADS);
    for (int t = 0; t < THREADS; t++)
        assert_true(memory[0][t] == 0.0f);
    assert_true(least * 0.5f > 0.0f);
    queue_free(&queue);
#else
    skip();
#endif
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_training_step),
        cmocka_unit_test(test_conflicts),
        cmocka_unit_test(test_columns),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_slices),
        cmocka_unit_test(test_shares),
        cmocka_unit_test(test_team),
        cmocka_unit_test(test_taken_over),
#ifdef TEST_WRAPS_QUEUE
        cmocka_unit_test(test_late),
#endif
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_denormals),
    };
    for (int m = 0; m < MATRICES; m++)
        matrices[m] = (struct host_buffer){{NULL, ELEMENTS}, memory[m]};
    return cmocka_run_group_tests_name("queue", tests, NULL, NULL);
}
