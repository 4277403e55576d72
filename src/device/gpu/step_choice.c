#include "device/gpu/step_choice.h"

#include "device/choice_cache.h"
#include "device/choices.h"
#include "device/gpu/gemm.h"
#include "device/gpu/kernel_text.h"
#include "device/gpu/program.h"
#include "device/gpu/step_trial.h"
#include "system/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const way_names[STEP_WAYS] = {"separate", "fused", "overlapped", "persistent"};

/* The way of a shape of step. The shape is a text, like "step 300 1024-64-32-10 sigmoid": the
 * batch, the widths and the activation. */
struct step_choice {
    struct step_choice *next;
    char shape[160];
    size_t batch;
    size_t way;
};

struct step_choices {
    struct algorithms ways; /* as choice_cache.h knows them */
    bool asked, allowed;    /* whether steps are to be fused, and whether they may be */
    char among[80];         /* the fused ways to choose from; empty: whether to fuse */
    struct step_choice *all;
};

/* --- The device's choices --- */

/* The times of separate steps depend on all that those of gemms depend on, so that is in the key,
 * too. */
static char *make_key(const struct device *device, const char *shape, size_t *length) {
    const struct gpu *gpu = (const struct gpu *)device;
    const char *const parts[] = {gpu->timed_on, gpu->base.info.library, shape,
        gpu->step_choices->among, kernel_text(STEP_KERNELS), kernel_text(GEMM_KERNELS),
        kernel_text(EPILOGUE_KERNELS)};
    return gpu_cache_key(gpu, "step", parts, sizeof parts / sizeof *parts, length);
}

enum status step_choices_create(
    struct gpu *gpu, const char *step, const char *gemm, struct error *error) {
    struct step_choices *choices = gpu->step_choices = calloc(1, sizeof *choices);
    if (!choices)
        return error_memory(error, "the choice of steps", sizeof *choices);
    choices->asked = step && strcmp(step, way_names[STEP_FUSED]) == 0;
    const bool any_step = !step || strcmp(step, "auto") == 0;
    const bool any_gemm = !gemm || strcmp(gemm, "auto") == 0 || strcmp(gemm, "own") == 0;
    choices->allowed = choices->asked || (any_step && any_gemm);
    choices->ways.count = STEP_WAYS;
    choices->ways.make_key = make_key;
    for (size_t way = 0; way < STEP_WAYS; way++)
        choices->ways.all[way].name = way_names[way];
    gpu->base.info.step = way_names[STEP_SEPARATE];
    return STATUS_OK;
}

void step_choices_free(struct gpu *gpu) {
    while (gpu->step_choices && gpu->step_choices->all) {
        struct step_choice *next = gpu->step_choices->all->next;
        free(gpu->step_choices->all);
        gpu->step_choices->all = next;
    }
    free(gpu->step_choices);
    gpu->step_choices = NULL;
}

size_t step_choices_text(const struct gpu *gpu, char *text, size_t size) {
    size_t length = 0;
    for (const struct step_choice *choice = gpu->step_choices->all; choice; choice = choice->next) {
        const size_t used = length < size ? length : size;
        length += (size_t)snprintf(size > 0 ? text + used : NULL, size - used, "%s %s\n",
            choice->shape, way_names[choice->way]);
    }
    return length;
}

/* --- Choosing --- */

static void write_shape(const struct step *step, char *text, size_t size) {
    text[0] = '\0';
    text_append(text, size, "step %zu %zu", step->labels.rows, step->layers[0].x.columns);
    for (size_t l = 0; l < step->layers_count; l++)
        text_append(text, size, "-%zu", step->layers[l].y.columns);
    text_append(text, size, "%s%s", step->layers_count > 1 ? " " : "",
        step->layers_count > 1 ? activation_names[step->layers[0].activation] : "");
    if (step->optimizer != OPTIMIZER_GRADIENT_DESCENT)
        text_append(text, size, " optimizer %d", (int)step->optimizer);
}

/* Lists the ways in which a step may be fused, and gives their number. Where one that may be taken
 * can't be, as when not all groups can be at work at once, the plain one may. */
