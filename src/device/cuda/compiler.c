#include "device/cuda/compiler.h"

#include "system/text.h"

#include <nvrtc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int cuda_compiler_version(void) {
    int major = 0, minor = 0;
    return nvrtcVersion(&major, &minor) == NVRTC_SUCCESS ? 1000 * major + 10 * minor : 0;
}

static enum status failed(
    const char *call, nvrtcResult code, const char *subject, struct error *error) {
    return error_set(error, STATUS_DEVICE, "cuda: %s (%s) gave %s (%d)", call, subject,
        nvrtcGetErrorString(code), (int)code);
}

/* Finds the compute capability to compile for. It is the GPU's own if NVRTC knows that (*exact).
 * Else it is the newest that NVRTC knows and that is not newer than the GPU. */
static enum status find_target(int capability, int *target, bool *exact, struct error *error) {
    int count = 0, known[64];
    nvrtcResult code = nvrtcGetNumSupportedArchs(&count);
    if (code == NVRTC_SUCCESS && count > (int)(sizeof known / sizeof *known))
        code = NVRTC_ERROR_INTERNAL_ERROR;
    if (code == NVRTC_SUCCESS)
        code = nvrtcGetSupportedArchs(known);
    if (code != NVRTC_SUCCESS)
        return failed("nvrtcGetSupportedArchs", code, "", error);
    *target = 0;
    for (int k = 0; k < count; k++)
        if (known[k] <= capability && known[k] > *target)
            *target = known[k];
    *exact = *target == capability;
    return *target > 0
               ? STATUS_OK
               : error_set(error, STATUS_DEVICE,
                     "cuda: this GPU's compute capability is %d.%d, and NVRTC %d.%d compiles for "
                     "newer ones only; build with an older CUDA toolkit",
                     capability / 10, capability % 10, cuda_compiler_version() / 1000,
                     cuda_compiler_version() % 1000 / 10);
}

enum { OPTIONS_MAX = 64 };

/* Splits `text` into options at its spaces. The options point into `text`. Gives their number. */
static int split_options(char *text, const char *options[OPTIONS_MAX]) {
    int count = 0;
    for (char *option = strtok(text, " "); option && count < OPTIONS_MAX;
        option = strtok(NULL, " "))
        options[count++] = option;
    return count;
}

/* Appends the start of the compiler's messages to `text`. */
static void append_log(nvrtcProgram program, char *text, size_t size) {
    size_t length = 0;
    if (nvrtcGetProgramLogSize(program, &length) != NVRTC_SUCCESS)
        return;
    char *log = calloc(1, length + 1);
    if (log && nvrtcGetProgramLog(program, log) == NVRTC_SUCCESS)
        text_append(text, size, ": %s", log);
    free(log);
}

static enum status get_code(
    nvrtcProgram program, bool exact, void **code, size_t *length, struct error *error) {
    const char *call = exact ? "nvrtcGetCUBINSize" : "nvrtcGetPTXSize";
    nvrtcResult result =
        exact ? nvrtcGetCUBINSize(program, length) : nvrtcGetPTXSize(program, length);
    if (result != NVRTC_SUCCESS)
        return failed(call, result, "", error);
    *code = malloc(*length);
    if (!*code)
        return error_memory(error, "compiled kernels", *length);
    call = exact ? "nvrtcGetCUBIN" : "nvrtcGetPTX";
    result = exact ? nvrtcGetCUBIN(program, *code) : nvrtcGetPTX(program, *code);
    if (result == NVRTC_SUCCESS)
        return STATUS_OK;
    free(*code);
    *code = NULL;
    return failed(call, result, "", error);
}

enum status cuda_compile(const char *file, const char *text, const char *defines, int capability,
    void **code, size_t *length, struct error *error) {
    int target = 0;
    bool exact = false;
    *code = NULL;
    enum status status = find_target(capability, &target, &exact, error);
    if (status != STATUS_OK)
        return status;
    /* NVRTC may fuse a product with a sum, which is more exact. Nothing is compiled with
     * --use_fast_math, which is less exact. */
    char words[2048];
    const char *options[OPTIONS_MAX];
    const int written = snprintf(words, sizeof words, "--gpu-architecture=%s_%d %s",
        exact ? "sm" : "compute", target, defines);
    char said[sizeof words + 512];
    snprintf(said, sizeof said, "%s, %s", file, words);
    const int count = split_options(words, options);
    if (written >= (int)sizeof words || count == OPTIONS_MAX)
        return error_set(error, STATUS_FAILED, "cuda: too many options of the compiler: %s", said);
    nvrtcProgram program;
    nvrtcResult result = nvrtcCreateProgram(&program, text, file, 0, NULL, NULL);
    if (result != NVRTC_SUCCESS)
        return failed("nvrtcCreateProgram", result, file, error);
    result = nvrtcCompileProgram(program, count, options);
    if (result == NVRTC_SUCCESS) {
        status = get_code(program, exact, code, length, error);
    } else {
        append_log(program, said, sizeof said);
        status = failed("nvrtcCompileProgram", result, said, error);
    }
    nvrtcDestroyProgram(&program);
    return status;
}
