#include "device/opencl/program.h"

#include "device/gpu/kernel_text.h"
#include "device/gpu/program_cache.h"
#include "device/opencl/discovery.h"
#include "device/opencl/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXTS = 3 };

static void append_log(cl_program program, cl_device_id id, char *text, size_t size) {
    size_t length = 0;
    if (clGetProgramBuildInfo(program, id, CL_PROGRAM_BUILD_LOG, 0, NULL, &length) != CL_SUCCESS)
        return;
    char *log = calloc(1, length + 1);
    if (log &&
        clGetProgramBuildInfo(program, id, CL_PROGRAM_BUILD_LOG, length, log, NULL) == CL_SUCCESS)
        snprintf(text, size, "%s", log);
    free(log);
}

static enum status compile(struct opencl *opencl, const char *const texts[TEXTS], const char *name,
    const char *options, cl_program *program, struct error *error) {
    cl_int code;
    const char *sources[TEXTS];
    memcpy(sources, texts, sizeof sources);
    cl_program created = clCreateProgramWithSource(opencl->context, TEXTS, sources, NULL, &code);
    if (!created)
        return opencl_failed("clCreateProgramWithSource", code, name, error);
    code = clBuildProgram(created, 1, &opencl->id, options, NULL, NULL);
    if (code != CL_SUCCESS) {
        char subject[1200] = "";
        const int used = snprintf(subject, sizeof subject, "%s, %s: ", name, options);
        append_log(created, opencl->id, subject + used, sizeof subject - (size_t)used);
        clReleaseProgram(created);
        return opencl_failed("clBuildProgram", code, subject, error);
    }
    *program = created;
    return STATUS_OK;
}

/* NULL when the driver refuses it: it is then compiled again. */
static cl_program load(
    struct opencl *opencl, const char *options, const unsigned char *binary, size_t length) {
    cl_int loaded, code;
    cl_program program = clCreateProgramWithBinary(
        opencl->context, 1, &opencl->id, &length, &binary, &loaded, &code);
    if (!program)
        return NULL;
    if (clBuildProgram(program, 1, &opencl->id, options, NULL, NULL) == CL_SUCCESS)
        return program;
    clReleaseProgram(program);
    return NULL;
}

/* Keeps a compiled program for the next run. That this fails is no error: it costs time, then. */
static void keep(cl_program program, const char *key, size_t key_length) {
    size_t length = 0;
    if (clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, sizeof length, &length, NULL) !=
            CL_SUCCESS ||
        length == 0)
        return;
    unsigned char *binary = malloc(length);
    if (binary &&
        clGetProgramInfo(program, CL_PROGRAM_BINARIES, sizeof binary, &binary, NULL) == CL_SUCCESS)
        program_cache_store(key, key_length, binary, length);
    free(binary);
}

enum status opencl_compile_program(struct gpu *gpu, const char *name, const char *defines,
    struct gpu_program **made, struct error *error) {
    struct opencl *opencl = opencl_of(gpu);
    cl_program program = NULL;
    char options[320]; /* a later language has rules of its own for pointers */
    snprintf(options, sizeof options, "-cl-std=CL1.2 %s", defines);
    const char *const texts[TEXTS] = {
        kernel_text("dialect.h"), kernel_text("activation.h"), kernel_text(name)};
    enum status status = STATUS_OK;
    const size_t room = strlen(gpu->identity) + strlen(gpu->environment) + strlen(options) +
                        strlen(texts[0]) + strlen(texts[1]) + strlen(texts[2]) + 32;
    char *key = malloc(room);
    if (!key)
        return error_memory(error, "the text of kernels", room);
    const int length = snprintf(key, room, "OpenCL program\n%s%s%s\n%s%s%s", gpu->identity,
        gpu->environment, options, texts[0], texts[1], texts[2]);
    void *binary = NULL;
    size_t binary_length;
    if (program_cache_load(key, (size_t)length, &binary, &binary_length))
        program = load(opencl, options, binary, binary_length);
    free(binary);
    if (!program) {
        status = compile(opencl, texts, name, options, &program, error);
        if (status == STATUS_OK)
            keep(program, key, (size_t)length);
    }
    *made = (struct gpu_program *)program;
    free(key);
    return status;
}

void opencl_free_program(struct gpu_program *program) {
    clReleaseProgram((cl_program)program);
}

enum status opencl_create_function(struct gpu_program *program, const char *name,
    struct gpu_function **function, struct error *error) {
    cl_int code;
    cl_kernel kernel = clCreateKernel((cl_program)program, name, &code);
    *function = (struct gpu_function *)kernel;
    return kernel ? STATUS_OK : opencl_failed("clCreateKernel", code, name, error);
}

void opencl_free_function(struct gpu_function *function) {
    clReleaseKernel((cl_kernel)function);
}
