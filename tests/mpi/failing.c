/* Calls of MPI that fail, for tests of ranks. It is preloaded (LD_PRELOAD) into each, and takes the
 * place of MPI's functions, which MPI allows: it has all of them by a second name, with a P before.
 *
 * TRAINER_MPI_FAULTS=FUNCTION:N:RANK:ACTION[,...]: the Nth call of that function, from 1 on, fails
 * in that rank. ACTION is "fail": the call is not done, and returns MPI_ERR_OTHER; or "exit": the
 * process ends with exit status 0, and MPI is not told. */
#include <mpi.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* This rank's number, before MPI knows it. */
static int own_rank(void) {
    const char *text = getenv("OMPI_COMM_WORLD_RANK");
    text = text ? text : getenv("PMI_RANK");
    return text ? atoi(text) : -1;
}

/* Whether the `count`th call of this function is to fail. */
static bool is_to_fail(const char *function, int count) {
    const char *faults = getenv("TRAINER_MPI_FAULTS");
    char copy[512], *rest;
    snprintf(copy, sizeof copy, "%s", faults ? faults : "");
    for (char *fault = strtok_r(copy, ",", &rest); fault; fault = strtok_r(NULL, ",", &rest)) {
        char name[64], action[8];
        int number, rank;
        if (sscanf(fault, "%63[^:]:%d:%d:%7s", name, &number, &rank, action) != 4) {
            fprintf(stderr, "TRAINER_MPI_FAULTS: '%s' is no fault\n", fault);
            _exit(125);
        }
        if (strcmp(name, function) != 0 || number != count || rank != own_rank())
            continue;
        if (strcmp(action, "exit") == 0)
            _exit(0);
        return true;
    }
    return false;
}

/* A function, by its parameters and its arguments. The program calls MPI from one thread at a time.
 */
#define FAILING(name, parameters, arguments)                                                       \
    int MPI_##name parameters {                                                                    \
        static int calls;                                                                          \
        return is_to_fail("MPI_" #name, ++calls) ? MPI_ERR_OTHER : PMPI_##name arguments;          \
    }

FAILING(Init_thread, (int *argc, char ***argv, int required, int *provided),
    (argc, argv, required, provided))
FAILING(Comm_dup, (MPI_Comm comm, MPI_Comm *copy), (comm, copy))
FAILING(Comm_set_errhandler, (MPI_Comm comm, MPI_Errhandler handler), (comm, handler))
FAILING(Comm_rank, (MPI_Comm comm, int *rank), (comm, rank))
FAILING(Comm_size, (MPI_Comm comm, int *size), (comm, size))
FAILING(Get_library_version, (char *version, int *length), (version, length))
FAILING(Comm_split_type, (MPI_Comm comm, int type, int key, MPI_Info info, MPI_Comm *part),
    (comm, type, key, info, part))
FAILING(Comm_free, (MPI_Comm * comm), (comm))
FAILING(Allreduce,
    (const void *own, void *all, int count, MPI_Datatype type, MPI_Op operation, MPI_Comm comm),
    (own, all, count, type, operation, comm))
FAILING(Bcast, (void *values, int count, MPI_Datatype type, int from, MPI_Comm comm),
    (values, count, type, from, comm))
FAILING(Allgather,
    (const void *own, int own_count, MPI_Datatype own_type, void *all, int count, MPI_Datatype type,
        MPI_Comm comm),
    (own, own_count, own_type, all, count, type, comm))
FAILING(Win_allocate_shared,
    (MPI_Aint bytes, int unit, MPI_Info info, MPI_Comm comm, void *memory, MPI_Win *window),
    (bytes, unit, info, comm, memory, window))
FAILING(Win_set_errhandler, (MPI_Win window, MPI_Errhandler handler), (window, handler))
FAILING(Win_lock_all, (int assertion, MPI_Win window), (assertion, window))
FAILING(Win_sync, (MPI_Win window), (window))
FAILING(Barrier, (MPI_Comm comm), (comm))
FAILING(Win_shared_query, (MPI_Win window, int rank, MPI_Aint *size, int *unit, void *memory),
    (window, rank, size, unit, memory))
FAILING(Win_unlock_all, (MPI_Win window), (window))
FAILING(Win_free, (MPI_Win * window), (window))
FAILING(Error_string, (int code, char *text, int *length), (code, text, length))
FAILING(Abort, (MPI_Comm comm, int code), (comm, code))
FAILING(Finalize, (void), ())
