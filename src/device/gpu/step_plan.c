#include "device/gpu/step_plan.h"

#include "system/text.h"

#include <string.h>

/* --- Sizes --- */

/* How the kernels divide their work, in the words of step.cl. */
struct sizes {
    size_t width, items, parts;
    size_t tile_m, tile_n, chunk, row_x;
    size_t block_m, block_n, next_m, next_n, layer_m, layer_n;
    size_t samples_items, each, row_pad, row_unit, row_max, samples_memory;
};

enum {
    CHUNK_GPU = 80,  /* the most samples of a chunk: more would not fit in an item's registers */
    CHUNK_CPU = 160, /* or in a CPU's second cache */
    SUMS_MOST = 1 << 24, /* floats of the sums that go from one kernel to the other */
    ROW_X_PAD = 4 /* floats after a sample's inputs, so that neighbours lie in different banks */
};

static size_t divide_up(size_t a, size_t b) {
    return (a + b - 1) / b;
}

static size_t round_up(size_t a, size_t unit) {
    return divide_up(a, unit) * unit;
}

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

static size_t most(size_t a, size_t b) {
    return a > b ? a : b;
}

static size_t width_of(const struct step *step, size_t layer) { /* 0: of the batch */
    return layer == 0 ? step->layers[0].x.columns : step->layers[layer - 1].y.columns;
}

/* A GPU: 8 parts of 32 items, each with 4 x 4 sums. 128 such tiles of the default net's first layer
 * keep about as many compute units busy. */
static struct sizes sizes_of_gpu(const struct gpu *gpu, const struct step *step) {
    const size_t units = (size_t)most((size_t)gpu->base.info.units, 1);
    return (struct sizes){.width = 1,
        .items = 256,
        .parts = 8,
        .tile_m = 32,
        .tile_n = 16,
        .block_m = 4,
        .block_n = 4,
        .next_m = 3,
        .next_n = 4,
        .layer_m = 1,
        .layer_n = 1,
        .samples_items = 256,
        .each = least(divide_up(step->labels.rows, units), 8),
        .row_pad = 1,
        .row_unit = 2};
}

/* A CPU: a group is a single item. The sums of its blocks fill the registers, 16 of AVX2 and 32 of
 * AVX-512, and its tiles a second cache. There are some groups for each unit, so that none waits
 * long for another. PoCL gives its first thread a few more groups than the others, so the first
 * tiles are the small ones of the last layers. */
static struct sizes sizes_of_cpu(const struct gpu *gpu, const struct step *step) {
    enum { UNIT_TILES = 4, UNIT_GROUPS = 5, BLOCK_M = 6, LAYER_N = 2, TILE_M_MOST = 132 };
    const size_t units = (size_t)most((size_t)gpu->base.info.units, 1);
    const size_t width = gpu->vector_width < 4 ? 4 : least(gpu->vector_width, 16);
    const size_t block_n = width == 16 ? 4 : 2;
    const size_t rows = divide_up(width_of(step, 0) + 1, UNIT_TILES * units);
    return (struct sizes){.width = width,
        .items = 1,
        .parts = 1,
        .tile_m = least(round_up(rows, BLOCK_M), TILE_M_MOST),
        .tile_n = round_up(least(width_of(step, 1), 64), block_n * width),
        .block_m = BLOCK_M,
        .block_n = block_n,
        .next_m = BLOCK_M,
        .next_n = block_n,
        .layer_m = BLOCK_M,
        .layer_n = LAYER_N,
        .samples_items = 1,
        .each = round_up(divide_up(step->labels.rows, UNIT_GROUPS * units), BLOCK_M),
        .row_unit = LAYER_N * width};
}

/* --- Shared memory --- */

static size_t weights_memory(const struct sizes *sizes) {
    return most(sizes->chunk * (sizes->row_x + sizes->tile_n),
        sizes->parts * sizes->tile_m * sizes->tile_n);
}

/* Chooses the chunk: as few of one size as there is memory for, of which each item of a GPU copies
 * as much. False when there is no memory for the least chunk. */
