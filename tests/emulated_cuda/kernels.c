/* The kernels: what NVRTC is given is kept as it is, and built when it is loaded: as OpenCL C, or
 * as C where groups are to be at work at once. */
#define CL_TARGET_OPENCL_VERSION 120
#define CL_USE_DEPRECATED_OPENCL_1_2_APIS
#include "emulated_cuda.h"
#include "groups.h"

#include <CL/cl.h>
#include <nvrtc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- NVRTC --- */

struct _nvrtcProgram {
    char *text, *code;
};

static const char magic[] = "\177ELF emulated\n";

#define MAY_FAIL_NVRTC(code)                                                                       \
    do {                                                                                           \
        if (emulated_fails(__func__))                                                              \
            return code;                                                                           \
    } while (0)

nvrtcResult nvrtcVersion(int *major, int *minor) {
    *major = CUDART_VERSION / 1000;
    *minor = CUDART_VERSION % 1000 / 10;
    return NVRTC_SUCCESS;
}

nvrtcResult nvrtcGetNumSupportedArchs(int *count) {
    MAY_FAIL_NVRTC(NVRTC_ERROR_INTERNAL_ERROR);
    *count = 3;
    return NVRTC_SUCCESS;
}

nvrtcResult nvrtcGetSupportedArchs(int *known) {
    MAY_FAIL_NVRTC(NVRTC_ERROR_INTERNAL_ERROR);
    known[0] = 75, known[1] = 80, known[2] = 90;
    return NVRTC_SUCCESS;
}

nvrtcResult nvrtcCreateProgram(nvrtcProgram *program, const char *text, const char *name, int count,
    const char *const *headers, const char *const *names) {
    (void)name, (void)count, (void)headers, (void)names;
    MAY_FAIL_NVRTC(NVRTC_ERROR_OUT_OF_MEMORY);
    *program = calloc(1, sizeof **program);
    (*program)->text = strdup(text);
    emulated_cuda_state.objects++;
    return NVRTC_SUCCESS;
}

nvrtcResult nvrtcDestroyProgram(nvrtcProgram *program) {
    free((*program)->text);
    free((*program)->code);
    free(*program);
    emulated_cuda_state.objects--;
    return NVRTC_SUCCESS;
}

/* The definitions on a line, then the text. */
nvrtcResult nvrtcCompileProgram(nvrtcProgram program, int count, const char *const *options) {
    MAY_FAIL_NVRTC(NVRTC_ERROR_COMPILATION);
    const size_t size = sizeof magic + 2048 + strlen(program->text);
    bool target = false;
    program->code = malloc(size);
    size_t used = (size_t)snprintf(program->code, size, "%s", magic);
    for (int o = 0; o < count; o++) {
        const bool definition = strncmp(options[o], "-D", 2) == 0;
        target = target || strncmp(options[o], "--gpu-architecture=", 19) == 0;
        if (!definition && strncmp(options[o], "--gpu-architecture=", 19) != 0)
            emulated_violation("an option for NVRTC: %s", options[o]);
        if (definition)
            used += (size_t)snprintf(program->code + used, size - used, "%s ", options[o]);
    }
    if (!target)
        emulated_violation("NVRTC is not told which GPU it is for");
    snprintf(program->code + used, size - used, "\n%s", program->text);
    return NVRTC_SUCCESS;
}

nvrtcResult nvrtcGetProgramLogSize(nvrtcProgram program, size_t *length) {
    (void)program;
    *length = sizeof "emulated log";
    return NVRTC_SUCCESS;
}

nvrtcResult nvrtcGetProgramLog(nvrtcProgram program, char *log) {
    (void)program;
    memcpy(log, "emulated log", sizeof "emulated log");
    return NVRTC_SUCCESS;
}

nvrtcResult nvrtcGetCUBINSize(nvrtcProgram program, size_t *length) {
    MAY_FAIL_NVRTC(NVRTC_ERROR_INTERNAL_ERROR);
    *length = strlen(program->code) + 1;
    return NVRTC_SUCCESS;
}

