/* Our kernels on a device: their programs come from the program cache, or from the driver's
 * compiler. */
#include "device/gpu/program.h"

#include "device/gpu/kernel_text.h"
#include "device/program_cache.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- Keys --- */

char *gpu_cache_key(const struct gpu *gpu, const char *what, const char *const *parts, size_t count,
    size_t *length) {
    enum { HEADS = 4 };
    const char *all[HEADS + GPU_CACHE_PARTS] = {
        gpu->base.info.kind, what, gpu->compiled_for, gpu->environment};
    memcpy(all + HEADS, parts, count * sizeof *parts);
    return program_cache_key(all, HEADS + count, length);
}

/* --- Programs --- */

void gpu_program_options(const char *language, const char *defines, char *text, size_t size) {
    snprintf(text, size,
        "%s%s-DACTIVATION_SIGMOID=%d -DACTIVATION_TANH=%d -DACTIVATION_RELU=%d%s%s", language,
        *language ? " " : "", ACTIVATION_SIGMOID, ACTIVATION_TANH, ACTIVATION_RELU,
        *defines ? " " : "", defines);
}

enum status gpu_program_create(struct gpu *gpu, const char *file, const char *defines,
    struct gpu_program **program, struct error *error) {
    const struct gpu_driver *driver = gpu->driver;
    char options[GPU_OPTIONS_SIZE];
    gpu_program_options(driver->language, defines, options, sizeof options);
    const char *text = kernel_text(file);
    const char *const parts[] = {options, text};
    void *code = NULL;
    size_t key_length = 0, length = 0;
    *program = NULL;
    char *key = gpu_cache_key(gpu, "program", parts, sizeof parts / sizeof *parts, &key_length);
    if (!key)
        return error_memory(error, "the text of kernels", strlen(text));
    if (program_cache_load(key, key_length, &code, &length))
        *program = driver->load(gpu, options, code, length);
    free(code);
    code = NULL;
    enum status status = STATUS_OK;
    if (!*program) {
        status = driver->compile(gpu, file, text, options, program, &code, &length, error);
        if (status == STATUS_OK && code)
            program_cache_store(key, key_length, code, length);
        free(code);
    }
    free(key);
    return status;
}

void gpu_program_free(struct gpu *gpu, struct gpu_program *program) {
    if (program)
        gpu->driver->free_program(program);
}

/* --- Kernels --- */

enum status gpu_kernel_create(struct gpu *gpu, struct gpu_program *program, const char *name,
    struct gpu_kernel *kernel, struct error *error) {
    *kernel = (struct gpu_kernel){name, program, NULL};
    return gpu->driver->create_function(program, name, &kernel->function, error);
}

void gpu_kernel_free(struct gpu *gpu, struct gpu_kernel *kernel) {
    if (kernel->function)
        gpu->driver->free_function(kernel->function);
    kernel->function = NULL;
}