static bool choose_chunk(const struct gpu *gpu, const struct step *step, struct sizes *sizes) {
    const size_t batch = step->labels.rows, tile = sizes->tile_m * sizes->tile_n;
    const bool single = sizes->items == 1;
    const size_t unit = single ? sizes->next_m : sizes->items / least(sizes->tile_m, sizes->tile_n);
    const size_t floats = gpu->group_bytes / sizeof(float);
    sizes->row_x = sizes->tile_m + ROW_X_PAD;
    const size_t room = floats > tile ? (floats - tile) / (sizes->row_x + sizes->tile_n) : 0;
    const size_t longest = least(room, single ? CHUNK_CPU : CHUNK_GPU) / unit * unit;
    if (longest == 0)
        return false;
    sizes->chunk = round_up(divide_up(batch, divide_up(batch, longest)), unit);
    return weights_memory(sizes) + tile <= floats;
}

static size_t row_of(const struct sizes *sizes, size_t columns) {
    return round_up(columns, sizes->row_unit) + sizes->row_pad;
}

/* Chooses how many samples a group has: fewer, where there is not memory for as many as wanted.
 * False when there is none for the fewest. */
static bool choose_each(const struct gpu *gpu, const struct step *step, struct sizes *sizes) {
    size_t weights = 0, values = 0;
    sizes->row_max = 0;
    for (size_t l = 0; l < step->layers_count; l++) {
        const size_t in = width_of(step, l), out = width_of(step, l + 1);
        if (l > 0)
            weights += in * row_of(sizes, out) + (sizes->width > 1 ? out * row_of(sizes, in) : 0);
        values += row_of(sizes, out);
        sizes->row_max = most(sizes->row_max, row_of(sizes, out));
    }
    values += 2 * sizes->row_max; /* the gradients of two layers */
    const size_t floats = gpu->group_bytes / sizeof(float);
    const size_t room = floats > weights ? (floats - weights) / values : 0;
    sizes->each = least(sizes->each, room / sizes->layer_m * sizes->layer_m);
    sizes->samples_memory = weights + sizes->each * values;
    return sizes->each > 0;
}

/* Whether one group has memory for both phases, one after the other, beside its tile. */
static bool fits_together(const struct gpu *gpu, const struct sizes *sizes) {
    const size_t memory = most(weights_memory(sizes), sizes->samples_memory);
    return memory + sizes->tile_m * sizes->tile_n <= gpu->group_bytes / sizeof(float);
}

/* --- What fits --- */

static bool lie_together(const struct step *step) {
    const struct step_layer *layers = step->layers;
    const size_t last = step->layers_count - 1;
    for (size_t l = 0; l <= last; l++)
        if (layers[l].weights.buffer != layers[0].weights.buffer ||
            layers[l].bias.buffer != layers[0].weights.buffer ||
            layers[l].y.buffer != layers[0].y.buffer ||
            (l < last && layers[l].d_y.buffer != layers[0].d_y.buffer) ||
            layers[l].weights.offset > UINT32_MAX || layers[l].bias.offset > UINT32_MAX ||
            layers[l].y.offset > UINT32_MAX || layers[l].d_y.offset > UINT32_MAX)
            return false;
    return true;
}

/* How far the first state of a step's first weights is behind them. */
static size_t states_apart(const struct step *step) {
    const struct step_layer *first = &step->layers[0];
    return optimizer_states[step->optimizer] > 0
               ? first->states[0].weights.offset - first->weights.offset
               : 0;
}

/* Whether a parameter's state number `state` is as far behind it as that of any other. */
static bool is_behind(struct view parameter, struct view of_state, size_t state, size_t apart) {
    return of_state.buffer == parameter.buffer &&
           of_state.offset == parameter.offset + (state + 1) * apart;
}

static bool states_lie_behind(const struct step *step) {
    for (size_t l = 0; l < step->layers_count; l++)
        for (size_t s = 0; s < optimizer_states[step->optimizer]; s++) {
            const struct step_layer *layer = &step->layers[l];
            if (!is_behind(layer->weights, layer->states[s].weights, s, states_apart(step)) ||
                !is_behind(layer->bias, layer->states[s].bias, s, states_apart(step)))
                return false;
        }
    return true;
}

/* Whether what a step reads, and what it writes, is in different buffers: its inputs, its labels,
 * its index, its rates, and the rest. */
