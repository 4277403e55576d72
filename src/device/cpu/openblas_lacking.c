/* What is in the place of openblas.c where this was built without OpenBLAS. */
#include "device/cpu/openblas.h"

#include <stddef.h>

const bool openblas_is_built = false;

enum status openblas_open(struct openblas *openblas, struct error *error) {
    *openblas = (struct openblas){.handle = NULL};
    return error_set(error, STATUS_DEVICE, "cpu: no OpenBLAS: %s", TRAINER_LACKS_OPENBLAS);
}

void openblas_close(struct openblas *openblas) {
    (void)openblas;
}

void openblas_multiply(const struct openblas *openblas, const struct gemm *gemm) {
    (void)openblas, (void)gemm;
}

const char *openblas_environment(const char **value) {
    (void)value;
    return NULL;
}

bool openblas_is_mistaken(const struct openblas *openblas, const char **value) {
    (void)openblas, (void)value;
    return false;
}
