#include "device/gpu/step_trial.h"

#include "device/gpu/program.h"
#include "system/clock.h"
#include "trainer/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* --- Memory of their own --- */

/* What a buffer is filled with. */
enum content {
    CONTENT_NUMBERS,
    CONTENT_PARAMETERS, /* and the states behind them */
    CONTENT_LABELS,
    CONTENT_INDEX,
    CONTENT_RATES
};

/* Rates as a training may have them. */
static const float usual_rates[OPTIMIZERS][OPTIMIZER_RATES_MAX] = {
    [OPTIMIZER_GRADIENT_DESCENT] = {-0.01f},
    [OPTIMIZER_MOMENTUM] = {-0.01f, 0.01f, 0.9f, 1.0f, 0.9f},
    [OPTIMIZER_ADAMW] = {0.999f, -0.01f, 1.0f, 0.1f, 0.01f, 0.001f}};

enum { CLONES_MAX = 10 };

struct trial {
    struct gpu *gpu;
    struct fused_step *fused;
    struct step step; /* the first of them, on the original views */
    struct {
        struct buffer *original, *clone;
    } clones[CLONES_MAX];
    size_t clones_count;
    struct buffer *kept;          /* of the inputs: it has no clone */
    struct buffer *inputs;        /* the same, where it was made for the trial; else NULL */
    struct operation *operations; /* of the steps, on the clones */
    size_t operations_count;
    bool wanted[STEP_WAYS];
    struct gpu_commands commands[STEP_WAYS];
};

/* Fills a whole buffer of 4-byte elements. Waits until that is done. */
static enum status fill(
    const struct trial *trial, struct buffer *buffer, enum content content, struct error *error) {
    const struct step *step = &trial->step;
    const size_t count = buffer->elements;
    const size_t classes = step->layers[step->layers_count - 1].y.columns;
    const size_t rows = step->gathered ? step->all_x.rows : 1;
    const size_t rates = optimizer_rates[step->optimizer];
    /* Means of squares are not negative. */
    const size_t squares =
        step->optimizer == OPTIMIZER_ADAMW ? step->layers[0].states[1].weights.offset : count;
    float *numbers = malloc(count * sizeof *numbers);
    uint32_t *indices = (uint32_t *)numbers;
    if (!numbers)
        return error_memory(error, "the trial of a step", count * sizeof *numbers);
    if (content == CONTENT_NUMBERS || content == CONTENT_PARAMETERS)
        random_uniform(0, RANDOM_CHECK, 0, numbers, count);
    for (size_t i = 0; i < count; i++)
        switch (content) {
        case CONTENT_NUMBERS:
            numbers[i] *= 0.25f;
            break;
        case CONTENT_PARAMETERS:
            numbers[i] = 0.25f * (i < squares ? numbers[i] : fabsf(numbers[i]));
            break;
        case CONTENT_LABELS:
            indices[i] = (uint32_t)(i % classes);
            break;
        case CONTENT_INDEX: /* 7919 is a prime: rows far from each other, and most of them once */
            indices[i] = (uint32_t)(i * 7919 % rows);
            break;
        default:
            numbers[i] = usual_rates[step->optimizer][i % rates];
        }
    enum status status =
        device_upload(&trial->gpu->base, (struct view){buffer, 0, 1, count}, numbers, error);
    const enum status waited =
        device_synchronise(&trial->gpu->base, status == STATUS_OK ? error : NULL);
    free(numbers);
    return status == STATUS_OK ? waited : status;
}

/* Makes a clone of a buffer, unless there is one. */
static enum status clone(
    struct trial *trial, struct buffer *original, enum content content, struct error *error) {
    for (size_t c = 0; c < trial->clones_count; c++)
        if (trial->clones[c].original == original)
            return STATUS_OK;
    struct buffer *made = NULL;
    enum status status = device_allocate(&trial->gpu->base, original->elements, &made, error);
    if (status != STATUS_OK)
        return status;
    trial->clones[trial->clones_count].original = original;
    trial->clones[trial->clones_count++].clone = made;
    return fill(trial, made, content, error);
}

