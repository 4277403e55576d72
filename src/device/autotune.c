#include "device/autotune.h"

#include "device/choice_cache.h"
#include "system/strict_math.h"
#include "system/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- Choices --- */

/* The algorithm that computes all gemms of a shape. */
struct gemm_choice {
    struct gemm_shape shape;
    size_t algorithm;
};

struct gemm_choices {
    struct device *device;
    const struct algorithms *algorithms;
    struct gemm_choice *all;
    size_t count;
    double seconds; /* that timing has taken */
};

enum status gemm_choices_create(struct device *device, const struct algorithms *algorithms,
    struct gemm_choices **choices, struct error *error) {
    *choices = calloc(1, sizeof **choices);
    if (!*choices)
        return error_memory(error, "the choice of products", sizeof **choices);
    (*choices)->device = device;
    (*choices)->algorithms = algorithms;
    return STATUS_OK;
}

void gemm_choices_free(struct gemm_choices *choices) {
    if (choices)
        free(choices->all);
    free(choices);
}

size_t gemm_choices_text(const struct gemm_choices *choices, char *text, size_t size) {
    size_t length = 0;
    for (size_t c = 0; c < choices->count; c++) {
        const struct gemm_choice *choice = &choices->all[c];
        gemm_shape_name what;
        const size_t used = length < size ? length : size;
        length += (size_t)snprintf(size > 0 ? text + used : NULL, size - used, "%s %s\n",
            gemm_shape_text(&choice->shape, what),
            choices->algorithms->all[choice->algorithm].name);
    }
    return length;
}

/* Says in the device's info what was chosen: "own-host" where one algorithm does all shapes, or
 * "own-small 7, clblast 2" with the number of shapes of each. Sets suspect_side where a library
 * does some. */
static void describe(const struct gemm_choices *choices) {
    const struct algorithms *algorithms = choices->algorithms;
    struct device_info *info = &choices->device->info;
    size_t counts[ALGORITHMS_MAX] = {0};
    for (size_t c = 0; c < choices->count; c++)
        counts[choices->all[c].algorithm]++;
    info->gemm[0] = '\0';
    info->suspect_side = 0;
    for (size_t a = 0; a < algorithms->count; a++) {
        const char *name = algorithms->all[a].name;
        if (counts[a] > 0 && algorithms->all[a].library)
            info->suspect_side = algorithms->suspect_side;
        if (counts[a] > 0 && counts[a] == choices->count)
            snprintf(info->gemm, sizeof info->gemm, "%s", name);
        else if (counts[a] > 0)
            text_append(info->gemm, sizeof info->gemm, "%s%s %zu", info->gemm[0] ? ", " : "", name,
                counts[a]);
    }
}

/* --- Timing --- */

enum { INPUTS_MAX = 64 };

/* What is timed: a gemm, with inputs in so many places. */
struct timed {
    struct operation gemms[INPUTS_MAX];
    size_t count;
    struct buffer *written, *inputs;
};

/* An algorithm that is timed. It computes `repeats` gemms in a turn. */
struct candidate {
    struct device *device;
    const struct algorithms *algorithms;
    size_t algorithm;
    const struct timed *timed;
    size_t repeats;
    struct recording *recorded; /* a turn as an epoch is recorded; NULL: it is enqueued */
    double least;               /* seconds for a gemm; INFINITY: it fails */
};

/* Enqueues a turn's gemms. */
static enum status enqueue(const struct candidate *candidate, struct error *error) {
    struct device *device = candidate->device;
    if (candidate->recorded)
        return device->type->run(device, candidate->recorded, error);
    enum status status = STATUS_OK;
    for (size_t r = 0; r < candidate->repeats && status == STATUS_OK; r++)
        status = candidate->algorithms->enqueue(device, candidate->algorithm,
            &candidate->timed->gemms[r % candidate->timed->count], error);
    return status;
}

/* Runs a turn, and waits until it is done. The least time of a gemm in any turn counts. */
static enum status take_turn(struct candidate *candidate, struct error *error) {
    struct device *device = candidate->device;
    const double start = candidate->algorithms->clock();
    enum status status = enqueue(candidate, error);
    if (status == STATUS_OK)
        status = device->type->synchronise(device, error);
    const double seconds = (candidate->algorithms->clock() - start) / (double)candidate->repeats;
    if (status != STATUS_OK || seconds < candidate->least)
        candidate->least = status == STATUS_OK ? seconds : INFINITY;
    return status;
}

/* Prepares a candidate. It computes the gemm a first time, which may compile a kernel and isn't
 * counted. The time of a second one tells how many make up a turn. Where an epoch is recorded, so
 * is a turn. Else the time would be that of the host, which enqueues the gemms one by one. */
