/* What the devices that run our own kernels (kernels/) share. They differ in their driver: cuda is
 * one, opencl another. What a driver does are the functions of struct gpu_driver; with these, all
 * operations of the device interface are written once, here.
 *
 * An operation becomes commands: launches of kernels, and gemms of the driver's library. They are
 * enqueued at once or, when a recording is made, kept in a list.
 *
 * To write a driver: its device_type's `open` allocates a struct that begins with a struct gpu,
 * fills what that says, and calls gpu_open; its `close` calls gpu_close. `allocate`, `release` and
 * `download` are its own. All others of its device_type are in GPU_OPERATIONS, at the end. */
#ifndef DEVICE_GPU_GPU_H
#define DEVICE_GPU_GPU_H

#include "device/device_type.h"

/* --- Commands ------------------------------------------------------------------------------ */

/* Of the driver; each is a name here for a type of its own. */
struct gpu_program;  /* a file of kernels, compiled */
struct gpu_function; /* one kernel of a program */
struct gpu_graph;    /* a list of commands that is submitted as one */

/* A kernel, with what it is made of (program.h). */
struct gpu_kernel {
    const char *name;
    struct gpu_program *program;
    struct gpu_function *function;
};

/* What a kernel is given: where a buffer's memory is, the place of a view's first element in it
 * (kernels take it as ulong), or a number (uint, float). */
struct gpu_argument {
    enum { GPU_BUFFER, GPU_OFFSET, GPU_NUMBER, GPU_REAL } kind;
    union {
        struct buffer *buffer;
        uint64_t offset;
        uint32_t number;
        float real;
    } value;
};

/* Arguments, for lists of them. A view is two: its buffer and its offset. */
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

/* How a kernel is launched, in three dimensions: a number of groups, and of items in each group
 * (CUDA: blocks and threads; OpenCL: work-groups and work-items). */
struct gpu_grid {
    size_t groups[3], items[3];
};

/* A gemm of the driver's library: c[m, n] = op(a) * op(b), where op(a) is [m, k] and op(b) [k, n];
 * op transposes where it says so. With a `scale`[1, 1] (else its buffer is NULL), c += scale *
 * op(a) * op(b). All are row-major, without gaps. `workspace` is memory for the library, of as many
 * elements as gemm_workspace says; its buffer is NULL where that is 0. */
struct gpu_gemm {
    struct view a, b, c, scale, workspace;
    bool transpose_a, transpose_b;
    size_t m, n, k;
};

/* A launch of a kernel with its arguments, or a gemm by the library. */
struct gpu_command {
    const char *name;              /* for messages */
    struct gpu_function *function; /* NULL: it is the gemm */
    struct gpu_grid grid;
    struct gpu_argument arguments[GPU_ARGUMENTS_MAX];
    size_t arguments_count;
    bool prepared; /* `function` is this command's alone, and has its arguments: see prepare */
    struct gpu_gemm gemm;
};

/* A list of commands. Where a function takes one to add to, NULL means: enqueue it now. */
struct gpu_commands {
    struct gpu_command *all;
    size_t count, capacity;
    struct gpu_graph *graph; /* all of them as one; NULL: they are enqueued one by one */
};

/* --- A driver ------------------------------------------------------------------------------ */

/* The first member of a driver's own struct, which begins as zeros. */
struct gpu {
    struct device base;

    /* The driver fills these, and base.info, before it calls gpu_open. */
    const struct gpu_driver *driver;
    size_t largest_group;    /* items that a group may have */
    size_t group_bytes;      /* of shared memory that a group may have */
    unsigned vector_width;   /* floats that an item computes with best at a time */
    size_t memory_bytes;     /* that all buffers may have */
    size_t buffer_bytes;     /* that one buffer may have */
    size_t host_bytes;       /* where buffers lie in the host's memory: what that can give, ... */
    const char *host_limit;  /* ...and what sets this limit. NULL: they don't lie there */
    char compiled_for[1024]; /* what machine code of kernels depends on, besides their text and
                              * options: the hardware, the driver, the compiler, with versions */
    char timed_on[1024];     /* what times depend on, besides that; may be empty */

