/* What autotuning asks of a GPU's device: its algorithms for gemms, and to do one. */
#include "device/gpu/gemm.h"
#include "device/gpu/kernel_text.h"
#include "device/gpu/program.h"
#include "device/gpu/step_choice.h"
#include "system/clock.h"
#include "system/text.h"

#include <math.h>
#include <stdlib.h>

static char *make_key(const struct device *device, const char *shape, size_t *length) {
    const struct gpu *gpu = (const struct gpu *)device;
    const struct gemms *gemms = gpu->gemms;
    char algorithms[ALGORITHMS_MAX * (GEMM_TILE_OPTIONS_SIZE + 32)] = "";
    for (size_t a = 0; a < gemms->algorithms_count; a++) {
        const struct gemm_algorithm *algorithm = &gemms->algorithms[a];
        char options[GEMM_TILE_OPTIONS_SIZE] = "";
        if (!algorithm->library)
            gemm_tile_options(&algorithm->tile, options);
        text_append(algorithms, sizeof algorithms, "%s %s\n", algorithm->name, options);
    }
    const char *const parts[] = {gpu->timed_on, gpu->base.info.library, algorithms, shape,
        kernel_text(GEMM_KERNELS), kernel_text(EPILOGUE_KERNELS)};
    return gpu_cache_key(gpu, "choice", parts, sizeof parts / sizeof *parts, length);
}

static enum status enqueue(
    struct device *device, size_t algorithm, const struct operation *gemm, struct error *error) {
    return gemms_compute(((struct gpu *)device)->gemms, NULL, algorithm, gemm, error);
}

static enum status record(struct device *device, size_t algorithm, const struct operation *gemms,
    size_t count, size_t repeats, struct recording **recording, struct error *error) {
    struct gpu *gpu = (struct gpu *)device;
    struct recording *made = *recording = calloc(1, sizeof *made);
    if (!made)
        return error_memory(error, "a recording", sizeof *made);
    enum status status = STATUS_OK;
    for (size_t r = 0; r < repeats && status == STATUS_OK; r++)
        status = gemms_compute(gpu->gemms, &made->commands, algorithm, &gemms[r % count], error);
    return status == STATUS_OK ? gpu_commands_make_graph(gpu, &made->commands, error) : status;
}

enum status gpu_choices_create(struct gpu *gpu, struct error *error) {
    enum { LAUNCHED_MAX = 16, RECORDED_MAX = 200 };
    const struct gemms *gemms = gpu->gemms;
    const bool recorded = gpu->driver->make_graph;
    gpu->algorithms = (struct algorithms){
        .count = gemms->algorithms_count,
        .suspect_side = gpu->driver->suspect_side,
        .turn = 1e-3,
        .enough = 0.05,
        .clock = clock_seconds,
        .enough_in_all = INFINITY,
        .repeats = recorded ? RECORDED_MAX : LAUNCHED_MAX,
        .rounds = 10,
        .rounds_for_all = 3,
        .multiplications = INFINITY,
        .cold_bytes = 2 * gpu->cache_bytes,
        .largest_batch = SIZE_MAX,
        .make_key = make_key,
        .enqueue = enqueue,
        .record = recorded ? record : NULL,
    };
    for (size_t a = 0; a < gemms->algorithms_count; a++) {
        gpu->algorithms.all[a].name = gemms->algorithms[a].name;
        gpu->algorithms.all[a].library = gemms->algorithms[a].library;
        gpu->algorithms.all[a].share =
            gemms->algorithms[a].library ? gpu->driver->library_share : 1.0;
    }
    return gemm_choices_create(&gpu->base, &gpu->algorithms, &gpu->choices, error);
}

size_t gpu_choices(const struct device *device, char *text, size_t size) {
    const struct gpu *gpu = (const struct gpu *)device;
    const size_t length = gemm_choices_text(gpu->choices, text, size);
    const size_t used = length < size ? length : size;
    return length + step_choices_text(gpu, size > 0 ? text + used : NULL, size - used);
}
