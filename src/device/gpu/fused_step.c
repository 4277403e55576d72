#include "device/gpu/fused_step.h"

#include "device/gpu/program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- Kernels --- */

/* Makes the kernel of many steps, unless the device can't have all of its groups at work at once.
 */
static enum status create_together(
    struct gpu *gpu, const struct step_plan *plan, struct fused_step *fused, struct error *error) {
    static const float none = 0.0f;
    char options[STEP_OPTIONS_SIZE + sizeof STEP_TOGETHER];
    size_t groups = 0;
    snprintf(options, sizeof options, "%s%s", plan->options, STEP_TOGETHER);
    enum status status = gpu_program_create(gpu, STEP_KERNELS, options, &fused->together, error);
    if (status == STATUS_OK)
        status = gpu_kernel_create(gpu, fused->together, "step_epoch", &fused->epoch, error);
    if (status == STATUS_OK)
        status = gpu->driver->groups_at_once(
            gpu, fused->epoch.function, plan->weights_items, &groups, error);
    if (status == STATUS_OK && groups < plan->weights_groups)
        gpu_kernel_free(gpu, &fused->epoch);
    if (status == STATUS_OK)
        status = device_allocate(&gpu->base, 1, &fused->arrivals, error);
    if (status == STATUS_OK)
        status = device_upload(&gpu->base, (struct view){fused->arrivals, 0, 1, 1}, &none, error);
    return status;
}

/* The same; where it fails, steps are done without, and the user is told why. */
static void try_together(struct gpu *gpu, const struct step_plan *plan, struct fused_step *fused) {
    struct error problem;
    if (create_together(gpu, plan, fused, &problem) == STATUS_OK)
        return;
    gpu_kernel_free(gpu, &fused->epoch);
    device_warn(&gpu->base, "an epoch is not one launch: %.300s", problem.message);
}

static enum status create(struct gpu *gpu, const struct step_plan *plan, size_t batch,
    struct fused_step *fused, struct error *error) {
    fused->plan = *plan;
    enum status status =
        gpu_program_create(gpu, STEP_KERNELS, plan->options, &fused->program, error);
    if (status == STATUS_OK)
        status = gpu_kernel_create(gpu, fused->program, "step_weights", &fused->weights, error);
    if (status == STATUS_OK)
        status = gpu_kernel_create(gpu, fused->program, "step_samples", &fused->samples, error);
    if (status == STATUS_OK && gpu->ways[STEP_PERSISTENT] && plan->together)
        try_together(gpu, plan, fused);
    return status == STATUS_OK
               ? device_allocate(&gpu->base, step_plan_sums(plan, batch), &fused->sums, error)
               : status;
}

static void free_step(struct gpu *gpu, struct fused_step *fused) {
    gpu_kernel_free(gpu, &fused->weights);
    gpu_kernel_free(gpu, &fused->samples);
    gpu_program_free(gpu, fused->program);
    gpu_kernel_free(gpu, &fused->epoch);
    gpu_program_free(gpu, fused->together);
    buffer_free(fused->arrivals);
    buffer_free(fused->sums);
    free(fused);
}

enum status fused_step_get(struct gpu *gpu, const struct step_plan *plan, size_t batch,
    struct fused_step **fused, struct error *error) {
    for (*fused = gpu->fused_steps; *fused; *fused = (*fused)->next)
        if (strcmp((*fused)->plan.options, plan->options) == 0 &&
            (*fused)->sums->elements >= step_plan_sums(plan, batch))
            return STATUS_OK;
    struct fused_step *made = calloc(1, sizeof *made);
    if (!made)
        return error_memory(error, "the kernels of a step", sizeof *made);
    const enum status status = create(gpu, plan, batch, made, error);
    if (status != STATUS_OK) {
        free_step(gpu, made);
        return status;
    }
    made->next = gpu->fused_steps;
    *fused = gpu->fused_steps = made;
    return STATUS_OK;
}

void fused_steps_free(struct gpu *gpu) {
    while (gpu->fused_steps) {
        struct fused_step *next = gpu->fused_steps->next;
        free_step(gpu, gpu->fused_steps);
        gpu->fused_steps = next;
    }
}

/* --- Commands --- */

/* The rows of x of a step, in place or by an index. */
static struct view inputs_of(const struct step *step) {
    return step->gathered ? step->all_x : step->layers[0].x;
}

