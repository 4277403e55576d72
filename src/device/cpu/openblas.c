#include "device/cpu/openblas.h"

#include <cblas.h>
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const bool openblas_is_built = true;

typedef void sgemm_function(enum CBLAS_ORDER order, enum CBLAS_TRANSPOSE transpose_a,
    enum CBLAS_TRANSPOSE transpose_b, blasint m, blasint n, blasint k, float alpha, const float *a,
    blasint lda, const float *b, blasint ldb, float beta, float *c, blasint ldc);

/* The functions of OpenBLAS that we call besides its gemm. */
struct questions {
    char *(*config)(void), *(*core)(void);
    int (*parallel)(void);
    void (*set_threads)(int);
};

/* Finds a function of the library, and writes its address to the pointer at `function`. ISO C can't
 * convert the object's address that dlsym gives to that of a function, so its bytes are copied. */
static bool find(void *handle, const char *name, void *function) {
    void *symbol = dlsym(handle, name);
    memcpy(function, &symbol, sizeof symbol);
    return symbol != NULL;
}

static bool find_all(struct openblas *openblas, struct questions *questions) {
    void *handle = openblas->handle;
    return find(handle, "cblas_sgemm", &openblas->sgemm) &&
           find(handle, "openblas_get_config", &questions->config) &&
           find(handle, "openblas_get_corename", &questions->core) &&
           find(handle, "openblas_get_parallel", &questions->parallel) &&
           find(handle, "openblas_set_num_threads", &questions->set_threads);
}

/* Finds out how many threads may call OpenBLAS at a time. A serial build may be called by one
 * thread only, unless it was built with locks. Other builds have room for a number of calling
 * threads that was fixed when they were built, and some of them crash beyond it. */
static void count_callers(struct openblas *openblas, const struct questions *questions) {
    const char *config = questions->config();
    const char *most = strstr(config, "MAX_THREADS=");
    const long limit = most ? strtol(most + strlen("MAX_THREADS="), NULL, 10) : 0;
    openblas->callers = limit > 0 && limit < INT_MAX ? (int)limit : INT_MAX;
    openblas->why = limit > 0 ? "its OpenBLAS was built for no more" : NULL;
    if (questions->parallel() == 0 && !strstr(config, "USE_LOCKING")) {
        openblas->callers = 1;
        openblas->why = "its OpenBLAS is a serial build, which gives wrong results when several "
                        "threads call it: install one with threads (Debian: libopenblas0-pthread)";
    }
}

enum status openblas_open(struct openblas *openblas, struct error *error) {
    struct questions questions;
    *openblas = (struct openblas){.handle = dlopen(TRAINER_OPENBLAS_NAME, RTLD_NOW | RTLD_LOCAL)};
    if (!openblas->handle || !find_all(openblas, &questions)) {
        const char *reason = dlerror();
        const enum status status = error_set(error, STATUS_DEVICE,
            "cpu: OpenBLAS can't be opened: %s; install it (Debian: libopenblas0)",
            reason ? reason : TRAINER_OPENBLAS_NAME);
        openblas_close(openblas);
        return status;
    }
    questions.set_threads(1);
    sscanf(questions.config(), "OpenBLAS %63s", openblas->version); /* "OpenBLAS 0.3.21 ..." */
    snprintf(openblas->core, sizeof openblas->core, "%s", questions.core());
    count_callers(openblas, &questions);
    return STATUS_OK;
}

void openblas_close(struct openblas *openblas) {
    if (openblas->handle)
        dlclose(openblas->handle);
    openblas->handle = NULL;
}

void openblas_multiply(const struct openblas *openblas, const struct gemm *gemm) {
    sgemm_function *sgemm = (sgemm_function *)openblas->sgemm;
    sgemm(CblasRowMajor, gemm->transpose_a ? CblasTrans : CblasNoTrans,
        gemm->transpose_b ? CblasTrans : CblasNoTrans, (blasint)gemm->m, (blasint)gemm->n,
        (blasint)gemm->k, gemm->scale, gemm->a, (blasint)gemm->a_row, gemm->b, (blasint)gemm->b_row,
        gemm->add ? 1.0f : 0.0f, gemm->c, (blasint)gemm->c_row);
}

/* OpenBLAS takes a CPU that is newer than itself for one of 2004 (Prescott), unless
 * OPENBLAS_CORETYPE names another core. */
bool openblas_is_mistaken(const struct openblas *openblas, const char **value) {
#ifdef __x86_64__
    *value = __builtin_cpu_supports("avx512dq") ? "SkylakeX" : "Haswell";
    return strcmp(openblas->core, "Prescott") == 0 && __builtin_cpu_supports("avx2");
#else
    (void)openblas, (void)value;
    return false;
#endif
}

const char *openblas_environment(const char **value) {
    struct openblas openblas;
    if (!getenv("OPENBLAS_NUM_THREADS")) { /* we never use its own threads */
        *value = "1";
        return "OPENBLAS_NUM_THREADS";
    }
    if (getenv("OPENBLAS_CORETYPE") || openblas_open(&openblas, NULL) != STATUS_OK)
        return NULL;
    const bool mistaken = openblas_is_mistaken(&openblas, value);
    openblas_close(&openblas); /* when it is opened again, it reads the environment again */
    return mistaken ? "OPENBLAS_CORETYPE" : NULL;
}
