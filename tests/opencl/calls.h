/* The functions that the layer stands in for: what the program and CLBlast call. A list of X(...)
 * for each way in which they are replaced; `code` is what they give when they are made to fail. */
#ifndef OPENCL_CALLS_H
#define OPENCL_CALLS_H

#define CL_TARGET_OPENCL_VERSION 300
#include <CL/cl_layer.h>

/* X(function, code when it fails, parameters, arguments): it returns a status. */
#define PLAIN(X)                                                                                   \
    X(clGetPlatformIDs, CL_OUT_OF_HOST_MEMORY,                                                     \
        (cl_uint limit, cl_platform_id * platforms, cl_uint * count), (limit, platforms, count))   \
    X(clGetDeviceIDs, CL_DEVICE_NOT_FOUND,                                                         \
        (cl_platform_id platform, cl_device_type type, cl_uint limit, cl_device_id * devices,      \
            cl_uint * count),                                                                      \
        (platform, type, limit, devices, count))                                                   \
    X(clBuildProgram, CL_BUILD_PROGRAM_FAILURE,                                                    \
        (cl_program program, cl_uint count, const cl_device_id *devices, const char *options,      \
            program_callback *callback, void *data),                                               \
        (program, count, devices, options, callback, data))                                        \
    X(clCompileProgram, CL_COMPILE_PROGRAM_FAILURE,                                                \
        (cl_program program, cl_uint count, const cl_device_id *devices, const char *options,      \
            cl_uint headers, const cl_program *header, const char **names,                         \
            program_callback *callback, void *data),                                               \
        (program, count, devices, options, headers, header, names, callback, data))                \
    X(clSetKernelArg, CL_OUT_OF_RESOURCES,                                                         \
        (cl_kernel kernel, cl_uint index, size_t size, const void *value),                         \
        (kernel, index, size, value))                                                              \
    X(clFlush, CL_OUT_OF_RESOURCES, (cl_command_queue queue), (queue))

/* X(function, code, parameters before the usual four, arguments): it tells about something. */
#define QUERIES(X)                                                                                 \
    X(clGetPlatformInfo, CL_OUT_OF_HOST_MEMORY, (cl_platform_id of, QUERY), (of, QUERIED))         \
    X(clGetDeviceInfo, CL_OUT_OF_RESOURCES, (cl_device_id of, QUERY), (of, QUERIED))               \
    X(clGetContextInfo, CL_OUT_OF_RESOURCES, (cl_context of, QUERY), (of, QUERIED))                \
    X(clGetCommandQueueInfo, CL_OUT_OF_RESOURCES, (cl_command_queue of, QUERY), (of, QUERIED))     \
    X(clGetMemObjectInfo, CL_OUT_OF_RESOURCES, (cl_mem of, QUERY), (of, QUERIED))                  \
    X(clGetProgramInfo, CL_OUT_OF_RESOURCES, (cl_program of, QUERY), (of, QUERIED))                \
    X(clGetProgramBuildInfo, CL_OUT_OF_RESOURCES, (cl_program of, cl_device_id device, QUERY),     \
        (of, device, QUERIED))                                                                     \
    X(clGetKernelInfo, CL_OUT_OF_RESOURCES, (cl_kernel of, QUERY), (of, QUERIED))                  \
    X(clGetKernelWorkGroupInfo, CL_OUT_OF_RESOURCES, (cl_kernel of, cl_device_id device, QUERY),   \
        (of, device, QUERIED))                                                                     \
    X(clGetEventInfo, CL_OUT_OF_RESOURCES, (cl_event of, QUERY), (of, QUERIED))                    \
    X(clGetEventProfilingInfo, CL_PROFILING_INFO_NOT_AVAILABLE, (cl_event of, QUERY), (of, QUERIED))
#define QUERY cl_uint what, size_t size, void *value, size_t *needed
#define QUERIED what, size, value, needed

