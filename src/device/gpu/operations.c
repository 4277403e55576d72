/* Turns operations into commands. Most operations are a kernel of their own; those of a dense layer
 * are a gemm. */
#include "device/gpu/gemm.h"
#include "device/gpu/program.h"

#include <stdio.h>
#include <string.h>

/* The number of items in a group of the kernels that are named below, where the device allows as
 * many. */
enum { GROUP = 64 };

/* Elements (of 4 bytes) of each of the two buffers to which the bytes of images are sent. As many
 * images are sent at a time as one has room for. */
enum { STAGED_ELEMENTS = 3 << 19 };
_Static_assert(STAGED_ELEMENTS * 4 >= PIXELS_IMAGE_MAX, "an image can be sent");

/* The number of items in a group: a power of two. */
static size_t group_items(const struct gpu *gpu) {
    size_t items = GROUP;
    while (items > gpu->largest_group)
        items /= 2;
    return items;
}

/* A grid with an item for each column of each row. Some items may lie beyond the last column. All
 * groups have the same shape, for which a driver may compile a kernel when it is first launched. */
static struct gpu_grid grid_of(const struct gpu *gpu, size_t columns, size_t rows) {
    const size_t items = group_items(gpu);
    return (struct gpu_grid){{(columns + items - 1) / items, rows, 1}, {items, 1, 1}};
}

static enum status upload(struct gpu *gpu, struct gpu_commands *to,
    const struct operation *operation, struct error *error) {
    (void)to; /* always NULL: no upload is recorded */
    return gpu->driver->upload(gpu, operation->upload.destination, operation->host, error);
}

/* A grid with exactly one item for each column of each row. */
static struct gpu_grid exact_grid_of(const struct gpu *gpu, size_t columns, size_t rows) {
    size_t items = group_items(gpu);
    while (columns % items != 0)
        items /= 2;
    return (struct gpu_grid){{columns / items, rows, 1}, {items, 1, 1}};
}

/* Sends the bytes of images to one of the two buffers. */
static enum status stage(
    struct gpu *gpu, size_t half, struct view staged, const uint8_t *pixels, struct error *error) {
    return gpu->driver->stage ? gpu->driver->stage(gpu, half, staged, pixels, error)
                              : gpu->driver->upload(gpu, staged, pixels, error);
}

/* Makes numbers of the images in one of the two buffers. */
static enum status convert_pixels(struct gpu *gpu, const struct pixel_format *format, size_t half,
    struct view rows, struct error *error) {
    float weights[PIXELS_CHANNELS_MAX] = {0}, factors[PIXELS_CHANNELS_MAX] = {1.0f, 1.0f, 1.0f},
          less[PIXELS_CHANNELS_MAX] = {0};
    for (size_t c = 0; c < format->channels && format->mixed; c++)
        weights[c] = (float)format->weights[c];
    for (size_t c = 0; c < (format->mixed ? 1 : format->channels) && format->normalized; c++) {
        factors[c] = (float)(1.0 / format->deviations[c]);
        less[c] = (float)(format->means[c] / format->deviations[c]);
    }
    const enum status status = GPU_LAUNCH(gpu, NULL, &gpu->kernels[OPERATION_UPLOAD_PIXELS],
        exact_grid_of(gpu, rows.columns, rows.rows), error, ARGUMENT_BUFFER(gpu->staged[half]),
        ARGUMENT_VIEW(rows), ARGUMENT_NUMBER(rows.columns), ARGUMENT_NUMBER(format->channels),
        ARGUMENT_NUMBER(format->mixed), ARGUMENT_REAL(weights[0]), ARGUMENT_REAL(weights[1]),
        ARGUMENT_REAL(weights[2]), ARGUMENT_REAL(factors[0]), ARGUMENT_REAL(factors[1]),
        ARGUMENT_REAL(factors[2]), ARGUMENT_REAL(less[0]), ARGUMENT_REAL(less[1]),
        ARGUMENT_REAL(less[2]));
    return status == STATUS_OK && gpu->driver->staged_is_read
               ? gpu->driver->staged_is_read(gpu, half, error)
               : status;
}

