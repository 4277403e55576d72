/* The cpu device's own gemm, for every instruction set that this machine has: shapes around the
 * sizes of its tiles, panels and blocks against plain loops in double precision, and the same bits
 * however the result is divided.
 *
 * Shapes are random, from a seed that is printed ($TRAINER_TEST_SEED sets another). */
#include "device/cpu/kernels.h"
#include "device/instruction_set.h"
#include "support.h"
#include "trainer/random.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t seed = 20261129;
static uint32_t drawn; /* numbers of the seed that are used up */

static size_t draw(size_t bound) {
    uint32_t bits[4];
    random_bits(seed, RANDOM_CHECK, 0, drawn++, bits);
    return bits[0] % bound;
}

/* --- A matrix among guards --- */

/* NaN is before the matrix, after it, and between its rows where these are longer than what is used
 * of them: whoever reads it computes NaN. By chance there is no guard at an end. Reading there is
 * for a sanitizer to see. */
struct guarded {
    float *memory, *start;
    size_t elements; /* of the memory */
    size_t rows, columns, row;
};

static struct guarded make_matrix(size_t rows, size_t columns) {
    static const size_t gaps[] = {0, 0, 1, 3, 16}, befores[] = {0, 1, 3, 16}, afters[] = {0, 5};
    struct guarded made = {.rows = rows, .columns = columns, .row = columns + gaps[draw(5)]};
    const size_t before = befores[draw(4)];
    made.elements = before + (rows - 1) * made.row + columns + afters[draw(2)];
    made.memory = malloc(made.elements * sizeof *made.memory);
    made.start = made.memory + before;
    for (size_t i = 0; i < made.elements; i++)
        made.memory[i] = NAN;
    for (size_t i = 0; i < rows; i++)
        random_uniform(seed, RANDOM_CHECK, drawn++, made.start + i * made.row, columns);
    return made;
}

/* An order of `count` rows, each of which is any row of the matrix. Nobody may read the others. */
static uint32_t *make_order(const struct guarded *matrix, size_t count) {
    uint32_t *order = malloc(count * sizeof *order);
    bool *is_named = calloc(matrix->rows, sizeof *is_named);
    for (size_t i = 0; i < count; i++) {
        order[i] = (uint32_t)draw(matrix->rows);
        is_named[order[i]] = true;
    }
    for (size_t i = 0; i < matrix->rows; i++)
        for (size_t j = 0; j < matrix->columns && !is_named[i]; j++)
            matrix->start[i * matrix->row + j] = NAN;
    free(is_named);
    return order;
}

/* --- A gemm of random operands --- */

struct trial {
    struct gemm gemm;
    struct guarded a, b, c;
    uint32_t *order;
    float *before, *whole; /* the memory of c: before the gemm, and after it */
};

static struct trial make_trial(
    size_t m, size_t n, size_t k, bool transpose_a, bool transpose_b, bool ordered) {
    static const float scales[] = {1.0f, 0.5f, -0.01f};
    struct trial trial;
    const size_t rows = transpose_a ? k : m; /* of a */
    trial.a = make_matrix(rows + (ordered ? draw(9) : 0), transpose_a ? m : k);
    trial.b = make_matrix(transpose_b ? n : k, transpose_b ? k : n);
    trial.c = make_matrix(m, n);
    trial.order = ordered ? make_order(&trial.a, rows) : NULL;
    trial.before = malloc(trial.c.elements * sizeof *trial.before);
    trial.whole = malloc(trial.c.elements * sizeof *trial.whole);
    memcpy(trial.before, trial.c.memory, trial.c.elements * sizeof *trial.before);
    trial.gemm = (struct gemm){.m = m,
        .n = n,
        .k = k,
        .transpose_a = transpose_a,
        .transpose_b = transpose_b,
        .a = trial.a.start,
        .order = trial.order,
        .b = trial.b.start,
        .c = trial.c.start,
        .a_row = trial.a.row,
        .b_row = trial.b.row,
        .c_row = trial.c.row,
        .scale = scales[draw(3)],
        .add = draw(2) == 1};
    return trial;
}

static void free_trial(struct trial *trial) {
    free(trial->a.memory);
    free(trial->b.memory);
    free(trial->c.memory);
    free(trial->order);
    free(trial->before);
    free(trial->whole);
}

/* Says what failed, in front of the reason. */
static const char *text_of(const struct gemm *gemm) {
    static char text[200];
    snprintf(text, sizeof text, "[%zu, %zu] of %zu terms, a%s%s, b%s, scale %g%s", gemm->m, gemm->n,
        gemm->k, gemm->transpose_a ? " transposed" : "", gemm->order ? " in an order" : "",
        gemm->transpose_b ? " transposed" : "", (double)gemm->scale, gemm->add ? ", added" : "");
    return text;
}

/* --- Against plain loops --- */

