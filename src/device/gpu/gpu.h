/* What the devices that run our own kernels (kernels/) share: all of the device interface's
 * operations, in terms of the few things that a driver does. OpenCL is one driver, CUDA another.
 *
 * An operation becomes commands, which are enqueued at once or, of a recording, kept in a list. */
#ifndef DEVICE_GPU_GPU_H
#define DEVICE_GPU_GPU_H

#include "device/device_type.h"

/* --- Commands ------------------------------------------------------------------------------ */

/* The driver's own: a compiled program, a kernel of it, and a recording in the driver's form. */
struct gpu_program;
struct gpu_function;
struct gpu_graph;

/* A kernel (program.h). */
struct gpu_kernel {
    const char *name;
    struct gpu_program *program;
    struct gpu_function *function;
};

struct gpu_argument {
    enum { GPU_BUFFER, GPU_OFFSET, GPU_NUMBER, GPU_REAL } kind;
    union {
        struct buffer *buffer; /* given to the kernel as where its memory is */
        uint64_t offset;
        uint32_t number;
        float real;
    } value;
};

/* A view is two arguments: where its buffer is, and where in it the view starts. */
#define ARGUMENT_BUFFER(buffer_)                                                                   \
    {                                                                                              \
        GPU_BUFFER, {                                                                              \
            .buffer = (buffer_)                                                                    \
        }                                                                                          \
    }
#define ARGUMENT_VIEW(view)                                                                        \
    ARGUMENT_BUFFER((view).buffer), {                                                              \
        GPU_OFFSET, {                                                                              \
            .offset = (view).offset                                                                \
        }                                                                                          \
    }
#define ARGUMENT_NUMBER(number_)                                                                   \
    {                                                                                              \
        GPU_NUMBER, {                                                                              \
            .number = (uint32_t)(number_)                                                          \
        }                                                                                          \
    }
#define ARGUMENT_REAL(real_)                                                                       \
    {                                                                                              \
        GPU_REAL, {                                                                                \
            .real = (real_)                                                                        \
        }                                                                                          \
    }

enum { GPU_ARGUMENTS_MAX = 18 };

/* groups x items: the groups of a kernel, and the items of each. */
struct gpu_grid {
    size_t groups[3], items[3];
};

/* c[m, n] = op(a) * op(b), where op transposes if it says so, and k is the number of terms. With a
 * `scale`[1, 1] (else its buffer is NULL), c += scale * op(a) * op(b). `work` is memory for the
 * library, of as many elements as it asked for. */
struct gpu_gemm {
    struct view a, b, c, scale, work;
    bool transpose_a, transpose_b;
    size_t m, n, k;
};

/* A kernel with its arguments, or a matrix product by the driver's library. */
struct gpu_command {
    const char *name;
    struct gpu_function *function; /* NULL: it is the gemm */
    struct gpu_grid grid;
    struct gpu_argument arguments[GPU_ARGUMENTS_MAX];
    size_t arguments_count;
    bool prepared; /* by gpu_driver.prepare */
    struct gpu_gemm gemm;
};

/* A list of them. Where a function takes one to add to, NULL has the device do it now. */
struct gpu_commands {
    struct gpu_command *all;
    size_t count, capacity;
    struct gpu_graph *graph; /* they as one; NULL: they are enqueued one by one */
};

/* --- A driver ------------------------------------------------------------------------------ */

struct gpu {
    struct device base;
    const struct gpu_driver *driver;
    size_t largest_group, group_bytes; /* items and shared memory that a group may have */
    unsigned vector_width;             /* floats that an item likes to compute at once */
    size_t memory_bytes, buffer_bytes, used_bytes; /* of all buffers, of the largest, of ours */
    size_t host_bytes;                             /* as in struct device_memory, with ours... */
    const char *host_limit;  /* ...where a device takes the host's; else NULL */
    char compiled_for[1024]; /* device, driver and compiler: where machine code would not run, or
                              * otherwise, this is another text */
    char timed_on[1024];     /* what else the times of kernels depend on, likewise */
    char *environment; /* what else its driver goes by, and libraries: the variables (environment.h)
                        */
    struct products *products;                /* (products.h) */
    struct gpu_program *samples, *optimizers; /* kernels/samples.cl, kernels/optimize.cl */
    struct gpu_kernel softmax_cross_entropy, gather_rows, convert_pixels, gradient_descent;
    struct buffer *staged; /* bytes of pixels on their way */
};

/* What a driver does. Every function that returns a status fills `error`. */
struct gpu_driver {
    const char *library;  /* the name of its matrix library, for --gemm */
    size_t doubtful;      /* as in struct device_info, where the library is used */
    bool library_scales;  /* it takes a gemm's scale from memory */
    double library_share; /* of our kernels' time that its library may take, and be chosen */
    bool joins; /* groups see what others wrote before: slices of a product are added up in
                 * the same kernel */

