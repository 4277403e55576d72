/* A BLAS in OpenBLAS's place, of any kind that there is: what it says of itself is in the
 * environment.
 *
 * - FAKE_OPENBLAS_CONFIG: its configuration, "OpenBLAS 0.0.1 MAX_THREADS=64" unless given
 * - FAKE_OPENBLAS_CORE: what it takes the processor for, "Fake" unless given, or told otherwise
 *   (OPENBLAS_CORETYPE)
 * - FAKE_OPENBLAS_PARALLEL: 0: a serial build, 1: with threads, 2: OpenMP's
 * - FAKE_OPENBLAS_WRONG: 1: its gemms are wrong by a tenth
 * - FAKE_OPENBLAS_REPORT=FILE: how many threads have called it, written when the process ends */
#include <cblas.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

static atomic_int callers;

static int say(const char *name, int otherwise) {
    const char *value = getenv(name);
    return value ? atoi(value) : otherwise;
}

char *openblas_get_config(void) {
    static char plain[] = "OpenBLAS 0.0.1 MAX_THREADS=64";
    char *config = getenv("FAKE_OPENBLAS_CONFIG");
    return config ? config : plain;
}

char *openblas_get_corename(void) {
    static char plain[] = "Fake";
    char *told = getenv("OPENBLAS_CORETYPE"), *name = getenv("FAKE_OPENBLAS_CORE");
    return told ? told : name ? name : plain;
}

int openblas_get_parallel(void) {
    return say("FAKE_OPENBLAS_PARALLEL", 1);
}

void openblas_set_num_threads(int threads) {
    (void)threads;
}

/* c = alpha a b + beta c, of matrices in rows. */
void cblas_sgemm(OPENBLAS_CONST enum CBLAS_ORDER order,
    OPENBLAS_CONST enum CBLAS_TRANSPOSE transpose_a,
    OPENBLAS_CONST enum CBLAS_TRANSPOSE transpose_b, OPENBLAS_CONST blasint m,
    OPENBLAS_CONST blasint n, OPENBLAS_CONST blasint k, OPENBLAS_CONST float alpha,
    OPENBLAS_CONST float *a, OPENBLAS_CONST blasint lda, OPENBLAS_CONST float *b,
    OPENBLAS_CONST blasint ldb, OPENBLAS_CONST float beta, float *c, OPENBLAS_CONST blasint ldc) {
    static _Thread_local int called;
    if (called++ == 0)
        atomic_fetch_add(&callers, 1);
    if (order != CblasRowMajor)
        abort();
    const float factor = say("FAKE_OPENBLAS_WRONG", 0) ? 1.1f * alpha : alpha;
    for (blasint i = 0; i < m; i++)
        for (blasint j = 0; j < n; j++) {
            float sum = 0;
            for (blasint p = 0; p < k; p++)
                sum += (transpose_a == CblasTrans ? a[p * lda + i] : a[i * lda + p]) *
                       (transpose_b == CblasTrans ? b[j * ldb + p] : b[p * ldb + j]);
            c[i * ldc + j] = factor * sum + (beta == 0 ? 0 : beta * c[i * ldc + j]);
        }
}

__attribute__((destructor)) static void report(void) {
    const char *path = getenv("FAKE_OPENBLAS_REPORT");
    FILE *file = path ? fopen(path, "a") : NULL;
    if (!file)
        return;
    fprintf(file, "%d\n", atomic_load(&callers));
    fclose(file);
}