nvrtcResult nvrtcGetCUBIN(nvrtcProgram program, char *code) {
    MAY_FAIL_NVRTC(NVRTC_ERROR_INTERNAL_ERROR);
    memcpy(code, program->code, strlen(program->code) + 1);
    return NVRTC_SUCCESS;
}

nvrtcResult nvrtcGetPTXSize(nvrtcProgram program, size_t *length) {
    return nvrtcGetCUBINSize(program, length);
}

nvrtcResult nvrtcGetPTX(nvrtcProgram program, char *code) {
    return nvrtcGetCUBIN(program, code);
}

const char *nvrtcGetErrorString(nvrtcResult code) {
    return code == NVRTC_ERROR_COMPILATION     ? "NVRTC_ERROR_COMPILATION"
           : code == NVRTC_ERROR_OUT_OF_MEMORY ? "NVRTC_ERROR_OUT_OF_MEMORY"
                                               : "NVRTC_ERROR_INTERNAL_ERROR";
}

/* --- The OpenCL driver --- */

static cl_device_id device;
static cl_context context;
static cl_command_queue queue;

/* What goes wrong here is none of the tested program's business. */
static void must(cl_int code, const char *what) {
    if (code == CL_SUCCESS)
        return;
    fprintf(stderr, "emulated CUDA: %s: OpenCL's error %d\n", what, code);
    abort();
}

/* Without a driver of the CPU the process ends at once, as a skipped test (CTest's 77), or as a
 * failed one where $TRAINER_REQUIRE_DEVICES names "emulated". */
__attribute__((constructor)) static void find_driver(void) {
    cl_platform_id platforms[16];
    cl_uint count = 0;
    if (clGetPlatformIDs(16, platforms, &count) != CL_SUCCESS)
        count = 0;
    for (cl_uint p = 0; p < count && p < 16 && !device; p++)
        clGetDeviceIDs(platforms[p], CL_DEVICE_TYPE_CPU, 1, &device, NULL);
    if (device)
        return;
    const char *required = getenv("TRAINER_REQUIRE_DEVICES");
    const bool must_be = required && strstr(required, "emulated");
    fprintf(stderr,
        "%s: the emulated CUDA needs an OpenCL driver of the CPU (Debian: "
        "pocl-opencl-icd)\n",
        must_be ? "FAILED" : "skipped");
    _exit(must_be ? 1 : 77);
}

static void start(void) {
    cl_int code;
    if (context)
        return;
    context = clCreateContext(NULL, 1, &device, NULL, NULL, &code);
    must(code, "clCreateContext");
    queue = clCreateCommandQueue(context, device, 0, &code);
    must(code, "clCreateCommandQueue");
}

/* A driver of the CPU computes in the memory itself. */
void *emulated_wrap(void *address, size_t bytes) {
    cl_int code;
    start();
    cl_mem buffer =
        clCreateBuffer(context, CL_MEM_READ_WRITE | CL_MEM_USE_HOST_PTR, bytes, address, &code);
    must(code, "clCreateBuffer");
    return buffer;
}

void emulated_unwrap(void *wrapped) {
    clReleaseMemObject(wrapped);
}

/* --- Libraries and kernels --- */

struct emulated_kernel {
    cl_kernel kernel; /* NULL: groups.h runs it, */
    struct built *of; /* once this program is compiled for that; */
    void *host;       /* then it is not NULL */
    struct group_kernel shape;
    bool ran; /* since its library was loaded */
};

/* Programs that were built: each once, for as long as the process lives. */
static struct built {
    struct built *next;
    char *code;
    cl_program program;
    struct emulated_kernel kernels[GROUP_KERNELS];
    cl_uint count;
} *all_built;

struct CUlib_st {
    struct built *built;
};