/* Where the kernels want an index, and a step has none, any buffer is given. */
static struct view index_of(const struct step *step) {
    return step->gathered ? step->index : step->labels;
}

/* Adds a launch of step_weights. It ends the step `learned`, and begins the step `next`. Either may
 * be NULL. */
static enum status add_weights(struct gpu *gpu, struct gpu_commands *to,
    const struct fused_step *fused, const struct step *learned, const struct step *next,
    struct error *error) {
    const struct step *now = learned ? learned : next, *then = next ? next : learned;
    const struct step_layer *layers = now->layers;
    const struct gpu_grid grid = {
        {fused->plan.weights_groups, 1, 1}, {fused->plan.weights_items, 1, 1}};
    return GPU_LAUNCH(gpu, to, &fused->weights, grid, error, ARGUMENT_VIEW(inputs_of(now)),
        ARGUMENT_OFFSET(inputs_of(then).offset), ARGUMENT_VIEW(index_of(now)),
        ARGUMENT_OFFSET(index_of(then).offset), ARGUMENT_BUFFER(layers[0].weights.buffer),
        ARGUMENT_BUFFER(layers[0].y.buffer), ARGUMENT_BUFFER(layers[0].d_y.buffer),
        ARGUMENT_VIEW(now->rates), ARGUMENT_BUFFER(fused->sums),
        ARGUMENT_NUMBER(learned ? learned->labels.rows : 0),
        ARGUMENT_NUMBER(next ? next->labels.rows : 0));
}

static enum status add_samples(struct gpu *gpu, struct gpu_commands *to,
    const struct fused_step *fused, const struct step *step, struct error *error) {
    const struct step_layer *layers = step->layers;
    const size_t batch = step->labels.rows, each = fused->plan.each;
    const struct gpu_grid grid = {
        {(batch + each - 1) / each, 1, 1}, {fused->plan.samples_items, 1, 1}};
    return GPU_LAUNCH(gpu, to, &fused->samples, grid, error, ARGUMENT_BUFFER(fused->sums),
        ARGUMENT_BUFFER(layers[0].weights.buffer), ARGUMENT_BUFFER(layers[0].y.buffer),
        ARGUMENT_BUFFER(layers[0].d_y.buffer),
        ARGUMENT_VIEW(step->gathered ? step->all_labels : step->labels),
        ARGUMENT_VIEW(index_of(step)), ARGUMENT_VIEW(step->score), ARGUMENT_NUMBER(batch),
        ARGUMENTS_LOSS(
            step->loss_scale, step->smoothing, layers[step->layers_count - 1].y.columns));
}

/* Adds the gathering of a step's batch. The fused kernels read a batch where it is; but afterwards
 * the batch must be where the operations put it, unless the next step puts its own there. */
static enum status add_gathers(struct gpu *gpu, struct gpu_commands *to,
    const struct operation *operations, const struct step *step, const struct step *next,
    struct error *error) {
    if (!step->gathered || (next && next->layers[0].x.offset == step->layers[0].x.offset &&
                               next->layers[0].x.buffer == step->layers[0].x.buffer &&
                               next->layers[0].x.rows == step->layers[0].x.rows &&
                               next->labels.buffer == step->labels.buffer &&
                               next->labels.offset == step->labels.offset))
        return STATUS_OK;
    const enum status status = gpu_operate(gpu, to, &operations[0], error);
    return status == STATUS_OK ? gpu_operate(gpu, to, &operations[1], error) : status;
}

/* Lets the launches of whole steps from command `first` of a list on overlap with what is before
 * them. Other kernels don't say when that is safe. */
static void overlap(const struct fused_step *fused, const struct gpu_commands *list, size_t first) {
    for (size_t c = first; c < list->count; c++)
        if (list->all[c].function == fused->weights.function ||
            list->all[c].function == fused->samples.function)
            list->all[c].start = START_OVERLAPPING;
}

static bool goes_on(
    const struct fused_step *fused, const struct step *step, const struct step *next) {
    return step_plan_sums(&fused->plan, next->labels.rows) <= fused->sums->elements &&
           step_plan_goes_on(step, next);
}

