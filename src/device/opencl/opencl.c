/* The `opencl` device: our own kernels (kernels/) and CLBlast, through whatever driver the OpenCL
 * loader finds. Calls only enqueue, on one queue that keeps their order. */
#include "device/opencl/opencl.h"

#include "device/opencl/commands.h"
#include "device/opencl/platforms.h"
#include "device/opencl/products.h"
#include "device/opencl/program.h"
#include "device/opencl/status.h"
#include "trainer/dataset.h"

#include <stdio.h>
#include <stdlib.h>

/* Items of the groups of kernels/samples.cl, and the samples whose pixels are sent in one go. */
enum { GROUP = 64, STAGED_SAMPLES = 4096 };

struct opencl_device {
    struct opencl base;
    struct products products;
    cl_program samples;
    struct opencl_kernel softmax_cross_entropy, gather_rows, convert_pixels;
    cl_mem staged; /* the bytes of STAGED_SAMPLES samples */
};

static struct opencl *opencl_of(struct device *device) {
    return (struct opencl *)device;
}

static struct opencl_device *whole_of(struct device *device) {
    return (struct opencl_device *)device;
}

/* --- Opening --- */

/* With a number of threads, a CPU is divided: the first `threads` of its compute units are taken.
 */
static enum status divide(struct opencl *opencl, int threads, struct error *error) {
    const int units = opencl->base.info.units;
    if (threads == 0 || !opencl_is_cpu(opencl) || threads == units)
        return STATUS_OK;
    if (threads > units)
        return error_set(error, STATUS_DEVICE,
            "opencl: '%s' has %d compute units, not %d: lower "
            "--threads",
            opencl->base.info.name, units, threads);
    const cl_device_partition_property properties[] = {
        CL_DEVICE_PARTITION_BY_COUNTS, threads, CL_DEVICE_PARTITION_BY_COUNTS_LIST_END, 0};
    cl_device_id part = NULL;
    const cl_int code = clCreateSubDevices(opencl->id, properties, 1, &part, NULL);
    if (code != CL_SUCCESS)
        return opencl_failed("clCreateSubDevices", code, "for --threads", error);
    opencl->id = part;
    opencl->divided = true;
    opencl->base.info.units = opencl->base.info.threads = threads;
    return STATUS_OK;
}

static enum status get_limits(struct opencl *opencl, struct error *error) {
    cl_ulong memory = 0, buffer = 0, local = 0;
    enum status status =
        opencl_device_info(opencl->id, CL_DEVICE_GLOBAL_MEM_SIZE, &memory, sizeof memory, error);
    if (status == STATUS_OK)
        status = opencl_device_info(
            opencl->id, CL_DEVICE_MAX_MEM_ALLOC_SIZE, &buffer, sizeof buffer, error);
    if (status == STATUS_OK)
        status =
            opencl_device_info(opencl->id, CL_DEVICE_LOCAL_MEM_SIZE, &local, sizeof local, error);
    if (status == STATUS_OK)
        status = opencl_device_info(opencl->id, CL_DEVICE_MAX_WORK_GROUP_SIZE,
            &opencl->largest_group, sizeof opencl->largest_group, error);
    opencl->memory_bytes = memory > SIZE_MAX ? SIZE_MAX : (size_t)memory;
    opencl->buffer_bytes = buffer > SIZE_MAX ? SIZE_MAX : (size_t)buffer;
    opencl->local_bytes = (size_t)local;
    return status;
}

static enum status create_queue(struct opencl *opencl, struct error *error) {
    cl_int code;
    opencl->context = clCreateContext(NULL, 1, &opencl->id, NULL, NULL, &code);
    if (!opencl->context)
        return opencl_failed("clCreateContext", code, opencl->base.info.name, error);
    opencl->queue = clCreateCommandQueue(opencl->context, opencl->id, 0, &code);
    return opencl->queue ? STATUS_OK : opencl_failed("clCreateCommandQueue", code, "", error);
}