static void describe_kernel(struct emulated_kernel *kernel) {
    struct group_kernel *shape = &kernel->shape;
    cl_uint count;
    must(clGetKernelInfo(
             kernel->kernel, CL_KERNEL_FUNCTION_NAME, sizeof shape->name, shape->name, NULL),
        "clGetKernelInfo");
    must(clGetKernelInfo(kernel->kernel, CL_KERNEL_NUM_ARGS, sizeof count, &count, NULL),
        "clGetKernelInfo");
    shape->count = count;
    for (cl_uint a = 0; a < count; a++) {
        cl_kernel_arg_address_qualifier space;
        char type[64];
        must(clGetKernelArgInfo(
                 kernel->kernel, a, CL_KERNEL_ARG_ADDRESS_QUALIFIER, sizeof space, &space, NULL),
            "clGetKernelArgInfo");
        must(
            clGetKernelArgInfo(kernel->kernel, a, CL_KERNEL_ARG_TYPE_NAME, sizeof type, type, NULL),
            "clGetKernelArgInfo");
        shape->kinds[a] = space == CL_KERNEL_ARG_ADDRESS_GLOBAL ? ADDRESS
                          : strcmp(type, "ulong") == 0          ? EIGHT
                                                                : FOUR;
    }
}

/* The definitions of a program's code, and its text. */
static const char *split_code(const char *code, char *options, size_t size) {
    const char *line = code + strlen(magic), *text = strchr(line, '\n') + 1;
    snprintf(options, size, "%.*s", (int)(text - line) - 1, line);
    return text;
}

/* Finds the names of a program's kernels. It is compiled when one of them is first launched, as
 * most programs that load it never do that. */
static void list_groups(struct built *one, const char *text) {
    static const char mark[] = "\nKERNEL";
    for (const char *at = text; (at = strstr(at, mark)) && one->count < GROUP_KERNELS; at++) {
        struct emulated_kernel *kernel = &one->kernels[one->count++];
        kernel->of = one;
        sscanf(strchr(at, '(') + 1, "%63[a-z_]", kernel->shape.name);
    }
}

static void compile_groups(struct built *one) {
    struct group_kernel kernels[GROUP_KERNELS];
    char options[2200];
    void *host;
    const char *text = split_code(one->code, options, sizeof options);
    const size_t count = emulated_groups_compile(text, options, kernels, &host);
    for (cl_uint k = 0; k < one->count; k++)
        for (size_t c = 0; c < count; c++)
            if (strcmp(one->kernels[k].shape.name, kernels[c].name) == 0) {
                one->kernels[k].shape = kernels[c];
                one->kernels[k].host = host;
            }
}

static void build_for_driver(struct built *one, const char *text, const char *definitions) {
    char options[2300];
    cl_int status;
    start();
    snprintf(options, sizeof options, "-cl-std=CL1.2 -cl-kernel-arg-info %s", definitions);
    one->program = clCreateProgramWithSource(context, 1, &text, NULL, &status);
    must(status, "clCreateProgramWithSource");
    must(clBuildProgram(one->program, 1, &device, options, NULL, NULL), "clBuildProgram");
    cl_kernel kernels[GROUP_KERNELS];
    must(clCreateKernelsInProgram(one->program, GROUP_KERNELS, kernels, &one->count),
        "clCreateKernelsInProgram");
    for (cl_uint k = 0; k < one->count; k++) {
        one->kernels[k].kernel = kernels[k];
        describe_kernel(&one->kernels[k]);
    }
}

static struct built *build(const char *code) {
    char options[2200];
    const char *text = split_code(code, options, sizeof options);
    const bool groups = emulated_cuda.groups || strstr(options, "-DTOGETHER");
    for (struct built *one = all_built; one; one = one->next)
        if (strcmp(one->code, code) == 0 && groups == (one->program == NULL))
            return one;
    struct built *one = calloc(1, sizeof *one);
    one->code = strdup(code);
    if (groups)
        list_groups(one, text);
    else
        build_for_driver(one, text, options);
    one->next = all_built;
    all_built = one;
    return one;
}

#define MAY_FAIL(code)                                                                             \
    do {                                                                                           \
        if (emulated_fails(__func__))                                                              \
            return emulated_is_lost() ? cudaErrorIllegalAddress : (code);                          \
    } while (0)

cudaError_t cudaLibraryLoadData(cudaLibrary_t *library, const void *code,
    enum cudaJitOption *jit_options, void **jit_values, unsigned jit_count,
    enum cudaLibraryOption *options, void **values, unsigned count) {
    (void)jit_options, (void)jit_values, (void)jit_count, (void)options, (void)values, (void)count;
    MAY_FAIL(cudaErrorMemoryAllocation);
    if (strncmp(code, magic, strlen(magic)) != 0)
        return cudaErrorInvalidKernelImage;
    *library = calloc(1, sizeof **library);
    (*library)->built = build(code);
    for (cl_uint k = 0; k < (*library)->built->count; k++)
        (*library)->built->kernels[k].ran = false;
    emulated_cuda_state.objects++;
    return cudaSuccess;
}

