#include "device/environment.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

extern char **environ;

/* --- The table --- */

/* A variable that a library or driver of a device reads. A variable that is empty counts as not
 * set. When several rows fit a variable, the first one says what it is; but every row that refuses
 * it is checked. */
struct row {
    const char *kinds; /* kinds of devices that the variable matters to, with spaces between */
    const char *name;  /* with a '*' at its end: all variables that begin so */
    enum {
        /* It changes how code is compiled or scheduled, so it is in the record and in the keys of
         * caches. */
        TOLD,
        REFUSED, /* it changes what is computed, so the device is not opened */
        HARMLESS /* it does neither, or the record tells its effect in another way */
    } effect;
    /* The other members are for REFUSED only. */
    const char *does;      /* what the variable would do */
    const char *value;     /* refused with this value only; NULL: with any */
    const char *precision; /* refused only when the options ask for this precision; NULL: any */
    bool library;          /* refused only where a library multiplies matrices */
};

static const struct row rows[] = {
    /* OpenCL: variables that add to the compiler options of kernels, or replace them. */
    {"opencl", "POCL_EXTRA_BUILD_FLAGS", REFUSED, "adds options to those of all kernels"},
    {"opencl", "CLOVER_EXTRA_BUILD_OPTIONS", REFUSED, "adds options to those of all kernels"},
    {"opencl", "CLOVER_EXTRA_COMPILE_OPTIONS", REFUSED, "adds options to those of all kernels"},
    {"opencl", "CLOVER_EXTRA_LINK_OPTIONS", REFUSED, "adds options to those of all kernels"},
    {"opencl", "AMD_OCL_BUILD_OPTIONS", REFUSED, "replaces the options of all kernels"},
    {"opencl", "AMD_OCL_BUILD_OPTIONS_APPEND", REFUSED, "adds options to those of all kernels"},
    {"opencl", "AMD_OCL_LINK_OPTIONS", REFUSED, "replaces the options of all kernels"},
    {"opencl", "AMD_OCL_LINK_OPTIONS_APPEND", REFUSED, "adds options to those of all kernels"},
    {"opencl", "AMD_GPU_FORCE_SINGLE_FP_DENORM", REFUSED, "decides what becomes of denormals"},
    {"opencl", "NEOReadDebugKeys", REFUSED,
        "has Intel's driver take options of kernels, and much else, from the environment", "1"},
    {"opencl", "CLBLAST_BUILD_OPTIONS", REFUSED, "adds options to those of CLBlast's kernels",
        .library = true},
    /* PoCL */
    {"opencl", "POCL_CACHE_DIR", HARMLESS},
    {"opencl", "POCL_KERNEL_CACHE", HARMLESS},
    {"opencl", "POCL_DEVICES", HARMLESS},
    {"opencl", "POCL_MEMORY_LIMIT", HARMLESS},
    {"opencl", "POCL_*", TOLD},
    /* Mesa: rusticl, clover, and the drivers below them */
    {"opencl", "RUSTICL_ENABLE", HARMLESS},
    {"opencl", "RUSTICL_DEVICE_TYPE", HARMLESS},
    {"opencl", "RUSTICL_*", TOLD},
    {"opencl", "CLOVER_*", TOLD},
    {"opencl", "CLC_DEBUG", TOLD},
    {"opencl", "AMD_DEBUG", TOLD},
    {"opencl", "R600_DEBUG", TOLD},
    {"opencl", "INTEL_DEBUG", TOLD},
    {"opencl", "NIR_DEBUG", TOLD},
    {"opencl", "GALLIVM_*", TOLD},
    {"opencl", "LP_*", TOLD},
    /* Intel's drivers for GPUs and CPUs */
    {"opencl", "NEO*", TOLD},
    {"opencl", "IGC_*", TOLD},
    {"opencl", "CL_CONFIG_*", TOLD},
    /* ROCm */
    {"opencl", "AMD_LOG_*", TOLD},
    {"opencl", "AMD_OCL_*", TOLD},
    {"opencl", "AMD_SERIALIZE_*", TOLD},
    {"opencl", "AMD_DIRECT_DISPATCH", TOLD},
    {"opencl", "OCL_STUB_PROGRAMS", TOLD},
    {"opencl", "GPU_DEVICE_ORDINAL", HARMLESS},
    {"opencl", "GPU_ENABLE_*", TOLD},
    {"opencl", "GPU_FLUSH_*", TOLD},
    {"opencl", "GPU_IFH_MODE", TOLD},
    {"opencl", "GPU_MAX_*", TOLD},
    {"opencl", "GPU_NUM_*", TOLD},
    {"opencl", "GPU_SINGLE_*", TOLD},
    {"opencl", "GPU_WAVE*", TOLD},
    {"opencl", "HSA_*", TOLD},
    {"opencl", "ROC_*", TOLD},
    /* CUDA: some variables of cuBLAS silently turn one precision into another. NVRTC takes no
     * options from the environment. NVIDIA's OpenCL is the same driver, so it reads the driver's
     * variables, too. */
    {"cuda", "NVIDIA_TF32_OVERRIDE", REFUSED, "makes cuBLAS compute in TF32", "1", "fp32", true},
    {"cuda", "NVIDIA_TF32_OVERRIDE", REFUSED, "keeps cuBLAS from TF32", "0", "tf32", true},
    {"cuda", "CUBLAS_EMULATE_SINGLE_PRECISION", REFUSED, "makes cuBLAS put fp32 together from bf16",
        "1", "fp32", true},
    {"cuda", "CUBLAS_LOG*", HARMLESS},
    {"cuda", "CUBLAS_*", TOLD},
    {"cuda", "CUBLASLT_*", TOLD},
    {"cuda", "NCCL_DEBUG*", HARMLESS},
    {"cuda", "NCCL_*", TOLD},
    {"cuda", "NVRTC_*", TOLD},
    {"cuda opencl", "CUDA_DISABLE_PTX_JIT", TOLD},
    {"cuda opencl", "CUDA_FORCE_PTX_JIT", TOLD},
    {"cuda opencl", "CUDA_DISABLE_JIT", TOLD},
    {"cuda opencl", "CUDA_FORCE_JIT", TOLD},
    {"cuda opencl", "CUDA_DEVICE_MAX_CONNECTIONS", TOLD},
    {"cuda opencl", "CUDA_DEVICE_WAITS_ON_EXCEPTION", TOLD},
    {"cuda opencl", "CUDA_LAUNCH_BLOCKING", TOLD},
    {"cuda opencl", "CUDA_MODULE_LOADING", TOLD},
    {"cuda opencl", "CUDA_AUTO_BOOST", TOLD},
    {"cuda opencl", "CUDA_SCALE_LAUNCH_QUEUES", TOLD},
    /* These say which GPU is taken among several, which may have the same name. */
    {"cuda", "CUDA_VISIBLE_DEVICES", TOLD},
    {"cuda", "CUDA_DEVICE_ORDER", TOLD},
    /* The host: OpenBLAS, and the OpenMP libraries of GNU and LLVM. The program sets the numbers of
     * threads itself and records them, so variables for these are not here. */
    {"cpu", "OPENBLAS_CORETYPE", TOLD},
    {"cpu", "OPENBLAS_BLOCK_FACTOR", TOLD},
    {"cpu reference", "OMP_DYNAMIC", TOLD},
    {"cpu reference", "OMP_PLACES", TOLD},
    {"cpu reference", "OMP_PROC_BIND", TOLD},
    {"cpu reference", "OMP_WAIT_POLICY", TOLD},
    {"cpu reference", "GOMP_CPU_AFFINITY", TOLD},
    {"cpu reference", "GOMP_SPINCOUNT", TOLD},
    {"cpu reference", "KMP_AFFINITY", TOLD},
    {"cpu reference", "KMP_BLOCKTIME", TOLD},
    {"cpu reference", "KMP_HW_SUBSET", TOLD},
    {"cpu reference", "KMP_LIBRARY", TOLD},
    {"cpu reference", "KMP_USE_YIELD", TOLD},
};

