#include "device/opencl/pocl.h"

#include "device/opencl/status.h"
#include "system/file.h"
#include "system/locale.h"
#include "system/team.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static enum status is_pocl(cl_platform_id platform, bool *is, struct error *error) {
    char name[64] = "";
    const cl_int code = clGetPlatformInfo(platform, CL_PLATFORM_NAME, sizeof name, name, NULL);
    *is = code == CL_SUCCESS && strcmp(name, "Portable Computing Language") == 0;
    return code == CL_SUCCESS || code == CL_INVALID_VALUE /* a longer name than PoCL's */
               ? STATUS_OK
               : opencl_failed("clGetPlatformInfo", code, "CL_PLATFORM_NAME", error);
}

/* Finds the folder where PoCL keeps what it compiles, by PoCL's own rule. */
static void find_cache(char folder[PATH_MAX]) {
    const char *named = getenv("POCL_CACHE_DIR"), *cache = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");
    if (named && *named)
        snprintf(folder, PATH_MAX, "%s", named);
    else if (cache && *cache)
        snprintf(folder, PATH_MAX, "%s/pocl/kcache", cache);
    else if (home)
        snprintf(folder, PATH_MAX, "%s/.cache/pocl/kcache", home);
    else
        snprintf(folder, PATH_MAX, "/tmp/pocl/kcache");
}

enum status pocl_check(cl_platform_id platform, struct error *error) {
    char folder[PATH_MAX];
    const long processors = sysconf(_SC_NPROCESSORS_ONLN);
    bool is;
    const enum status status = is_pocl(platform, &is, error);
    if (status != STATUS_OK || !is)
        return status;
    find_cache(folder);
    const int reason = file_check_folder(folder);
    if (reason != 0)
        return error_set(error, STATUS_DEVICE,
            "opencl: PoCL has no device (CL_DEVICE_NOT_FOUND) without a cache folder that it can "
            "write to, and can't use %.1000s: %s: set POCL_CACHE_DIR to another",
            folder, locale_reason(reason));
    const int wanted = processors > 0 && processors < INT_MAX ? (int)processors : 1;
    const int startable = team_startable(wanted);
    if (startable < wanted)
        return error_set(error, STATUS_DEVICE,
            "opencl: PoCL starts %d threads, and the system gives only %d more: see its limit of "
            "processes (ulimit -u)",
            wanted, startable);
    return STATUS_OK;
}
