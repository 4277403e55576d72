/* The `cpu` device: OpenBLAS for products, called for the rows of each thread of our own team with
 * its own threads off, and vectorised kernels for the rest. Calls only enqueue (queue.h); the team
 * starts when something waits, or when the queue is full. */
#include "device/cpu/openblas.h"
#include "device/cpu/queue.h"
#include "device/host_device.h"
#include "trainer/dataset.h"
#include "trainer/host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PENDING_COMMANDS = 512,      /* enqueued before the team starts on them by itself */
    RECORDING_COMMANDS = 1 << 16 /* in a recording: 16 MiB; a longer one is done as plain calls */
};

struct cpu_device {
    struct host_device host;
    struct openblas openblas;
    const struct cpu_kernels *kernels;
    struct queue pending;
    struct queue *recorded; /* while recording: where commands go; else NULL */
    bool too_long;          /* the recording has outgrown its limit */
};

struct recording {
    struct queue queue;
};

/* --- Finding and opening --- */

static const struct cpu_kernels *choose_kernels(void) {
#ifdef TRAINER_HAS_AVX2
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return &cpu_kernels_avx2;
#endif
    return &cpu_kernels_baseline;
}

static int usual_threads(const struct openblas *openblas) {
    const int usable = host_usable_threads();
    return usable < openblas->callers ? usable : openblas->callers;
}

static void describe(const struct openblas *openblas, int threads, struct device_info *info) {
    host_device_describe("cpu", threads, info);
    snprintf(
        info->library, sizeof info->library, "OpenBLAS %s %s", openblas->version, openblas->core);
    snprintf(info->kernels, sizeof info->kernels, "%s", choose_kernels()->name);
}

/* What a user should know before quoting its times. `asked`: for this number of threads. */
static void warn_of(const struct openblas *openblas, bool asked, struct device_info *info) {
    const char *core;
    const int usable = host_usable_threads();
    if (openblas_is_mistaken(openblas, &core))
        snprintf(info->warning, sizeof info->warning,
            "OpenBLAS %s does not know this CPU and takes it for a Prescott, at a fraction of its "
            "speed; set OPENBLAS_CORETYPE=%s in the environment, or install a newer OpenBLAS",
            openblas->version, core);
    else if (!asked && info->threads < usable)
        snprintf(info->warning, sizeof info->warning,
            "cpu computes with %d thread%s, though %d could: %s", info->threads,
            info->threads == 1 ? "" : "s", usable,
            info->threads == openblas->callers
                ? openblas->why
                : "OpenMP or the system gives no more (OMP_THREAD_LIMIT, ulimit -u)");
}

static void cpu_list(device_visitor *visit, void *context) {
    struct openblas openblas;
    struct error error;
    struct device_entry entry = {.spec = "cpu"};
    entry.available = openblas_open(&openblas, &error) == STATUS_OK;
    if (entry.available)
        describe(&openblas, usual_threads(&openblas), &entry.info);
    else
        entry.reason = error.message + strlen("cpu: ");
    visit(context, &entry);
    openblas_close(&openblas);
}

static enum status cpu_library(char *text, size_t size, struct error *error) {
    struct openblas openblas;
    const enum status status = openblas_open(&openblas, error);
    if (status == STATUS_OK)
        snprintf(text, size, "OpenBLAS %s", openblas.version);
    openblas_close(&openblas);
    return status;
}

static enum status cpu_find(
    const char *rest, bool automatic, const char **shortly, struct error *error) {
    (void)automatic;
    char text[sizeof((struct device_info){0}.library)];
    *shortly = "its OpenBLAS can't be opened";
    return rest ? error_set(error, STATUS_DEVICE, "cpu: there is only one; ':%s' is too much", rest)
                : cpu_library(text, sizeof text, error);
}

static void cpu_close(struct device *device) {
    struct cpu_device *cpu = (struct cpu_device *)device;
    queue_free(&cpu->pending);
    openblas_close(&cpu->openblas);
    free(cpu);
}

