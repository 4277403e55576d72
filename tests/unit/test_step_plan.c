/* Which training steps fit the fused kernels, how they are divided, and which follow one another.
 */
#include "step_shapes.h"
#include "support.h"

#include <stdlib.h>
#include <string.h>

static const size_t usual[] = {1024, 64, 32, 10};

static size_t number_of(const struct step_plan *plan, const char *name) {
    const char *found = strstr(plan->options, name);
    assert_non_null(found);
    return strtoul(found + strlen(name), NULL, 10);
}

/* --- What fits --- */

static void test_usual(void **state) {
    (void)state;
    const struct gpu gpu = gpu_of("gpu", 132, 48 << 10);
    const struct step step = make_step(300, 3, usual, false);
    struct step_plan plan;
    assert_null(step_plan_make(&gpu, &step, &plan));
    assert_non_null(strstr(plan.options,
        "-DLAYERS=3 -DWIDTHS=1024,64,32,10 -DACTIVATIONS=2,2,0 -DWEIGHTS_AT=0,65600,67680 "
        "-DBIAS_AT=65536,67648,68000 -DVALUES_AT=0,19200,28800 -DGRADIENTS_AT=0,19200,28800 "));
    assert_null(strstr(plan.options, "GATHERED"));
    assert_int_equal(plan.tiles, 32);
    /* 33 x 4 tiles of 32 x 16, of which the last row has the bias; then 3 x 2 and 2 x 1. */
    assert_int_equal(plan.weights_groups, 33 * 4 + 3 * 2 + 2);
    assert_int_equal(plan.each, 3); /* 100 groups for 132 units */
    assert_int_equal(step_plan_sums(&plan, 300), 32 * 300 * 64);
    const struct step gathered = make_step(300, 3, usual, true);
    struct step_plan other;
    assert_null(step_plan_make(&gpu, &gathered, &other));
    assert_non_null(strstr(other.options, " -DGATHERED"));
}

/* The more shared memory, the longer the chunks, up to what registers hold; and what there is is
 * never exceeded. */
static void test_shared_memory(void **state) {
    (void)state;
    static const size_t sizes[][2] = {{16, 0}, {20, 80}, {32, 80}, {48, 80}, {64, 80}, {98, 80}};
    const struct step step = make_step(300, 3, usual, false);
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        const struct gpu gpu = gpu_of("gpu", 64, sizes[s][0] << 10);
        struct step_plan plan;
        const char *unfit = step_plan_make(&gpu, &step, &plan);
        if (sizes[s][1] == 0) {
            assert_non_null(unfit);
            continue;
        }
        assert_null(unfit);
        const size_t tile = number_of(&plan, "-DTILE_M=") * number_of(&plan, "-DTILE_N=");
        assert_int_equal(number_of(&plan, "-DCHUNK="), sizes[s][1]);
        assert_true(4 * (number_of(&plan, "-DWEIGHTS_MEMORY=") + tile) <= gpu.group_bytes);
        assert_true(4 * number_of(&plan, "-DSAMPLES_MEMORY=") <= gpu.group_bytes);
    }
}

/* Any batch: chunks that are not much longer than they must be. */
static void test_batches(void **state) {
    (void)state;
    static const char *const types[] = {"gpu", "cpu"};
    for (size_t t = 0; t < 2; t++)
        for (size_t batch = 1; batch < 3000; batch += 1 + batch / 5) {
            const struct gpu gpu = gpu_of(types[t], 7, 1 << 20);
            const struct step step = make_step(batch, 3, usual, false);
            struct step_plan plan;
            assert_null(step_plan_make(&gpu, &step, &plan));
            const size_t chunk = number_of(&plan, "-DCHUNK="), chunks = (batch + chunk - 1) / chunk;
            assert_true(chunk <= (t == 0 ? 80 : 160) && chunks * chunk < batch + 16 * chunks);
            assert_int_equal(chunk % number_of(&plan, "-DPARTS="), 0);
            assert_int_equal(plan.each % number_of(&plan, "-DLAYER_M="), 0);
        }
}