static enum status get_ready(struct candidate *candidate, struct error *error) {
    const struct algorithms *algorithms = candidate->algorithms;
    candidate->repeats = 1;
    candidate->least = INFINITY;
    enum status status = take_turn(candidate, error);
    candidate->least = INFINITY;
    if (status == STATUS_OK)
        status = take_turn(candidate, error);
    if (status != STATUS_OK)
        return status;
    const double wanted = algorithms->turn / candidate->least, most = (double)algorithms->repeats;
    candidate->repeats = (size_t)(wanted < 1.0 ? 1.0 : wanted < most ? wanted : most);
    if (algorithms->record)
        status =
            algorithms->record(candidate->device, candidate->algorithm, candidate->timed->gemms,
                candidate->timed->count, candidate->repeats, &candidate->recorded, error);
    if (status != STATUS_OK)
        candidate->least = INFINITY;
    return status;
}

/* The algorithm with the least time. One must be faster than those before it by as much as its
 * device says. */
static size_t fastest_of(const struct algorithms *algorithms, const struct candidate *candidates) {
    size_t fastest = 0;
    for (size_t a = 1; a < algorithms->count; a++)
        if (candidates[a].least < algorithms->all[a].share * candidates[fastest].least)
            fastest = a;
    return fastest;
}

/* Has the candidates take turns for `enough` seconds, at least one each, so that whatever else the
 * machine does meanwhile slows all of them. After some rounds, those that take more than twice the
 * best time are left out. Gives the last failure of one. */
static enum status take_turns(const struct algorithms *algorithms, struct candidate *candidates,
    double enough, struct error *error) {
    enum status failure = STATUS_OK;
    const double start = algorithms->clock();
    for (int r = 0; r < algorithms->rounds && (r == 0 || algorithms->clock() - start < enough); r++)
        for (size_t a = 0; a < algorithms->count; a++) {
            const double best = candidates[fastest_of(algorithms, candidates)].least;
            if (isinf(candidates[a].least) ||
                (r >= algorithms->rounds_for_all && candidates[a].least > 2.0 * best))
                continue;
            const enum status status = take_turn(&candidates[a], error);
            failure = status != STATUS_OK ? status : failure;
        }
    return failure;
}

/* Finds the fastest algorithm. One that fails is left out: memory may be short, or the hardware may
 * lack something that it needs. Only when all fail is it an error, the last one's. */
static enum status find_fastest(
    struct gemm_choices *choices, const struct timed *timed, size_t *fastest, struct error *error) {
    struct device *device = choices->device;
    const struct algorithms *algorithms = choices->algorithms;
    struct candidate candidates[ALGORITHMS_MAX];
    enum status failure = STATUS_OK;
    const double start = algorithms->clock();
    for (size_t a = 0; a < algorithms->count; a++) {
        candidates[a] = (struct candidate){
            .device = device, .algorithms = algorithms, .algorithm = a, .timed = timed};
        const enum status status = get_ready(&candidates[a], error);
        failure = status != STATUS_OK ? status : failure;
    }
    const double left = algorithms->enough_in_all - choices->seconds;
    const enum status later = take_turns(
        algorithms, candidates, left < algorithms->enough ? left : algorithms->enough, error);
    failure = later != STATUS_OK ? later : failure;
    for (size_t a = 0; a < algorithms->count; a++)
        if (candidates[a].recorded)
            device->type->free_recording(device, candidates[a].recorded);
    choices->seconds += algorithms->clock() - start;
    *fastest = fastest_of(algorithms, candidates);
    return isinf(candidates[*fastest].least) ? failure : STATUS_OK;
}

/* Has a gemm write its results to `memory`, one after another. Gives the number of their elements.
 */
static size_t write_apart(struct operation *gemm, struct buffer *memory) {
    const struct operation_type *type = &operation_types[gemm->kind];
    size_t elements = 0;
    for (size_t v = 0; v < operation_operands(gemm); v++) {
        struct view *view = &gemm->views[v];
        if (type->operands[v].use == OPERAND_READ)
            continue;
        *view = (struct view){memory, elements, view->rows, view->columns};
        elements += view->rows * view->columns;
    }
    return elements;
}

/* Has an update be one by gradient descent. How it is done is one choice for all optimisers, so
 * that it does not depend on which of them a run had that came before. */
static void descend(struct operation *gemm) {
    if (gemm->kind != OPERATION_DENSE_UPDATE)
        return;
    gemm->optimizer = OPTIMIZER_GRADIENT_DESCENT;
    gemm->dense_update.rates.columns = optimizer_rates[OPTIMIZER_GRADIENT_DESCENT];
}

/* Has a gemm do fewer samples, the first ones of its batch, where it would take too long to time.
 */
