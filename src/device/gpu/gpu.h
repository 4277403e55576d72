/* What the devices that run our own kernels (kernels/) have in common. The devices cuda and opencl
 * differ in their driver, which is the functions of struct gpu_driver. With these functions, all
 * operations of the device interface are written once, here.
 *
 * An operation becomes commands: launches of kernels, and gemms of the driver's library. Commands
 * are enqueued at once. While a recording is made, they are kept in a list.
 *
 * To write a driver, define a device_type. Its `open` allocates a struct that begins with a struct
 * gpu, fills the members that struct gpu asks for, and calls gpu_open. Its `close` calls gpu_close.
 * It also has its own `list`, `library`, `find`, `allocate`, `free_buffer` and `download`. The
 * functions that are the same for all drivers are in GPU_OPERATIONS, at the end. */
#ifndef DEVICE_GPU_GPU_H
#define DEVICE_GPU_GPU_H

#include "device/autotune.h"

/* --- Commands ------------------------------------------------------------------------------ */

/* Types of the driver. Here they have only a name; each driver has a type of its own behind it. */
struct gpu_program;  /* a file of kernels, compiled */
struct gpu_function; /* one kernel of a program */
struct gpu_graph;    /* a list of commands that is submitted as one */

/* A kernel, with the program that it is part of (program.h). */
struct gpu_kernel {
    const char *name;
    struct gpu_program *program;
    struct gpu_function *function;
};

/* An argument of a kernel: the memory of a buffer, the offset of a view's first element in its
 * buffer (a ulong to the kernel), or a number (a uint or a float). */
struct gpu_argument {
    enum { GPU_BUFFER, GPU_OFFSET, GPU_NUMBER, GPU_REAL } kind;
    union {
        struct buffer *buffer;
        uint64_t offset;
        uint32_t number;
        float real;
    } value;
};

