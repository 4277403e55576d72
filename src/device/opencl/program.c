#include "device/opencl/program.h"

#include "device/opencl/status.h"
#include "system/text.h"

#include <stdio.h>
#include <stdlib.h>

/* Appends the start of the compiler's messages to `text`. */
static void append_log(cl_program program, cl_device_id id, char *text, size_t size) {
    size_t length = 0;
    if (clGetProgramBuildInfo(program, id, CL_PROGRAM_BUILD_LOG, 0, NULL, &length) != CL_SUCCESS)
        return;
    char *log = calloc(1, length + 1);
    if (log &&
        clGetProgramBuildInfo(program, id, CL_PROGRAM_BUILD_LOG, length, log, NULL) == CL_SUCCESS)
        text_append(text, size, "%s", log);
    free(log);
}

/* Gives the driver's code for a program. It is no error if there is none: the next run compiles the
 * text again. */
static void get_code(cl_program program, void **code, size_t *length) {
    unsigned char *binary = NULL;
    *length = 0;
    if (clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, sizeof *length, length, NULL) ==
            CL_SUCCESS &&
        *length > 0)
        binary = malloc(*length);
    if (binary && clGetProgramInfo(program, CL_PROGRAM_BINARIES, sizeof binary, &binary, NULL) !=
                      CL_SUCCESS) {
        free(binary);
        binary = NULL;
    }
    *code = binary;
}

enum status opencl_compile_program(struct gpu *gpu, const char *file, const char *text,
    const char *options, struct gpu_program **program, void **code, size_t *length,
    struct error *error) {
    struct opencl *opencl = opencl_of(gpu);
    cl_int result;
    cl_program created = clCreateProgramWithSource(opencl->context, 1, &text, NULL, &result);
    if (!created)
        return opencl_failed("clCreateProgramWithSource", result, file, error);
    result = clBuildProgram(created, 1, &opencl->id, options, NULL, NULL);
    if (result != CL_SUCCESS) {
        char subject[1200];
        snprintf(subject, sizeof subject, "%s, %s: ", file, options);
        append_log(created, opencl->id, subject, sizeof subject);
        clReleaseProgram(created);
        return opencl_failed("clBuildProgram", result, subject, error);
    }
    *program = (struct gpu_program *)created;
    get_code(created, code, length);
    return STATUS_OK;
}

struct gpu_program *opencl_load_program(
    struct gpu *gpu, const char *options, const void *code, size_t length) {
    struct opencl *opencl = opencl_of(gpu);
    const unsigned char *binary = code;
    cl_int loaded, result;
    cl_program program = clCreateProgramWithBinary(
        opencl->context, 1, &opencl->id, &length, &binary, &loaded, &result);
    if (!program)
        return NULL;
    if (clBuildProgram(program, 1, &opencl->id, options, NULL, NULL) == CL_SUCCESS)
        return (struct gpu_program *)program;
    clReleaseProgram(program);
    return NULL;
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