static enum status create_kernels(
    struct opencl_device *whole, const char *gemm, struct error *error) {
    struct opencl *opencl = &whole->base;
    struct {
        const char *name;
        struct opencl_kernel *kernel;
    } const kernels[] = {{"softmax_cross_entropy", &whole->softmax_cross_entropy},
        {"gather_rows", &whole->gather_rows}, {"convert_pixels", &whole->convert_pixels}};
    enum status status = products_create(opencl, gemm, &whole->products, error);
    if (status == STATUS_OK)
        status = opencl_program(opencl, "samples.cl", "", &whole->samples, error);
    for (size_t k = 0; k < sizeof kernels / sizeof *kernels && status == STATUS_OK; k++)
        status = opencl_kernel_create(whole->samples, kernels[k].name, kernels[k].kernel, error);
    return status;
}

static enum status create_buffer(
    struct opencl *opencl, size_t bytes, cl_mem *memory, struct error *error) {
    const size_t free_bytes = opencl->memory_bytes - opencl->used_bytes;
    const char *refused = "more than there is";
    *memory = NULL;
    /* Many drivers find out that memory is short only when a kernel uses it. */
    if (bytes <= opencl->buffer_bytes && bytes <= free_bytes) {
        cl_int code;
        *memory = clCreateBuffer(opencl->context, CL_MEM_READ_WRITE, bytes, NULL, &code);
        refused = opencl_status_name(code);
    }
    if (!*memory)
        return error_set(error, STATUS_DEVICE,
            "opencl: out of memory: a buffer of %zu bytes: %s; '%s' has %zu bytes, of which %zu "
            "are "
            "free, and buffers of %zu bytes at most; lower --batch-size, the widths of --layers, "
            "or "
            "use --batches streamed",
            bytes, refused, opencl->base.info.name, opencl->memory_bytes, free_bytes,
            opencl->buffer_bytes);
    opencl->used_bytes += bytes;
    return STATUS_OK;
}

/* Drivers finish a kernel's compilation when it first runs: here, and not when it is timed. The
 * products are run by whoever asks for them first, the self-check. */
static enum status run_kernels(struct device *device, struct error *error) {
    static const uint8_t pixels[CIFAR10_PIXELS];
    static const uint32_t zeros[4];
    struct buffer *buffer = NULL;
    enum status status = device_allocate(device, CIFAR10_PLANE + 8, &buffer, error);
    const struct view small = {buffer, CIFAR10_PLANE, 1, 2};
    const struct view label = {buffer, CIFAR10_PLANE + 2, 1, 1};
    const struct view score = {buffer, CIFAR10_PLANE + 4, 1, 2};
    if (status == STATUS_OK)
        status = device_upload(device, (struct view){buffer, CIFAR10_PLANE, 1, 4}, zeros, error);
    if (status == STATUS_OK)
        status = device_softmax_cross_entropy(device, small, label, 0.0f, score, error);
    if (status == STATUS_OK)
        status = device_gather_rows(device, small, label, score, error);
    if (status == STATUS_OK)
        status = device_upload_pixels(
            device, pixels, COLOR_GREY, device_view(buffer, 1, CIFAR10_PLANE), error);
    const enum status waited = device_synchronise(device, status == STATUS_OK ? error : NULL);
    device_release(buffer);
    return status == STATUS_OK ? waited : status;
}

static void opencl_close(struct device *device);
extern const struct device_type opencl_device_type;

static enum status set_up(
    struct opencl_device *whole, const struct device_options *options, struct error *error) {
    struct opencl *opencl = &whole->base;
    struct device_info *info = &opencl->base.info;
    enum status status = opencl_describe(opencl->id, info, error);
    if (status == STATUS_OK)
        status = divide(opencl, options->threads, error);
    if (status == STATUS_OK)
        status = opencl_identify(opencl, error);
    if (status == STATUS_OK)
        status = get_limits(opencl, error);
    if (status == STATUS_OK)
        status = create_queue(opencl, error);
    if (status == STATUS_OK)
        status = create_kernels(whole, options->gemm, error);
    if (status == STATUS_OK)
        status =
            create_buffer(opencl, (size_t)STAGED_SAMPLES * CIFAR10_PIXELS, &whole->staged, error);
    if (status == STATUS_OK)
        status = run_kernels(&opencl->base, error);
    return status;
}