static size_t list_ways(
    const struct gpu *gpu, const struct fused_step *fused, bool ways[STEP_WAYS]) {
    size_t count = 0;
    memcpy(ways, gpu->ways, STEP_WAYS * sizeof *ways);
    ways[STEP_SEPARATE] = false;
    ways[STEP_PERSISTENT] = ways[STEP_PERSISTENT] && fused->epoch.function;
    for (size_t way = 0; way < STEP_WAYS; way++)
        count += ways[way];
    ways[STEP_FUSED] |= count == 0;
    return count == 0 ? 1 : count;
}

/* Whether there is no second step. One by one, as where batches are streamed, steps may be fastest
 * in another way. */
static bool is_alone(const struct operation *operations, size_t count) {
    struct step step;
    const size_t first = step_find(operations, count, &step) ? step.operations : count;
    return !step_find(operations + first, count - first, &step);
}

/* Names fused ways, for the key of the choice among them. `alone`: the step is the only one of its
 * recording. */
static void write_ways(const bool ways[STEP_WAYS], bool alone, char *text, size_t size) {
    text[0] = '\0';
    for (size_t way = STEP_FUSED; way < STEP_WAYS; way++)
        if (ways[way])
            text_append(text, size, "%s ", way_names[way]);
    text_append(text, size, "%s", alone ? "one by one" : "");
}

/* An earlier run's choice for a shape. Whether steps are fused makes a difference to the bits, so
 * that choice holds for every recording of steps of that shape, and however they are submitted.
 * What is chosen among fused ways (`among`) does not. */
static bool recall(struct gpu *gpu, const char *among, const char *shape, size_t *way) {
    struct step_choices *choices = gpu->step_choices;
    snprintf(choices->among, sizeof choices->among, "%s", among);
    return choice_recall(&gpu->base, &choices->ways, shape, way);
}

static void keep(struct gpu *gpu, const char *among, const char *shape, size_t way) {
    struct step_choices *choices = gpu->step_choices;
    snprintf(choices->among, sizeof choices->among, "%s", among);
    choice_keep(&gpu->base, &choices->ways, shape, way);
}

/* Makes the choice for a shape: an earlier run's, or the fastest way of those that may be. Where
 * steps are to be fused, they are, even if the ways can't be timed, as when memory is short for
 * that. */
static enum status make_choice(struct gpu *gpu, struct fused_step *fused,
    const struct operation *operations, size_t count, const char *shape, size_t *way,
    struct error *error) {
    bool wanted[STEP_WAYS], to_fuse = gpu->step_choices->asked;
    const size_t fused_ways = list_ways(gpu, fused, wanted);
    enum step_way only = STEP_FUSED, fastest;
    while (!wanted[only])
        only++;
    char among[sizeof gpu->step_choices->among];
    write_ways(wanted, is_alone(operations, count), among, sizeof among);
    if (!to_fuse && recall(gpu, "", shape, way)) {
        if (*way == STEP_SEPARATE)
            return STATUS_OK;
        to_fuse = true;
    }
    wanted[STEP_SEPARATE] = !to_fuse;
    if (to_fuse && fused_ways == 1) {
        *way = only;
        return STATUS_OK;
    }
    if (to_fuse && recall(gpu, among, shape, way) && wanted[*way])
        return STATUS_OK;
    const enum status status =
        step_trial_time(gpu, fused, operations, count, wanted, &fastest, error);
    if (status == STATUS_OK && wanted[STEP_PERSISTENT] && !fused->epoch.function)
        return make_choice(gpu, fused, operations, count, shape, way, error); /* without it */
    *way = status == STATUS_OK ? fastest : only;
    if (status == STATUS_OK && !to_fuse)
        keep(gpu, "", shape, fastest == STEP_SEPARATE ? STEP_SEPARATE : STEP_FUSED);
    if (status == STATUS_OK && fastest != STEP_SEPARATE && fused_ways > 1)
        keep(gpu, among, shape, fastest);
    return to_fuse ? STATUS_OK : status;
}

static enum status keep_choice(
    struct gpu *gpu, const char *shape, size_t batch, size_t way, struct error *error) {
    struct step_choice *choice = calloc(1, sizeof *choice);
    if (!choice)
        return error_memory(error, "the choice of steps", sizeof *choice);
    snprintf(choice->shape, sizeof choice->shape, "%s", shape);
    choice->batch = batch;
    choice->way = way;
    choice->next = gpu->step_choices->all;
    gpu->step_choices->all = choice;
    return STATUS_OK;
}

