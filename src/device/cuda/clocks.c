#include "device/cuda/clocks.h"

#include "device/cuda/device.h"

#include <dlfcn.h>
#include <stdio.h>

/* --- NVML --- */

/* NVML's header is not part of every toolkit, so what is used of it is declared here, as its API
 * reference has it (docs.nvidia.com/deploy/nvml-api). */
enum { NVML_CLOCK_SM = 1, NVML_CLOCK_MEM = 2 };

/* Why a GPU does not run faster: bits of nvmlDeviceGetCurrentClocksEventReasons. */
enum {
    REASON_APPLICATION_CLOCKS = 0x2,
    REASON_POWER_CAP = 0x4,
    REASON_SLOWDOWN = 0x8, /* with one of the last two, or for another cause */
    REASON_SYNC_BOOST = 0x10,
    REASON_THERMAL_SOFTWARE = 0x20,
    REASON_THERMAL_HARDWARE = 0x40,
    REASON_POWER_BRAKE = 0x80,
    REASON_DISPLAY_CLOCKS = 0x100,
};

/* The address of a function of the library, in a place that is of the function's type. */
static bool find(void *library, const char *name, void *place) {
    *(void **)place = dlsym(library, name);
    return *(void **)place != NULL;
}

void cuda_clocks_open(struct cuda_clocks *clocks, const struct cudaDeviceProp *properties) {
    int (*start)(void) = NULL, (*find_gpu)(const char *, void **) = NULL;
    char bus[32]; /* NVML counts GPUs in an order of its own */
    snprintf(bus, sizeof bus, "%08X:%02X:%02X.0", (unsigned)properties->pciDomainID,
        (unsigned)properties->pciBusID, (unsigned)properties->pciDeviceID);
    void *library = dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return;
    const bool whole = find(library, "nvmlInit_v2", &start) &&
                       find(library, "nvmlShutdown", &clocks->shut_down) &&
                       find(library, "nvmlDeviceGetHandleByPciBusId_v2", &find_gpu) &&
                       find(library, "nvmlDeviceGetClockInfo", &clocks->get_clock);
    if (!find(library, "nvmlDeviceGetCurrentClocksEventReasons", &clocks->get_reasons))
        find(library, "nvmlDeviceGetCurrentClocksThrottleReasons", &clocks->get_reasons);
    const bool started = whole && start() == 0;
    if (started && find_gpu(bus, &clocks->gpu) == 0) {
        clocks->library = library;
        return;
    }
    if (started)
        clocks->shut_down();
    dlclose(library);
}

void cuda_clocks_close(struct cuda_clocks *clocks) {
    if (!clocks->library)
        return;
    clocks->shut_down();
    dlclose(clocks->library);
    clocks->library = NULL;
}

/* --- Reading --- */

static unsigned limits_of(unsigned long long reasons) {
    static const struct {
        unsigned long long reasons;
        unsigned limit;
    } table[] = {
        {REASON_POWER_CAP | REASON_POWER_BRAKE, CLOCK_LIMIT_POWER},
        {REASON_THERMAL_SOFTWARE | REASON_THERMAL_HARDWARE, CLOCK_LIMIT_TEMPERATURE},
        {REASON_APPLICATION_CLOCKS | REASON_SYNC_BOOST | REASON_DISPLAY_CLOCKS,
            CLOCK_LIMIT_SETTING},
    };
    unsigned limits = 0;
    for (size_t t = 0; t < sizeof table / sizeof *table; t++)
        if (reasons & table[t].reasons)
            limits |= table[t].limit;
    const bool explained = reasons & (REASON_POWER_BRAKE | REASON_THERMAL_HARDWARE);
    return reasons & REASON_SLOWDOWN && !explained ? limits | CLOCK_LIMIT_HARDWARE : limits;
}

bool cuda_read_clocks(struct device *device, struct device_clocks *clocks) {
    const struct cuda_clocks *from = &cuda_of_device(device)->clocks;
    unsigned long long reasons = 0;
    if (!from->library || from->get_clock(from->gpu, NVML_CLOCK_SM, &clocks->processor_mhz) != 0 ||
        from->get_clock(from->gpu, NVML_CLOCK_MEM, &clocks->memory_mhz) != 0)
        return false;
    if (from->get_reasons && from->get_reasons(from->gpu, &reasons) != 0)
        reasons = 0;
    clocks->limits = limits_of(reasons);
    return true;
}
