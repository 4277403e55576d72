#include "device/gpu/autotune.h"

#include "device/gpu/choice_cache.h"
#include "system/clock.h"
#include "system/strict_math.h"
#include "system/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- Timing --- */

/* An algorithm that is timed. It computes the same gemm `repeats` times in a turn. */
struct candidate {
    struct gemms *gemms;
    size_t algorithm;
    enum gemm_kind kind;
    const struct gemm_views *views;
    size_t repeats;
    struct gpu_commands recorded; /* a turn as an epoch is recorded; or empty */
    double least;                 /* seconds for a gemm; INFINITY: it fails */
};

/* Adds a turn's gemms to the list `to`. If that is NULL, they are enqueued. */
static enum status repeat(
    const struct candidate *candidate, struct gpu_commands *to, struct error *error) {
    enum status status = STATUS_OK;
    for (size_t r = 0; r < candidate->repeats && status == STATUS_OK; r++)
        status = gemms_compute(
            candidate->gemms, to, candidate->algorithm, candidate->kind, candidate->views, error);
    return status;
}

/* Runs a turn, and waits until it is done. The least time of a gemm in any turn counts. */
static enum status take_turn(struct candidate *candidate, struct error *error) {
    struct gpu *gpu = candidate->gemms->gpu;
    const double start = clock_seconds();
    enum status status = candidate->recorded.count > 0
                             ? gpu_commands_run(gpu, &candidate->recorded, error)
                             : repeat(candidate, NULL, error);
    if (status == STATUS_OK)
        status = gpu->driver->synchronise(gpu, error);
    const double seconds = (clock_seconds() - start) / (double)candidate->repeats;
    if (status != STATUS_OK || seconds < candidate->least)
        candidate->least = status == STATUS_OK ? seconds : INFINITY;
    return status;
}

/* Prepares a candidate. It computes the gemm a first time, which may compile a kernel and isn't
 * counted. The time of a second one tells how many make up a turn. Where an epoch is submitted as
 * one graph, so is a turn. Else the time would be that of the host, which launches the gemms one by
 * one. */
static enum status get_ready(struct candidate *candidate, struct error *error) {
    enum { LAUNCHED_MAX = 16, RECORDED_MAX = 200 };
    const double turn = 1e-3; /* seconds */
    struct gpu *gpu = candidate->gemms->gpu;
    const bool recorded = gpu->driver->make_graph;
    candidate->repeats = 1;
    candidate->least = INFINITY;
    enum status status = take_turn(candidate, error);
    candidate->least = INFINITY;
    if (status == STATUS_OK)
        status = take_turn(candidate, error);
    if (status != STATUS_OK)
        return status;
    const double wanted = turn / candidate->least, most = recorded ? RECORDED_MAX : LAUNCHED_MAX;
    candidate->repeats = (size_t)(wanted < 1.0 ? 1.0 : wanted < most ? wanted : most);
    if (recorded)
        status = repeat(candidate, &candidate->recorded, error);
    if (status == STATUS_OK)
        status = gpu_commands_make_graph(gpu, &candidate->recorded, error);
    if (status != STATUS_OK)
        candidate->least = INFINITY;
    return status;
}

/* The algorithm with the least time. A library must be faster than our kernels by as much as its
 * driver says (library_share). */
static size_t fastest_of(const struct gemms *gemms, const struct candidate *candidates) {
    size_t fastest = 0;
    for (size_t m = 1; m < gemms->algorithms_count; m++) {
        const double share = gemms->algorithms[m].library ? gemms->gpu->driver->library_share : 1.0;
        if (candidates[m].least < share * candidates[fastest].least)
            fastest = m;
    }
    return fastest;
}

/* Finds the fastest algorithm. The candidates take turns, so that whatever else the machine does
 * meanwhile slows all of them. After some rounds, candidates that take more than twice the best
 * time are left out. An algorithm that fails is left out, too: memory may be short, or the hardware
 * may lack something that it needs. Only when all fail is it an error, the last one's. */
static enum status find_fastest(struct gemms *gemms, enum gemm_kind kind,
    const struct gemm_views *views, size_t *fastest, struct error *error) {
    enum { ROUNDS = 10, ROUNDS_FOR_ALL = 3 };
    const double enough = 0.05; /* seconds */
    struct candidate candidates[GEMM_ALGORITHMS_MAX];
    enum status failure = STATUS_OK;
    for (size_t m = 0; m < gemms->algorithms_count; m++) {
        candidates[m] =
            (struct candidate){.gemms = gemms, .algorithm = m, .kind = kind, .views = views};
        const enum status status = get_ready(&candidates[m], error);
        failure = status != STATUS_OK ? status : failure;
    }
    const double start = clock_seconds();
    for (int r = 0; r < ROUNDS && clock_seconds() - start < enough; r++)
        for (size_t m = 0; m < gemms->algorithms_count; m++) {
            const double best = candidates[fastest_of(gemms, candidates)].least;
            if (isinf(candidates[m].least) ||
                (r >= ROUNDS_FOR_ALL && candidates[m].least > 2.0 * best))
                continue;
            const enum status status = take_turn(&candidates[m], error);
            failure = status != STATUS_OK ? status : failure;
        }
    for (size_t m = 0; m < gemms->algorithms_count; m++)
        gpu_commands_free(gemms->gpu, &candidates[m].recorded);
    *fastest = fastest_of(gemms, candidates);
    return isinf(candidates[*fastest].least) ? failure : STATUS_OK;
}

/* Times every algorithm. The results go to memory that is allocated for that, because what the
 * views hold may still be needed. If there is no such memory, nothing is timed, and the first
 * algorithm is taken. */
