/* What an OpenCL driver answers about its device counts: programs are kept for that device and that
 * driver alone, and nothing is asked for that the device has not, nor more at once than it should
 * keep.
 *
 *   test_opencl_answers */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>

static struct error error;

/* --- In the place of the driver's functions, and of what the system allows --- */

static struct {
    cl_device_info what; /* that is answered otherwise; 0: none */
    cl_ulong number;     /* in the place of its number; 0: it is a text, which gets a word more */
} changed;
static unsigned compiled, buffers; /* programs and buffers that the driver was asked for */
static struct {
    size_t commands, marked, done, most; /* `marked` at the last mark; `most` that were not done */
    cl_event mark;
} enqueued;
static unsigned long long host_bytes; /* that the system can give; 0: what it can */

cl_int __real_clGetDeviceInfo(
    cl_device_id device, cl_device_info what, size_t size, void *value, size_t *needed);
cl_int __wrap_clGetDeviceInfo(
    cl_device_id device, cl_device_info what, size_t size, void *value, size_t *needed);
cl_int __wrap_clGetDeviceInfo(
    cl_device_id device, cl_device_info what, size_t size, void *value, size_t *needed) {
    static const char word[] = " changed";
    const bool answers = what == changed.what, text = answers && changed.number == 0;
    const size_t more = text ? strlen(word) : 0;
    const size_t left = size > more ? size - more : 0;
    const cl_int code = __real_clGetDeviceInfo(device, what, value ? left : 0, value, needed);
    if (code == CL_SUCCESS && needed)
        *needed += more;
    if (code == CL_SUCCESS && value && text)
        strcat(value, word);
    else if (code == CL_SUCCESS && value && answers) /* the low bytes come first */
        memcpy(value, &changed.number, size < sizeof changed.number ? size : sizeof changed.number);
    return code;
}

cl_program __real_clCreateProgramWithSource(
    cl_context context, cl_uint count, const char **texts, const size_t *lengths, cl_int *code);
cl_program __wrap_clCreateProgramWithSource(
    cl_context context, cl_uint count, const char **texts, const size_t *lengths, cl_int *code);
cl_program __wrap_clCreateProgramWithSource(
    cl_context context, cl_uint count, const char **texts, const size_t *lengths, cl_int *code) {
    compiled++;
    return __real_clCreateProgramWithSource(context, count, texts, lengths, code);
}

cl_mem __real_clCreateBuffer(
    cl_context context, cl_mem_flags flags, size_t size, void *host, cl_int *code);
cl_mem __wrap_clCreateBuffer(
    cl_context context, cl_mem_flags flags, size_t size, void *host, cl_int *code);
cl_mem __wrap_clCreateBuffer(
    cl_context context, cl_mem_flags flags, size_t size, void *host, cl_int *code) {
    buffers++;
    return __real_clCreateBuffer(context, flags, size, host, code);
}

cl_int __real_clEnqueueNDRangeKernel(cl_command_queue queue, cl_kernel kernel, cl_uint dimensions,
    const size_t *offset, const size_t *global, const size_t *local, cl_uint count,
    const cl_event *events, cl_event *event);
cl_int __wrap_clEnqueueNDRangeKernel(cl_command_queue queue, cl_kernel kernel, cl_uint dimensions,
    const size_t *offset, const size_t *global, const size_t *local, cl_uint count,
    const cl_event *events, cl_event *event);
cl_int __wrap_clEnqueueNDRangeKernel(cl_command_queue queue, cl_kernel kernel, cl_uint dimensions,
    const size_t *offset, const size_t *global, const size_t *local, cl_uint count,
    const cl_event *events, cl_event *event) {
    enqueued.commands++;
    if (enqueued.most < enqueued.commands - enqueued.done)
        enqueued.most = enqueued.commands - enqueued.done;
    return __real_clEnqueueNDRangeKernel(
        queue, kernel, dimensions, offset, global, local, count, events, event);
}

