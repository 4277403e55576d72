/* How the functions of the library report that they failed.
 *
 * A function that can fail returns an `enum status`. Unless that is STATUS_OK, it fills the
 * caller's `struct error` with a message. The message names the operation, the library's own error
 * name, the numbers involved (sizes, paths, devices) and, where there is one, the next thing to
 * try. The library itself never prints and never ends the process.
 *
 * Any function may return STATUS_FAILED when the host refuses memory; the other headers don't
 * repeat that. After an error the caller has nothing to end, unless a header says otherwise: a
 * pointer that the function was to give is NULL or unchanged. An array or a struct that it was to
 * fill is undefined. */
#ifndef TRAINER_ERROR_H
#define TRAINER_ERROR_H

#ifdef __cplusplus
extern "C" {
#endif

/* What went wrong; the values are the program's exit codes. */
enum status {
    STATUS_OK = 0,
    STATUS_FAILED = 1,   /* input, output, memory, or an internal fault */
    STATUS_USAGE = 2,    /* a setting that makes no sense */
    STATUS_DEVICE = 3,   /* a device is absent, out of memory, failing, or computes wrong results */
    STATUS_DATASET = 4,  /* the data set is missing, damaged or of another kind */
    STATUS_DIVERGED = 5, /* the loss is no longer finite */
    STATUS_CHECKPOINT = 6, /* a weights file that is damaged, or does not fit the network */
    /* The training was told to stop; as exit code the program gives 128 + the signal's number. */
    STATUS_INTERRUPTED = 130,
};

struct error {
    char message[2048];
};

/* Fills `error` (NULL is fine) as printf would, and returns `status`, so that a failing function
 * can end in `return error_set(...)`. A message that is too long is cut. */
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
enum status
error_set(struct error *error, enum status status, const char *format, ...);

/* error_set for memory that the host refused: STATUS_FAILED, naming `what` and its size. */
enum status error_memory(struct error *error, const char *what, unsigned long long bytes);

#ifdef __cplusplus
}
#endif
#endif