static enum status clone_all(struct trial *trial, struct error *error) {
    const struct step *step = &trial->step;
    const struct {
        struct buffer *buffer;
        enum content content;
    } buffers[] = {{step->layers[0].weights.buffer, CONTENT_PARAMETERS},
        {step->layers[0].y.buffer, CONTENT_NUMBERS}, {step->layers[0].d_y.buffer, CONTENT_NUMBERS},
        {step->score.buffer, CONTENT_NUMBERS}, {step->labels.buffer, CONTENT_LABELS},
        {step->rates.buffer, CONTENT_RATES},
        {step->gathered ? step->layers[0].x.buffer : step->score.buffer, CONTENT_NUMBERS},
        {step->gathered ? step->all_labels.buffer : step->labels.buffer, CONTENT_LABELS},
        {step->gathered ? step->index.buffer : step->labels.buffer, CONTENT_INDEX}};
    enum status status = STATUS_OK;
    for (size_t b = 0; b < sizeof buffers / sizeof *buffers && status == STATUS_OK; b++)
        status = clone(trial, buffers[b].buffer, buffers[b].content, error);
    return status;
}

/* Moves a view to its buffer's clone, unless the buffer is kept. False when there is no clone. */
static bool move(const struct trial *trial, struct view *view) {
    if (view->buffer == trial->kept)
        return true;
    for (size_t c = 0; c < trial->clones_count; c++)
        if (trial->clones[c].original == view->buffer) {
            view->buffer = trial->clones[c].clone;
            return true;
        }
    return false;
}

static bool move_all(const struct trial *trial, struct operation *operation) {
    for (size_t v = 0; v < operation_operands(operation); v++)
        if (!move(trial, &operation->views[v]))
            return false;
    return true;
}

/* Takes as many whole steps over from `operations` as can be moved, and `most` at most. */
static enum status take_steps(struct trial *trial, const struct operation *operations, size_t count,
    size_t most, struct error *error) {
    const size_t each = trial->step.operations;
    trial->operations = malloc(most * each * sizeof *operations);
    if (!trial->operations)
        return error_memory(error, "the trial of a step", most * each * sizeof *operations);
    struct step step;
    for (size_t s = 0; s < most && count - trial->operations_count >= each; s++) {
        const size_t at = trial->operations_count;
        memcpy(trial->operations + at, operations + at, each * sizeof *operations);
        bool moved = step_find(operations + at, count - at, &step) && step.operations == each &&
                     step.labels.rows == trial->step.labels.rows;
        for (size_t o = 0; o < each && moved; o++)
            moved = move_all(trial, &trial->operations[at + o]);
        if (!moved)
            break;
        trial->operations_count += each;
    }
    return STATUS_OK;
}

static void free_trial(struct trial *trial) {
    for (size_t way = 0; way < STEP_WAYS; way++)
        gpu_commands_free(trial->gpu, &trial->commands[way]);
    for (size_t c = 0; c < trial->clones_count; c++)
        buffer_free(trial->clones[c].clone);
    buffer_free(trial->inputs);
    free(trial->operations);
}

/* --- Its ways --- */

static enum status list_fused(struct trial *trial, enum step_way way, struct error *error) {
    const struct operation *operations = trial->operations;
    const size_t count = trial->operations_count;
    enum status status = STATUS_OK;
    for (size_t o = 0, done; o < count && status == STATUS_OK; o += done)
        status = fused_step_add(trial->gpu, &trial->commands[way], trial->fused, way,
            operations + o, count - o, &done, error);
    return status;
}