static void test_unfit(void **state) {
    (void)state;
    const struct gpu gpu = gpu_of("gpu", 132, 48 << 10);
    struct step_plan plan;
    struct step step = make_step(300, 9, (size_t[]){9, 9, 9, 9, 9, 9, 9, 9, 9, 9}, false);
    assert_string_equal(step_plan_make(&gpu, &step, &plan), "too many layers");
    step = make_step(300, 2, (size_t[]){1024, 1024, 10}, false);
    assert_non_null(strstr(step_plan_make(&gpu, &step, &plan), "too large for"));
    step = make_step(20000, 2, (size_t[]){1024, 64, 10}, false);
    assert_non_null(strstr(step_plan_make(&gpu, &step, &plan), "too many"));
    for (int apart = 0; apart < 4; apart++) {
        step = make_step(300, 3, usual, false);
        struct view *const views[] = {
            &step.layers[1].weights, &step.layers[2].bias, &step.layers[1].y, &step.layers[1].d_y};
        views[apart]->buffer = &step_buffers[INDEX];
        assert_non_null(strstr(step_plan_make(&gpu, &step, &plan), "not in one buffer"));
    }
    for (int same = 0; same < 4; same++) {
        step = make_step(300, 3, usual, true);
        struct view *const views[] = {&step.all_x, &step.all_labels, &step.index, &step.rates};
        views[same]->buffer = &step_buffers[SCORE];
        assert_non_null(strstr(step_plan_make(&gpu, &step, &plan), "in a buffer with"));
    }
    struct gpu narrow = gpu;
    narrow.largest_group = 128;
    step = make_step(300, 3, usual, false);
    assert_non_null(strstr(step_plan_make(&narrow, &step, &plan), "too few items"));
}

/* The states of every optimiser, and what is not as far behind its parameter as others are. */
static void test_states(void **state) {
    (void)state;
    const struct gpu gpu = gpu_of("gpu", 132, 48 << 10);
    for (enum optimizer optimizer = 0; optimizer < OPTIMIZERS; optimizer++) {
        struct step step = make_step(300, 3, usual, false);
        struct step_plan plan;
        optimize_by(&step, optimizer);
        assert_null(step_plan_make(&gpu, &step, &plan));
        assert_int_equal(number_of(&plan, "-DOPTIMIZER="), optimizer);
        assert_int_equal(number_of(&plan, "-DSTATES_APART="),
            optimizer == OPTIMIZER_GRADIENT_DESCENT ? 0 : 1025 * 64 + 65 * 32 + 33 * 10);
        struct step next = step;
        next.rates.offset += step.rates.columns;
        next.score.offset += 600;
        next.labels.offset += 300;
        next.layers[0].x.offset += 300 * 1024;
        assert_true(step_plan_goes_on(&step, &next));
        assert_true(step_plan_follows(&step, &step, 1, &next));
        next.rates.offset += 1;
        assert_false(step_plan_follows(&step, &step, 1, &next));
        next.rates.offset -= 1;
        for (size_t s = 0; s < optimizer_states[optimizer]; s++) {
            struct view *const views[] = {&step.layers[1].states[s].weights,
                &step.layers[0].states[s].bias, &step.layers[2].states[s].bias};
            for (int v = 0; v < 3; v++) {
                const struct view right = *views[v];
                views[v]->offset++;
                assert_non_null(strstr(step_plan_make(&gpu, &step, &plan), "is not behind"));
                assert_false(step_plan_goes_on(&step, &next));
                *views[v] = right;
                views[v]->buffer = &step_buffers[INDEX];
                assert_non_null(strstr(step_plan_make(&gpu, &step, &plan), "is not behind"));
                *views[v] = right;
            }
        }
        next.optimizer = (optimizer + 1) % OPTIMIZERS;
        assert_false(step_plan_goes_on(&step, &next));
    }
}

/* --- One after another --- */

static void test_goes_on(void **state) {
    (void)state;
    enum { OTHERS = 9 };
    for (int gathered = 0; gathered < 2; gathered++) {
        const struct step first = make_step(300, 3, usual, gathered);
        struct step next = first;
        next.layers[0].x.offset = gathered ? 0 : 300 * 1024;
        next.index.offset = gathered ? 300 : 0;
        next.score.offset = 600;
        next.rates.offset = 1;
        assert_true(step_plan_goes_on(&first, &next));
        struct step shorter = next; /* the last batch of a pass */
        shorter.labels.rows = shorter.index.rows = 7;
        for (size_t l = 0; l < 3; l++)
            shorter.layers[l].y.rows = shorter.layers[l].d_y.rows = 7;
        assert_true(step_plan_goes_on(&first, &shorter));
        struct step other[OTHERS];
        for (size_t o = 0; o < OTHERS; o++)
            other[o] = next;
        other[0].layers_count = 2;
        other[1].gathered = !gathered;
        other[2].layers[1].weights.offset++;
        other[3].layers[2].bias.offset++;
        other[4].layers[0].activation = ACTIVATION_RELU;
        other[5].layers[0].y.offset++;
        other[6].layers[1].d_y.buffer = &step_buffers[INDEX];
        (gathered ? &other[7].all_x : &other[7].layers[0].x)->buffer = &step_buffers[SCALE];
        other[8].smoothing = 0.1f;
        for (size_t o = 0; o < OTHERS; o++)
            assert_false(step_plan_goes_on(&first, &other[o]));
    }
}