static enum status upload_pixels(struct gpu *gpu, struct gpu_commands *to,
    const struct operation *operation, struct error *error) {
    (void)to; /* as of upload */
    const struct view destination = operation->upload_pixels.destination;
    const struct pixel_format *format = &operation->pixels;
    const size_t image = format->channels * format->plane; /* bytes */
    const size_t most = STAGED_ELEMENTS / (image / 4);
    const uint8_t *pixels = operation->host;
    enum status status = STATUS_OK;
    for (size_t done = 0; done < destination.rows && status == STATUS_OK; done += most) {
        const size_t left = destination.rows - done, count = left < most ? left : most;
        const size_t half = gpu->sent++ % 2;
        const struct view staged = device_view(gpu->staged[half], count, image / 4);
        status = stage(gpu, half, staged, pixels + done * image, error);
        if (status == STATUS_OK)
            status = convert_pixels(gpu, format, half, view_rows(destination, done, count), error);
    }
    return status;
}

static enum status gather_rows(struct gpu *gpu, struct gpu_commands *to,
    const struct operation *operation, struct error *error) {
    const struct view destination = operation->gather_rows.destination;
    return GPU_LAUNCH(gpu, to, &gpu->kernels[operation->kind],
        grid_of(gpu, destination.columns, destination.rows), error,
        ARGUMENT_VIEW(operation->gather_rows.source), ARGUMENT_VIEW(operation->gather_rows.index),
        ARGUMENT_VIEW(destination), ARGUMENT_NUMBER(destination.rows),
        ARGUMENT_NUMBER(destination.columns));
}

static enum status softmax_cross_entropy(struct gpu *gpu, struct gpu_commands *to,
    const struct operation *operation, struct error *error) {
    const struct view logits = operation->softmax_cross_entropy.logits;
    return GPU_LAUNCH(gpu, to, &gpu->kernels[operation->kind], grid_of(gpu, logits.rows, 1), error,
        ARGUMENT_VIEW(logits), ARGUMENT_VIEW(operation->softmax_cross_entropy.labels),
        ARGUMENT_VIEW(operation->softmax_cross_entropy.score), ARGUMENT_NUMBER(logits.rows),
        ARGUMENT_NUMBER(logits.columns),
        ARGUMENTS_LOSS(operation->scale, operation->smoothing, logits.columns));
}

void gpu_add_states(struct gpu_argument *arguments, size_t *count, enum optimizer optimizer,
    const struct view states[OPTIMIZER_STATES_MAX], struct view none) {
    for (size_t s = 0; s < OPTIMIZER_STATES_MAX; s++) {
        const struct view state = s < optimizer_states[optimizer] ? states[s] : none;
        arguments[(*count)++] = (struct gpu_argument)ARGUMENT_BUFFER(state.buffer);
        arguments[(*count)++] = (struct gpu_argument)ARGUMENT_OFFSET(state.offset);
    }
}

enum status gpu_take_step(struct gpu *gpu, struct gpu_commands *to, enum optimizer optimizer,
    struct view gradient, struct view rates, struct view parameters,
    const struct view states[OPTIMIZER_STATES_MAX], struct error *error) {
    const size_t elements = parameters.rows * parameters.columns;
    struct gpu_argument arguments[GPU_ARGUMENTS_MAX] = {ARGUMENT_VIEW(gradient),
        ARGUMENT_VIEW(rates), ARGUMENT_VIEW(parameters), ARGUMENT_OFFSET(elements),
        ARGUMENT_NUMBER(optimizer)};
    size_t count = 8;
    gpu_add_states(arguments, &count, optimizer, states, parameters);
    return gpu_launch(gpu, to, &gpu->kernels[OPERATION_OPTIMIZE], grid_of(gpu, elements, 1),
        arguments, count, error);
}

static enum status optimize(struct gpu *gpu, struct gpu_commands *to,
    const struct operation *operation, struct error *error) {
    return gpu_take_step(gpu, to, operation->optimizer, operation->optimize.gradient,
        operation->optimize.rates, operation->optimize.parameters, operation->optimize.states,
        error);
}

/* What kernels/random.h draws by, besides the pass. */
#define ARGUMENT_DRAWN(drawn)                                                                      \
    ARGUMENT_NUMBER((drawn).seed), ARGUMENT_NUMBER((drawn).seed >> 32),                            \
        ARGUMENT_NUMBER((drawn).first)

static enum status dropout(struct gpu *gpu, struct gpu_commands *to,
    const struct operation *operation, struct error *error) {
    const struct view destination = operation->dropout.destination;
    const double share = operation->drawn.share;
    return GPU_LAUNCH(gpu, to, &gpu->kernels[operation->kind],
        grid_of(gpu, (destination.columns + 3) / 4 * destination.rows, 1), error,
        ARGUMENT_VIEW(operation->dropout.source), ARGUMENT_VIEW(operation->dropout.pass),
        ARGUMENT_VIEW(destination), ARGUMENT_NUMBER(destination.rows),
        ARGUMENT_NUMBER(destination.columns), ARGUMENT_DRAWN(operation->drawn),
        ARGUMENT_NUMBER(operation->drawn.layer), ARGUMENT_NUMBER(share * 0x1p32),
        ARGUMENT_REAL((float)(1.0 / (1.0 - share))));
}