static enum status list_commands(struct trial *trial, struct error *error) {
    struct gpu *gpu = trial->gpu;
    enum status status = STATUS_OK;
    for (size_t o = 0; o < trial->operations_count && status == STATUS_OK; o++)
        if (trial->wanted[STEP_SEPARATE])
            status =
                gpu_operate(gpu, &trial->commands[STEP_SEPARATE], &trial->operations[o], error);
    for (enum step_way way = STEP_FUSED; way < STEP_WAYS && status == STATUS_OK; way++)
        if (trial->wanted[way])
            status = list_fused(trial, way, error);
    for (enum step_way way = STEP_SEPARATE; way <= STEP_FUSED && status == STATUS_OK; way++)
        status = gpu_commands_make_graph(gpu, &trial->commands[way], error);
    struct gpu_commands *overlapped = &trial->commands[STEP_OVERLAPPED];
    if (status == STATUS_OK && trial->wanted[STEP_OVERLAPPED])
        status = gpu_commands_make_overlapped(gpu, overlapped, error);
    trial->wanted[STEP_OVERLAPPED] = overlapped->graph != NULL;
    return status;
}

static enum status run(struct trial *trial, size_t way, struct error *error) {
    const enum status status = gpu_commands_run(trial->gpu, &trial->commands[way], error);
    const enum status waited =
        device_synchronise(&trial->gpu->base, status == STATUS_OK ? error : NULL);
    return status == STATUS_OK ? waited : status;
}

/* --- Timing --- */

/* The ways take turns, so that whatever else the machine does slows all of them. The least time
 * counts. A first turn of each is not counted, because a driver may end its compilation then; and
 * it may say only then that it can't have all groups at work at once. */
static enum status time_ways(struct trial *trial, double least[STEP_WAYS], struct error *error) {
    enum { ROUNDS_LEAST = 3, ROUNDS_MOST = 20 };
    const double enough = 0.2; /* seconds */
    enum status status = STATUS_OK;
    for (size_t way = 0; way < STEP_WAYS && status == STATUS_OK; way++) {
        least[way] = INFINITY;
        status = trial->wanted[way] ? run(trial, way, error) : STATUS_OK;
        if (way == STEP_PERSISTENT && status != STATUS_OK) {
            trial->wanted[way] = false;
            status = device_synchronise(&trial->gpu->base, error);
        }
    }
    const double begin = clock_seconds();
    for (size_t round = 0; round < ROUNDS_MOST && status == STATUS_OK &&
                           (round < ROUNDS_LEAST || clock_seconds() - begin < enough);
        round++)
        for (size_t way = 0; way < STEP_WAYS && status == STATUS_OK; way++) {
            if (!trial->wanted[way])
                continue;
            const double start = clock_seconds();
            status = run(trial, way, error);
            const double seconds = clock_seconds() - start;
            least[way] = seconds < least[way] ? seconds : least[way];
        }
    return status;
}

enum status step_trial_time(struct gpu *gpu, struct fused_step *fused,
    const struct operation *operations, size_t count, const bool wanted[STEP_WAYS],
    enum step_way *fastest, struct error *error) {
    /* Of a GPU as many steps as have more inputs than its caches hold. */
    enum { STEPS_GPU = 64, STEPS_CPU = 12 };
    const size_t most = strcmp(gpu->base.info.type, "cpu") == 0 ? STEPS_CPU : STEPS_GPU;
    struct trial trial = {.gpu = gpu, .fused = fused};
    double least[STEP_WAYS] = {0};
    memcpy(trial.wanted, wanted, sizeof trial.wanted);
    if (!step_find(operations, count, &trial.step))
        return error_set(error, STATUS_FAILED, "%s: no training step", gpu->base.info.kind);
    trial.kept = trial.step.gathered ? trial.step.all_x.buffer : trial.step.layers[0].x.buffer;
    enum status status = clone_all(&trial, error);
    if (status == STATUS_OK)
        status = take_steps(&trial, operations, count, most, error);
    if (status == STATUS_OK)
        status = list_commands(&trial, error);
    if (status == STATUS_OK)
        status = time_ways(&trial, least, error);
    free_trial(&trial);
    if (wanted[STEP_PERSISTENT] && !trial.wanted[STEP_PERSISTENT])
        gpu_kernel_free(gpu, &fused->epoch);
    *fastest = STEP_SEPARATE;
    for (enum step_way way = 0; way < STEP_WAYS; way++)
        if (least[way] < least[*fastest])
            *fastest = way;
    return status;
}

/* --- Checking --- */

