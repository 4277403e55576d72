/* OpenBLAS, opened when it is first needed: a program that only prints its help has no use for it,
 * and many builds start threads as soon as they are loaded. */
#ifndef DEVICE_CPU_OPENBLAS_H
#define DEVICE_CPU_OPENBLAS_H

#include "trainer/error.h"

#include <cblas.h>
#include <stdbool.h>

struct openblas {
    void *handle; /* NULL: not open */
    void (*sgemm)(enum CBLAS_ORDER order, enum CBLAS_TRANSPOSE transpose_a,
        enum CBLAS_TRANSPOSE transpose_b, blasint m, blasint n, blasint k, float alpha,
        const float *a, blasint lda, const float *b, blasint ldb, float beta, float *c,
        blasint ldc);
    char version[64]; /* "0.3.21" */
    char core[32];    /* the processor that it takes this one for */
    int callers;      /* threads that may call it at a time */
    const char *why;  /* it is so few, and what to install; NULL: there is no such reason */
};

/* STATUS_DEVICE, with the loader's reason, when it can't be opened. Its own threads are off then.
 * Ended by openblas_close; one that is not open is fine there. */
enum status openblas_open(struct openblas *openblas, struct error *error);
void openblas_close(struct openblas *openblas);

/* See device_environment. */
const char *openblas_environment(const char **value);

/* Whether it takes this processor for one that is much slower; *value is then the core that it
 * should have been told, in OPENBLAS_CORETYPE. */
bool openblas_is_mistaken(const struct openblas *openblas, const char **value);

#endif