/* X(function, code, parameters, arguments, type, kind): it makes an object. */
#define MAKING(X)                                                                                  \
    X(clCreateContext, CL_DEVICE_NOT_AVAILABLE,                                                    \
        (const cl_context_properties *properties, cl_uint count, const cl_device_id *devices,      \
            context_callback *callback, void *data, cl_int *status),                               \
        (properties, count, devices, callback, data, status), cl_context, CONTEXT)                 \
    X(clCreateCommandQueue, CL_OUT_OF_RESOURCES,                                                   \
        (cl_context context, cl_device_id device, cl_command_queue_properties properties,          \
            cl_int * status),                                                                      \
        (context, device, properties | (profile ? CL_QUEUE_PROFILING_ENABLE : 0), status),         \
        cl_command_queue, QUEUE)                                                                   \
    X(clCreateCommandQueueWithProperties, CL_OUT_OF_RESOURCES,                                     \
        (cl_context context, cl_device_id device, const cl_queue_properties *properties,           \
            cl_int *status),                                                                       \
        (context, device, with_profiling(properties, (cl_queue_properties[PROPERTIES]){0}),        \
            status),                                                                               \
        cl_command_queue, QUEUE)                                                                   \
    X(clCreateBuffer, CL_MEM_OBJECT_ALLOCATION_FAILURE,                                            \
        (cl_context context, cl_mem_flags flags, size_t size, void *host, cl_int *status),         \
        (context, flags, size, host, status), cl_mem, MEM)                                         \
    X(clCreateSubBuffer, CL_MISALIGNED_SUB_BUFFER_OFFSET,                                          \
        (cl_mem buffer, cl_mem_flags flags, cl_buffer_create_type type, const void *region,        \
            cl_int *status),                                                                       \
        (buffer, flags, type, region, status), cl_mem, MEM)                                        \
    X(clCreateProgramWithSource, CL_OUT_OF_HOST_MEMORY,                                            \
        (cl_context context, cl_uint count, const char **texts, const size_t *lengths,             \
            cl_int *status),                                                                       \
        (context, count, texts, lengths, status), cl_program, PROGRAM)                             \
    X(clCreateProgramWithBinary, CL_INVALID_BINARY,                                                \
        (cl_context context, cl_uint count, const cl_device_id *devices, const size_t *lengths,    \
            const unsigned char **binaries, cl_int *of_each, cl_int *status),                      \
        (context, count, devices, lengths, binaries, of_each, status), cl_program, PROGRAM)        \
    X(clLinkProgram, CL_LINK_PROGRAM_FAILURE,                                                      \
        (cl_context context, cl_uint count, const cl_device_id *devices, const char *options,      \
            cl_uint programs, const cl_program *program, program_callback *callback, void *data,   \
            cl_int *status),                                                                       \
        (context, count, devices, options, programs, program, callback, data, status), cl_program, \
        PROGRAM)                                                                                   \
    X(clCreateKernel, CL_INVALID_KERNEL_NAME,                                                      \
        (cl_program program, const char *name, cl_int *status), (program, name, status),           \
        cl_kernel, KERNEL)

/* X(function, code, parameters, arguments, label, whether it waits, what is done then): it enqueues
 * a command. */
