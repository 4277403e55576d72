/* What is enqueued on an OpenCL device: kernels and CLBlast's products, at once or recorded. The
 * queue is in order, and no command has an event. */
#ifndef DEVICE_OPENCL_COMMANDS_H
#define DEVICE_OPENCL_COMMANDS_H

#include "device/opencl/opencl.h"

/* A kernel, made once. Recordings make their own of the same name, since a kernel keeps the
 * arguments that it was last given. */
struct opencl_kernel {
    const char *name;
    cl_program program;
    cl_kernel kernel;
};

/* `name` must outlive it. Ended by opencl_kernel_free, before its program. */
enum status opencl_kernel_create(
    cl_program program, const char *name, struct opencl_kernel *kernel, struct error *error);
void opencl_kernel_free(struct opencl_kernel *kernel);

struct opencl_argument {
    size_t bytes;
    union {
        cl_mem memory;
        cl_ulong offset;
        cl_uint number;
        cl_float real;
    } value;
};

/* A view is two arguments: where its buffer is, and where in it the view starts. */
#define ARGUMENT_MEMORY(view)                                                                      \
    {                                                                                              \
        sizeof(cl_mem), {                                                                          \
            .memory = opencl_memory(view)                                                          \
        }                                                                                          \
    }
#define ARGUMENT_VIEW(view)                                                                        \
    ARGUMENT_MEMORY(view), {                                                                       \
        sizeof(cl_ulong), {                                                                        \
            .offset = (view).offset                                                                \
        }                                                                                          \
    }
#define ARGUMENT_NUMBER(number_)                                                                   \
    {                                                                                              \
        sizeof(cl_uint), {                                                                         \
            .number = (cl_uint)(number_)                                                           \
        }                                                                                          \
    }
#define ARGUMENT_REAL(real_)                                                                       \
    {                                                                                              \
        sizeof(cl_float), {                                                                        \
            .real = (real_)                                                                        \
        }                                                                                          \
    }

/* groups x items: the groups of a kernel, and the items of each. */
struct opencl_grid {
    size_t groups[3], items[3];
};

enum { OPENCL_ARGUMENTS_MAX = 16 };

/* Enqueues a kernel with `count` arguments. */
enum status opencl_launch(struct opencl *opencl, const struct opencl_kernel *kernel,
    struct opencl_grid grid, const struct opencl_argument *arguments, size_t count,
    struct error *error);
#define OPENCL_LAUNCH(opencl, kernel, grid, error, ...)                                            \
    opencl_launch(opencl, kernel, grid, (const struct opencl_argument[]){__VA_ARGS__},             \
        sizeof((const struct opencl_argument[]){__VA_ARGS__}) / sizeof(struct opencl_argument),    \
        error)

/* c[m, n] = alpha * op(a) * op(b) + beta * c by CLBlast; op transposes where it says so, and k is
 * the number of terms. `work` is memory for the copies that it makes: left to itself, CLBlast would
 * allocate at every call, and 1.5.3 ends the process when it can't. */
struct opencl_gemm {
    struct view a, b, c, work;
    bool transpose_a, transpose_b;
    size_t m, n, k;
    float alpha, beta;
};
/* The elements that `work` must have, at least 1. */
enum status opencl_gemm_work(
    struct opencl *opencl, const struct opencl_gemm *gemm, size_t *elements, struct error *error);
enum status opencl_gemm(struct opencl *opencl, const struct opencl_gemm *gemm, struct error *error);

/* Tells the driver to start on what was enqueued, which it may else do when it likes. */
enum status opencl_flush(struct opencl *opencl, struct error *error);
enum status opencl_finish(struct opencl *opencl, struct error *error);
void opencl_forget_mark(struct opencl *opencl);

/* Whether a recording is being made; if so it ends as none, since it can't have what comes next. */
bool opencl_spoil_recording(struct opencl *opencl);

/* As in struct device_type. */
enum status opencl_record_begin(struct device *device, struct error *error);
enum status opencl_record_end(
    struct device *device, struct recording **recording, struct error *error);
enum status opencl_replay(struct device *device, struct recording *recording, struct error *error);
void opencl_forget(struct device *device, struct recording *recording);

#endif