    /* The driver counts the bytes of all its buffers. */
    size_t used_bytes;

    /* gpu_open fills these, and gpu_close ends them. */
    char *environment;            /* variables that driver and libraries go by (environment.h) */
    struct gemms *gemms;          /* the gemms (gemm.h), ... */
    struct gemm_choices *choices; /* ...and which way they are computed (autotune.h) */
    /* By the kinds of operations, those that have a kernel of their own: it, and at the first of
     * each file its program. (operations.c) */
    struct gpu_kernel kernels[OPERATION_KINDS];
    struct gpu_program *programs[OPERATION_KINDS];
    struct buffer *staged; /* bytes of pixels on their way to the device */
};

/* What a driver does. A function that returns a status fills `error` where it is not STATUS_OK.
 *
 * There is one queue, and everything on it is done in the order in which it was enqueued, as if
 * each command ended before the next began. Nothing but `synchronise` waits, unless it says so. */
struct gpu_driver {
    /* --- Its library of gemms --- */
    const char *library;  /* its name, for --gemm */
    size_t suspect_side;  /* device_info.suspect_side of a device that uses it; 0: it is trusted */
    bool library_scales;  /* it reads a gemm's scale from the device's memory */
    double library_share; /* the library is chosen where its time is less than this share of our
                           * kernels' (1.0: where it is faster) */
    void (*free_library)(struct gpu *gpu); /* ends what it keeps of this device. NULL: nothing */

    /* --- Programs and kernels --- */

    /* What one group of a kernel writes, another can read in the same launch, once it knows by an
     * atomic operation that it is written. Then sums that several groups share are added up by the
     * last of them (-DFUSED_REDUCTION of kernels/gemm.cl), and not by a second kernel. */
    bool fused_reduction;
    const char *language; /* the option that names the kernels' language; "": none is needed */
    /* Compiles the text of kernels/`file`. *code, of *length bytes, is what `load` takes in a later
     * run. The caller frees it; it is NULL, and that is no error, where the driver gives none. */
    enum status (*compile)(struct gpu *gpu, const char *file, const char *text, const char *options,
        struct gpu_program **program, void **code, size_t *length, struct error *error);
    /* The program again, from its code, by the same options and on a device with the same
     * `compiled_for`. NULL when the driver refuses the code: then the text is compiled. */
    struct gpu_program *(*load)(
        struct gpu *gpu, const char *options, const void *code, size_t length);
    void (*free_program)(struct gpu_program *program);
    /* The kernel `name` of a program; it ends before its program does. */
    enum status (*create_function)(struct gpu_program *program, const char *name,
        struct gpu_function **function, struct error *error);
    void (*free_function)(struct gpu_function *function);

    /* --- Enqueueing --- */

    /* destination = the elements at `host`, which are read until the next `synchronise`. */
    enum status (*upload)(
        struct gpu *gpu, struct view destination, const void *host, struct error *error);
    /* The elements that gemm.workspace needs for this gemm; 0: none. */
    enum status (*gemm_workspace)(
        struct gpu *gpu, const struct gpu_gemm *gemm, size_t *elements, struct error *error);
    enum status (*enqueue)(struct gpu *gpu, const struct gpu_command *command, struct error *error);
    /* Waits until everything is done, whatever it returns: the caller may free what was in use.
     * What went wrong since the last call may show here. */
    enum status (*synchronise)(struct gpu *gpu, struct error *error);

    /* --- Recordings: either of these two, or neither (NULL) --- */

    /* Where a function keeps the arguments that it was last given, as in OpenCL: gives a command of
     * a recording a function of its own, with its arguments, and sets command.prepared. */
    enum status (*prepare)(struct gpu *gpu, const struct gpu_kernel *kernel,
        struct gpu_command *command, struct error *error);