#define ENQUEUEING(X)                                                                              \
    X(clEnqueueNDRangeKernel, CL_OUT_OF_RESOURCES,                                                 \
        (cl_command_queue queue, cl_kernel kernel, cl_uint dimensions, const size_t *first,        \
            const size_t *items, const size_t *group, WAITS),                                      \
        (queue, kernel, dimensions, first, items, group, WAITED), kernel_name(kernel), false,      \
        NOTHING)                                                                                   \
    X(clEnqueueReadBuffer, CL_OUT_OF_RESOURCES,                                                    \
        (cl_command_queue queue, cl_mem buffer, cl_bool blocking, size_t offset, size_t size,      \
            void *host, WAITS),                                                                    \
        (queue, buffer, blocking, offset, size, host, WAITED), "clEnqueueReadBuffer", blocking,    \
        NOTHING)                                                                                   \
    X(clEnqueueWriteBuffer, CL_OUT_OF_RESOURCES,                                                   \
        (cl_command_queue queue, cl_mem buffer, cl_bool blocking, size_t offset, size_t size,      \
            const void *host, WAITS),                                                              \
        (queue, buffer, blocking, offset, size, host, WAITED), "clEnqueueWriteBuffer", blocking,   \
        note_source(host, blocking ? 0 : size))                                                    \
    X(clEnqueueCopyBuffer, CL_OUT_OF_RESOURCES,                                                    \
        (cl_command_queue queue, cl_mem from, cl_mem to, size_t from_offset, size_t to_offset,     \
            size_t size, WAITS),                                                                   \
        (queue, from, to, from_offset, to_offset, size, WAITED), "clEnqueueCopyBuffer", false,     \
        NOTHING)                                                                                   \
    X(clEnqueueFillBuffer, CL_OUT_OF_RESOURCES,                                                    \
        (cl_command_queue queue, cl_mem buffer, const void *pattern, size_t length, size_t offset, \
            size_t size, WAITS),                                                                   \
        (queue, buffer, pattern, length, offset, size, WAITED), "clEnqueueFillBuffer", false,      \
        NOTHING)                                                                                   \
    X(clEnqueueMarkerWithWaitList, CL_OUT_OF_RESOURCES, (cl_command_queue queue, WAITS),           \
        (queue, WAITED), "clEnqueueMarkerWithWaitList", false, NOTHING)
#define NOTHING (void)0
#define WAITS cl_uint waits, const cl_event *wait, cl_event *event
#define WAITED waits, wait, event

/* X(function, code, why): the wrapper is written out below. */
#define SPECIAL(X)                                                                                 \
    X(clCreateSubDevices, CL_DEVICE_PARTITION_FAILED, "makes many")                                \
    X(clFinish, CL_OUT_OF_RESOURCES, "waits")                                                      \
    X(clWaitForEvents, CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST, "waits")

/* X(name, code, why): by what it finds, a function of its own. */
#define IDLE(X) X(clFinish_idle, CL_OUT_OF_RESOURCES, "waits for nothing")

/* X(function, type, kind, change): never made to fail, since that alone would be a leak. */
#define REFERRING(X)                                                                               \
    X(clRetainDevice, cl_device_id, DEVICE, 1)                                                     \
    X(clReleaseDevice, cl_device_id, DEVICE, -1)                                                   \
    X(clRetainContext, cl_context, CONTEXT, 1)                                                     \
    X(clReleaseContext, cl_context, CONTEXT, -1)                                                   \
    X(clRetainCommandQueue, cl_command_queue, QUEUE, 1)                                            \
    X(clReleaseCommandQueue, cl_command_queue, QUEUE, -1)                                          \
    X(clRetainMemObject, cl_mem, MEM, 1)                                                           \
    X(clReleaseMemObject, cl_mem, MEM, -1)                                                         \
    X(clRetainProgram, cl_program, PROGRAM, 1)                                                     \
    X(clReleaseProgram, cl_program, PROGRAM, -1)                                                   \
    X(clRetainKernel, cl_kernel, KERNEL, 1)                                                        \
    X(clReleaseKernel, cl_kernel, KERNEL, -1)                                                      \
    X(clRetainEvent, cl_event, EVENT, 1)                                                           \
    X(clReleaseEvent, cl_event, EVENT, -1)

