/* OpenBLAS, which is opened when it is first needed. A program that only prints its help has no use
 * for it, and many builds of OpenBLAS start threads as soon as they are loaded. */
#ifndef DEVICE_CPU_OPENBLAS_H
#define DEVICE_CPU_OPENBLAS_H

#include "device/cpu/gemm.h"
#include "trainer/error.h"

#include <stdbool.h>

/* Whether this build can open it. If not, openblas_lacking.c is in the place of openblas.c. */
extern const bool openblas_is_built;

struct openblas {
    void *handle;        /* NULL: not open */
    void (*sgemm)(void); /* cblas_sgemm, whose type openblas.c knows */
    char version[64];    /* "0.3.21" */
    char core[32];       /* the processor that OpenBLAS takes this one for */
    int callers;         /* the most threads that may call it at a time */
    const char *why;     /* what limits the callers, and what to install; NULL: nothing */
};

/* Opens OpenBLAS, and switches its own threads off. STATUS_DEVICE, with the loader's reason, when
 * it can't be opened. Ended by openblas_close; one that is not open is fine there. */
enum status openblas_open(struct openblas *openblas, struct error *error);
void openblas_close(struct openblas *openblas);

/* Computes a gemm whose rows of a are in order. */
void openblas_multiply(const struct openblas *openblas, const struct gemm *gemm);

/* See device_environment. */
const char *openblas_environment(const char **value);

/* Whether OpenBLAS takes this processor for one that is much slower. *value is then the core that
 * the variable OPENBLAS_CORETYPE should name. */
bool openblas_is_mistaken(const struct openblas *openblas, const char **value);

#endif