static enum status time_algorithms(struct gemms *gemms, enum gemm_kind kind,
    const struct gemm_views *views, bool *timed, size_t *fastest, struct error *error) {
    struct gpu *gpu = gemms->gpu;
    const struct view result = views->result;
    const size_t elements = result.rows * result.columns;
    struct gemm_views apart = *views;
    struct buffer *written = NULL;
    struct error ignored;
    *fastest = 0;
    *timed =
        device_allocate(&gpu->base, elements + result.columns, &written, &ignored) == STATUS_OK;
    if (!*timed)
        return STATUS_OK;
    apart.result = device_view(written, result.rows, result.columns);
    if (gemm_sums_batch(kind))
        apart.bias = (struct view){written, elements, 1, result.columns};
    const enum status status = find_fastest(gemms, kind, &apart, fastest, error);
    buffer_free(written);
    return status;
}

/* --- Choosing --- */

/* The algorithm that computes all gemms of a shape. */
struct gemm_choice {
    struct gemm_shape shape;
    size_t algorithm;
};

struct gemm_choices {
    struct gemms *gemms;
    struct gemm_choice *all;
    size_t count;
};

enum status gemm_choices_create(
    struct gemms *gemms, struct gemm_choices **choices, struct error *error) {
    *choices = calloc(1, sizeof **choices);
    if (!*choices)
        return error_memory(error, "the choice of products", sizeof **choices);
    (*choices)->gemms = gemms;
    return STATUS_OK;
}

void gemm_choices_free(struct gemm_choices *choices) {
    if (choices)
        free(choices->all);
    free(choices);
}

size_t gpu_choices(const struct device *device, char *text, size_t size) {
    const struct gemm_choices *choices = ((const struct gpu *)device)->choices;
    size_t length = 0;
    for (size_t c = 0; c < choices->count; c++) {
        const struct gemm_choice *choice = &choices->all[c];
        gemm_shape_name what;
        const size_t used = length < size ? length : size;
        length += (size_t)snprintf(size > 0 ? text + used : NULL, size - used, "%s %s\n",
            gemm_shape_text(&choice->shape, what),
            choices->gemms->algorithms[choice->algorithm].name);
    }
    return length;
}

/* Says in the device's info what was chosen: "own-host" where one algorithm does all shapes, or
 * "own-small 7, clblast 2" with the number of shapes of each. Sets suspect_side where a library
 * does some. */
static void describe_choices(const struct gemm_choices *choices) {
    const struct gemms *gemms = choices->gemms;
    struct device_info *info = &gemms->gpu->base.info;
    size_t counts[GEMM_ALGORITHMS_MAX] = {0};
    for (size_t c = 0; c < choices->count; c++)
        counts[choices->all[c].algorithm]++;
    info->gemm[0] = '\0';
    info->suspect_side = 0;
    for (size_t m = 0; m < gemms->algorithms_count; m++) {
        const char *name = gemms->algorithms[m].name;
        if (counts[m] > 0 && gemms->algorithms[m].library)
            info->suspect_side = gemms->gpu->driver->suspect_side;
        if (counts[m] > 0 && counts[m] == choices->count)
            snprintf(info->gemm, sizeof info->gemm, "%s", name);
        else if (counts[m] > 0)
            text_append(info->gemm, sizeof info->gemm, "%s%s %zu", info->gemm[0] ? ", " : "", name,
                counts[m]);
    }
}

static bool find_choice(
    const struct gemm_choices *choices, const struct gemm_shape *shape, size_t *algorithm) {
    for (size_t c = 0; c < choices->count; c++)
        if (memcmp(&choices->all[c].shape, shape, sizeof *shape) == 0) {
            *algorithm = choices->all[c].algorithm;
            return true;
        }
    return false;
}

/* Whether the gemm is one by which the self-check tests a library that may compute wrong results
 * (suspect_side). If it is, the library does it, even where our kernels are faster. */
static bool is_check(const struct gemms *gemms, const struct gemm_shape *shape, size_t *algorithm) {
    const size_t side = gemms->gpu->base.info.suspect_side;
    if (side == 0 || shape->batch != side || shape->in != side || shape->out != side)
        return false;
    for (size_t m = 0; m < gemms->algorithms_count; m++)
        if (gemms->algorithms[m].library)
            *algorithm = m;
    return true;
}

/* Takes what an earlier run has chosen, or times the algorithms. With a single algorithm there is
 * nothing to choose. */
static enum status make_choice(struct gemms *gemms, const struct gemm_views *views,
    struct gemm_choice *choice, struct error *error) {
    const struct gemm_shape *shape = &choice->shape;
    bool timed;
    if (gemms->algorithms_count == 1 || choice_recall(gemms, shape, &choice->algorithm))
        return STATUS_OK;
    const enum status status = time_algorithms(
        gemms, (enum gemm_kind)shape->kind, views, &timed, &choice->algorithm, error);
    if (timed && status == STATUS_OK)
        choice_keep(gemms, shape, choice->algorithm);
    return status;
}

enum status autotune_choose(struct gemm_choices *choices, enum gemm_kind kind,
    const struct gemm_views *views, size_t *algorithm, struct error *error) {
    struct gemms *gemms = choices->gemms;
    struct gemm_choice choice = {.shape = gemm_shape_of(kind, views)};
    if (find_choice(choices, &choice.shape, algorithm) || is_check(gemms, &choice.shape, algorithm))
        return STATUS_OK;
    struct gemm_choice *grown = realloc(choices->all, (choices->count + 1) * sizeof *grown);
    if (!grown)
        return error_memory(error, "the choice of products", sizeof *grown);
    choices->all = grown;
    const enum status status = make_choice(gemms, views, &choice, error);
    if (status != STATUS_OK)
        return status;
    choices->all[choices->count++] = choice;
    describe_choices(choices);
    *algorithm = choice.algorithm;
    return STATUS_OK;
}
