/* Plans how the team does operations. Of a single one: what computes its gemm, and whether the team
 * divides rows or columns. Of a recording, in which whole steps are found (step.h): also what can
 * be left out, and the blocks of samples of a large batch. */
#include "device/cpu/cpu.h"
#include "device/step.h"
#include "system/memory.h"

#include <stdlib.h>

/* --- An operation --- */

/* Whether the team divides the columns of a gemm's result. What threads must read for their shares
 * is then less: one operand is shared by all, and that is better the shorter one. Narrow layers
 * stay divided by rows, so that the team need not meet after each of them. */
static bool divides_columns(const struct cpu *cpu, struct view result) {
    enum { WIDE = 256, LINE = 16 };
    const size_t threads = (size_t)cpu->host.base.info.threads;
    return threads > 1 && result.columns >= WIDE && result.columns >= LINE * threads &&
           result.columns > result.rows;
}

/* How so many rows or columns are divided. There are several parts for each thread, so that all are
 * done at nearly the same time: who is done sooner takes parts of others. None is smaller than
 * `least`. */
static struct division divide(size_t count, size_t least, int threads) {
    enum { EACH_MAX = 5 };
    struct division division = {threads, 1};
    const size_t share = count / (size_t)threads;
    for (size_t each = 2; threads > 1 && each <= EACH_MAX; each++)
        if (share >= each * (each + 1) / 2 * least)
            division.each = (int)each;
    return division;
}

/* Of an update the rows are those of the weights, and each part reads all of the gradient. Of all
 * else they are the batch's, which should be divided in the same way throughout a step. */
static struct division division_for(
    const struct operation *operation, bool by_columns, int threads) {
    enum { SAMPLES = GEMM_TILE_ROWS, WEIGHTS = 4 * GEMM_TILE_ROWS, COLUMNS = GEMM_PANEL_MAX };
    const struct view result = operation->views[operation_operands(operation) - 1];
    if (by_columns)
        return divide(result.columns, COLUMNS, threads);
    if (operation->kind == OPERATION_DENSE_UPDATE)
        return divide(operation->dense_update.weights.rows, WEIGHTS, threads);
    if (operation->kind == OPERATION_DENSE_GRADIENT)
        return divide(operation->dense_gradient.d_weights.rows, WEIGHTS, threads);
    if (operation->kind == OPERATION_SQUARE_SUMS)
        return divide(SQUARE_SUMS, SAMPLES, threads);
    if (operation->kind == OPERATION_ALL_REDUCE)
        return (struct division){1, 1};
    return divide(result.rows, SAMPLES, threads);
}

struct queue_entry cpu_plan(const struct cpu *cpu, const struct operation *operation,
    const struct cpu_algorithm *algorithm) {
    const enum operation_kind kind = operation->kind;
    const int threads = cpu->host.base.info.threads;
    const bool by_columns =
        (kind == OPERATION_DENSE_FORWARD && divides_columns(cpu, operation->dense_forward.y)) ||
        (kind == OPERATION_DENSE_BACKWARD && divides_columns(cpu, operation->dense_backward.d_x));
    return (struct queue_entry){
        .operation = *operation,
        .how = &cpu_operations[kind],
        .algorithm = algorithm,
        .by_columns = by_columns,
        .division = division_for(operation, by_columns, threads),
    };
}

/* --- A recording --- */

struct planner {
    const struct cpu *cpu;
    struct queue *queue;
    struct host_buffer *copy;
    bool failed; /* memory was refused */
};

static void append_operation(struct planner *planner, const struct operation *operation,
    const struct cpu_algorithm *algorithm, struct view order) {
    struct queue *queue = planner->queue;
    struct queue_entry entry = cpu_plan(planner->cpu, operation, algorithm);
    entry.order = order;
    if (queue_is_full(queue) && !queue_reserve(queue, 2 * queue->capacity + 16))
        planner->failed = true;
    if (!planner->failed)
        queue_append(queue, &entry);
}

static bool begins_alike(struct view a, struct view b) {
    return a.buffer == b.buffer && a.offset == b.offset && a.columns == b.columns;
}

/* --- Gathering --- */

/* Whether our own gemm computes whatever takes these inputs. OpenBLAS knows no order. */
static bool is_own(const struct cpu_list *part, struct view x) {
    for (size_t o = 0; o < part->count; o++)
        if (part->algorithms[o] && !part->algorithms[o]->kernels &&
            (begins_alike(part->operations[o].views[0], x)))
            return false;
    return true;
}

/* Whether the step can read its batch where it lies among all samples. The copy that gather_rows
 * makes of the batch is then missing, so it must be one that the next step replaces. */
static bool reads_in_place(
    const struct step *step, const struct cpu_list *part, const struct operation *next) {
    const struct view x = step->layers[0].x;
    return step->gathered && is_own(part, x) && next && next->kind == OPERATION_GATHER_ROWS &&
           begins_alike(next->gather_rows.destination, x) &&
           next->gather_rows.destination.rows >= x.rows;
}

/* --- Blocks of samples --- */

/* A large batch is taken in blocks, so that the update finds a block's inputs still in some cache.
 * Forward and backward need the parameters of before the step, while the updates of earlier blocks
 * change them: so they read a copy, which must be small beside the inputs of a block. */

static size_t count_parameters(const struct step *step) {
    size_t count = 0;
    for (size_t l = 0; l < step->layers_count; l++)
        count += (step->layers[l].weights.rows + 1) * step->layers[l].weights.columns;
    return count;
}