static enum status cpu_open(const char *rest, const struct device_options *options,
    struct device **device, struct error *error) {
    const char *shortly;
    if (cpu_find(rest, false, &shortly, error) != STATUS_OK)
        return STATUS_DEVICE;
    struct cpu_device *cpu = calloc(1, sizeof *cpu);
    if (!cpu)
        return error_memory(error, "the cpu device", sizeof *cpu);
    enum status status = openblas_open(&cpu->openblas, error);
    int threads;
    if (status == STATUS_OK)
        status = host_team_size("cpu", options->threads, usual_threads(&cpu->openblas),
            cpu->openblas.callers, cpu->openblas.why, &threads, error);
    if (status == STATUS_OK && !queue_reserve(&cpu->pending, PENDING_COMMANDS))
        status = error_memory(error, "the cpu device", PENDING_COMMANDS * sizeof(struct command));
    if (status != STATUS_OK) {
        cpu_close(&cpu->host.base);
        return status;
    }
    cpu->kernels = choose_kernels();
    describe(&cpu->openblas, threads, &cpu->host.base.info);
    warn_of(&cpu->openblas, options->threads > 0, &cpu->host.base.info);
    host_device_begin(&cpu->host);
    *device = &cpu->host.base;
    return STATUS_OK;
}

/* --- The queue --- */

/* Does a queue's commands with all of the team: its size is part of the record. */
static enum status run_whole(
    struct cpu_device *cpu, const struct queue *queue, struct error *error) {
    const int threads = cpu->host.base.info.threads, team = queue_run(queue, threads);
    return team == threads
               ? STATUS_OK
               : error_set(error, STATUS_DEVICE,
                     "cpu: OpenMP gave only %d of %d threads in mid-run: is the device used within "
                     "another parallel region, or OMP_THREAD_LIMIT too low for that?",
                     team, threads);
}

static enum status flush(struct cpu_device *cpu, struct error *error) {
    const enum status status = run_whole(cpu, &cpu->pending, error);
    cpu->pending.count = cpu->pending.met = 0;
    return status;
}

/* Makes room in the recording; false when it is, or has become, too long. */
static bool grow_recording(struct cpu_device *cpu) {
    const size_t capacity = cpu->recorded->capacity;
    if (cpu->recorded->count == capacity)
        cpu->too_long = cpu->too_long || capacity >= RECORDING_COMMANDS ||
                        !queue_reserve(cpu->recorded, capacity * 2);
    return !cpu->too_long;
}

static enum status enqueue(struct device *device, struct command command, struct error *error) {
    struct cpu_device *cpu = (struct cpu_device *)device;
    command.kernels = cpu->kernels;
    command.openblas = &cpu->openblas;
    if (cpu->recorded) {
        if (grow_recording(cpu))
            queue_append(cpu->recorded, &command);
        return STATUS_OK;
    }
    enum status status = STATUS_OK;
    if (cpu->pending.count == cpu->pending.capacity)
        status = flush(cpu, error);
    queue_append(&cpu->pending, &command);
    return status;
}

static enum status cpu_synchronise(struct device *device, struct error *error) {
    return flush((struct cpu_device *)device, error);
}

static enum status cpu_record_begin(struct device *device, struct error *error) {
    struct cpu_device *cpu = (struct cpu_device *)device;
    struct recording *recording = calloc(1, sizeof *recording);
    if (!recording || !queue_reserve(&recording->queue, PENDING_COMMANDS)) {
        free(recording);
        return error_memory(error, "a recording", PENDING_COMMANDS * sizeof(struct command));
    }
    cpu->recorded = &recording->queue;
    cpu->too_long = false;
    return STATUS_OK;
}

static void cpu_forget(struct device *device, struct recording *recording) {
    (void)device;
    queue_free(&recording->queue);
    free(recording);
}

static enum status cpu_record_end(
    struct device *device, struct recording **recording, struct error *error) {
    (void)error;
    struct cpu_device *cpu = (struct cpu_device *)device;
    *recording = (struct recording *)cpu->recorded; /* its first member */
    cpu->recorded = NULL;
    if (cpu->too_long) {
        cpu_forget(device, *recording);
        *recording = NULL;
    }
    return STATUS_OK;
}

static enum status cpu_replay(
    struct device *device, struct recording *recording, struct error *error) {
    struct cpu_device *cpu = (struct cpu_device *)device;
    const enum status status = flush(cpu, error);
    return status == STATUS_OK ? run_whole(cpu, &recording->queue, error) : status;
}

/* --- Memory --- */

static void cpu_release(struct buffer *buffer) {
    (void)flush((struct cpu_device *)buffer->device, NULL); /* commands may still use it */
    host_buffer_release(buffer);
}

static enum status cpu_download(
    struct device *device, struct view source, void *host, struct error *error) {
    const enum status status = flush((struct cpu_device *)device, error);
    if (status == STATUS_OK)
        memcpy(host, host_floats(source), source.rows * source.columns * sizeof(float));
    return status;
}