/* What of a shape says the net: all but "step", and the batch. */
static const char *net_of(const char *shape) {
    return strchr(shape + strlen("step "), ' ');
}

/* Gives the way of a shape. It is the same wherever the batches are: whether an index names the
 * rows of a batch makes no difference, and a short last batch goes the way of those before it. */
static enum status get_way(struct gpu *gpu, struct fused_step *fused,
    const struct operation *operations, size_t count, const char *shape, size_t batch, size_t *way,
    struct error *error) {
    const struct step_choice *known = gpu->step_choices->all;
    while (known && !(strcmp(net_of(known->shape), net_of(shape)) == 0 && known->batch >= batch))
        known = known->next;
    if (known) {
        *way = known->way;
        return STATUS_OK;
    }
    const enum status status = make_choice(gpu, fused, operations, count, shape, way, error);
    return status == STATUS_OK ? keep_choice(gpu, shape, batch, *way, error) : status;
}

/* Compares what the kernels of a plan give with what the operations do, once. */
static enum status check(struct gpu *gpu, struct fused_step *fused, enum step_way way,
    const struct operation *operations, size_t count, struct error *error) {
    bool *checked = &fused->checked[way];
    const enum status status =
        *checked ? STATUS_OK : step_trial_check(gpu, fused, way, operations, count, error);
    *checked = status == STATUS_OK;
    return status;
}

/* Whether many steps can be one launch, and give what two launches for each do; else it is those.
 * There may be no kernel for them, where a shorter batch has other sizes. */
static enum step_way check_persistent(
    struct gpu *gpu, struct fused_step *fused, const struct operation *operations, size_t count) {
    struct error problem;
    if (fused->epoch.function &&
        check(gpu, fused, STEP_PERSISTENT, operations, count, &problem) != STATUS_OK) {
        device_warn(&gpu->base, "an epoch is not one launch: %.300s", problem.message);
        gpu_kernel_free(gpu, &fused->epoch);
    }
    return fused->epoch.function ? STEP_PERSISTENT : STEP_FUSED;
}

/* A way that fails is left out: memory may be short, or a compiler may refuse the kernels. The user
 * is told why; and if no other way was wanted, it is an error. */
static enum status do_without(
    struct gpu *gpu, const struct error *problem, enum status status, struct error *error) {
    if (gpu->step_choices->asked)
        return error_set(error, status, "%s", problem->message);
    device_warn(&gpu->base, "steps are not fused: %.300s", problem->message);
    gpu->step_choices->allowed = false;
    return STATUS_OK;
}

enum status step_choose(struct gpu *gpu, const struct step *step,
    const struct operation *operations, size_t count, struct fused_step **fused, enum step_way *way,
    struct error *error) {
    const struct step_choices *choices = gpu->step_choices;
    struct step_plan plan;
    char shape[sizeof choices->all->shape];
    size_t chosen = STEP_SEPARATE;
    *fused = NULL;
    *way = STEP_SEPARATE;
    if (!choices->allowed)
        return STATUS_OK;
    const char *unfit = step_plan_make(gpu, step, &plan);
    if (unfit)
        return choices->asked ? error_set(error, STATUS_DEVICE,
                                    "%s: --step fused: a step of this net can't be fused on '%s': "
                                    "%s; leave that out",
                                    gpu->base.info.kind, gpu->base.info.name, unfit)
                              : STATUS_OK;
    write_shape(step, shape, sizeof shape);
    struct fused_step *kernels;
    struct error problem;
    enum status status = fused_step_get(gpu, &plan, step->labels.rows, &kernels, &problem);
    if (status == STATUS_OK)
        status =
            get_way(gpu, kernels, operations, count, shape, step->labels.rows, &chosen, &problem);
    if (status != STATUS_OK)
        return do_without(gpu, &problem, status, error);
    if (chosen == STEP_SEPARATE)
        return STATUS_OK;
    if (chosen == STEP_PERSISTENT)
        chosen = check_persistent(gpu, kernels, operations, count);
    status = check(gpu, kernels, chosen, operations, count, error);
    if (status == STATUS_OK) {
        *fused = kernels;
        *way = chosen;
    }
    return status;
}