    /* Where commands can be submitted as one, as in CUDA: makes a graph of a list, which run_graph
     * enqueues. *graph stays NULL, and that is no error, when the driver can't make one of these;
     * a device_info.warning then says why. May wait. free_graph waits until it is not in use. */
    enum status (*make_graph)(struct gpu *gpu, const struct gpu_command *commands, size_t count,
        struct gpu_graph **graph, struct error *error);
    enum status (*run_graph)(struct gpu *gpu, struct gpu_graph *graph, struct error *error);
    void (*free_graph)(struct gpu *gpu, struct gpu_graph *graph);
};

/* --- For the drivers ----------------------------------------------------------------------- */

/* Makes all kernels, and runs each once, so that what a driver puts off until a kernel's first use
 * is done. `type` is the driver's device_type. `gemm` says what multiplies matrices, as in
 * device_options: NULL for the fastest. */
enum status gpu_open(
    struct gpu *gpu, const struct device_type *type, const char *gemm, struct error *error);

/* Ends what gpu_open has begun, however far it came; it may not have been called. Nothing is being
 * computed any more. */
void gpu_close(struct gpu *gpu);

/* Whether a buffer of so many bytes is within the limits of struct gpu. */
bool gpu_is_within_budget(const struct gpu *gpu, size_t bytes);

/* The error when there is no memory for it. `refused`: the driver's own name of the error; NULL: it
 * was not asked. */
enum status gpu_out_of_memory(
    const struct gpu *gpu, size_t bytes, const char *refused, struct error *error);

/* --- For the operations -------------------------------------------------------------------- */

/* Adds a launch of a kernel with `count` arguments, or a gemm of the library, to a list; NULL:
 * enqueues it. */
enum status gpu_launch(struct gpu *gpu, struct gpu_commands *to, const struct gpu_kernel *kernel,
    struct gpu_grid grid, const struct gpu_argument *arguments, size_t count, struct error *error);
#define GPU_LAUNCH(gpu, to, kernel, grid, error, ...)                                              \
    gpu_launch(gpu, to, kernel, grid, (const struct gpu_argument[]){__VA_ARGS__},                  \
        sizeof((const struct gpu_argument[]){__VA_ARGS__}) / sizeof(struct gpu_argument), error)
enum status gpu_gemm(
    struct gpu *gpu, struct gpu_commands *to, const struct gpu_gemm *gemm, struct error *error);

/* Makes a graph of a list that is complete, where the driver can; gpu_commands_run then enqueues
 * the graph, and else the commands one by one. */
enum status gpu_commands_make_graph(
    struct gpu *gpu, struct gpu_commands *commands, struct error *error);
enum status gpu_commands_run(
    struct gpu *gpu, const struct gpu_commands *commands, struct error *error);
void gpu_commands_free(struct gpu *gpu, struct gpu_commands *commands);

/* The kernels of operations, each of which has run once; ended by gpu_operations_free, whatever is
 * returned. */
enum status gpu_operations_create(struct gpu *gpu, struct error *error);
void gpu_operations_free(struct gpu *gpu);

/* Adds a step of gradient descent, as device_optimize, to a list; NULL: enqueues it. */
enum status gpu_descend(struct gpu *gpu, struct gpu_commands *to, struct view gradient,
    struct view scale, struct view parameters, struct error *error);

/* Adds an operation's commands to a list; NULL: enqueues them. */
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
void gpu_free_recording(struct device *device, struct recording *recording);

/* All of these, for the initializer of a device_type. */
#define GPU_OPERATIONS                                                                             \
    .choices = gpu_choices, .memory = gpu_memory_left, .synchronise = gpu_synchronise,             \
    .enqueue = gpu_enqueue, .compile = gpu_compile, .run = gpu_run,                                \
    .free_recording = gpu_free_recording

#endif
