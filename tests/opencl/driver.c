/* An OpenCL driver for tests, which has one platform, by default without hardware, and does at a
 * moment of its life what no driver should. Its file's name says both: DEED-MOMENT.so, so that
 * several of them can be registered beside each other.
 *
 * MOMENT: load, platforms or devices. DEED: crash, exit (with status 0), abort (with a word on it),
 * hang, clash (crash where another one that clashes is in the process), print (on standard output),
 * noise (much of it, on both), signals (take them away from the process), or none.
 *
 * With FAKE_DRIVER_REPORT=FILE, each load adds a line to the file: its name. With
 * FAKE_DRIVER_MENDED=1 it does what a driver should. With
 * FAKE_DRIVER_DEVICES="gpu:Alpha,accelerator:Beta", it has devices of these types and names, on
 * which no context can be made. */
#define CL_TARGET_OPENCL_VERSION 300
#include <CL/cl_icd.h>
#include <dlfcn.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Of this module, without its folder. */
static const char *own_name(void) {
    static const char anywhere;
    Dl_info module;
    if (dladdr(&anywhere, &module) == 0)
        return "";
    const char *slash = strrchr(module.dli_fname, '/');
    return slash ? slash + 1 : module.dli_fname;
}

static bool is_deed(const char *deed) {
    return strncmp(own_name(), deed, strlen(deed)) == 0;
}

static void print_much(void) {
    for (int line = 0; line < 5000; line++) {
        printf("a driver's line on standard output\n");
        fprintf(stderr, "a driver's line on standard error\n");
    }
    fflush(stdout);
}

static void take_signals(void) {
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGXFSZ};
    for (size_t s = 0; s < sizeof signals / sizeof *signals; s++)
        signal(signals[s], SIG_DFL);
}

static void clash(void) {
    if (getenv("FAKE_DRIVER_IS_HERE"))
        raise(SIGSEGV);
    setenv("FAKE_DRIVER_IS_HERE", "1", 1);
}

static void reach(const char *moment) {
    const char *dash = strchr(own_name(), '-');
    if (!dash || strncmp(dash + 1, moment, strlen(moment)) != 0 || getenv("FAKE_DRIVER_MENDED"))
        return;
    if (is_deed("crash"))
        raise(SIGSEGV);
    else if (is_deed("exit"))
        exit(0);
    else if (is_deed("noise"))
        print_much();
    else if (is_deed("signals"))
        take_signals();
    else if (is_deed("clash"))
        clash();
    else if (is_deed("abort")) {
        fprintf(stderr, "fake driver: there is no\tkernel module \xff\n\n");
        abort();
    } else if (is_deed("print")) {
        printf("a driver's line on standard output\n");
        fflush(stdout);
    } else if (is_deed("hang"))
        for (;;)
            pause();
}

__attribute__((constructor)) static void load(void) {
    const char *path = getenv("FAKE_DRIVER_REPORT");
    FILE *file = path ? fopen(path, "a") : NULL;
    if (file) {
        fprintf(file, "%s\n", own_name());
        fclose(file);
    }
    reach("load");
}

/* --- The driver --- */

static cl_int CL_API_CALL get_platform_info(
    cl_platform_id platform, cl_platform_info what, size_t size, void *value, size_t *needed) {
    (void)platform;
    const char *text = what == CL_PLATFORM_EXTENSIONS ? "cl_khr_icd" : "FAKE";
    if (value && size >= strlen(text) + 1)
        memcpy(value, text, strlen(text) + 1);
    if (needed)
        *needed = strlen(text) + 1;
    return CL_SUCCESS;
}

enum { DEVICES_MAX = 8, NAME_MAX_LENGTH = 64 };

static struct _cl_device_id {
    cl_icd_dispatch *dispatch; /* the loader's only demand on it */
    cl_device_type type;
    char name[NAME_MAX_LENGTH];
} devices_made[DEVICES_MAX];

/* Those that the environment asks for: their number. */
static cl_uint make_devices(void);

static cl_int CL_API_CALL get_device_ids(cl_platform_id platform, cl_device_type type,
    cl_uint limit, cl_device_id *devices, cl_uint *count) {
    (void)platform, (void)type;
    reach("devices");
    const cl_uint made = make_devices();
    for (cl_uint d = 0; d < made && d < limit && devices; d++)
        devices[d] = &devices_made[d];
    if (count)
        *count = made;
    return made > 0 ? CL_SUCCESS : CL_DEVICE_NOT_FOUND;
}

