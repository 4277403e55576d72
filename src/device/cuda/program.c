#include "device/cuda/program.h"

#include "device/cuda/compiler.h"
#include "device/cuda/queue.h"
#include "device/cuda/status.h"
#include "device/gpu/program_cache.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static cudaError_t load(const void *code, struct gpu_program **program) {
    cudaLibrary_t library = NULL;
    const cudaError_t result = cudaLibraryLoadData(&library, code, NULL, NULL, 0, NULL, NULL, 0);
    *program = result == cudaSuccess ? (struct gpu_program *)library : NULL;
    return result;
}

/* Everything that the machine code depends on. The caller frees it. */
static char *make_key(
    const struct cuda *cuda, const char *text, const char *defines, size_t *length) {
    const char *environment = cuda->gpu.environment;
    const size_t room = strlen(environment) + strlen(text) + strlen(defines) + 128;
    char *key = malloc(room);
    if (key)
        *length = (size_t)snprintf(key, room, "CUDA program\nsm_%d\nNVRTC %d\n%s%s\n%s",
            cuda->capability, cuda_compiler_version(), environment, defines, text);
    return key;
}

enum status cuda_compile_program(struct gpu *gpu, const char *file, const char *defines,
    struct gpu_program **program, struct error *error) {
    const struct cuda *cuda = cuda_of(gpu);
    size_t key_length = 0, length = 0;
    void *code = NULL;
    *program = NULL;
    enum status status = cuda_enter(cuda, error);
    if (status != STATUS_OK)
        return status;
    char *text = cuda_kernel_text(file);
    char *key = text ? make_key(cuda, text, defines, &key_length) : NULL;
    if (!key) {
        free(text);
        return error_memory(error, "the text of kernels", 0);
    }
    if (program_cache_load(key, key_length, &code, &length) &&
        load(code, program) != cudaSuccess) /* it is made again */
        cudaGetLastError();
    if (!*program) {
        free(code);
        code = NULL;
        status = cuda_compile(file, text, defines, cuda->capability, &code, &length, error);
        const cudaError_t result = status == STATUS_OK ? load(code, program) : cudaSuccess;
        if (result != cudaSuccess)
            status = cuda_failed("cudaLibraryLoadData", result, file, error);
        if (status == STATUS_OK)
            program_cache_store(key, key_length, code, length);
    }
    free(code);
    free(key);
    free(text);
    return status;
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

/* It is its library's. */
void cuda_free_function(struct gpu_function *function) {
    (void)function;
}