/* One launch does steps whose batches lie one behind the other. */
static void test_follows(void **state) {
    (void)state;
    enum { BATCH = 300, OTHERS = 8 };
    for (int gathered = 0; gathered < 2; gathered++)
        for (size_t apart = 0; apart < 2; apart++) {
            const struct step first = make_step(BATCH, 3, usual, gathered);
            struct step steps[4] = {first, first, first, first};
            for (size_t s = 0; s < 4; s++) {
                struct view *const x = gathered ? &steps[s].index : &steps[s].layers[0].x;
                x->offset = s * BATCH * x->columns;
                steps[s].labels.offset = gathered ? 0 : s * BATCH;
                steps[s].score.offset = 2 * s * BATCH;
                steps[s].rates.offset = s * apart;
            }
            steps[3].labels.rows = 7; /* the last batch of a pass */
            for (size_t s = 1; s < 4; s++) {
                assert_true(step_plan_follows(&first, &steps[s - 1], s, &steps[s]));
                assert_int_equal(step_plan_rates_step(&steps[s - 1], &steps[s]), apart);
            }
            assert_false(
                step_plan_follows(&first, &steps[3], 4, &steps[3])); /* after the short one */
            struct step other[OTHERS];
            for (size_t o = 0; o < OTHERS; o++)
                other[o] = steps[2];
            (gathered ? &other[0].index : &other[0].layers[0].x)->offset++;
            (gathered ? &other[1].all_labels : &other[1].labels)->offset++;
            (gathered ? &other[2].all_labels : &other[2].labels)->buffer = &step_buffers[SCORE];
            other[3].score.offset++;
            other[4].rates.offset = apart == 0 ? 1 : 1000;
            other[5].rates.offset = apart == 0 ? 2 : 1;
            other[6].rates.buffer = &step_buffers[SCORE];
            other[7].labels.rows = BATCH + 1;
            for (size_t o = 0; o < OTHERS; o++)
                assert_false(step_plan_follows(&first, &steps[1], 2, &other[o]));
        }
}

/* Both phases of a group find room in one group's memory, or the launch of many steps is left out.
 */
static void test_together(void **state) {
    (void)state;
    const struct step step = make_step(300, 3, usual, false);
    static const size_t large[] = {1024, 100, 96, 10};
    const struct step wide = make_step(300, 3, large, false);
    struct step_plan plan;
    const struct gpu gpu = gpu_of("gpu", 132, 48 << 10), cpu = gpu_of("cpu", 8, 512 << 10);
    assert_null(step_plan_make(&gpu, &step, &plan));
    assert_true(plan.together);
    assert_null(step_plan_make(&cpu, &step, &plan));
    assert_true(plan.together); /* a group of one item does both, too */
    assert_null(step_plan_make(&gpu, &wide, &plan));
    const size_t tile = number_of(&plan, "-DTILE_M=") * number_of(&plan, "-DTILE_N=");
    assert_true(4 * (number_of(&plan, "-DSAMPLES_MEMORY=") + tile) > gpu.group_bytes);
    assert_false(plan.together);
}

/* A step that reads what the one before it writes must wait for that. */
static void test_written_before(void **state) {
    (void)state;
    for (int gathered = 0; gathered < 2; gathered++)
        for (int written = 0; written < 3; written++) {
            struct step first = make_step(300, 3, usual, gathered);
            struct step next = first;
            struct view *const x = gathered ? &next.all_x : &next.layers[0].x;
            const struct view views[] = {first.score, first.layers[1].y, first.layers[0].d_y};
            (gathered ? &first.all_x : &first.layers[0].x)->buffer = views[written].buffer;
            (gathered ? &first.all_x : &first.layers[0].x)->offset = 1 << 20;
            *x = (struct view){views[written].buffer, 1 << 20, x->rows, x->columns};
            assert_true(step_plan_goes_on(&first, &next));
            if (gathered)
                first.all_x.offset = next.all_x.offset = views[written].offset;
            else
                next.layers[0].x.offset = views[written].offset;
            assert_false(step_plan_goes_on(&first, &next));
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_usual),
        cmocka_unit_test(test_shared_memory),
        cmocka_unit_test(test_batches),
        cmocka_unit_test(test_unfit),
        cmocka_unit_test(test_states),
        cmocka_unit_test(test_goes_on),
        cmocka_unit_test(test_follows),
        cmocka_unit_test(test_together),
        cmocka_unit_test(test_written_before),
    };
    return cmocka_run_group_tests_name("step_plan", tests, NULL, NULL);
}
