/* The `opencl` device: our own kernels (kernels/) and CLBlast, through whatever driver the OpenCL
 * loader finds. Calls only enqueue commands, on one queue that keeps their order. */
#include "device/opencl/device.h"

#include "device/gpu/gemm_tile.h"
#include "device/gpu/program.h"
#include "device/opencl/discovery.h"
#include "device/opencl/drivers.h"
#include "device/opencl/memory.h"
#include "device/opencl/program.h"
#include "device/opencl/queue.h"
#include "device/opencl/status.h"
#include "trainer/host.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

/* --- Opening --- */

/* Applies the option for threads. It divides a CPU, and takes the first `threads` of its compute
 * units. On any other device it has no effect. */
static enum status set_options(
    struct opencl *opencl, const struct device_options *options, struct error *error) {
    struct device_info *info = &opencl->gpu.base.info;
    const int threads = options->threads;
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

/* Fills compiled_for. Code is good for this device with this driver alone. Times depend on nothing
 * more, so timed_on stays empty. */
static enum status identify(struct opencl *opencl, struct error *error) {
    const struct device_info *info = &opencl->gpu.base.info;
    char version[128] = "";
    const enum status status =
        opencl_device_info(opencl->id, CL_DEVICE_VERSION, version, sizeof version - 1, error);
    snprintf(opencl->gpu.compiled_for, sizeof opencl->gpu.compiled_for,
        "%s\n%s\n%s\n%s\n%s\n%s\n%d", info->platform, info->vendor, info->name, info->driver,
        version, info->kernels, info->units);
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

static enum status get_limits(struct opencl *opencl, struct error *error) {
    struct gpu *gpu = &opencl->gpu;
    cl_ulong memory = 0, buffer = 0, local = 0, cache = 0;
    cl_uint width = 1;
    const struct {
        cl_device_info what;
        void *value;
        size_t size;
    } limits[] = {
        {CL_DEVICE_GLOBAL_MEM_SIZE, &memory, sizeof memory},
        {CL_DEVICE_MAX_MEM_ALLOC_SIZE, &buffer, sizeof buffer},
        {CL_DEVICE_LOCAL_MEM_SIZE, &local, sizeof local},
        {CL_DEVICE_GLOBAL_MEM_CACHE_SIZE, &cache, sizeof cache},
        {CL_DEVICE_MAX_WORK_GROUP_SIZE, &gpu->largest_group, sizeof gpu->largest_group},
        {CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT, &width, sizeof width},
    };
    enum status status = STATUS_OK;
    for (size_t l = 0; l < sizeof limits / sizeof *limits && status == STATUS_OK; l++)
        status =
            opencl_device_info(opencl->id, limits[l].what, limits[l].value, limits[l].size, error);
    /* A driver for the CPU reports the memory of the whole machine, and no limit of this process.
     */
    const unsigned long long host =
        opencl_is_cpu(opencl) ? host_memory_left(&gpu->host_limit) : ULLONG_MAX;
    memory = memory < host ? memory : host;
    buffer = buffer < memory ? buffer : memory;
    gpu->host_bytes = host > SIZE_MAX ? SIZE_MAX : (size_t)host;
    gpu->memory_bytes = memory > SIZE_MAX ? SIZE_MAX : (size_t)memory;
    gpu->buffer_bytes = buffer > SIZE_MAX ? SIZE_MAX : (size_t)buffer;
    gpu->group_bytes = (size_t)local;
    gpu->cache_bytes = opencl_is_cpu(opencl) ? 0 : (size_t)cache; /* a CPU's may hold them all */
    gpu->vector_width = width;
    gpu->ways[STEP_FUSED] = true;
    return status;
}

/* Frees the programs that CLBlast keeps, because they keep the context. If another device is open,
 * CLBlast compiles that one's programs again. */
static void free_library(struct gpu *gpu) {
    (void)gpu;
    CLBlastClearCache();
}

static const char library[] = "clblast";

static const struct gpu_driver driver = {
    .library = library,
    .library_share = 0.8, /* it must gain what its compilation and its check cost at each start */
    /* On some Intel and Apple GPUs, CLBlast up to 1.6.2 computes wrong products of square matrices
     * with this side or a longer one: github.com/CNugteren/CLBlast/issues/542. */
    .suspect_side = 1152,
    .language = OPENCL_LANGUAGE,
    .compile = opencl_compile_program,
    .load = opencl_load_program,
    .free_program = opencl_free_program,
    .create_function = opencl_create_function,
    .free_function = opencl_free_function,
    .upload = opencl_upload,
    .gemm_workspace = opencl_gemm_workspace,
    .enqueue = opencl_enqueue,
    .synchronise = opencl_synchronise,
    .free_library = free_library,
    .prepare = opencl_prepare,
};

static void opencl_close(struct device *device);
extern const struct device_type opencl_device_type;

static enum status set_up(struct opencl *opencl, const char *rest,
    const struct device_options *options, struct error *error) {
    enum status status = opencl_choose(rest, options, opencl, error);
    if (status == STATUS_OK)
        status = set_options(opencl, options, error);
    if (status == STATUS_OK)
        status = identify(opencl, error);
    if (status == STATUS_OK)
        status = create_queue(opencl, error);
    if (status == STATUS_OK)
        status = get_limits(opencl, error);
    return status == STATUS_OK ? gpu_open(&opencl->gpu, &opencl_device_type, options, error)
                               : status;
}

static enum status opencl_open(const char *rest, const struct device_options *options,
    struct device **device, struct error *error) {
    struct opencl *opencl = calloc(1, sizeof *opencl);
    if (!opencl)
        return error_memory(error, "the opencl device", sizeof *opencl);
    opencl->gpu.driver = &driver;
    const enum status status = set_up(opencl, rest, options, error);
    if (status == STATUS_OK)
        *device = &opencl->gpu.base;
    else
        opencl_close(&opencl->gpu.base);
    return status;
}

static void opencl_close(struct device *device) {
    struct opencl *opencl = opencl_of_device(device);
    if (opencl->queue)
        opencl_synchronise(&opencl->gpu, NULL);
    gpu_close(&opencl->gpu);
    if (opencl->queue)
        clReleaseCommandQueue(opencl->queue);
    if (opencl->context)
        clReleaseContext(opencl->context);
    if (opencl->divided)
        clReleaseDevice(opencl->id);
    free(opencl);
}

/* --- The device --- */

static const char *const gemms[] = {library, "own",
    GEMM_TILES_OF_VECTORS(GEMM_TILE_NAME) GEMM_TILES_OF_FLOATS(GEMM_TILE_NAME) NULL};

const struct device_type opencl_device_type = {
    .kind = "opencl",
    .automatic = true,
    .gpu = true,
    .gemms = gemms,
    .steps = gpu_steps,
    .list = opencl_list,
    .library = opencl_library,
    .find = opencl_find,
    .open = opencl_open,
    .close = opencl_close,
    .driver_environment = opencl_driver_environment,
    .allocate = opencl_allocate,
    .free_buffer = opencl_free_buffer,
    .download = opencl_download,
    .longest = 1 << 13, /* operations, each of which keeps a kernel or two */
    GPU_OPERATIONS,
};
