#include "device/cuda/discovery.h"

#include "device/cuda/compiler.h"
#include "device/cuda/status.h"
#include "device/spec.h"
#include "system/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- What there is --- */

/* "13.0" for 13000. */
static const char *version_text(int version, char text[32]) {
    snprintf(text, 32, "%d.%d", version / 1000, version % 1000 / 10);
    return text;
}

/* Fills the error with why there is no GPU, and with what decides that: the versions of driver and
 * runtime, and CUDA_VISIBLE_DEVICES, which hides GPUs. *shortly says it in a few words. */
static enum status explain(cudaError_t code, const char **shortly, struct error *error) {
    int driver = 0, runtime = 0;
    char needs[32], has[32];
    cudaGetLastError();
    cudaDriverGetVersion(&driver);
    cudaRuntimeGetVersion(&runtime);
    version_text(runtime, needs);
    version_text(driver, has);
    const char *visible = getenv("CUDA_VISIBLE_DEVICES");
    const char *advice = driver == 0 ? "; install NVIDIA's driver (Debian: nvidia-driver)"
                         : code == cudaErrorInsufficientDriver ? "; install a newer driver"
                                                               : "";
    *shortly = driver == 0                           ? "no driver of NVIDIA's"
               : code == cudaErrorInsufficientDriver ? "NVIDIA's driver is too old"
               : code == cudaErrorNoDevice           ? "no GPU of NVIDIA's"
                                                     : cudaGetErrorName(code);
    return error_set(error, STATUS_DEVICE,
        "cuda: cudaGetDeviceCount gave %s (%d): %s; NVIDIA's driver: %s%s, CUDA runtime: "
        "%s%s%s%s%s",
        cudaGetErrorName(code), (int)code, cudaGetErrorString(code),
        driver == 0 ? "none" : "for CUDA ", driver == 0 ? "" : has, needs,
        visible ? "; CUDA_VISIBLE_DEVICES is '" : "", visible ? visible : "", visible ? "'" : "",
        advice);
}

/* Counts the GPUs. It is an error if there is none. */
static enum status count_gpus(int *count, const char **shortly, struct error *error) {
    cudaError_t code = cudaGetDeviceCount(count);
    if (code == cudaSuccess && *count == 0)
        code = cudaErrorNoDevice;
    return code == cudaSuccess ? STATUS_OK : explain(code, shortly, error);
}

/* --- Describing --- */

/* Writes the version of NVIDIA's driver, "580.95.05, ", or nothing where the driver does not say.
 * The runtime only knows which version of CUDA the driver is for. The driver's file begins with a
 * line like "NVRM version: NVIDIA UNIX x86_64 Kernel Module 580.95.05 ...". The version is the
 * first word that begins with a digit and has a point in it. */
static const char *driver_version(char text[64]) {
    char line[256] = "";
    FILE *file = fopen("/proc/driver/nvidia/version", "r");
    text[0] = '\0';
    if (!file)
        return text;
    char *rest;
    if (fgets(line, sizeof line, file))
        for (char *word = strtok_r(line, " \t\n", &rest); word && !text[0];
            word = strtok_r(NULL, " \t\n", &rest))
            if (*word >= '0' && *word <= '9' && strchr(word, '.'))
                snprintf(text, 64, "%.32s, ", word);
    fclose(file);
    return text;
}

enum status cuda_library(char *text, size_t size, struct error *error) {
    (void)error;
    int major = 0, minor = 0, patch = 0;
    cublasGetProperty(MAJOR_VERSION, &major);
    cublasGetProperty(MINOR_VERSION, &minor);
    cublasGetProperty(PATCH_LEVEL, &patch);
    snprintf(text, size, "cuBLAS %d.%d.%d", major, minor, patch);
    return STATUS_OK;
}