/* --- Operands: what a command uses, and how the team shares it --- */

static struct operand operand(struct view view, size_t rows, bool written) {
    return (struct operand){
        host_floats(view), view.rows * view.columns * sizeof(float), rows, written};
}

static struct operand whole(struct view view) {
    return operand(view, 0, false);
}

static struct operand own_rows(struct view view) {
    return operand(view, view.rows, false);
}

static struct operand written_rows(struct view view) {
    return operand(view, view.rows, true);
}

static struct operand on_host(const void *host, size_t bytes, size_t rows) {
    return (struct operand){host, bytes, rows, false};
}

static const float *read_floats(const struct command *command, int index) {
    return command->operands[index].data;
}

/* The operand that the command writes; enqueue's caller had it as a view of a buffer. */
static float *written_floats(const struct command *command, int index) {
    return (float *)(uintptr_t)command->operands[index].data;
}

/* --- Operations: for each, what a thread does, then how it is enqueued --- */

static void run_dense_forward(const struct command *command, int thread, int threads) {
    const size_t in = command->in, out = command->out;
    const struct slice slice = slice_rows(command->rows, thread, threads);
    const size_t rows = slice.end - slice.first;
    if (rows == 0)
        return;
    const float *x = read_floats(command, 0) + slice.first * in; /* (rows, in) */
    const float *weights = read_floats(command, 1);              /* (in, out) */
    float *y = written_floats(command, 3) + slice.first * out;   /* (rows, out) */
    command->openblas->sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (blasint)rows, (blasint)out,
        (blasint)in, 1.0f, x, (blasint)in, weights, (blasint)out, 0.0f, y, (blasint)out);
    command->kernels->bias_activate(y, read_floats(command, 2), rows, out, command->activation);
}

static enum status cpu_dense_forward(struct device *device, struct view x, struct view weights,
    struct view bias, enum activation activation, struct view y, struct error *error) {
    return enqueue(device,
        (struct command){.run = run_dense_forward,
            .operands = {own_rows(x), whole(weights), whole(bias), written_rows(y)},
            .rows = x.rows,
            .in = x.columns,
            .out = y.columns,
            .activation = activation},
        error);
}

static void run_dense_backward(const struct command *command, int thread, int threads) {
    const size_t in = command->in, out = command->out;
    const struct slice slice = slice_rows(command->rows, thread, threads);
    const size_t rows = slice.end - slice.first;
    if (rows == 0)
        return;
    const float *d_y = read_floats(command, 0) + slice.first * out; /* (rows, out) */
    const float *weights = read_floats(command, 1);                 /* (in, out) */
    const float *x = read_floats(command, 2) + slice.first * in;    /* (rows, in) */
    float *d_x = written_floats(command, 3) + slice.first * in;     /* (rows, in) */
    command->openblas->sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (blasint)rows, (blasint)in,
        (blasint)out, 1.0f, d_y, (blasint)out, weights, (blasint)out, 0.0f, d_x, (blasint)in);
    command->kernels->multiply_slope(d_x, x, rows * in, command->activation);
}

static enum status cpu_dense_backward(struct device *device, struct view d_y, struct view weights,
    struct view x, enum activation activation, struct view d_x, struct error *error) {
    return enqueue(device,
        (struct command){.run = run_dense_backward,
            .operands = {own_rows(d_y), whole(weights), own_rows(x), written_rows(d_x)},
            .rows = x.rows,
            .in = x.columns,
            .out = d_y.columns,
            .activation = activation},
        error);
}

/* Each thread has rows of the weights, and columns of the bias. */
static void run_dense_update(const struct command *command, int thread, int threads) {
    const size_t batch = command->rows, in = command->in, out = command->out;
    const struct slice slice = slice_rows(in, thread, threads);
    const size_t rows = slice.end - slice.first;
    const float *x = read_floats(command, 0) + slice.first;          /* (batch, rows) of in */
    const float *d_y = read_floats(command, 1);                      /* (batch, out) */
    float *weights = written_floats(command, 2) + slice.first * out; /* (rows, out) */
    if (rows > 0)
        command->openblas->sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (blasint)rows,
            (blasint)out, (blasint)batch, command->scale, x, (blasint)in, d_y, (blasint)out, 1.0f,
            weights, (blasint)out);
    const struct slice columns = slice_rows(out, thread, threads);
    command->kernels->add_column_sums(
        written_floats(command, 3), d_y, batch, out, columns.first, columns.end, command->scale);
}