cudaError_t cudaLibraryUnload(cudaLibrary_t library) {
    const bool fail = emulated_fails(__func__);
    free(library);
    emulated_cuda_state.objects--;
    return fail ? cudaErrorInvalidValue : cudaSuccess;
}

cudaError_t cudaLibraryGetKernel(cudaKernel_t *kernel, cudaLibrary_t library, const char *name) {
    MAY_FAIL(cudaErrorSymbolNotFound);
    for (cl_uint k = 0; k < library->built->count; k++)
        if (strcmp(library->built->kernels[k].shape.name, name) == 0) {
            *kernel = (cudaKernel_t)&library->built->kernels[k];
            return cudaSuccess;
        }
    return cudaErrorSymbolNotFound;
}

cudaError_t emulated_copy_arguments(
    struct emulated_kernel *kernel, void **arguments, struct command *command) {
    if (!kernel->kernel && !kernel->host)
        compile_groups(kernel->of);
    const struct group_kernel *shape = &kernel->shape;
    for (size_t a = 0; a < shape->count; a++) {
        void *address;
        memcpy(command->arguments[a], arguments[a], shape->kinds[a] == FOUR ? 4 : 8);
        memcpy(&address, command->arguments[a], sizeof address);
        if (shape->kinds[a] == ADDRESS && !emulated_wrapped(address, shape->name))
            return cudaErrorInvalidValue;
    }
    return cudaSuccess;
}

/* Two groups of 256 items find room on each unit. */
size_t emulated_groups_at_once(const struct emulated_kernel *kernel, size_t items) {
    (void)kernel;
    return (size_t)emulated_cuda.units * (items > 512 ? 1 : 2);
}

/* Runs the groups by the OpenCL driver. */
static void enqueue(const struct emulated_kernel *kernel, const struct command *command) {
    const struct group_kernel *shape = &kernel->shape;
    for (size_t a = 0; a < shape->count; a++) {
        const void *value = command->arguments[a];
        void *address;
        cl_mem buffer;
        if (shape->kinds[a] == ADDRESS) {
            memcpy(&address, value, sizeof address);
            buffer = emulated_wrapped(address, shape->name);
            if (!buffer)
                return;
            value = &buffer;
        }
        must(clSetKernelArg(kernel->kernel, (cl_uint)a, shape->kinds[a] == FOUR ? 4 : 8, value),
            shape->name);
    }
    const dim3 grid = command->grid, block = command->block;
    const size_t items[] = {block.x, block.y, block.z};
    const size_t all[] = {
        (size_t)grid.x * block.x, (size_t)grid.y * block.y, (size_t)grid.z * block.z};
    must(clEnqueueNDRangeKernel(queue, kernel->kernel, 3, NULL, all, items, 0, NULL, NULL),
        shape->name);
    must(clFinish(queue), shape->name);
}

void emulated_run_kernel(const struct command *command) {
    struct emulated_kernel *kernel = command->kernel;
    const size_t items = (size_t)command->block.x * command->block.y * command->block.z;
    emulated_cuda_state.first_runs += !kernel->ran;
    kernel->ran = true;
    if (kernel->kernel) {
        enqueue(kernel, command);
        return;
    }
    unsigned char arguments[GROUP_ARGUMENTS][8];
    memcpy(arguments, command->arguments, sizeof arguments);
    for (size_t a = 0; a < kernel->shape.count; a++) {
        void *address;
        memcpy(&address, arguments[a], sizeof address);
        if (kernel->shape.kinds[a] == ADDRESS && !emulated_wrapped(address, kernel->shape.name))
            return;
    }
    emulated_groups_run(&kernel->shape, kernel->host, arguments, command->grid, command->block,
        emulated_groups_at_once(kernel, items), emulated_cuda.seed++);
}
