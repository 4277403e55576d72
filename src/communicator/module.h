/* The interface between the communicator and a module, which is what of it is compiled against one
 * MPI. The ABIs of MPIs differ, so there is a module for each, and only the one that the launcher
 * belongs to is opened. A module stands alone: it calls nothing of the library. */
#ifndef COMMUNICATOR_MODULE_H
#define COMMUNICATOR_MODULE_H

#include <stdbool.h>
#include <stddef.h>

/* A module of another version is not used: it is left from another build. */
enum { MODULE_VERSION = 2, MODULE_TEXT = 512 };

/* Why a function failed: MPI's function and its error. */
typedef char module_problem[MODULE_TEXT];

/* What MPI says of the process once it has joined. */
struct module_ranks {
    int rank, ranks, local_rank, local_ranks;
    char library[64];
};

/* Each function that gives a bool gives false when it fails, with `problem` filled. Those between
 * `open` and `close` are collective. `count` is in elements of the type, and may be any. */
struct communicator_module {
    int version;
    bool (*open)(struct module_ranks *ranks, module_problem problem);
    bool (*sum)(float *values, size_t count, module_problem problem);
    bool (*broadcast)(int from, void *bytes, size_t count, module_problem problem);
    bool (*gather)(const void *own, size_t count, void *all, module_problem problem);
    /* Gives memory of which each rank has so many bytes, of 0, and that all ranks read and write,
     * where they are on one host. addresses[ranks] are those of each rank's. Once; until `close`.
     * *refused, where it fails: MPI gives none, to any rank, and can be used as before. NULL:
     * there is no such memory. */
    bool (*share)(size_t bytes, void **addresses, int ranks, bool *refused, module_problem problem);
    /* Lets the MPI do what it has put off; not collective. */
    void (*progress)(void);
    bool (*close)(module_problem problem);
    void (*end_all)(int code); /* may return, if MPI fails to end the process */
};

/* The module's one symbol, and its name. */
#define MODULE_SYMBOL trainer_communicator_module
#define MODULE_SYMBOL_NAME "trainer_communicator_module"
extern const struct communicator_module MODULE_SYMBOL;

#endif