/* Whether a step is taken in blocks. Makes room for the copy at the first such step. */
static bool takes_blocks(struct planner *planner, const struct step *step) {
    const struct view x = step->layers[0].x;
    const size_t parameters = count_parameters(step);
    if (step->optimizer != OPTIMIZER_GRADIENT_DESCENT || !planner->cpu->algorithms[0].kernels ||
        x.rows < CPU_BATCH_IN_BLOCKS || parameters > CPU_BLOCK * x.columns / 4)
        return false;
    if (!planner->copy) {
        planner->copy = malloc(sizeof *planner->copy);
        float *data = planner->copy ? memory_allocate(parameters * sizeof *data) : NULL;
        planner->failed = !data;
        if (planner->copy)
            *planner->copy = (struct host_buffer){{NULL, parameters}, data};
    }
    return !planner->failed && planner->copy->base.elements >= parameters;
}

/* Where the copy of a layer's weights and bias is. */
static struct step_layer copy_of(
    const struct planner *planner, const struct step *step, size_t layer) {
    struct step_layer copy = step->layers[layer];
    size_t offset = 0;
    for (size_t l = 0; l < layer; l++)
        offset += (step->layers[l].weights.rows + 1) * step->layers[l].weights.columns;
    copy.weights.buffer = copy.bias.buffer = &planner->copy->base;
    copy.weights.offset = offset;
    copy.bias.offset = offset + copy.weights.rows * copy.weights.columns;
    return copy;
}

static void append_copies(struct planner *planner, const struct step *step) {
    for (size_t l = 0; l < step->layers_count; l++) {
        const struct step_layer *layer = &step->layers[l], copy = copy_of(planner, step, l);
        const struct view pairs[2][2] = {{layer->weights, copy.weights}, {layer->bias, copy.bias}};
        for (int p = 0; p < 2; p++)
            append_operation(planner,
                &(struct operation){.kind = OPERATION_GATHER_ROWS,
                    .gather_rows = {.source = pairs[p][0], .destination = pairs[p][1]}},
                NULL, (struct view){0});
    }
}

/* Replaces the parameters that an operation of forward or backward reads by their copies. */
static void read_copies(
    const struct planner *planner, const struct step *step, struct operation *operation) {
    const bool forward = operation->kind == OPERATION_DENSE_FORWARD;
    if (!forward && operation->kind != OPERATION_DENSE_BACKWARD)
        return;
    struct view *weights =
        forward ? &operation->dense_forward.weights : &operation->dense_backward.weights;
    for (size_t l = 0; l < step->layers_count; l++)
        if (begins_alike(*weights, step->layers[l].weights)) {
            const struct step_layer copy = copy_of(planner, step, l);
            *weights = copy.weights;
            if (forward)
                operation->dense_forward.bias = copy.bias;
            return;
        }
}

/* --- Steps --- */

/* Adds an operation of a step, for `rows` samples of the batch from `first` on. */
static void append_rows(struct planner *planner, const struct step *step, bool in_place,
    struct operation operation, const struct cpu_algorithm *algorithm, size_t first, size_t rows) {
    const struct operand_type *operands = operation_types[operation.kind].operands;
    struct view order = {0};
    for (size_t i = 0; i < OPERATION_VIEWS && operands[i].name; i++) {
        if (operands[i].rows != 'B')
            continue;
        const bool is_x = in_place && begins_alike(operation.views[i], step->layers[0].x);
        operation.views[i] = is_x ? step->all_x : view_rows(operation.views[i], first, rows);
        if (is_x)
            order = view_rows(step->index, first, rows);
    }
    append_operation(planner, &operation, algorithm, order);
}

/* Plans a step, which is a part of the list. `next` is the operation after it, or NULL. */
static void plan_step(struct planner *planner, const struct step *step, const struct cpu_list *part,
    const struct operation *next) {
    const bool in_place = reads_in_place(step, part, next);
    const bool blocks = takes_blocks(planner, step);
    const size_t batch = step->layers[0].x.rows, most = blocks ? CPU_BLOCK : batch;
    size_t o = 0;
    for (; part->operations[o].kind == OPERATION_GATHER_ROWS; o++) /* the images, their labels */
        if (!in_place || o > 0)
            append_operation(planner, &part->operations[o], NULL, (struct view){0});
    if (blocks)
        append_copies(planner, step);
    for (size_t first = 0, rows; first < batch; first += rows) {
        rows = batch - first < 2 * most ? batch - first : most;
        for (size_t p = o; p < part->count; p++) {
            struct operation operation = part->operations[p];
            if (blocks)
                read_copies(planner, step, &operation);
            append_rows(planner, step, in_place, operation, part->algorithms[p], first, rows);
        }
    }
}

bool cpu_plan_recording(const struct cpu *cpu, const struct cpu_list *list, struct queue *queue,
    struct host_buffer **copy) {
    struct planner planner = {.cpu = cpu, .queue = queue};
    struct step *step = malloc(sizeof *step);
    planner.failed = !step;
    for (size_t o = 0, count; o < list->count && !planner.failed; o += count) {
        const struct cpu_list rest = {list->operations + o, list->algorithms + o, list->count - o};
        count = 1;
        if (step_find(rest.operations, rest.count, step)) {
            count = step->operations;
            const struct cpu_list part = {rest.operations, rest.algorithms, count};
            plan_step(&planner, step, &part, count < rest.count ? rest.operations + count : NULL);
        } else
            append_operation(&planner, rest.operations, rest.algorithms[0], (struct view){0});
    }
    free(step);
    *copy = planner.copy;
    return !planner.failed;
}