static enum status opencl_open(const char *rest, const struct device_options *options,
    struct device **device, struct error *error) {
    struct opencl_place place;
    enum status status = opencl_choose(rest, options->automatic, &place, error);
    if (status != STATUS_OK)
        return status;
    struct opencl_device *whole = calloc(1, sizeof *whole);
    if (!whole)
        return error_memory(error, "the opencl device", sizeof *whole);
    whole->base.base.type = &opencl_device_type;
    whole->base.id = place.id;
    status = set_up(whole, options, error);
    if (status == STATUS_OK)
        *device = &whole->base.base;
    else
        opencl_close(&whole->base.base);
    return status;
}

static void opencl_close(struct device *device) {
    struct opencl *opencl = opencl_of(device);
    struct opencl_device *whole = whole_of(device);
    if (opencl->queue)
        clFinish(opencl->queue);
    opencl_forget_mark(opencl);
    products_free(&whole->products);
    opencl_kernel_free(&whole->softmax_cross_entropy);
    opencl_kernel_free(&whole->gather_rows);
    opencl_kernel_free(&whole->convert_pixels);
    if (whole->samples)
        clReleaseProgram(whole->samples);
    if (whole->staged)
        clReleaseMemObject(whole->staged);
    if (opencl->queue)
        clReleaseCommandQueue(opencl->queue);
    if (opencl->context)
        clReleaseContext(opencl->context);
    if (opencl->divided)
        clReleaseDevice(opencl->id);
    free(whole);
}

/* --- Memory --- */

static enum status opencl_allocate(
    struct device *device, size_t elements, struct buffer **buffer, struct error *error) {
    struct opencl_buffer *allocated = calloc(1, sizeof *allocated);
    if (!allocated)
        return error_memory(error, "a buffer", sizeof *allocated);
    const enum status status =
        create_buffer(opencl_of(device), elements * sizeof(cl_float), &allocated->memory, error);
    if (status != STATUS_OK) {
        free(allocated);
        return status;
    }
    *buffer = &allocated->base;
    return STATUS_OK;
}

static void opencl_release(struct buffer *buffer) {
    struct opencl *opencl = opencl_of(buffer->device);
    clFinish(opencl->queue);
    clReleaseMemObject(((struct opencl_buffer *)buffer)->memory);
    opencl->used_bytes -= buffer->elements * sizeof(cl_float);
    free(buffer);
}

static struct device_memory opencl_memory_left(const struct device *device) {
    const struct opencl *opencl = (const struct opencl *)device;
    return (struct device_memory){opencl->memory_bytes - opencl->used_bytes, opencl->buffer_bytes};
}

static enum status opencl_upload(
    struct device *device, struct view destination, const void *host, struct error *error) {
    struct opencl *opencl = opencl_of(device);
    const cl_int code = clEnqueueWriteBuffer(opencl->queue, opencl_memory(destination), CL_FALSE,
        destination.offset * sizeof(cl_float),
        destination.rows * destination.columns * sizeof(cl_float), host, 0, NULL, NULL);
    return code == CL_SUCCESS ? opencl_flush(opencl, error)
                              : opencl_failed("clEnqueueWriteBuffer", code, "upload", error);
}

static enum status opencl_download(
    struct device *device, struct view source, void *host, struct error *error) {
    struct opencl *opencl = opencl_of(device);
    const cl_int code = clEnqueueReadBuffer(opencl->queue, opencl_memory(source), CL_TRUE,
        source.offset * sizeof(cl_float), source.rows * source.columns * sizeof(cl_float), host, 0,
        NULL, NULL);
    return code == CL_SUCCESS ? STATUS_OK
                              : opencl_failed("clEnqueueReadBuffer", code, "download", error);
}

static enum status opencl_synchronise(struct device *device, struct error *error) {
    return opencl_finish(opencl_of(device), error);
}

/* --- Operations --- */

static enum status opencl_dense_forward(struct device *device, struct view x, struct view weights,
    struct view bias, enum activation activation, struct view y, struct error *error) {
    return products_forward(&whole_of(device)->products, x, weights, bias, activation, y, error);
}

