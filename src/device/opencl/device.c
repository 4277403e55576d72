/* The `opencl` device: our own kernels (kernels/) and CLBlast, through whatever driver the OpenCL
 * loader finds. Calls only enqueue, on one queue that keeps their order. */
#include "device/opencl/device.h"

#include "device/opencl/discovery.h"
#include "device/opencl/drivers.h"
#include "device/opencl/program.h"
#include "device/opencl/queue.h"
#include "device/opencl/status.h"

#include "trainer/host.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

static struct opencl *opencl_of_device(struct device *device) {
    return (struct opencl *)device;
}

/* --- Opening --- */

/* With a number of threads, a CPU is divided: the first `threads` of its compute units are taken.
 */
static enum status divide(struct opencl *opencl, int threads, struct error *error) {
    struct device_info *info = &opencl->gpu.base.info;
    if (threads == 0 || !opencl_is_cpu(opencl) || threads == info->units)
        return STATUS_OK;
    if (threads > info->units)
        return error_set(error, STATUS_DEVICE,
            "opencl: '%s' has %d compute units, not %d: lower --threads", info->name, info->units,
            threads);
    const cl_device_partition_property properties[] = {
        CL_DEVICE_PARTITION_BY_COUNTS, threads, CL_DEVICE_PARTITION_BY_COUNTS_LIST_END, 0};
    cl_device_id part = NULL;
    const cl_int code = clCreateSubDevices(opencl->id, properties, 1, &part, NULL);
    if (code != CL_SUCCESS)
        return opencl_failed("clCreateSubDevices", code, "for --threads", error);
    opencl->id = part;
    opencl->divided = true;
    info->units = info->threads = threads;
    return STATUS_OK;
}

static enum status get_limits(struct opencl *opencl, struct error *error) {
    struct gpu *gpu = &opencl->gpu;
    cl_ulong memory = 0, buffer = 0, local = 0;
    cl_uint width = 1;
    const struct {
        cl_device_info what;
        void *value;
        size_t size;
    } limits[] = {
        {CL_DEVICE_GLOBAL_MEM_SIZE, &memory, sizeof memory},
        {CL_DEVICE_MAX_MEM_ALLOC_SIZE, &buffer, sizeof buffer},
        {CL_DEVICE_LOCAL_MEM_SIZE, &local, sizeof local},
        {CL_DEVICE_MAX_WORK_GROUP_SIZE, &gpu->largest_group, sizeof gpu->largest_group},
        {CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT, &width, sizeof width},
    };
    enum status status = STATUS_OK;
    for (size_t l = 0; l < sizeof limits / sizeof *limits && status == STATUS_OK; l++)
        status =
            opencl_device_info(opencl->id, limits[l].what, limits[l].value, limits[l].size, error);
    /* A driver for the CPU counts the machine's memory, and no limit of this process. */
    const unsigned long long host =
        opencl_is_cpu(opencl) ? host_memory_left(&gpu->host_limit) : ULLONG_MAX;
    memory = memory < host ? memory : host;
    buffer = buffer < memory ? buffer : memory;
    gpu->host_bytes = host > SIZE_MAX ? SIZE_MAX : (size_t)host;
    gpu->memory_bytes = memory > SIZE_MAX ? SIZE_MAX : (size_t)memory;
    gpu->buffer_bytes = buffer > SIZE_MAX ? SIZE_MAX : (size_t)buffer;
    gpu->group_bytes = (size_t)local;
    gpu->vector_width = width;
    return status;
}

static enum status create_queue(struct opencl *opencl, struct error *error) {
    cl_int code;
    opencl->context = clCreateContext(NULL, 1, &opencl->id, NULL, NULL, &code);
    if (!opencl->context)
        return opencl_failed("clCreateContext", code, opencl->gpu.base.info.name, error);
    opencl->queue = clCreateCommandQueue(opencl->context, opencl->id, 0, &code);
    return opencl->queue ? STATUS_OK : opencl_failed("clCreateCommandQueue", code, "", error);
}

/* CLBlast keeps programs, and with them the context; other devices compile theirs again. */
static void forget_library(struct gpu *gpu) {
    (void)gpu;
    CLBlastClearCache();
}

static const struct gpu_driver driver = {
    .library = "clblast",
    .library_share = 0.8, /* it compiles at every start, and is to be checked */
    /* CLBlast up to 1.6.2 multiplies wrong on some Intel and Apple GPUs, square matrices from this
     * side on: github.com/CNugteren/CLBlast/issues/542. */
    .doubtful = 1152,
    .compile = opencl_compile,
    .free_program = opencl_free_program,
    .create_function = opencl_create_function,
    .free_function = opencl_free_function,
    .upload = opencl_upload,
    .gemm_work = opencl_gemm_work,
    .enqueue = opencl_enqueue,
    .finish = opencl_finish,
    .forget_library = forget_library,
    .prepare = opencl_prepare,
};