    const char *language; /* the first of its compiler's options; may be empty */
    /* Compiles `text`, that of kernels/`file`, with these options. *code, of *length bytes, is what
     * `load` takes in a later run, and ended by free(); NULL, and that is no error, where there is
     * none. */
    enum status (*compile)(struct gpu *gpu, const char *file, const char *text, const char *options,
        struct gpu_program **program, void **code, size_t *length, struct error *error);
    /* The program of such code, by an equal gpu.compiled_for, and the same options; NULL when the
     * driver refuses it. */
    struct gpu_program *(*load)(
        struct gpu *gpu, const char *options, const void *code, size_t length);
    void (*free_program)(struct gpu_program *program);
    enum status (*create_function)(struct gpu_program *program, const char *name,
        struct gpu_function **function, struct error *error);
    void (*free_function)(struct gpu_function *function);

    enum status (*upload)(
        struct gpu *gpu, struct view destination, const void *host, struct error *error);
    /* Elements that a gemm's `work` must have; 0: none. */
    enum status (*gemm_work)(
        struct gpu *gpu, const struct gpu_gemm *gemm, size_t *elements, struct error *error);
    enum status (*enqueue)(struct gpu *gpu, const struct gpu_command *command, struct error *error);
    enum status (*finish)(struct gpu *gpu, struct error *error);
    void (*forget_library)(struct gpu *gpu); /* what it keeps of this device; or NULL */

    /* Where a function keeps the arguments that it was last given (or NULL): a recorded command
     * gets a function of its own, with its arguments. */
    enum status (*prepare)(struct gpu *gpu, const struct gpu_kernel *kernel,
        struct gpu_command *command, struct error *error);

    /* Where commands can be submitted as one (or NULL). The graph stays NULL, and that is no error,
     * when these can't. */
    enum status (*make_graph)(struct gpu *gpu, const struct gpu_command *commands, size_t count,
        struct gpu_graph **graph, struct error *error);
    enum status (*run_graph)(struct gpu *gpu, struct gpu_graph *graph, struct error *error);
    void (*free_graph)(struct gpu *gpu, struct gpu_graph *graph);
};

/* --- For the drivers ----------------------------------------------------------------------- */

/* Makes all kernels, and runs each once, so that what a driver does at its first use is done. The
 * driver has filled all of struct gpu down to `timed_on`, and base.info. `type`: its device_type,
 * which is needed from here on. `gemm` may be NULL. */
enum status gpu_open(
    struct gpu *gpu, const struct device_type *type, const char *gemm, struct error *error);

/* Ends what gpu_open has begun, however far it came. Nothing is being computed any more. */
void gpu_close(struct gpu *gpu);

/* Memory: refuses what is more than there is, and counts. `refused` is the driver's word for having
 * none: NULL until it was asked. */
bool gpu_has_room(const struct gpu *gpu, size_t bytes);
enum status gpu_out_of_memory(
    const struct gpu *gpu, size_t bytes, const char *refused, struct error *error);

/* --- For the operations -------------------------------------------------------------------- */

/* Adds a kernel with `count` arguments, or a matrix product, to a list; NULL: enqueues it. */
enum status gpu_launch(struct gpu *gpu, struct gpu_commands *to, const struct gpu_kernel *kernel,
    struct gpu_grid grid, const struct gpu_argument *arguments, size_t count, struct error *error);
#define GPU_LAUNCH(gpu, to, kernel, grid, error, ...)                                              \
    gpu_launch(gpu, to, kernel, grid, (const struct gpu_argument[]){__VA_ARGS__},                  \
        sizeof((const struct gpu_argument[]){__VA_ARGS__}) / sizeof(struct gpu_argument), error)
enum status gpu_gemm(
    struct gpu *gpu, struct gpu_commands *to, const struct gpu_gemm *gemm, struct error *error);

/* Makes one of a list that is complete, where the driver can. */
enum status gpu_commands_join(struct gpu *gpu, struct gpu_commands *commands, struct error *error);
enum status gpu_commands_run(
    struct gpu *gpu, const struct gpu_commands *commands, struct error *error);
void gpu_commands_free(struct gpu *gpu, struct gpu_commands *commands);

/* Adds a step of gradient descent, as device_optimize, to a list; NULL: enqueues it. */
enum status gpu_descend(struct gpu *gpu, struct gpu_commands *to, struct view gradient,
    struct view scale, struct view parameters, struct error *error);

/* Adds an operation's commands to a list; NULL: enqueues it. */
enum status gpu_operate(struct gpu *gpu, struct gpu_commands *to, const struct operation *operation,
    struct error *error);

/* --- As in struct device_type -------------------------------------------------------------- */

size_t gpu_choices(const struct device *device, char *text, size_t size);
struct device_memory gpu_memory_left(const struct device *device);
enum status gpu_synchronise(struct device *device, struct error *error);
enum status gpu_enqueue(
    struct device *device, const struct operation *operation, struct error *error);
enum status gpu_compile(struct device *device, const struct operation *operations, size_t count,
    struct recording **recording, struct error *error);
enum status gpu_run(struct device *device, struct recording *recording, struct error *error);
void gpu_forget(struct device *device, struct recording *recording);

/* All of these, for a device_type. */
#define GPU_OPERATIONS                                                                             \
    .choices = gpu_choices, .memory = gpu_memory_left, .synchronise = gpu_synchronise,             \
    .enqueue = gpu_enqueue, .compile = gpu_compile, .run = gpu_run, .forget = gpu_forget

#endif