cl_int __real_clEnqueueMarkerWithWaitList(
    cl_command_queue queue, cl_uint count, const cl_event *events, cl_event *event);
cl_int __wrap_clEnqueueMarkerWithWaitList(
    cl_command_queue queue, cl_uint count, const cl_event *events, cl_event *event);
cl_int __wrap_clEnqueueMarkerWithWaitList(
    cl_command_queue queue, cl_uint count, const cl_event *events, cl_event *event) {
    const cl_int code = __real_clEnqueueMarkerWithWaitList(queue, count, events, event);
    enqueued.mark = *event;
    enqueued.marked = enqueued.commands;
    return code;
}

cl_int __real_clWaitForEvents(cl_uint count, const cl_event *events);
cl_int __wrap_clWaitForEvents(cl_uint count, const cl_event *events);
cl_int __wrap_clWaitForEvents(cl_uint count, const cl_event *events) {
    if (count == 1 && events[0] == enqueued.mark)
        enqueued.done = enqueued.marked;
    return __real_clWaitForEvents(count, events);
}

unsigned long long __real_host_memory_left(const char **limit);
unsigned long long __wrap_host_memory_left(const char **limit);
unsigned long long __wrap_host_memory_left(const char **limit) {
    return host_bytes > 0 ? host_bytes : __real_host_memory_left(limit);
}

/* --- The tests --- */

static struct device *device;

static enum status open_device(const char *gemm) {
    return device_open("opencl", &(struct device_options){.gemm = gemm}, &device, &error);
}

static int set_up(void **state) {
    memset(&changed, 0, sizeof changed);
    host_bytes = 0;
    return support_make_folder(state) == 0 ? setenv("XDG_CACHE_HOME", support_folder, 1) : -1;
}

/* Programs that are compiled while the device is opened. */
static unsigned count_compiled(void) {
    compiled = 0;
    assert_ok(open_device("own-small"));
    device_close(device);
    return compiled;
}

static void test_programs(void **state) {
    (void)state;
    static const cl_device_info texts[] = {CL_DRIVER_VERSION, CL_DEVICE_VERSION, CL_DEVICE_VENDOR,
        CL_DEVICE_NAME, CL_DEVICE_OPENCL_C_VERSION};
    const unsigned all = count_compiled();
    assert_true(all > 0);
    assert_int_equal(count_compiled(), 0);
    for (size_t t = 0; t < sizeof texts / sizeof *texts; t++) {
        print_message("another answer to 0x%x\n", texts[t]);
        changed.what = texts[t];
        assert_int_equal(count_compiled(), all);
        assert_int_equal(count_compiled(), 0);
    }
    changed.what = 0;
    assert_int_equal(count_compiled(), 0); /* the first ones are still there */
}

enum { FLOATS = 1 << 22, BYTES = 4 * FLOATS };

/* Of `bytes` there is a buffer, and not of more; of that the driver hears nothing. */
static void assert_largest(size_t bytes) {
    struct buffer *buffer = NULL;
    assert_int_equal(device_memory(device).buffer_bytes, bytes);
    assert_ok(device_allocate(device, bytes / sizeof(float), &buffer, &error));
    buffer_free(buffer);
    buffers = 0;
    assert_fails(device_allocate(device, bytes / sizeof(float) + 1, &buffer, &error), STATUS_DEVICE,
        "out of memory: a buffer of ");
    assert_non_null(strstr(error.message, "bytes: more than there is; "));
    assert_int_equal(buffers, 0);
}

static void test_largest_buffer(void **state) {
    (void)state;
    changed.what = CL_DEVICE_MAX_MEM_ALLOC_SIZE;
    changed.number = BYTES;
    assert_ok(open_device("own-small"));
    assert_largest(BYTES);
    device_close(device);
}