enum { ROWS = sizeof rows / sizeof *rows };

/* --- Reading it --- */

static bool is_for(const struct row *row, const char *kind) {
    const size_t length = strlen(kind);
    for (const char *at = row->kinds; (at = strstr(at, kind)); at += length)
        if ((at == row->kinds || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0'))
            return true;
    return false;
}

/* Whether the row is about "NAME=VALUE", and the value is not empty. */
static bool is_about(const struct row *row, const char *variable) {
    const size_t name = strcspn(variable, "="), length = strlen(row->name);
    if (variable[name] == '\0' || variable[name + 1] == '\0')
        return false;
    return row->name[length - 1] == '*'
               ? name >= length - 1 && strncmp(variable, row->name, length - 1) == 0
               : name == length && strncmp(variable, row->name, length) == 0;
}

/* The first row about the variable for this kind of device (NULL: for any kind). NULL when there is
 * none. */
static const struct row *find_row(const char *variable, const char *kind) {
    for (int r = 0; r < ROWS; r++)
        if ((!kind || is_for(&rows[r], kind)) && is_about(&rows[r], variable))
            return &rows[r];
    return NULL;
}

bool device_variable_matters(const char *variable, const char *kind) {
    const struct row *row = find_row(variable, kind);
    return row && row->effect != HARMLESS;
}

static int compare(const void *left, const void *right) {
    return strcmp(*(char *const *)left, *(char *const *)right);
}

char **device_variables(void) {
    size_t most = 0, count = 0;
    while (environ && environ[most])
        most++;
    char **variables = calloc(most + 1, sizeof *variables);
    for (size_t v = 0; v < most && variables; v++) {
        const struct row *row = find_row(environ[v], NULL);
        if (!row || row->effect == HARMLESS)
            continue;
        variables[count] = strdup(environ[v]);
        if (!variables[count++]) {
            device_variables_free(variables);
            return NULL;
        }
    }
    if (variables)
        qsort(variables, count, sizeof *variables, compare);
    return variables;
}

void device_variables_free(char **variables) {
    for (size_t v = 0; variables && variables[v]; v++)
        free(variables[v]);
    free(variables);
}

/* --- For a device --- */

/* Whether a library may multiply matrices, where the device has a choice. */
static bool takes_library(const struct device_options *options) {
    return !options->gemm || strncmp(options->gemm, "own", 3) != 0;
}

static bool is_refused(
    const struct row *row, const char *variable, const struct device_options *options) {
    const char *value = variable + strcspn(variable, "=") + 1;
    const char *precision = options->precision ? options->precision : "fp32";
    return row->effect == REFUSED && is_about(row, variable) &&
           (!row->value || strcmp(row->value, value) == 0) &&
           (!row->precision || strcmp(row->precision, precision) == 0) &&
           (!row->library || takes_library(options));
}

enum status environment_check(
    const char *kind, const struct device_options *options, struct error *error) {
    for (size_t v = 0; environ && environ[v]; v++)
        for (int r = 0; r < ROWS; r++)
            if (is_for(&rows[r], kind) && is_refused(&rows[r], environ[v], options))
                return error_set(error, STATUS_USAGE,
                    "%s: --precision %s, but %.200s in the environment %s: take it out there", kind,
                    options->precision ? options->precision : "fp32", environ[v], rows[r].does);
    return STATUS_OK;
}

char *environment_text(const char *kind) {
    size_t length = 0;
    char **variables = device_variables();
    for (size_t v = 0; variables && variables[v]; v++)
        length += strlen(variables[v]) + 1;
    char *text = variables ? calloc(length + 1, 1) : NULL, *end = text;
    for (size_t v = 0; text && variables[v]; v++) {
        if (!device_variable_matters(variables[v], kind))
            continue;
        const size_t line = strlen(variables[v]);
        memcpy(end, variables[v], line);
        end[line] = '\n';
        end += line + 1;
    }
    device_variables_free(variables);
    return text;
}