/* The parameters and scores that each way has come to, from the same numbers. */
struct outcome {
    float *before, *after[STEP_WAYS]; /* [parameters, then the scores] */
    size_t parameters, scores;
};

static enum status download(
    struct trial *trial, const struct outcome *outcome, float *to, struct error *error) {
    struct view parameters = {trial->step.layers[0].weights.buffer, 0, 1, outcome->parameters};
    struct view score = {trial->step.score.buffer, trial->step.score.offset, 1, outcome->scores};
    move(trial, &parameters);
    move(trial, &score);
    const enum status status = device_download(&trial->gpu->base, parameters, to, error);
    return status == STATUS_OK
               ? device_download(&trial->gpu->base, score, to + outcome->parameters, error)
               : status;
}

static enum status do_all(struct trial *trial, struct outcome *outcome, struct error *error) {
    struct view parameters = {trial->step.layers[0].weights.buffer, 0, 1, outcome->parameters};
    move(trial, &parameters);
    enum status status = download(trial, outcome, outcome->before, error);
    for (size_t way = 0; way < STEP_WAYS && status == STATUS_OK; way++) {
        if (!trial->wanted[way])
            continue;
        status = device_upload(&trial->gpu->base, parameters, outcome->before, error);
        if (status == STATUS_OK)
            status = run(trial, way, error);
        if (status == STATUS_OK)
            status = download(trial, outcome, outcome->after[way], error);
    }
    return status;
}

/* Compares how far fused steps have moved the parameters, and the scores, with what single
 * operations come to. NaN is never right. */
static enum status compare_fused(
    const struct trial *trial, const struct outcome *outcome, struct error *error) {
    const struct device_info *info = &trial->gpu->base.info;
    const double share = strcmp(info->precision, "fp32") == 0 ? 1e-3 : 3e-2;
    double largest = 0.0;
    for (size_t p = 0; p < outcome->parameters; p++) {
        const double moved =
            fabs((double)outcome->after[STEP_SEPARATE][p] - (double)outcome->before[p]);
        largest = moved > largest ? moved : largest;
    }
    for (size_t i = 0; i < outcome->parameters + outcome->scores; i++) {
        const bool score = i >= outcome->parameters;
        const double fused = (double)outcome->after[STEP_FUSED][i];
        const double separate = (double)outcome->after[STEP_SEPARATE][i];
        const double allowed = score ? share * (1.0 + fabs(separate)) : share * largest + 1e-7;
        const bool hit = score && (i - outcome->parameters) % 2 == 1; /* may be a near tie */
        if (!(fabs(fused - separate) <= allowed) && !(hit && (fused == 0.0 || fused == 1.0)))
            return error_set(error, STATUS_DEVICE,
                "%s fails its self-check: a fused step of [%zu, %zu]: %s %zu is %.9g, and %.9g "
                "when each operation is done by itself; --step separate does without it",
                info->kind, trial->step.labels.rows, trial->step.layers[0].x.columns,
                score ? "score" : "parameter", score ? i - outcome->parameters : i, fused,
                separate);
    }
    return STATUS_OK;
}

/* Compares all ways. Those that are fused give the same bits. */
static enum status compare(
    const struct trial *trial, const struct outcome *outcome, struct error *error) {
    const struct device_info *info = &trial->gpu->base.info;
    const size_t count = outcome->parameters + outcome->scores;
    enum status status = compare_fused(trial, outcome, error);
    for (enum step_way way = STEP_OVERLAPPED; way < STEP_WAYS && status == STATUS_OK; way++)
        if (trial->wanted[way] &&
            memcmp(outcome->after[way], outcome->after[STEP_FUSED], count * sizeof(float)) != 0)
            status = error_set(error, STATUS_DEVICE,
                "%s fails its self-check: fused steps of [%zu, %zu] give other bits %s; "
                "--submission graph does without that",
                info->kind, trial->step.labels.rows, trial->step.layers[0].x.columns,
                way == STEP_OVERLAPPED ? "where launches overlap" : "in one launch");
    return status;
}

