/* What src/device/cuda/nccl_api.h declares of NCCL is what NCCL has. The header is that of the
 * library, which may be another version than the one that is opened. */
#include "device/cuda/nccl_api.h"
#include "support.h"

#ifdef TEST_HAS_NCCL
#include <dlfcn.h>
#include <nccl.h>

_Static_assert(NCCL_SUCCESS == (int)ncclSuccess, "a result");
_Static_assert(NCCL_IN_PROGRESS == (int)ncclInProgress, "a result");
_Static_assert(NCCL_FLOAT32 == (int)ncclFloat32, "a type");
_Static_assert(NCCL_SUM == (int)ncclSum, "an operation");
_Static_assert(sizeof(nccl_id) == sizeof(ncclUniqueId), "an id");
_Static_assert(sizeof(nccl_result) == sizeof(ncclResult_t), "a result");
_Static_assert(
    sizeof(int) == sizeof(ncclDataType_t) && sizeof(int) == sizeof(ncclRedOp_t), "enums");

/* Each function, as the header declares it, has the parameters that we give it, but for enums and
 * names of types. */
static void test_declarations(void **state) {
    (void)state;
    ncclResult_t (*get_version)(int *) = ncclGetVersion;
    ncclResult_t (*get_unique_id)(ncclUniqueId *) = ncclGetUniqueId;
    ncclResult_t (*init_rank)(ncclComm_t *, int, ncclUniqueId, int) = ncclCommInitRank;
    ncclResult_t (*destroy)(ncclComm_t) = ncclCommDestroy, (*give_up)(ncclComm_t) = ncclCommAbort;
    ncclResult_t (*get_async_error)(ncclComm_t, ncclResult_t *) = ncclCommGetAsyncError;
    ncclResult_t (*all_reduce)(const void *, void *, size_t, ncclDataType_t, ncclRedOp_t,
        ncclComm_t, cudaStream_t) = ncclAllReduce;
    const char *(*error_string)(ncclResult_t) = ncclGetErrorString;
    const char *(*last_error)(ncclComm_t) = ncclGetLastError;
    assert_true(get_version && get_unique_id && init_rank && destroy && give_up &&
                get_async_error && all_reduce && error_string && last_error);
}

static void test_opening(void **state) {
    (void)state;
    struct nccl_api api;
    int version = 0;
    if (!nccl_api_open(&api)) {
        print_message("skipped: %s\n", dlerror());
        skip();
    }
    assert_int_equal(api.get_version(&version), NCCL_SUCCESS);
    assert_true(version >= 20000);
    assert_string_equal(api.get_error_string(NCCL_SUCCESS), "no error");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_declarations),
        cmocka_unit_test(test_opening),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
#else
int main(void) {
    print_message("skipped: there is no NCCL to compile with (nccl.h, libnccl.so)\n");
    return 77; /* CTest reports it as skipped */
}
#endif
