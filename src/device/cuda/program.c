#include "device/cuda/program.h"

#include "device/cuda/compiler.h"
#include "device/cuda/queue.h"
#include "device/cuda/status.h"

#include <stdlib.h>

static cudaError_t load(const void *code, struct gpu_program **program) {
    cudaLibrary_t library = NULL;
    const cudaError_t result = cudaLibraryLoadData(&library, code, NULL, NULL, 0, NULL, NULL, 0);
    *program = result == cudaSuccess ? (struct gpu_program *)library : NULL;
    return result;
}

enum status cuda_compile_program(struct gpu *gpu, const char *file, const char *text,
    const char *options, struct gpu_program **program, void **code, size_t *length,
    struct error *error) {
    const struct cuda *cuda = cuda_of(gpu);
    enum status status = cuda_enter(cuda, error);
    if (status == STATUS_OK)
        status = cuda_compile(file, text, options, cuda->capability, code, length, error);
    if (status != STATUS_OK)
        return status;
    const cudaError_t result = load(*code, program);
    if (result == cudaSuccess)
        return STATUS_OK;
    free(*code);
    *code = NULL;
    return cuda_failed("cudaLibraryLoadData", result, file, error);
}

struct gpu_program *cuda_load_program(
    struct gpu *gpu, const char *options, const void *code, size_t length) {
    (void)options, (void)length; /* the code itself has both */
    struct gpu_program *program = NULL;
    if (cuda_enter(cuda_of(gpu), NULL) == STATUS_OK && load(code, &program) != cudaSuccess)
        cudaGetLastError(); /* no error: the text is compiled again */
    return program;
}

void cuda_free_program(struct gpu_program *program) {
    cudaLibraryUnload((cudaLibrary_t)program);
}

enum status cuda_create_function(struct gpu_program *program, const char *name,
    struct gpu_function **function, struct error *error) {
    cudaKernel_t kernel = NULL;
    const cudaError_t result = cudaLibraryGetKernel(&kernel, (cudaLibrary_t)program, name);
    *function = result == cudaSuccess ? (struct gpu_function *)kernel : NULL;
    return result == cudaSuccess ? STATUS_OK
                                 : cuda_failed("cudaLibraryGetKernel", result, name, error);
}

/* Frees nothing: a kernel is a part of its program, and is freed with that. */
void cuda_free_function(struct gpu_function *function) {
    (void)function;
}

enum status cuda_groups_at_once(struct gpu *gpu, const struct gpu_function *function, size_t items,
    size_t *groups, struct error *error) {
    int of_unit = 0;
    const enum status status = cuda_enter(cuda_of(gpu), error);
    if (status != STATUS_OK)
        return status;
    const cudaError_t code =
        cudaOccupancyMaxActiveBlocksPerMultiprocessor(&of_unit, function, (int)items, 0);
    *groups = (size_t)of_unit * (size_t)gpu->base.info.units;
    return code == cudaSuccess ? STATUS_OK
                               : cuda_failed("cudaOccupancyMaxActiveBlocksPerMultiprocessor", code,
                                     "a kernel of many steps", error);
}