/* X(function, code, parameters, arguments): CLBlast's, whose enumerations are ints here. */
#define CLBLAST(X)                                                                                 \
    X(CLBlastSgemm, UNEXPECTED,                                                                    \
        (int layout, int a_transpose, int b_transpose, size_t m, size_t n, size_t k, float alpha,  \
            const cl_mem a, size_t a_offset, size_t a_ld, const cl_mem b, size_t b_offset,         \
            size_t b_ld, float beta, cl_mem c, size_t c_offset, size_t c_ld,                       \
            cl_command_queue *queue, cl_event *event),                                             \
        (layout, a_transpose, b_transpose, m, n, k, alpha, a, a_offset, a_ld, b, b_offset, b_ld,   \
            beta, c, c_offset, c_ld, queue, event))                                                \
    X(CLBlastSgemmBatched, UNEXPECTED,                                                             \
        (int layout, int a_transpose, int b_transpose, size_t m, size_t n, size_t k,               \
            const float *alpha, const cl_mem a, const size_t *a_offset, size_t a_ld,               \
            const cl_mem b, const size_t *b_offset, size_t b_ld, const float *beta, cl_mem c,      \
            const size_t *c_offset, size_t c_ld, size_t count, cl_command_queue *queue,            \
            cl_event *event),                                                                      \
        (layout, a_transpose, b_transpose, m, n, k, alpha, a, a_offset, a_ld, b, b_offset, b_ld,   \
            beta, c, c_offset, c_ld, count, queue, event))                                         \
    X(CLBlastSgemmWithTempBuffer, UNEXPECTED,                                                      \
        (int layout, int a_transpose, int b_transpose, size_t m, size_t n, size_t k, float alpha,  \
            const cl_mem a, size_t a_offset, size_t a_ld, const cl_mem b, size_t b_offset,         \
            size_t b_ld, float beta, cl_mem c, size_t c_offset, size_t c_ld,                       \
            cl_command_queue *queue, cl_event *event, cl_mem workspace),                           \
        (layout, a_transpose, b_transpose, m, n, k, alpha, a, a_offset, a_ld, b, b_offset, b_ld,   \
            beta, c, c_offset, c_ld, queue, event, workspace))                                     \
    X(CLBlastSGemmTempBufferSize, UNEXPECTED,                                                      \
        (int layout, int a_transpose, int b_transpose, size_t m, size_t n, size_t k,               \
            size_t a_offset, size_t a_ld, size_t b_offset, size_t b_ld, size_t c_offset,           \
            size_t c_ld, cl_command_queue *queue, size_t *bytes),                                  \
        (layout, a_transpose, b_transpose, m, n, k, a_offset, a_ld, b_offset, b_ld, c_offset,      \
            c_ld, queue, bytes))                                                                   \
    X(CLBlastSgemmStridedBatched, UNEXPECTED,                                                      \
        (int layout, int a_transpose, int b_transpose, size_t m, size_t n, size_t k, float alpha,  \
            const cl_mem a, size_t a_offset, size_t a_ld, size_t a_stride, const cl_mem b,         \
            size_t b_offset, size_t b_ld, size_t b_stride, float beta, cl_mem c, size_t c_offset,  \
            size_t c_ld, size_t c_stride, size_t count, cl_command_queue *queue, cl_event *event), \
        (layout, a_transpose, b_transpose, m, n, k, alpha, a, a_offset, a_ld, a_stride, b,         \
            b_offset, b_ld, b_stride, beta, c, c_offset, c_ld, c_stride, count, queue, event))     \
    X(CLBlastOverrideParameters, UNEXPECTED,                                                       \
        (cl_device_id device, const char *kernel, int precision, size_t count, const char **names, \
            const size_t *values),                                                                 \
        (device, kernel, precision, count, names, values))
enum { UNEXPECTED = -2039, NOT_IMPLEMENTED = -1024 };

typedef void(CL_CALLBACK program_callback)(cl_program program, void *data);
typedef void(CL_CALLBACK context_callback)(
    const char *message, const void *details, size_t size, void *data);

#define ALL_THAT_FAIL(X) PLAIN(X) QUERIES(X) MAKING(X) ENQUEUEING(X) SPECIAL(X) IDLE(X) CLBLAST(X)
#define CALL(name, ...) CALL_##name,
enum call { ALL_THAT_FAIL(CALL) CALLS_THAT_FAIL, REFERRING(CALL) CALLS };
#define NAME(name, ...) [CALL_##name] = #name,
static const char *const call_names[CALLS] = {ALL_THAT_FAIL(NAME) REFERRING(NAME)};
#define CODE(name, code, ...) [CALL_##name] = code,
static const int codes[CALLS_THAT_FAIL] = {ALL_THAT_FAIL(CODE)};

enum kind { DEVICE, CONTEXT, QUEUE, MEM, PROGRAM, KERNEL, EVENT, KINDS };
static const char *const kind_names[KINDS] = {
    "device", "context", "queue", "mem", "program", "kernel", "event"};

#endif