static enum status cpu_dense_update(struct device *device, struct view x, struct view d_y,
    float scale, struct view weights, struct view bias, struct error *error) {
    return enqueue(device,
        (struct command){.run = run_dense_update,
            .operands = {whole(x), whole(d_y), written_rows(weights), operand(bias, 0, true)},
            .rows = x.rows,
            .in = x.columns,
            .out = d_y.columns,
            .scale = scale},
        error);
}

static void run_softmax_cross_entropy(const struct command *command, int thread, int threads) {
    const size_t classes = command->out;
    const struct slice slice = slice_rows(command->rows, thread, threads);
    const uint32_t *labels = command->operands[1].data;
    command->kernels->softmax_cross_entropy(written_floats(command, 0) + slice.first * classes,
        labels + slice.first, slice.end - slice.first, classes, command->scale,
        written_floats(command, 2) + slice.first * 2);
}

static enum status cpu_softmax_cross_entropy(struct device *device, struct view logits,
    struct view labels, float scale, struct view score, struct error *error) {
    return enqueue(device,
        (struct command){.run = run_softmax_cross_entropy,
            .operands = {written_rows(logits), own_rows(labels), written_rows(score)},
            .rows = logits.rows,
            .out = logits.columns,
            .scale = scale},
        error);
}

static void run_gather_rows(const struct command *command, int thread, int threads) {
    const size_t columns = command->out;
    const struct slice slice = slice_rows(command->rows, thread, threads);
    const float *source = read_floats(command, 0);
    const uint32_t *index = command->operands[1].data;
    float *destination = written_floats(command, 2);
    for (size_t i = slice.first; i < slice.end; i++)
        memcpy(destination + i * columns, source + index[i] * columns, columns * sizeof(float));
}

static enum status cpu_gather_rows(struct device *device, struct view source, struct view index,
    struct view destination, struct error *error) {
    return enqueue(device,
        (struct command){.run = run_gather_rows,
            .operands = {whole(source), own_rows(index), written_rows(destination)},
            .rows = destination.rows,
            .out = destination.columns},
        error);
}

static void run_upload(const struct command *command, int thread, int threads) {
    const size_t row = command->out * sizeof(float);
    const struct slice slice = slice_rows(command->rows, thread, threads);
    memcpy((char *)written_floats(command, 1) + slice.first * row,
        (const char *)command->operands[0].data + slice.first * row,
        (slice.end - slice.first) * row);
}

static enum status cpu_upload(
    struct device *device, struct view destination, const void *host, struct error *error) {
    const size_t bytes = destination.rows * destination.columns * sizeof(float);
    return enqueue(device,
        (struct command){.run = run_upload,
            .operands = {on_host(host, bytes, destination.rows), written_rows(destination)},
            .rows = destination.rows,
            .out = destination.columns},
        error);
}

static void run_upload_pixels(const struct command *command, int thread, int threads) {
    const struct slice slice = slice_rows(command->rows, thread, threads);
    const uint8_t *pixels = command->operands[0].data;
    command->kernels->convert_pixels(written_floats(command, 1) + slice.first * command->out,
        pixels + slice.first * CIFAR10_PIXELS, slice.end - slice.first, command->color);
}

static enum status cpu_upload_pixels(struct device *device, const uint8_t *host, enum color color,
    struct view destination, struct error *error) {
    return enqueue(device,
        (struct command){.run = run_upload_pixels,
            .operands = {on_host(host, destination.rows * CIFAR10_PIXELS, destination.rows),
                written_rows(destination)},
            .rows = destination.rows,
            .out = destination.columns,
            .color = color},
        error);
}

const struct device_type cpu_device_type = {
    .kind = "cpu",
    .automatic = true,
    .list = cpu_list,
    .library = cpu_library,
    .find = cpu_find,
    .open = cpu_open,
    .close = cpu_close,
    .environment = openblas_environment,
    .allocate = host_buffer_allocate,
    .memory = host_device_memory,
    .release = cpu_release,
    .upload = cpu_upload,
    .download = cpu_download,
    .synchronise = cpu_synchronise,
    .record_begin = cpu_record_begin,
    .record_end = cpu_record_end,
    .replay = cpu_replay,
    .forget = cpu_forget,
    .dense_forward = cpu_dense_forward,
    .dense_backward = cpu_dense_backward,
    .dense_update = cpu_dense_update,
    .softmax_cross_entropy = cpu_softmax_cross_entropy,
    .gather_rows = cpu_gather_rows,
    .upload_pixels = cpu_upload_pixels,
};