static void test_memory(void **state) {
    (void)state;
    changed.what = CL_DEVICE_GLOBAL_MEM_SIZE;
    changed.number = BYTES;
    assert_ok(open_device("own-small"));
    const size_t left = device_memory(device).free_bytes;
    assert_true(left < BYTES); /* some is its own */
    assert_largest(left);
    device_close(device);
}

/* A CPU's is the host's, of which there may be less. */
static void test_memory_of_host(void **state) {
    (void)state;
    host_bytes = BYTES;
    assert_ok(open_device("own-small"));
    const bool cpu = strcmp(device_info(device)->type, "cpu") == 0;
    if (cpu)
        assert_largest(device_memory(device).free_bytes);
    else
        assert_true(device_memory(device).buffer_bytes > BYTES);
    const size_t left = device_memory(device).free_bytes;
    device_close(device);
    assert_true(!cpu || left < BYTES);
}

/* Of a group of each tile's: its items, and a part of each matrix, 16 deep, its rows padded by 4.
 */
static void test_groups(void **state) {
    (void)state;
    static const struct {
        const char *gemm;
        cl_device_info what;
        cl_ulong needed;
    } cases[] = {{"own-small", CL_DEVICE_MAX_WORK_GROUP_SIZE, 8 * 8},
        {"own-medium", CL_DEVICE_MAX_WORK_GROUP_SIZE, 16 * 16},
        {"own-small", CL_DEVICE_LOCAL_MEM_SIZE, 2 * 16 * (32 + 4) * sizeof(float)},
        {"own-medium", CL_DEVICE_LOCAL_MEM_SIZE, 2 * 16 * (64 + 4) * sizeof(float)}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        changed.what = cases[c].what;
        changed.number = cases[c].needed;
        assert_ok(open_device(cases[c].gemm));
        device_close(device);
        changed.number--;
        assert_fails(open_device(cases[c].gemm), STATUS_DEVICE, "needs more than '");
        assert_null(device);
    }
}

/* A driver keeps memory for each command that is not done, so that there is an end to them. */
static void test_commands(void **state) {
    (void)state;
    enum { MOST = 2 * 4096, ROUNDS = 3 * MOST };
    struct buffer *buffer;
    assert_ok(open_device("own-small"));
    assert_ok(device_allocate(device, 64, &buffer, &error));
    const struct view all = device_view(buffer, 64, 1), from = view_rows(all, 0, 8),
                      to = view_rows(all, 8, 8), indices = view_rows(all, 16, 8);
    static const uint32_t rows[8] = {7, 6, 5, 4, 3, 2, 1, 0};
    static const float values[8] = {0, 1, 2, 3, 4, 5, 6, 7};
    float gathered[8];
    assert_ok(device_upload(device, from, values, &error));
    assert_ok(device_upload(device, indices, rows, &error));
    assert_ok(device_synchronise(device, &error));
    memset(&enqueued, 0, sizeof enqueued);
    for (int round = 0; round < ROUNDS; round++)
        assert_ok(device_gather_rows(device, from, indices, to, &error));
    assert_int_equal(enqueued.commands, ROUNDS);
    assert_in_range(enqueued.most, MOST / 2, MOST); /* it runs dry of none */
    assert_ok(device_download(device, to, gathered, &error));
    for (int i = 0; i < 8; i++)
        assert_true(gathered[i] == values[7 - i]);
    buffer_free(buffer);
    device_close(device);
}

int main(void) {
    const int missing = support_open("opencl", "own-small", 0, &device);
    if (missing)
        return missing;
    device_close(device);
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, support_remove_folder)
    const struct CMUnitTest tests[] = {
        TEST(test_programs),
        TEST(test_largest_buffer),
        TEST(test_memory),
        TEST(test_memory_of_host),
        TEST(test_groups),
        TEST(test_commands),
    };
    return cmocka_run_group_tests_name("opencl, by its driver's answers", tests, NULL, NULL);
}
