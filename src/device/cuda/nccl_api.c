#include "device/cuda/nccl_api.h"

#include <dlfcn.h>

/* The address of a function of the library, in a place that is of the function's type. */
static bool find(const struct nccl_api *api, const char *name, void *place) {
    *(void **)place = dlsym(api->library, name);
    return *(void **)place != NULL;
}

bool nccl_api_open(struct nccl_api *api) {
    api->library = dlopen("libnccl.so.2", RTLD_NOW | RTLD_LOCAL);
    return api->library && find(api, "ncclGetVersion", &api->get_version) &&
           find(api, "ncclGetUniqueId", &api->get_unique_id) &&
           find(api, "ncclCommInitRank", &api->comm_init_rank) &&
           find(api, "ncclCommDestroy", &api->comm_destroy) &&
           find(api, "ncclCommAbort", &api->comm_abort) &&
           find(api, "ncclCommGetAsyncError", &api->comm_get_async_error) &&
           find(api, "ncclAllReduce", &api->all_reduce) &&
           find(api, "ncclGetErrorString", &api->get_error_string) &&
           find(api, "ncclGetLastError", &api->get_last_error);
}