/* terms[k, n] = op(b) */
static double *terms_of_b(const struct gemm *gemm) {
    double *terms = malloc(gemm->k * gemm->n * sizeof *terms);
    for (size_t p = 0; p < gemm->k; p++)
        for (size_t j = 0; j < gemm->n; j++)
            terms[p * gemm->n + j] =
                (double)gemm->b[gemm->transpose_b ? j * gemm->b_row + p : p * gemm->b_row + j];
    return terms;
}

/* Element (i, p) of op(a) */
static double term_of_a(const struct gemm *gemm, size_t i, size_t p) {
    const size_t place = gemm->transpose_a ? p : i, row = gemm->order ? gemm->order[place] : place;
    return (double)gemm->a[row * gemm->a_row + (gemm->transpose_a ? i : p)];
}

/* An element may be wrong by 1e-6 of the sum of the magnitudes of its terms, and nothing beside the
 * elements may have changed. */
static void check_result(const struct trial *trial) {
    const struct gemm *gemm = &trial->gemm;
    const size_t n = gemm->n, before = (size_t)(trial->c.start - trial->c.memory);
    double *terms = terms_of_b(gemm), *sum = malloc(n * sizeof *sum),
           *size = malloc(n * sizeof *sum);
    float *guards = malloc(trial->c.elements * sizeof *guards); /* with the elements as found */
    memcpy(guards, trial->before, trial->c.elements * sizeof *guards);
    for (size_t i = 0; i < gemm->m; i++) {
        const float *found = gemm->c + i * gemm->c_row;
        float *old = guards + before + i * gemm->c_row;
        for (size_t j = 0; j < n; j++) {
            sum[j] = gemm->add ? (double)old[j] : 0.0;
            size[j] = fabs(sum[j]);
        }
        for (size_t p = 0; p < gemm->k; p++) {
            const double of_a = (double)gemm->scale * term_of_a(gemm, i, p);
            for (size_t j = 0; j < n; j++) {
                sum[j] += of_a * terms[p * n + j];
                size[j] += fabs(of_a * terms[p * n + j]);
            }
        }
        for (size_t j = 0; j < n; j++)
            if (!(fabs((double)found[j] - sum[j]) <= 1e-6 * size[j]))
                fail_msg("%s: element (%zu, %zu) is %.9g, expected %.9g within %.3g", text_of(gemm),
                    i, j, (double)found[j], sum[j], 1e-6 * size[j]);
        memcpy(old, found, n * sizeof *old);
    }
    if (memcmp(guards, trial->c.memory, trial->c.elements * sizeof *guards) != 0)
        fail_msg("%s: something beside the result is written", text_of(gemm));
    free(terms);
    free(sum);
    free(size);
    free(guards);
}

/* --- Divided --- */

static struct gemm rows_of(const struct gemm *gemm, size_t first, size_t count) {
    struct gemm part = *gemm;
    part.m = count;
    part.c += first * gemm->c_row;
    if (gemm->transpose_a)
        part.a += first;
    else if (gemm->order)
        part.order += first;
    else
        part.a += first * gemm->a_row;
    return part;
}

static struct gemm columns_of(const struct gemm *gemm, size_t first, size_t count) {
    struct gemm part = *gemm;
    part.n = count;
    part.c += first;
    part.b += gemm->transpose_b ? first * gemm->b_row : first;
    return part;
}

/* Without a version of b, what a call leaves in its scratch memory is nothing to the next one. */
static void compute(
    gemm_function *function, const struct gemm *gemm, struct gemm_scratch *scratch) {
    memset(scratch, 0xff, sizeof *scratch); /* NaN, and addresses of nothing */
    scratch->b_version = 0;
    function(gemm, scratch);
}

typedef struct gemm part_function(const struct gemm *gemm, size_t first, size_t count);

/* The same bits of some parts, each of so many `unit`s of rows or columns as chance has it. */
static void check_parts(const struct trial *trial, gemm_function *function, part_function *part_of,
    size_t count, size_t unit, struct gemm_scratch *scratch) {
    memcpy(trial->c.memory, trial->before, trial->c.elements * sizeof *trial->before);
    for (size_t first = 0, length; first < count; first += length) {
        length = unit * (1 + draw(1 + count / unit / 2));
        length = length < count - first ? length : count - first;
        const struct gemm part = part_of(&trial->gemm, first, length);
        compute(function, &part, scratch);
    }
    if (memcmp(trial->c.memory, trial->whole, trial->c.elements * sizeof *trial->whole) != 0)
        fail_msg("%s: other bits by parts of %s", text_of(&trial->gemm),
            part_of == rows_of ? "the rows" : "the columns");
}

/* --- With a version of b --- */

