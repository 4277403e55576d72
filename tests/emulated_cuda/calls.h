/* How the double's calls fail. */
#ifndef EMULATED_CUDA_CALLS_H
#define EMULATED_CUDA_CALLS_H

#include "emulated_cuda.h"

/* For the start of a function that can fail. */
#define MAY_FAIL(code)                                                                             \
    do {                                                                                           \
        if (emulated_fails(__func__))                                                              \
            return emulated_note(emulated_is_lost() ? cudaErrorIllegalAddress : (code));           \
    } while (0)

/* What a capture does not allow makes it worth nothing. */
#define NOT_WHILE_CAPTURING()                                                                      \
    do {                                                                                           \
        if (emulated_is_capturing()) {                                                             \
            emulated_spoil_capture();                                                              \
            emulated_violation("%s within a capture", __func__);                                   \
            return emulated_note(cudaErrorStreamCaptureUnsupported);                               \
        }                                                                                          \
    } while (0)

/* A wait that fails has been made, and so has what ends something. */
#define FAILS_AFTER(code) const bool fail = emulated_fails(__func__)
#define RESULT_AFTER(code)                                                                         \
    return emulated_note(!fail                ? cudaSuccess                                        \
                         : emulated_is_lost() ? cudaErrorIllegalAddress                            \
                                              : (code))

#endif
