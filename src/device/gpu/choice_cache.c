#include "device/gpu/choice_cache.h"

#include "device/choices.h"
#include "device/gpu/kernel_text.h"
#include "device/gpu/program.h"
#include "device/program_cache.h"
#include "system/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The key under which the program cache keeps a choice: everything that the choice depends on. The
 * caller frees it. NULL when memory is refused. */
static char *make_key(const struct gemms *gemms, const struct gemm_shape *shape, size_t *length) {
    const struct gpu *gpu = gemms->gpu;
    char algorithms[GEMM_ALGORITHMS_MAX * (GEMM_TILE_OPTIONS_SIZE + 32)] = "";
    for (size_t m = 0; m < gemms->algorithms_count; m++) {
        const struct gemm_algorithm *algorithm = &gemms->algorithms[m];
        char options[GEMM_TILE_OPTIONS_SIZE] = "";
        if (!algorithm->library)
            gemm_tile_options(&algorithm->tile, options);
        text_append(algorithms, sizeof algorithms, "%s %s\n", algorithm->name, options);
    }
    gemm_shape_name what;
    const char *const parts[] = {gpu->timed_on, gpu->base.info.library, algorithms,
        gemm_shape_text(shape, what), kernel_text(GEMM_KERNELS), kernel_text(EPILOGUE_KERNELS)};
    return gpu_cache_key(gpu, "choice", parts, sizeof parts / sizeof *parts, length);
}

static bool find_algorithm(
    const struct gemms *gemms, const char *name, size_t length, size_t *algorithm) {
    for (size_t m = 0; m < gemms->algorithms_count; m++)
        if (strlen(gemms->algorithms[m].name) == length &&
            memcmp(gemms->algorithms[m].name, name, length) == 0) {
            *algorithm = m;
            return true;
        }
    return false;
}

/* Gives the algorithm that was chosen by the run that this one continues; false when there is none.
 * If it chose one that isn't here any more, the device's info gets a warning. */
static bool take_over(struct gemms *gemms, const struct gemm_shape *shape, size_t *algorithm) {
    struct device *device = &gemms->gpu->base;
    gemm_shape_name what;
    char name[CHOICE_NAME];
    if (!choices_find(device, gemm_shape_text(shape, what), name))
        return false;
    const bool found = find_algorithm(gemms, name, strlen(name), algorithm);
    if (!found)
        choices_miss(device, name);
    return found;
}

/* Gives the algorithm that some earlier run has left in the program cache; false when there is
 * none. */
static bool load(const struct gemms *gemms, const struct gemm_shape *shape, size_t *algorithm) {
    void *content = NULL;
    size_t key_length = 0, length = 0;
    char *key = make_key(gemms, shape, &key_length);
    const bool found = key && program_cache_load(key, key_length, &content, &length) &&
                       find_algorithm(gemms, content, length, algorithm);
    free(content);
    free(key);
    return found;
}

bool choice_recall(struct gemms *gemms, const struct gemm_shape *shape, size_t *algorithm) {
    return take_over(gemms, shape, algorithm) || load(gemms, shape, algorithm);
}

void choice_keep(const struct gemms *gemms, const struct gemm_shape *shape, size_t algorithm) {
    const char *name = gemms->algorithms[algorithm].name;
    size_t length = 0;
    char *key = make_key(gemms, shape, &length);
    if (key)
        program_cache_store(key, length, name, strlen(name));
    free(key);
}