/* Initializers of arguments, for a list of them. A view takes two arguments: its buffer and its
 * offset. */
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
#define ARGUMENT_OFFSET(offset_)                                                                   \
    {                                                                                              \
        GPU_OFFSET, {                                                                              \
            .offset = (offset_)                                                                    \
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
/* The scale, and a target's number for the label and for each other class (kernels/samples.cl). */
#define ARGUMENTS_LOSS(scale_, smoothing_, classes_)                                               \
    ARGUMENT_REAL(scale_), ARGUMENT_REAL(1.0f - (smoothing_) + (smoothing_) / (float)(classes_)),  \
        ARGUMENT_REAL((smoothing_) / (float)(classes_))

enum { GPU_ARGUMENTS_MAX = 26 };

/* How a kernel is launched, in three dimensions: the number of groups, and the number of items in
 * each group (CUDA: blocks and threads; OpenCL: work-groups and work-items). */
struct gpu_grid {
    size_t groups[3], items[3];
};

/* A gemm of the driver's library: c[m, n] = op(a) * op(b), with op(a) of [m, k] and op(b) of [k,
 * n]. op(a) is a, or with transpose_a its transpose; op(b) likewise. If `scale`[1, 1] has a buffer,
 * the gemm is c += scale * op(a) * op(b). All matrices are row-major and without gaps. `workspace`
 * is memory for the library, of as many elements as gemm_workspace says; its buffer is NULL where
 * that is 0. */
struct gpu_gemm {
    struct view a, b, c, scale, workspace;
    bool transpose_a, transpose_b;
    size_t m, n, k;
};

/* A launch of a kernel with its arguments, a gemm by the library, or an exchange with other ranks.
 */
struct gpu_command {
    const char *name;              /* for messages */
    struct gpu_function *function; /* NULL: the command is `gemm`, or an exchange */
    struct gpu_grid grid;
    struct gpu_argument arguments[GPU_ARGUMENTS_MAX];
    size_t arguments_count;
    enum {
        START_AFTER,       /* when all commands before it have ended */
        START_OVERLAPPING, /* it may begin while the command before it is at work */
        START_TOGETHER     /* after them; and all of its groups must be at work at once */
    } start;
    bool prepared; /* `function` is this command's alone, and has its arguments: see `prepare` */
    struct gpu_gemm gemm;
    struct view exchanged; /* with a buffer: the command is its all-reduce (exchange.h) */
};

/* A list of commands. Many functions add commands to a list, `to`. If that is NULL, they enqueue
 * the commands at once. */
struct gpu_commands {
    struct gpu_command *all;
    size_t count, capacity;
    bool exchanges;          /* some of them are exchanges */
    struct gpu_graph *graph; /* all commands as one; NULL: they are enqueued one by one */
};

/* How training steps are done: operation by operation; fused, by kernels for whole steps
 * (fused_step.h); by these, each of which may begin while the one before it is at work
 * (WAIT_FOR_LAUNCHES of kernels/dialect.h); or by one kernel for many steps, whose groups wait for
 * one another. */
enum step_way { STEP_SEPARATE, STEP_FUSED, STEP_OVERLAPPED, STEP_PERSISTENT, STEP_WAYS };

struct recording {
    struct gpu_commands commands;
    enum step_way way; /* of its steps; where they have several, the last of the enum */
};

/* --- A driver ------------------------------------------------------------------------------ */

/* The first member of a driver's own struct for a device. Before `open` fills it, it is all zeros.
 */
struct gpu {
    struct device base;

    /* The driver fills these, and base.info, before it calls gpu_open. */
    const struct gpu_driver *driver;
    size_t largest_group;    /* the most items of a group */
    bool ways[STEP_WAYS];    /* of fused steps: those that may be taken, at least one */
    size_t group_bytes;      /* the most shared memory of a group */
    size_t cache_bytes;      /* of its largest cache, where an epoch's batches don't fit; or 0 */
    unsigned vector_width;   /* floats that an item best computes with at a time */
    size_t memory_bytes;     /* the most for all buffers together */
    size_t buffer_bytes;     /* the most for one buffer */
    size_t host_bytes;       /* for buffers in the host's memory: how much the host can give */
    const char *host_limit;  /* what limits host_bytes; NULL: buffers don't lie there */
    char compiled_for[1024]; /* what the machine code of kernels depends on besides their text and
                              * options: the hardware, the driver and the compiler, with their
                              * versions */
    char timed_on[1024];     /* what else their times depend on; may be empty */

    /* The driver counts here the bytes of all its buffers. */
    size_t used_bytes;

    /* gpu_open fills these, and gpu_close ends them. */
    char *environment;            /* variables that driver and libraries heed (environment.h) */
    struct gemms *gemms;          /* the algorithms for gemms (gemm.h) */
    struct algorithms algorithms; /* the same, as autotuning knows them (tuning.c) */
    struct gemm_choices *choices; /* which of them computes which shape (autotune.h) */
    /* For each kind of operation that has a kernel of its own: this kernel. The first kind of each
     * file of kernels also has the file's program, which the others share. (operations.c) */
    struct gpu_kernel kernels[OPERATION_KINDS];
    struct gpu_program *programs[OPERATION_KINDS];
    struct buffer *staged[2];      /* bytes of images, until a kernel converts them */
    size_t sent;                   /* parts of images that were sent, to these two in turn */
    struct gpu_exchange *exchange; /* with other ranks (exchange.h); NULL: none yet */
    bool joined;     /* `enqueue` takes exchanges, and graphs do: the driver has joined the ranks */
    bool exchanging; /* by `enqueue` or a graph, since the driver last waited; it ends that */
    struct step_choices *step_choices; /* how training steps are done (step_choice.h) */
    struct fused_step *fused_steps;    /* the kernels of those that are fused (fused_step.h) */
};

/* What a driver does, and what it is like. A function that returns a status fills `error` where the
 * status is not STATUS_OK.
 *
 * There is one queue. Everything on it, but for what `stage` sends, is done in the order in which
 * it was enqueued, as if each command ended before the next began. No function waits but
 * `synchronise`, and those that say so.
 */
struct gpu_driver {
    /* --- Its library of gemms --- */
    const char *library;  /* its name, for --gemm */
    size_t suspect_side;  /* device_info.suspect_side where the library is used; 0: it is trusted */
    bool library_scales;  /* the library can read a gemm's scale from the device's memory */
    double library_share; /* the library is chosen where its time is less than this share of our
                           * kernels' time (1.0: wherever it is faster) */
    void (*free_library)(struct gpu *gpu); /* frees what it keeps of a device. NULL: nothing */

    /* --- Programs and kernels --- */

    /* Whether a group can read what another group of the same launch has written, once an atomic
     * operation has told it that it is written. Then the last group of a tile adds up the splits of
     * a gemm (-DFUSED_REDUCTION of kernels/gemm.cl). Else a second kernel does. */
    bool fused_reduction;
    const char *language; /* the compiler's option that names the language; "": it needs none */
    /* Compiles `text`, the text of kernels/`file`. Also gives *code, of *length bytes, from which
     * `load` makes the program again in a later run. The caller frees *code. It is NULL, and that
     * is no error, where the driver gives none. */
    enum status (*compile)(struct gpu *gpu, const char *file, const char *text, const char *options,
        struct gpu_program **program, void **code, size_t *length, struct error *error);
    /* Makes a program from its code, with the options that it was compiled with, on a device with
     * the same `compiled_for`. NULL when the driver refuses the code: then the text is compiled. */
    struct gpu_program *(*load)(
        struct gpu *gpu, const char *options, const void *code, size_t length);
    void (*free_program)(struct gpu_program *program);
    /* Gives the kernel `name` of a program. It is freed before its program is. */
    enum status (*create_function)(struct gpu_program *program, const char *name,
        struct gpu_function **function, struct error *error);
    void (*free_function)(struct gpu_function *function);
    /* Gives how many groups of so many items can be at work at once on the whole device, of a
     * function that is launched with START_TOGETHER. NULL: there is no such launch. */
    enum status (*groups_at_once)(struct gpu *gpu, const struct gpu_function *function,
        size_t items, size_t *groups, struct error *error);

    /* --- Enqueueing --- */

    /* destination = the elements at `host`. They may be read as late as the next `synchronise`, so
     * they must stay as they are until then. */
    enum status (*upload)(
        struct gpu *gpu, struct view destination, const void *host, struct error *error);
    /* What a driver needs to send images while the device computes, or both NULL. `stage` does as
     * `upload`, but may do it before what was enqueued earlier, as soon as what reads `destination`
     * is done. That is said by staged_is_read, which is called when all of it has been enqueued.
     * `half` numbers the two destinations that there are, 0 and 1. */
    enum status (*stage)(struct gpu *gpu, size_t half, struct view destination, const void *host,
        struct error *error);
    enum status (*staged_is_read)(struct gpu *gpu, size_t half, struct error *error);
    /* Gives the number of elements that gemm.workspace must have for this gemm; 0: it needs none.
     */
    enum status (*gemm_workspace)(
        struct gpu *gpu, const struct gpu_gemm *gemm, size_t *elements, struct error *error);
    enum status (*enqueue)(struct gpu *gpu, const struct gpu_command *command, struct error *error);
    /* Waits until everything is done, even where it returns an error, because the caller may then
     * free what was in use. An error of a command that was enqueued earlier may be returned here.
     */
    enum status (*synchronise)(struct gpu *gpu, struct error *error);

    /* --- Recordings: `prepare`, or the three for graphs, or none of them (NULL) --- */

    /* For drivers whose functions keep the arguments that they were last given, as OpenCL's do.
     * Gives a command of a recording a function of its own, with its arguments, and sets
     * command.prepared. So a run of the recording need not set them again. */
    enum status (*prepare)(struct gpu *gpu, const struct gpu_kernel *kernel,
        struct gpu_command *command, struct error *error);

    /* For drivers that can submit many commands as one, as CUDA can. Makes a graph of a list of
     * commands, which run_graph enqueues. *graph stays NULL, and that is no error, where the user
     * wants no graphs, and where the driver can't make one of this list. In the latter case
     * device_info.warning says why. May wait. free_graph waits until the graph is not in use. */
    enum status (*make_graph)(struct gpu *gpu, const struct gpu_command *commands, size_t count,
        struct gpu_graph **graph, struct error *error);
    enum status (*run_graph)(struct gpu *gpu, struct gpu_graph *graph, struct error *error);
    void (*free_graph)(struct gpu *gpu, struct gpu_graph *graph);
};

/* --- For the drivers ----------------------------------------------------------------------- */

/* Makes all kernels. Runs each once, so that what a driver puts off until a kernel's first use is
 * done; only the kernels of gemms are first run by the self-check, and those of whole steps when a
 * recording is made. `type` is the driver's device_type. Of the options it takes `gemm` and `step`.
 */
enum status gpu_open(struct gpu *gpu, const struct device_type *type,
    const struct device_options *options, struct error *error);

/* Frees what gpu_open has made, however far it came, and even if it was never called. No command
 * may be at work any more. */
void gpu_close(struct gpu *gpu);

/* Whether a new buffer of `bytes` is within the limits of struct gpu. */
bool gpu_is_within_budget(const struct gpu *gpu, size_t bytes);

/* Fills the error for a buffer of `bytes` that can't be had; gives STATUS_DEVICE. `refused` is the
 * driver's own name of its error; NULL where the driver was not asked. */
enum status gpu_out_of_memory(
    const struct gpu *gpu, size_t bytes, const char *refused, struct error *error);

/* --- For the operations -------------------------------------------------------------------- */

/* Adds a command to the list `to`. If that is NULL, it is enqueued. gpu_launch makes it a launch of
 * a kernel with `count` arguments, which GPU_LAUNCH counts. gpu_gemm makes it a gemm of the
 * library. */
enum status gpu_launch(struct gpu *gpu, struct gpu_commands *to, const struct gpu_kernel *kernel,
    struct gpu_grid grid, const struct gpu_argument *arguments, size_t count, struct error *error);
#define GPU_LAUNCH(gpu, to, kernel, grid, error, ...)                                              \
    gpu_launch(gpu, to, kernel, grid, (const struct gpu_argument[]){__VA_ARGS__},                  \
        sizeof((const struct gpu_argument[]){__VA_ARGS__}) / sizeof(struct gpu_argument), error)
enum status gpu_gemm(
    struct gpu *gpu, struct gpu_commands *to, const struct gpu_gemm *gemm, struct error *error);
enum status gpu_exchange(
    struct gpu *gpu, struct gpu_commands *to, struct view exchanged, struct error *error);

/* Makes a graph of a complete list, where the driver can. gpu_commands_run then enqueues the graph.
 * Without a graph it enqueues the commands one by one. */
enum status gpu_commands_make_graph(
    struct gpu *gpu, struct gpu_commands *commands, struct error *error);
/* The same, where some commands may overlap. Where the driver can't make such a graph, there is
 * none, and they don't overlap any more; nobody is warned. */
enum status gpu_commands_make_overlapped(
    struct gpu *gpu, struct gpu_commands *commands, struct error *error);
enum status gpu_commands_run(
    struct gpu *gpu, const struct gpu_commands *commands, struct error *error);
void gpu_commands_free(struct gpu *gpu, struct gpu_commands *commands);

/* Makes the kernels of operations but for gemms, and runs each once. Ended by gpu_operations_free,
 * whatever is returned. */
enum status gpu_operations_create(struct gpu *gpu, struct error *error);
void gpu_operations_free(struct gpu *gpu);

/* Makes gpu->algorithms and gpu->choices of gpu->gemms. The latter is ended by gemm_choices_free.
 */
enum status gpu_choices_create(struct gpu *gpu, struct error *error);

/* Appends the states of an optimiser to a kernel's arguments, as STATES of kernels/optimizer.h has
 * them. `none` stands for a state that the optimiser does not have, which is not looked at. */
void gpu_add_states(struct gpu_argument *arguments, size_t *count, enum optimizer optimizer,
    const struct view states[OPTIMIZER_STATES_MAX], struct view none);

/* Adds a step of an optimiser, as device_optimize takes it, to the list `to`. If that is NULL, it
 * is enqueued. */
enum status gpu_take_step(struct gpu *gpu, struct gpu_commands *to, enum optimizer optimizer,
    struct view gradient, struct view rates, struct view parameters,
    const struct view states[OPTIMIZER_STATES_MAX], struct error *error);

/* Adds an operation's commands to the list `to`. If that is NULL, they are enqueued. */
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

/* The names of device_type.steps. */
extern const char *const gpu_steps[];

/* The functions above, for the initializer of a device_type. */
#define GPU_OPERATIONS                                                                             \
    .choices = gpu_choices, .memory = gpu_memory_left, .synchronise = gpu_synchronise,             \
    .enqueue = gpu_enqueue, .compile = gpu_compile, .run = gpu_run,                                \
    .free_recording = gpu_free_recording

#endif