static enum status opencl_dense_backward(struct device *device, struct view d_y,
    struct view weights, struct view x, enum activation activation, struct view d_x,
    struct error *error) {
    return products_backward(&whole_of(device)->products, d_y, weights, x, activation, d_x, error);
}

static enum status opencl_dense_update(struct device *device, struct view x, struct view d_y,
    float scale, struct view weights, struct view bias, struct error *error) {
    return products_update(&whole_of(device)->products, x, d_y, scale, weights, bias, error);
}

/* An item for each of `columns` columns of each row, in groups of a power of two. */
static struct opencl_grid grid_of(const struct opencl *opencl, size_t columns, size_t rows) {
    size_t items = GROUP;
    while (items > opencl->largest_group)
        items /= 2;
    return (struct opencl_grid){{(columns + items - 1) / items, rows, 1}, {items, 1, 1}};
}

static enum status opencl_softmax_cross_entropy(struct device *device, struct view logits,
    struct view labels, float scale, struct view score, struct error *error) {
    struct opencl *opencl = opencl_of(device);
    return OPENCL_LAUNCH(opencl, &whole_of(device)->softmax_cross_entropy,
        grid_of(opencl, logits.rows, 1), error, ARGUMENT_VIEW(logits), ARGUMENT_VIEW(labels),
        ARGUMENT_VIEW(score), ARGUMENT_NUMBER(logits.rows), ARGUMENT_NUMBER(logits.columns),
        ARGUMENT_REAL(scale));
}

static enum status opencl_gather_rows(struct device *device, struct view source, struct view index,
    struct view destination, struct error *error) {
    struct opencl *opencl = opencl_of(device);
    return OPENCL_LAUNCH(opencl, &whole_of(device)->gather_rows,
        grid_of(opencl, destination.columns, destination.rows), error, ARGUMENT_VIEW(source),
        ARGUMENT_VIEW(index), ARGUMENT_VIEW(destination), ARGUMENT_NUMBER(destination.rows),
        ARGUMENT_NUMBER(destination.columns));
}

static enum status opencl_upload_pixels(struct device *device, const uint8_t *host,
    enum color color, struct view destination, struct error *error) {
    struct opencl *opencl = opencl_of(device);
    struct opencl_device *whole = whole_of(device);
    if (opencl_spoil_recording(opencl))
        return STATUS_OK;
    for (size_t done = 0; done < destination.rows; done += STAGED_SAMPLES) {
        const size_t left = destination.rows - done;
        const size_t count = left < STAGED_SAMPLES ? left : STAGED_SAMPLES;
        const struct view rows = view_rows(destination, done, count);
        const cl_int code = clEnqueueWriteBuffer(opencl->queue, whole->staged, CL_FALSE, 0,
            count * CIFAR10_PIXELS, host + done * CIFAR10_PIXELS, 0, NULL, NULL);
        if (code != CL_SUCCESS)
            return opencl_failed("clEnqueueWriteBuffer", code, "pixels", error);
        const enum status status =
            OPENCL_LAUNCH(opencl, &whole->convert_pixels, grid_of(opencl, rows.columns, count),
                error, {sizeof(cl_mem), {.memory = whole->staged}}, ARGUMENT_VIEW(rows),
                ARGUMENT_NUMBER(color == COLOR_GREY));
        if (status != STATUS_OK)
            return status;
    }
    return opencl_flush(opencl, error);
}

const struct device_type opencl_device_type = {
    .kind = "opencl",
    .automatic = true,
    .gemms = opencl_gemms,
    .list = opencl_list,
    .open = opencl_open,
    .close = opencl_close,
    .allocate = opencl_allocate,
    .release = opencl_release,
    .memory = opencl_memory_left,
    .upload = opencl_upload,
    .download = opencl_download,
    .synchronise = opencl_synchronise,
    .record_begin = opencl_record_begin,
    .record_end = opencl_record_end,
    .replay = opencl_replay,
    .forget = opencl_forget,
    .dense_forward = opencl_dense_forward,
    .dense_backward = opencl_dense_backward,
    .dense_update = opencl_dense_update,
    .softmax_cross_entropy = opencl_softmax_cross_entropy,
    .gather_rows = opencl_gather_rows,
    .upload_pixels = opencl_upload_pixels,
};