static void cut_batch(const struct gemm_choices *choices, struct operation *gemm) {
    enum { SAMPLES_MIN = 32, HURRY = 16 };
    const struct algorithms *algorithms = choices->algorithms;
    const bool hurried = choices->seconds >= algorithms->enough_in_all;
    const struct operation_type *type = &operation_types[gemm->kind];
    const struct gemm_shape shape = gemm_shape_of(gemm);
    const double most = algorithms->multiplications / (hurried ? HURRY : 1) /
                        ((double)shape.in * (double)shape.out);
    if (most >= (double)shape.batch)
        return;
    const size_t samples = most < SAMPLES_MIN ? SAMPLES_MIN : (size_t)most;
    for (size_t v = 0; v < operation_operands(gemm); v++)
        if (type->operands[v].rows == 'B' && gemm->views[v].rows > samples)
            gemm->views[v].rows = samples;
}

/* Gives the inputs of a forward product further places, of which nobody minds what they hold. Where
 * there is no memory for that, they keep the one that they have. */
static void spread_inputs(const struct gemm_choices *choices, struct timed *timed) {
    const struct view x = timed->gemms[0].dense_forward.x;
    const size_t elements = x.rows * x.columns;
    const size_t wanted = choices->algorithms->cold_bytes / sizeof(float) / elements + 1;
    const size_t count = wanted < INPUTS_MAX ? wanted : INPUTS_MAX;
    struct error ignored;
    if (timed->gemms[0].kind != OPERATION_DENSE_FORWARD || count == 1 ||
        device_allocate(choices->device, count * elements, &timed->inputs, &ignored) != STATUS_OK)
        return;
    for (timed->count = 0; timed->count < count; timed->count++) {
        timed->gemms[timed->count] = timed->gemms[0];
        timed->gemms[timed->count].dense_forward.x =
            (struct view){timed->inputs, timed->count * elements, x.rows, x.columns};
    }
}

/* Times every algorithm. The results go to memory that is allocated for that, because what the
 * views hold may still be needed. If there is no such memory, nothing is timed, and the first
 * algorithm is taken. */
static enum status time_algorithms(struct gemm_choices *choices, const struct operation *gemm,
    bool *done, size_t *fastest, struct error *error) {
    struct timed timed = {.gemms = {*gemm}, .count = 1};
    struct error ignored;
    descend(&timed.gemms[0]);
    cut_batch(choices, &timed.gemms[0]);
    const size_t elements = write_apart(&timed.gemms[0], NULL);
    *fastest = 0;
    *done = device_allocate(choices->device, elements, &timed.written, &ignored) == STATUS_OK;
    if (!*done)
        return STATUS_OK;
    write_apart(&timed.gemms[0], timed.written);
    spread_inputs(choices, &timed);
    const enum status status = find_fastest(choices, &timed, fastest, error);
    buffer_free(timed.written);
    buffer_free(timed.inputs);
    return status;
}

/* --- Choosing --- */

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
 * (suspect_side). If it is, the library does it, even where ours are faster. */
static bool is_check(
    const struct gemm_choices *choices, const struct gemm_shape *shape, size_t *algorithm) {
    const size_t side = choices->device->info.suspect_side;
    if (side == 0 || shape->batch != side || shape->in != side || shape->out != side)
        return false;
    for (size_t a = 0; a < choices->algorithms->count; a++)
        if (choices->algorithms->all[a].library)
            *algorithm = a;
    return true;
}

/* Takes what an earlier run has chosen, or times the algorithms. With a single algorithm there is
 * nothing to choose, and with too large a batch the first one is taken. */
static enum status make_choice(struct gemm_choices *choices, const struct operation *gemm,
    struct gemm_choice *choice, struct error *error) {
    struct device *device = choices->device;
    const struct algorithms *algorithms = choices->algorithms;
    gemm_shape_name what;
    gemm_shape_text(&choice->shape, what);
    bool timed;
    if (algorithms->count == 1 || choice->shape.batch > algorithms->largest_batch ||
        choice_recall(device, algorithms, what, &choice->algorithm))
        return STATUS_OK;
    const enum status status = time_algorithms(choices, gemm, &timed, &choice->algorithm, error);
    if (timed && status == STATUS_OK)
        choice_keep(device, algorithms, what, choice->algorithm);
    return status;
}

enum status autotune_choose(struct gemm_choices *choices, const struct operation *gemm,
    size_t *algorithm, struct error *error) {
    struct gemm_choice choice = {.shape = gemm_shape_of(gemm)};
    if (find_choice(choices, &choice.shape, algorithm) ||
        is_check(choices, &choice.shape, algorithm))
        return STATUS_OK;
    struct gemm_choice *grown = realloc(choices->all, (choices->count + 1) * sizeof *grown);
    if (!grown)
        return error_memory(error, "the choice of products", sizeof *grown);
    choices->all = grown;
    const enum status status = make_choice(choices, gemm, &choice, error);
    if (status != STATUS_OK)
        return status;
    choices->all[choices->count++] = choice;
    describe(choices);
    *algorithm = choice.algorithm;
    return STATUS_OK;
}