static cl_int give(const void *from, size_t bytes, size_t size, void *value, size_t *needed) {
    if (value && size < bytes)
        return CL_INVALID_VALUE;
    if (value)
        memcpy(value, from, bytes);
    if (needed)
        *needed = bytes;
    return CL_SUCCESS;
}

static cl_int CL_API_CALL get_device_info(
    cl_device_id device, cl_device_info what, size_t size, void *value, size_t *needed);

static cl_context CL_API_CALL create_context(const cl_context_properties *properties, cl_uint count,
    const cl_device_id *devices,
    void(CL_CALLBACK *notify)(const char *, const void *, size_t, void *), void *data,
    cl_int *code) {
    (void)properties, (void)count, (void)devices, (void)notify, (void)data;
    *code = CL_DEVICE_NOT_AVAILABLE;
    return NULL;
}

static cl_icd_dispatch dispatch = {.clGetPlatformInfo = get_platform_info,
    .clGetDeviceIDs = get_device_ids,
    .clGetDeviceInfo = get_device_info,
    .clCreateContext = create_context};

static struct _cl_platform_id {
    cl_icd_dispatch *dispatch; /* the loader's only demand on it */
} only = {&dispatch};

static cl_uint make_devices(void) {
    const char *asked = getenv("FAKE_DRIVER_DEVICES");
    cl_uint made = 0;
    for (; asked && *asked && made < DEVICES_MAX; made++) {
        struct _cl_device_id *device = &devices_made[made];
        const size_t type = strcspn(asked, ":"), length = strcspn(asked + type + 1, ",");
        device->dispatch = &dispatch;
        device->type = strncmp(asked, "gpu", 3) == 0            ? CL_DEVICE_TYPE_GPU
                       : strncmp(asked, "accelerator", 11) == 0 ? CL_DEVICE_TYPE_ACCELERATOR
                                                                : CL_DEVICE_TYPE_CPU;
        snprintf(device->name, sizeof device->name, "%.*s", (int)length, asked + type + 1);
        asked += type + 1 + length;
        asked += *asked == ',';
    }
    return made;
}

static cl_int CL_API_CALL get_device_info(
    cl_device_id device, cl_device_info what, size_t size, void *value, size_t *needed) {
    static const char version[] = "OpenCL 3.0 FAKE";
    const cl_platform_id platform = &only;
    const cl_ulong number = (cl_ulong)1 << 30; /* bytes of memory, or of a buffer */
    const cl_uint units = 4;                   /* or true */
    switch (what) {
    case CL_DEVICE_TYPE:
        return give(&device->type, sizeof device->type, size, value, needed);
    case CL_DEVICE_PLATFORM:
        return give(&platform, sizeof platform, size, value, needed);
    case CL_DEVICE_NAME:
        return give(device->name, strlen(device->name) + 1, size, value, needed);
    case CL_DEVICE_VENDOR:
    case CL_DRIVER_VERSION:
    case CL_DEVICE_VERSION:
    case CL_DEVICE_OPENCL_C_VERSION:
    case CL_DEVICE_EXTENSIONS:
        return give(version, sizeof version, size, value, needed);
    case CL_DEVICE_MAX_COMPUTE_UNITS:
    case CL_DEVICE_AVAILABLE:
    case CL_DEVICE_COMPILER_AVAILABLE:
        return give(&units, sizeof units, size, value, needed);
    default:
        return give(&number, sizeof number, size, value, needed);
    }
}

static cl_int CL_API_CALL get_platform_ids(
    cl_uint limit, cl_platform_id *platforms, cl_uint *count) {
    reach("platforms");
    if (platforms && limit > 0)
        *platforms = &only;
    if (count)
        *count = 1;
    return CL_SUCCESS;
}

/* ISO C has no way from a function's address to an object's but its bytes. */
void *CL_API_CALL clGetExtensionFunctionAddress(const char *name) {
    static const clIcdGetPlatformIDsKHR_fn platforms = get_platform_ids;
    void *address = NULL;
    if (strcmp(name, "clIcdGetPlatformIDsKHR") == 0)
        memcpy(&address, &platforms, sizeof address);
    return address;
}

cl_int CL_API_CALL clGetPlatformInfo(
    cl_platform_id platform, cl_platform_info what, size_t size, void *value, size_t *needed) {
    return get_platform_info(platform, what, size, value, needed);
}