static enum status flip(struct gpu *gpu, struct gpu_commands *to, const struct operation *operation,
    struct error *error) {
    const struct view images = operation->flip.images;
    const size_t pairs = images.columns / operation->width * (operation->width / 2);
    if (pairs == 0)
        return STATUS_OK;
    return GPU_LAUNCH(gpu, to, &gpu->kernels[operation->kind], grid_of(gpu, pairs, images.rows),
        error, ARGUMENT_VIEW(operation->flip.pass), ARGUMENT_VIEW(images),
        ARGUMENT_NUMBER(images.columns), ARGUMENT_NUMBER(operation->width),
        ARGUMENT_DRAWN(operation->drawn));
}

static enum status square_sums(struct gpu *gpu, struct gpu_commands *to,
    const struct operation *operation, struct error *error) {
    const struct view values = operation->square_sums.values;
    const struct gpu_grid grid = {{SQUARE_SUMS, 1, 1}, {group_items(gpu), 1, 1}};
    return GPU_LAUNCH(gpu, to, &gpu->kernels[operation->kind], grid, error, ARGUMENT_VIEW(values),
        ARGUMENT_VIEW(operation->square_sums.sums), ARGUMENT_OFFSET(values.rows),
        ARGUMENT_OFFSET(values.columns));
}

static enum status clip(struct gpu *gpu, struct gpu_commands *to, const struct operation *operation,
    struct error *error) {
    enum { EACH = 16 }; /* values of an item */
    const struct view values = operation->clip.values;
    const size_t count = values.rows * values.columns;
    return GPU_LAUNCH(gpu, to, &gpu->kernels[operation->kind],
        grid_of(gpu, (count + EACH - 1) / EACH, 1), error, ARGUMENT_VIEW(operation->clip.sums),
        ARGUMENT_VIEW(values), ARGUMENT_OFFSET(count), ARGUMENT_NUMBER(EACH),
        ARGUMENT_REAL(operation->largest));
}

static enum status all_reduce(struct gpu *gpu, struct gpu_commands *to,
    const struct operation *operation, struct error *error) {
    return gpu->base.communicator ? gpu_exchange(gpu, to, operation->all_reduce.values, error)
                                  : STATUS_OK;
}

/* Computes a gemm of a dense layer, by the fastest algorithm for its shape. */
static enum status dense(struct gpu *gpu, struct gpu_commands *to,
    const struct operation *operation, struct error *error) {
    size_t algorithm;
    const enum status status = autotune_choose(gpu->choices, operation, &algorithm, error);
    return status == STATUS_OK ? gemms_compute(gpu->gemms, to, algorithm, operation, error)
                               : status;
}

/* How each kind of operation is done, and by which kernel of kernels/`file`. The names are NULL
 * where it needs no kernel, or one of those that gemm.c makes. */
static const struct {
    const char *file, *kernel;
    enum status (*run)(struct gpu *gpu, struct gpu_commands *to, const struct operation *operation,
        struct error *error);
} operations[OPERATION_KINDS] = {
    [OPERATION_UPLOAD] = {NULL, NULL, upload},
    [OPERATION_UPLOAD_PIXELS] = {"samples.cl", "convert_pixels", upload_pixels},
    [OPERATION_GATHER_ROWS] = {"samples.cl", "gather_rows", gather_rows},
    [OPERATION_DENSE_FORWARD] = {NULL, NULL, dense},
    [OPERATION_DENSE_BACKWARD] = {NULL, NULL, dense},
    [OPERATION_DENSE_GRADIENT] = {NULL, NULL, dense},
    [OPERATION_OPTIMIZE] = {"optimize.cl", "optimize", optimize},
    [OPERATION_DENSE_UPDATE] = {NULL, NULL, dense},
    [OPERATION_SOFTMAX_CROSS_ENTROPY] = {"samples.cl", "softmax_cross_entropy",
        softmax_cross_entropy},
    [OPERATION_DROPOUT] = {"draws.cl", "dropout", dropout},
    [OPERATION_FLIP] = {"draws.cl", "flip", flip},
    [OPERATION_SQUARE_SUMS] = {"clip.cl", "square_sums", square_sums},
    [OPERATION_CLIP] = {"clip.cl", "clip", clip},
    [OPERATION_ALL_REDUCE] = {NULL, NULL, all_reduce},
};