static enum status check(struct trial *trial, struct error *error) {
    struct outcome outcome = {.parameters = trial->step.layers[0].weights.buffer->elements,
        .scores = 2 * trial->step.score.rows * (trial->operations_count / trial->step.operations)};
    const size_t count = outcome.parameters + outcome.scores;
    float *memory = malloc((1 + STEP_WAYS) * count * sizeof *memory);
    if (!memory)
        return error_memory(error, "the trial of a step", (1 + STEP_WAYS) * count * sizeof *memory);
    outcome.before = memory;
    for (size_t way = 0; way < STEP_WAYS; way++)
        outcome.after[way] = memory + (1 + way) * count;
    enum status status = do_all(trial, &outcome, error);
    if (status == STATUS_OK)
        status = compare(trial, &outcome, error);
    else
        device_synchronise(&trial->gpu->base, NULL); /* uploads may still read the memory */
    free(memory);
    return status;
}

/* How many steps are compared, of those that `operations` begin with. Launches of many do several,
 * since it is from one to the next that their groups must wait for one another. */
enum { CHECKED_MOST = 3 };

static size_t count_checked(
    const struct step *first, enum step_way way, const struct operation *operations, size_t count) {
    const size_t most = way == STEP_PERSISTENT ? CHECKED_MOST : 1, each = first->operations;
    struct step step = *first, next;
    size_t steps = 1;
    while (steps < most && step_find(operations + steps * each, count - steps * each, &next) &&
           next.operations == each && next.labels.rows == first->labels.rows &&
           step_plan_goes_on(&step, &next) && step_plan_follows(first, &step, steps, &next)) {
        step = next;
        steps++;
    }
    return steps;
}

/* Gives so many steps, in `operations`, inputs of their own: as many rows as their batches have, or
 * those of one at most where an index names rows. */
static enum status replace_inputs(
    struct trial *trial, struct operation *operations, size_t steps, struct error *error) {
    const struct step *step = &trial->step;
    const bool gathered = step->gathered;
    const struct view original = gathered ? step->all_x : step->layers[0].x;
    const size_t batch = step->labels.rows, columns = original.columns;
    const size_t rows = !gathered ? batch * steps : original.rows < batch ? original.rows : batch;
    const enum status status =
        device_allocate(&trial->gpu->base, rows * columns, &trial->inputs, error);
    if (status != STATUS_OK)
        return status;
    for (size_t o = 0; o < steps * step->operations; o++)
        for (size_t v = 0; v < OPERATION_VIEWS; v++) {
            struct view *view = &operations[o].views[v];
            if (view->buffer == original.buffer && view->rows == original.rows &&
                view->columns == columns && view->offset >= original.offset &&
                view->offset - original.offset < rows * columns)
                *view = (struct view){trial->inputs, view->offset - original.offset,
                    gathered ? rows : batch, columns};
        }
    trial->kept = trial->inputs;
    return fill(trial, trial->inputs, CONTENT_NUMBERS, error);
}

enum status step_trial_check(struct gpu *gpu, struct fused_step *fused, enum step_way way,
    const struct operation *operations, size_t count, struct error *error) {
    struct trial trial = {.gpu = gpu, .fused = fused, .wanted = {true, true}};
    struct operation own[CHECKED_MOST * (STEP_FUSED_LAYERS * 3 + 2)]; /* 3 for a layer, 2 gathers */
    trial.wanted[way] = true;
    if (!step_find(operations, count, &trial.step))
        return error_set(error, STATUS_FAILED, "%s: no training step", gpu->base.info.kind);
    const size_t steps = count_checked(&trial.step, way, operations, count);
    const size_t all = steps * trial.step.operations;
    memcpy(own, operations, all * sizeof *own);
    enum status status = replace_inputs(&trial, own, steps, error);
    if (status == STATUS_OK && step_find(own, all, &trial.step))
        status = clone_all(&trial, error);
    if (status == STATUS_OK)
        status = take_steps(&trial, own, all, steps, error);
    if (status == STATUS_OK)
        status = list_commands(&trial, error);
    if (status == STATUS_OK)
        status = check(&trial, error);
    free_trial(&trial);
    return status;
}