static bool lie_apart(const struct step *step) {
    const struct buffer *const read[] = {
        step->gathered ? step->all_x.buffer : step->layers[0].x.buffer,
        step->gathered ? step->all_labels.buffer : step->labels.buffer, step->rates.buffer,
        step->gathered ? step->index.buffer : NULL};
    const struct buffer *const written[] = {step->layers[0].weights.buffer,
        step->layers[0].y.buffer, step->layers[0].d_y.buffer, step->score.buffer,
        step->gathered ? step->layers[0].x.buffer : NULL,
        step->gathered ? step->labels.buffer : NULL};
    for (size_t r = 0; r < sizeof read / sizeof *read; r++) {
        for (size_t w = 0; w < sizeof written / sizeof *written; w++)
            if (read[r] && read[r] == written[w])
                return false;
        for (size_t other = 0; other < r; other++)
            if (read[r] == read[other])
                return false;
    }
    return !step->gathered || step->layers[0].x.buffer != step->labels.buffer;
}

/* Appends "NAME=n,n,..." with the number of each layer. */
#define APPEND_EACH(text, name, step, number)                                                      \
    for (size_t l = 0; l < (step)->layers_count; l++)                                              \
    text_append(text, STEP_OPTIONS_SIZE, l == 0 ? " " name "=%zu" : ",%zu", (size_t)(number))

static void write_options(
    const struct step *step, const struct sizes *s, size_t tiles, char text[STEP_OPTIONS_SIZE]) {
    const struct step_layer *layers = step->layers;
    text[0] = '\0';
    text_append(text, STEP_OPTIONS_SIZE, "-DLAYERS=%zu -DWIDTHS=%zu", step->layers_count,
        width_of(step, 0));
    for (size_t l = 0; l < step->layers_count; l++)
        text_append(text, STEP_OPTIONS_SIZE, ",%zu", width_of(step, l + 1));
    APPEND_EACH(text, "-DACTIVATIONS", step, layers[l].activation);
    APPEND_EACH(text, "-DWEIGHTS_AT", step, layers[l].weights.offset);
    APPEND_EACH(text, "-DBIAS_AT", step, layers[l].bias.offset);
    APPEND_EACH(text, "-DVALUES_AT", step, layers[l].y.offset);
    APPEND_EACH(text, "-DGRADIENTS_AT", step, layers[l].d_y.offset);
    const struct {
        const char *name;
        size_t value;
    } numbers[] = {{"-DWIDTH", s->width}, {"-DITEMS", s->items}, {"-DPARTS", s->parts},
        {"-DTILE_M", s->tile_m}, {"-DTILE_N", s->tile_n}, {"-DTILES", tiles}, {"-DCHUNK", s->chunk},
        {"-DROW_X", s->row_x}, {"-DBLOCK_M", s->block_m}, {"-DBLOCK_N", s->block_n},
        {"-DNEXT_M", s->next_m}, {"-DNEXT_N", s->next_n}, {"-DWEIGHTS_MEMORY", weights_memory(s)},
        {"-DSAMPLES_ITEMS", s->samples_items}, {"-DEACH", s->each}, {"-DLAYER_M", s->layer_m},
        {"-DLAYER_N", s->layer_n}, {"-DROW_PAD", s->row_pad}, {"-DROW_UNIT", s->row_unit},
        {"-DROW_MAX", s->row_max}, {"-DSAMPLES_MEMORY", s->samples_memory},
        {"-DOPTIMIZER", step->optimizer}, {"-DSTATES_APART", states_apart(step)}};
    for (size_t n = 0; n < sizeof numbers / sizeof *numbers; n++)
        text_append(text, STEP_OPTIONS_SIZE, " %s=%zu", numbers[n].name, numbers[n].value);
    if (step->gathered)
        text_append(text, STEP_OPTIONS_SIZE, " -DGATHERED");
}