/* Adds two launches for each step. */
static enum status add_steps(struct gpu *gpu, struct gpu_commands *to,
    const struct fused_step *fused, const struct operation *operations, size_t count, size_t *done,
    struct error *error) {
    struct step steps[2], *step = &steps[0], *next = &steps[1];
    if (!step_find(operations, count, step))
        return error_set(error, STATUS_FAILED, "%s: no training step", gpu->base.info.kind);
    enum status status = add_weights(gpu, to, fused, NULL, step, error);
    while (step && status == STATUS_OK) {
        const struct operation *of_step = operations + *done;
        *done += step->operations;
        struct step *const following =
            step_find(operations + *done, count - *done, next) && goes_on(fused, step, next) ? next
                                                                                             : NULL;
        status = add_samples(gpu, to, fused, step, error);
        if (status == STATUS_OK)
            status = add_weights(gpu, to, fused, step, following, error);
        if (status == STATUS_OK)
            status = add_gathers(gpu, to, of_step, step, following, error);
        next = step;
        step = following;
    }
    return status;
}

/* --- Many steps in one launch --- */

/* Adds a launch of step_epoch, which does so many steps from the `first` to the `last`, with rates
 * that are so far apart. */
static enum status add_epoch(struct gpu *gpu, struct gpu_commands *to,
    const struct fused_step *fused, const struct step *first, const struct step *last, size_t steps,
    size_t rates_step, struct error *error) {
    const struct step_layer *layers = first->layers;
    const struct gpu_grid grid = {
        {fused->plan.weights_groups, 1, 1}, {fused->plan.weights_items, 1, 1}};
    const enum status status =
        GPU_LAUNCH(gpu, to, &fused->epoch, grid, error, ARGUMENT_VIEW(inputs_of(first)),
            ARGUMENT_VIEW(index_of(first)), ARGUMENT_BUFFER(layers[0].weights.buffer),
            ARGUMENT_BUFFER(layers[0].y.buffer), ARGUMENT_BUFFER(layers[0].d_y.buffer),
            ARGUMENT_VIEW(first->rates), ARGUMENT_NUMBER(rates_step), ARGUMENT_BUFFER(fused->sums),
            ARGUMENT_VIEW(first->gathered ? first->all_labels : first->labels),
            ARGUMENT_VIEW(first->score), ARGUMENT_BUFFER(fused->arrivals), ARGUMENT_NUMBER(steps),
            ARGUMENT_NUMBER(first->labels.rows), ARGUMENT_NUMBER(last->labels.rows),
            ARGUMENTS_LOSS(
                first->loss_scale, first->smoothing, layers[first->layers_count - 1].y.columns));
    if (status == STATUS_OK)
        to->all[to->count - 1].start = START_TOGETHER;
    return status;
}

/* Adds one launch for as many steps as there are whose batches follow one another. */
static enum status add_together(struct gpu *gpu, struct gpu_commands *to,
    const struct fused_step *fused, const struct operation *operations, size_t count, size_t *done,
    struct error *error) {
    struct step first, step, next;
    if (!step_find(operations, count, &first))
        return error_set(error, STATUS_FAILED, "%s: no training step", gpu->base.info.kind);
    const size_t each = first.operations;
    size_t steps = 1, rates_step = 0;
    step = first;
    while (step_find(operations + steps * each, count - steps * each, &next) &&
           goes_on(fused, &step, &next) && step_plan_follows(&first, &step, steps, &next)) {
        rates_step = step_plan_rates_step(&step, &next);
        step = next;
        steps++;
    }
    enum status status = add_epoch(gpu, to, fused, &first, &step, steps, rates_step, error);
    for (size_t s = 0; s < steps && status == STATUS_OK; s++) {
        const struct operation *of_step = operations + s * each;
        const bool has_next = s + 1 < steps && step_find(of_step + each, each, &next);
        if (step_find(of_step, each, &step))
            status = add_gathers(gpu, to, of_step, &step, has_next ? &next : NULL, error);
    }
    *done = steps * each;
    return status;
}

enum status fused_step_add(struct gpu *gpu, struct gpu_commands *to, struct fused_step *fused,
    enum step_way way, const struct operation *operations, size_t count, size_t *done,
    struct error *error) {
    const size_t before = to->count;
    *done = 0;
    const enum status status = way == STEP_PERSISTENT
                                   ? add_together(gpu, to, fused, operations, count, done, error)
                                   : add_steps(gpu, to, fused, operations, count, done, error);
    if (way == STEP_OVERLAPPED)
        overlap(fused, to, before + 1);
    return status;
}