enum status gpu_operate(struct gpu *gpu, struct gpu_commands *to, const struct operation *operation,
    struct error *error) {
    return operations[operation->kind].run(gpu, to, operation, error);
}

enum status gpu_enqueue(
    struct device *device, const struct operation *operation, struct error *error) {
    return gpu_operate((struct gpu *)device, NULL, operation, error);
}

/* --- Their kernels --- */

/* Gives the program with a kind's kernel. If an earlier kind's kernel is in the same file, that is
 * its program. Else it is made. */
static enum status get_program(
    struct gpu *gpu, int kind, struct gpu_program **program, struct error *error) {
    const char *file = operations[kind].file;
    for (int earlier = 0; earlier < kind; earlier++)
        if (operations[earlier].file && strcmp(operations[earlier].file, file) == 0) {
            *program = gpu->kernels[earlier].program;
            return STATUS_OK;
        }
    char options[32];
    snprintf(options, sizeof options, "-DGROUP=%zu", group_items(gpu));
    const enum status status = gpu_program_create(gpu, file, options, &gpu->programs[kind], error);
    *program = gpu->programs[kind];
    return status;
}

/* Elements for each operand: as many as one has at least. */
enum { SMALLEST = SQUARE_SUMS };

/* Does an operation once, on operands that are as small as can be and all zeros. */
static enum status run_smallest(
    struct gpu *gpu, struct operation operation, struct view memory, struct error *error) {
    operation.pixels = (struct pixel_format){.channels = 1, .plane = GROUP};
    operation.width = 2; /* of a line: with one element there is nothing to turn */
    for (size_t v = 0; v < operation_operands(&operation); v++) {
        const char letter = operation_types[operation.kind].operands[v].columns;
        const size_t size = operation_size(&operation, letter);
        operation.views[v] = (struct view){memory.buffer, v * SMALLEST, 1,
            size > 0                                            ? size
            : letter == '2'                                     ? 2
            : letter == 'S' && operation.kind == OPERATION_FLIP ? operation.width
                                                                : 1};
    }
    return operation_enqueue(&gpu->base, &operation, error);
}

/* Runs each kernel once, because a driver may finish to compile a kernel only when it first runs,
 * and that must not fall into an epoch, which is timed. The kernels of gemms are left out: the
 * self-check is the first to run them. */
static enum status run_kernels(struct gpu *gpu, struct error *error) {
    static const uint32_t zeros[OPERATION_VIEWS * SMALLEST];
    struct buffer *buffer = NULL;
    enum status status = device_allocate(&gpu->base, OPERATION_VIEWS * SMALLEST, &buffer, error);
    const struct view memory = device_view(buffer, OPERATION_VIEWS, SMALLEST);
    if (status == STATUS_OK)
        status = device_upload(&gpu->base, memory, zeros, error);
    for (int kind = 0; kind < OPERATION_KINDS && status == STATUS_OK; kind++)
        if (operations[kind].kernel)
            status =
                run_smallest(gpu, (struct operation){.kind = kind, .host = zeros}, memory, error);
    const enum status waited = device_synchronise(&gpu->base, status == STATUS_OK ? error : NULL);
    buffer_free(buffer);
    return status == STATUS_OK ? waited : status;
}

enum status gpu_operations_create(struct gpu *gpu, struct error *error) {
    enum status status = device_allocate(&gpu->base, STAGED_ELEMENTS, &gpu->staged[0], error);
    if (status == STATUS_OK)
        status = device_allocate(&gpu->base, STAGED_ELEMENTS, &gpu->staged[1], error);
    for (int kind = 0; kind < OPERATION_KINDS && status == STATUS_OK; kind++) {
        struct gpu_program *program;
        if (!operations[kind].kernel)
            continue;
        status = get_program(gpu, kind, &program, error);
        if (status == STATUS_OK)
            status = gpu_kernel_create(
                gpu, program, operations[kind].kernel, &gpu->kernels[kind], error);
    }
    return status == STATUS_OK ? run_kernels(gpu, error) : status;
}

void gpu_operations_free(struct gpu *gpu) {
    for (int kind = 0; kind < OPERATION_KINDS; kind++)
        gpu_kernel_free(gpu, &gpu->kernels[kind]);
    for (int kind = 0; kind < OPERATION_KINDS; kind++)
        gpu_program_free(gpu, gpu->programs[kind]);
    buffer_free(gpu->staged[0]);
    buffer_free(gpu->staged[1]);
}