const char *step_plan_make(const struct gpu *gpu, const struct step *step, struct step_plan *plan) {
    const bool cpu = strcmp(gpu->base.info.type, "cpu") == 0;
    if (step->layers_count > STEP_FUSED_LAYERS)
        return "too many layers";
    if (!lie_together(step))
        return "its parameters or values are not in one buffer";
    if (!states_lie_behind(step))
        return "what its optimiser remembers is not behind its parameters";
    if (!lie_apart(step))
        return "what it reads is in a buffer with what it writes";
    struct sizes sizes = cpu ? sizes_of_cpu(gpu, step) : sizes_of_gpu(gpu, step);
    if (most(sizes.items, sizes.samples_items) > gpu->largest_group)
        return "the device's groups have too few items";
    if (!choose_chunk(gpu, step, &sizes) || !choose_each(gpu, step, &sizes))
        return "the layers after the first are too large for the device's local memory";
    *plan = (struct step_plan){.weights_items = sizes.items,
        .each = sizes.each,
        .samples_items = sizes.samples_items,
        .tiles = divide_up(width_of(step, 0), sizes.tile_m),
        .outputs = width_of(step, 1),
        .together = sizes.items == sizes.samples_items && fits_together(gpu, &sizes)};
    for (size_t l = 0; l < step->layers_count; l++) /* of in + 1 rows: the bias's, too */
        plan->weights_groups += divide_up(width_of(step, l) + 1, sizes.tile_m) *
                                divide_up(width_of(step, l + 1), sizes.tile_n);
    if (step_plan_sums(plan, step->labels.rows) > SUMS_MOST)
        return "the sums of its first layer are too many";
    write_options(step, &sizes, plan->tiles, plan->options);
    return strlen(plan->options) + 1 < STEP_OPTIONS_SIZE ? NULL : "its sizes have too many digits";
}

size_t step_plan_sums(const struct step_plan *plan, size_t batch) {
    return plan->tiles * batch * plan->outputs;
}

/* --- One after another --- */

static bool is_same_place(struct view a, struct view b) {
    return a.buffer == b.buffer && a.offset == b.offset && a.columns == b.columns;
}

bool step_plan_goes_on(const struct step *step, const struct step *next) {
    if (next->layers_count != step->layers_count || next->gathered != step->gathered ||
        next->loss_scale != step->loss_scale || next->smoothing != step->smoothing ||
        next->optimizer != step->optimizer)
        return false;
    for (size_t l = 0; l < step->layers_count; l++) {
        const struct step_layer *a = &step->layers[l], *b = &next->layers[l];
        if (!is_same_place(a->weights, b->weights) || a->weights.rows != b->weights.rows ||
            !is_same_place(a->bias, b->bias) || !is_same_place(a->y, b->y) ||
            !is_same_place(a->d_y, b->d_y) || a->activation != b->activation)
            return false;
        for (size_t s = 0; s < optimizer_states[step->optimizer]; s++)
            if (!is_same_place(a->states[s].weights, b->states[s].weights) ||
                !is_same_place(a->states[s].bias, b->states[s].bias))
                return false;
    }
    /* All that is read of the next step is its x, in place or by the index. */
    const struct view x = step->gathered ? step->all_x : step->layers[0].x;
    const struct view next_x = next->gathered ? next->all_x : next->layers[0].x;
    if (x.buffer != next_x.buffer || view_overlaps(step->score, next_x))
        return false;
    for (size_t l = 0; l < step->layers_count; l++)
        if (view_overlaps(step->layers[l].y, next_x) || view_overlaps(step->layers[l].d_y, next_x))
            return false;
    if (!step->gathered)
        return true;
    if (next->index.buffer != step->index.buffer || !is_same_place(x, next_x) ||
        view_overlaps(step->score, next->index))
        return false;
    for (size_t l = 0; l < step->layers_count; l++)
        if (view_overlaps(step->layers[l].y, next->index) ||
            view_overlaps(step->layers[l].d_y, next->index))
            return false;
    return true;
}

/* Whether b lies right behind the `rows` of a. */
static bool lies_behind(struct view a, size_t rows, struct view b) {
    return a.buffer == b.buffer && a.columns == b.columns &&
           b.offset == a.offset + rows * a.columns;
}

size_t step_plan_rates_step(const struct step *step, const struct step *next) {
    return next->rates.offset - step->rates.offset;
}

bool step_plan_follows(
    const struct step *first, const struct step *step, size_t steps, const struct step *next) {
    const size_t batch = first->labels.rows, apart = step_plan_rates_step(step, next);
    if (step->labels.rows != batch || next->labels.rows > batch ||
        step->rates.buffer != next->rates.buffer || (apart != 0 && apart != first->rates.columns) ||
        step_plan_rates_step(first, next) != steps * apart ||
        !lies_behind(step->score, batch, next->score))
        return false;
    return step->gathered ? lies_behind(step->index, batch, next->index) &&
                                is_same_place(step->all_labels, next->all_labels)
                          : lies_behind(step->layers[0].x, batch, next->layers[0].x) &&
                                lies_behind(step->labels, batch, next->labels);
}