static enum status describe(
    int ordinal, struct cudaDeviceProp *properties, struct device_info *info, struct error *error) {
    int driver = 0, runtime = 0;
    char version[32], other[32], release[64];
    const cudaError_t code = cudaGetDeviceProperties(properties, ordinal);
    if (code != cudaSuccess)
        return cuda_failed("cudaGetDeviceProperties", code, "", error);
    cudaDriverGetVersion(&driver);
    cudaRuntimeGetVersion(&runtime);
    info->kind = "cuda";
    info->type = "gpu";
    info->precision = "fp32";
    info->units = properties->multiProcessorCount;
    info->memory_bytes = properties->totalGlobalMem;
    snprintf(info->name, sizeof info->name, "%.*s", (int)sizeof info->name - 1, properties->name);
    snprintf(info->vendor, sizeof info->vendor, "NVIDIA");
    snprintf(info->kernels, sizeof info->kernels, "CUDA C++ sm_%d%d, NVRTC %s", properties->major,
        properties->minor, version_text(cuda_compiler_version(), version));
    snprintf(info->platform, sizeof info->platform, "NVIDIA");
    snprintf(info->address, sizeof info->address, "%04x:%02x:%02x",
        (unsigned)properties->pciDomainID, (unsigned)properties->pciBusID,
        (unsigned)properties->pciDeviceID);
    snprintf(info->driver, sizeof info->driver, "%sCUDA %s (runtime %s)", driver_version(release),
        version_text(driver, version), version_text(runtime, other));
    return cuda_library(info->library, sizeof info->library, error);
}

void cuda_list(device_visitor *visit, void *context) {
    int count = 0;
    const char *shortly;
    struct error error;
    struct device_entry entry = {.spec = "cuda", .reason = error.message};
    if (count_gpus(&count, &shortly, &error) != STATUS_OK) {
        entry.reason = error.message + strlen("cuda: ");
        visit(context, &entry);
        return;
    }
    for (int ordinal = 0; ordinal < count; ordinal++) {
        char spec[32];
        struct cudaDeviceProp properties;
        snprintf(spec, sizeof spec, "cuda:%d", ordinal);
        entry = (struct device_entry){.spec = spec};
        entry.available = describe(ordinal, &properties, &entry.info, &error) == STATUS_OK;
        entry.reason = entry.available ? NULL : error.message;
        visit(context, &entry);
    }
}

/* --- Choosing --- */

/* Writes all GPUs as "cuda:0 NVIDIA H200, cuda:1 ...", for messages. */
static const char *list_gpus(int count, char *text, size_t size) {
    text[0] = '\0';
    for (int ordinal = 0; ordinal < count; ordinal++) {
        struct cudaDeviceProp properties;
        const bool known = cudaGetDeviceProperties(&properties, ordinal) == cudaSuccess;
        text_append(text, size, "%scuda:%d%s%s", ordinal > 0 ? ", " : "", ordinal, known ? " " : "",
            known ? properties.name : "");
    }
    return text;
}

/* Gives the number of the GPU that `rest` names, as in cuda_choose; number `turn` where it names
 * none. */
static enum status find_ordinal(const char *rest, int turn, bool automatic, int *ordinal,
    const char **shortly, struct error *error) {
    int count = 0;
    char list[512];
    struct error none;
    const enum status status = count_gpus(&count, shortly, &none);
    if (status != STATUS_OK) /* an automatic choice tries other devices by itself */
        return error_set(error, status, "%s%s%s", none.message,
            automatic ? "" : "; other devices of this build: ",
            automatic ? "" : device_list_others("cuda", list, sizeof list));
    long wanted = 0; /* the runtime calls the fastest GPU 0 */
    if (rest && (!spec_numbers(rest, &wanted, 1) || wanted >= count))
        return error_set(error, STATUS_DEVICE,
            "cuda: '%s' is not the number of a GPU; there is: %s", rest,
            list_gpus(count, list, sizeof list));
    *ordinal = rest ? (int)wanted : turn % count;
    return STATUS_OK;
}

enum status cuda_find(const char *rest, bool automatic, const char **shortly, struct error *error) {
    int ordinal;
    return find_ordinal(rest, 0, automatic, &ordinal, shortly, error);
}

enum status cuda_choose(const char *rest, const struct device_options *options, struct cuda *cuda,
    struct error *error) {
    const char *shortly;
    const int turn = communicator_info(options->communicator)->local_rank;
    enum status status =
        find_ordinal(rest, turn, options->automatic, &cuda->ordinal, &shortly, error);
    if (status != STATUS_OK)
        return status;
    struct cudaDeviceProp properties;
    status = describe(cuda->ordinal, &properties, &cuda->gpu.base.info, error);
    if (status != STATUS_OK)
        return status;
    cuda->capability = 10 * properties.major + properties.minor;
    cuda_clocks_open(&cuda->clocks, &properties);
    return STATUS_OK;
}