static void opencl_close(struct device *device);
extern const struct device_type opencl_device_type;

/* Another device may have been the better one. */
static void warn_of_left_out(struct device_info *info) {
    char lines[sizeof info->warning];
    const size_t used = strlen(info->warning);
    opencl_list_left_out(lines, sizeof lines);
    snprintf(info->warning + used, sizeof info->warning - used, "%s",
        used == 0 && lines[0] ? lines + strlen("; ") : lines);
}

static enum status set_up(
    struct opencl *opencl, const struct device_options *options, struct error *error) {
    enum status status = opencl_describe(opencl->id, &opencl->gpu.base.info, error);
    warn_of_left_out(&opencl->gpu.base.info);
    if (status == STATUS_OK)
        status = divide(opencl, options->threads, error);
    if (status == STATUS_OK)
        status = opencl_identify(opencl, error);
    if (status == STATUS_OK)
        status = get_limits(opencl, error);
    if (status == STATUS_OK)
        status = create_queue(opencl, error);
    return status == STATUS_OK ? gpu_open(&opencl->gpu, &opencl_device_type, options->gemm, error)
                               : status;
}

static enum status opencl_open(const char *rest, const struct device_options *options,
    struct device **device, struct error *error) {
    struct opencl_place place;
    enum status status = opencl_choose(rest, options->automatic, &place, error);
    if (status != STATUS_OK)
        return status;
    struct opencl *opencl = calloc(1, sizeof *opencl);
    if (!opencl)
        return error_memory(error, "the opencl device", sizeof *opencl);
    opencl->gpu.driver = &driver;
    opencl->id = place.id;
    status = set_up(opencl, options, error);
    if (status == STATUS_OK)
        *device = &opencl->gpu.base;
    else
        opencl_close(&opencl->gpu.base);
    return status;
}

static void opencl_close(struct device *device) {
    struct opencl *opencl = opencl_of_device(device);
    if (opencl->queue)
        clFinish(opencl->queue);
    opencl_forget_mark(opencl);
    gpu_close(&opencl->gpu);
    if (opencl->queue)
        clReleaseCommandQueue(opencl->queue);
    if (opencl->context)
        clReleaseContext(opencl->context);
    if (opencl->divided)
        clReleaseDevice(opencl->id);
    free(opencl);
}

/* --- Memory --- */

static enum status opencl_allocate(
    struct device *device, size_t elements, struct buffer **buffer, struct error *error) {
    struct opencl *opencl = opencl_of_device(device);
    const size_t bytes = elements * sizeof(cl_float);
    struct opencl_buffer *allocated = calloc(1, sizeof *allocated);
    if (!allocated)
        return error_memory(error, "a buffer", sizeof *allocated);
    cl_int code = CL_SUCCESS;
    /* Many drivers find out that memory is short only when a kernel uses it. */
    if (gpu_has_room(&opencl->gpu, bytes))
        allocated->memory = clCreateBuffer(opencl->context, CL_MEM_READ_WRITE, bytes, NULL, &code);
    if (!allocated->memory) {
        free(allocated);
        return gpu_out_of_memory(
            &opencl->gpu, bytes, code == CL_SUCCESS ? NULL : opencl_status_name(code), error);
    }
    opencl->gpu.used_bytes += bytes;
    *buffer = &allocated->base;
    return STATUS_OK;
}

static void opencl_release(struct buffer *buffer) {
    struct opencl *opencl = opencl_of_device(buffer->device);
    clFinish(opencl->queue);
    clReleaseMemObject(opencl_memory(buffer));
    opencl->gpu.used_bytes -= buffer->elements * sizeof(cl_float);
    free(buffer);
}

static enum status opencl_download(
    struct device *device, struct view source, void *host, struct error *error) {
    struct opencl *opencl = opencl_of_device(device);
    const cl_int code = clEnqueueReadBuffer(opencl->queue, opencl_memory(source.buffer), CL_TRUE,
        source.offset * sizeof(cl_float), source.rows * source.columns * sizeof(cl_float), host, 0,
        NULL, NULL);
    return code == CL_SUCCESS ? STATUS_OK
                              : opencl_failed("clEnqueueReadBuffer", code, "download", error);
}

static enum status opencl_synchronise(struct device *device, struct error *error) {
    return opencl_finish((struct gpu *)device, error);
}

static const char *const gemms[] = {"clblast", "own", "own-host", "own-small", "own-medium", NULL};

const struct device_type opencl_device_type = {
    .kind = "opencl",
    .automatic = true,
    .gpu = true,
    .gemms = gemms,
    .list = opencl_list,
    .library = opencl_library,
    .find = opencl_find,
    .open = opencl_open,
    .close = opencl_close,
    .driver_environment = opencl_driver_environment,
    .allocate = opencl_allocate,
    .release = opencl_release,
    .download = opencl_download,
    .synchronise = opencl_synchronise,
    .longest = 1 << 13, /* a kernel or two each */
    GPU_OPERATIONS,
};