/* Several gemms in turn, each of which finds its b packed the second time. */
static void check_versions(gemm_function *function, struct gemm_scratch *scratch) {
    enum { GEMMS = 5, TURNS = 3, SIDE = 130 };
    static uint64_t version;
    struct trial trials[GEMMS];
    for (int g = 0; g < GEMMS; g++)
        trials[g] =
            make_trial(1 + draw(SIDE), 1 + draw(SIDE), 1 + draw(SIDE), draw(2), draw(2), false);
    memset(scratch, 0xff, sizeof *scratch);
    scratch->b_version = 0;
    for (int turn = 0; turn < TURNS; turn++) {
        version++;
        for (int n = 0; n < 2; n++)
            for (int g = 0; g < GEMMS; g++) {
                struct trial *trial = &trials[g];
                trial->gemm.b_version = draw(8) == 0 ? 0 : version;
                memcpy(trial->c.memory, trial->before, trial->c.elements * sizeof *trial->before);
                function(&trial->gemm, scratch);
                check_result(trial);
            }
        for (int g = 0; g < GEMMS; g++) /* other numbers, in the same place */
            for (size_t row = 0; row < trials[g].b.rows; row++)
                random_uniform(seed, RANDOM_CHECK, drawn++,
                    trials[g].b.start + row * trials[g].b.row, trials[g].b.columns);
    }
    for (int g = 0; g < GEMMS; g++)
        free_trial(&trials[g]);
}

static void check(gemm_function *function, struct trial *trial, struct gemm_scratch *scratch) {
    compute(function, &trial->gemm, scratch);
    check_result(trial);
    memcpy(trial->whole, trial->c.memory, trial->c.elements * sizeof *trial->whole);
    check_parts(trial, function, rows_of, trial->gemm.m, 1, scratch);
    check_parts(trial, function, columns_of, trial->gemm.n, 16, scratch);
    free_trial(trial);
}

/* --- Shapes --- */

/* Around the sizes of vectors, tiles, panels and blocks. */
static size_t draw_side(void) {
    static const size_t sides[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 15, 16, 17, 24, 25, 31,
        32, 33, 47, 48, 49, 63, 64, 65, 97, 99, 100, 101, 127, 128, 129, 191, 192, 193, 201, 240,
        255, 256, 257, 272, 300, 385, 512, 513, 960, 961, 1023, 1024, 1025};
    return sides[draw(sizeof sides / sizeof *sides)];
}

static void check_random(gemm_function *function, struct gemm_scratch *scratch) {
    enum { TRIALS = 400, MULTIPLICATIONS = 400000 };
    for (int t = 0; t < TRIALS; t++) {
        size_t m, n, k;
        do {
            m = draw_side();
            n = draw_side();
            k = draw_side();
        } while (m * n * k > MULTIPLICATIONS);
        struct trial trial = make_trial(m, n, k, draw(2), draw(2), draw(2));
        check(function, &trial, scratch);
    }
}

/* More than one block each way, and the last one a single row, column or term. */
static void check_blocks(gemm_function *function, struct gemm_scratch *scratch) {
    static const size_t shapes[][3] = {{GEMM_BLOCK_M + 1, GEMM_BLOCK_N + 1, GEMM_BLOCK_K + 1},
        {GEMM_BLOCK_M + 1, GEMM_BLOCK_N + 1, GEMM_BLOCK_K_TRANSPOSED + 1},
        {961, GEMM_PANEL_MAX + 1, GEMM_BLOCK_K + 1}, {961, GEMM_BLOCK_N + 16, 3}};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (int layout = 0; layout < 4; layout++) {
            struct trial trial = make_trial(
                shapes[s][0], shapes[s][1], shapes[s][2], layout % 2, layout / 2, draw(2));
            check(function, &trial, scratch);
        }
}

static void test_set(void **state) {
    const struct instruction_set *set = *state;
    if (!set->usable())
        skip();
    struct gemm_scratch *scratch = aligned_alloc(64, (sizeof *scratch + 63) / 64 * 64);
    check_random(set->kernels->gemm, scratch);
    check_blocks(set->kernels->gemm, scratch);
    for (int n = 0; n < 20; n++)
        check_versions(set->kernels->gemm, scratch);
    free(scratch);
}

int main(void) {
    enum { SETS_MAX = 8 };
    struct CMUnitTest tests[SETS_MAX] = {{0}};
    size_t sets = 0;
    for (; sets < SETS_MAX && instruction_sets[sets].name; sets++)
        tests[sets] = (struct CMUnitTest){instruction_sets[sets].name, test_set, NULL, NULL,
            (void *)(uintptr_t)&instruction_sets[sets]};
    const char *wanted_seed = getenv("TRAINER_TEST_SEED");
    if (wanted_seed)
        seed = strtoull(wanted_seed, NULL, 10);
    print_message("seed %llu\n", (unsigned long long)seed);
    return _cmocka_run_group_tests("gemm", tests, sets, NULL, NULL);
}
