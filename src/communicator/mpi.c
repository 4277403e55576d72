/* A module for an MPI. It is compiled once for each MPI that there is when the program is built. */
#include "communicator/module.h"

#include <mpi.h>
#include <stdio.h>
#include <string.h>

/* MPI is one for the whole process, so this may be, too. It is a copy of MPI_COMM_WORLD, whose
 * errors are returned. */
static MPI_Comm world;
static MPI_Win shared = MPI_WIN_NULL;

/* The most elements of one call: MPI counts them by int. */
enum { MOST = 1 << 30 };

/* Before MPI_Init_thread and after MPI_Finalize MPI_Error_string may end the process. */
static bool has_words(void) {
    int begun = 0, ended = 0;
    MPI_Initialized(&begun);
    MPI_Finalized(&ended);
    return begun && !ended;
}

static bool is_done(const char *call, int code, module_problem problem) {
    char reason[MPI_MAX_ERROR_STRING];
    int length;
    if (code == MPI_SUCCESS)
        return true;
    if (!has_words() || MPI_Error_string(code, reason, &length) != MPI_SUCCESS)
        snprintf(reason, sizeof reason, "error %d", code);
    snprintf(problem, MODULE_TEXT, "%s: %.400s", call, reason);
    return false;
}

/* "Open MPI 4.1.4" of "Open MPI v4.1.4, package: ..."; "MPICH 4.0.2" of "MPICH
 * Version:\t4.0.2\n...".
 */
static bool describe_library(char *library, size_t size, module_problem problem) {
    char text[MPI_MAX_LIBRARY_VERSION_STRING] = "", version[24] = "";
    int length;
    if (!is_done("MPI_Get_library_version", MPI_Get_library_version(text, &length), problem))
        return false;
    const char *number = text + strcspn(text, "0123456789");
    snprintf(version, sizeof version, "%.*s", (int)strcspn(number, ", \n"), number);
#ifdef OPEN_MPI
    snprintf(library, size, "Open MPI %s", version);
#else
    snprintf(library, size, "MPICH %s", version);
#endif
    return true;
}

static bool find_place(MPI_Comm comm, int *rank, int *ranks, module_problem problem) {
    return is_done("MPI_Comm_rank", MPI_Comm_rank(comm, rank), problem) &&
           is_done("MPI_Comm_size", MPI_Comm_size(comm, ranks), problem);
}

static bool find_neighbours(struct module_ranks *ranks, module_problem problem) {
    MPI_Comm local;
    if (!is_done("MPI_Comm_split_type",
            MPI_Comm_split_type(world, MPI_COMM_TYPE_SHARED, ranks->rank, MPI_INFO_NULL, &local),
            problem))
        return false;
    return find_place(local, &ranks->local_rank, &ranks->local_ranks, problem) &&
           is_done("MPI_Comm_free", MPI_Comm_free(&local), problem);
}

/* The threads of a team take turns in calling MPI, so it must be told that it is not always the
 * same one. */
static bool join(struct module_ranks *ranks, module_problem problem) {
    int level;
    if (!is_done(
            "MPI_Init_thread", MPI_Init_thread(NULL, NULL, MPI_THREAD_SERIALIZED, &level), problem))
        return false;
    if (level < MPI_THREAD_SERIALIZED) {
        snprintf(problem, MODULE_TEXT,
            "MPI_Init_thread: this MPI was built without threads (it gives level %d, not "
            "MPI_THREAD_SERIALIZED)",
            level);
        return false;
    }
    return is_done("MPI_Comm_dup", MPI_Comm_dup(MPI_COMM_WORLD, &world), problem) &&
           is_done("MPI_Comm_set_errhandler", MPI_Comm_set_errhandler(world, MPI_ERRORS_RETURN),
               problem) &&
           find_place(world, &ranks->rank, &ranks->ranks, problem) &&
           describe_library(ranks->library, sizeof ranks->library, problem) &&
           find_neighbours(ranks, problem);
}

static int least(size_t a, size_t b) {
    return (int)(a < b ? a : b);
}

static bool sum(float *values, size_t count, module_problem problem) {
    bool done = true;
    for (size_t first = 0; first < count && done; first += MOST)
        done = is_done("MPI_Allreduce",
            MPI_Allreduce(MPI_IN_PLACE, values + first, least(count - first, MOST), MPI_FLOAT,
                MPI_SUM, world),
            problem);
    return done;
}

static bool broadcast(int from, void *bytes, size_t count, module_problem problem) {
    bool done = true;
    for (size_t first = 0; first < count && done; first += MOST)
        done = is_done("MPI_Bcast",
            MPI_Bcast((char *)bytes + first, least(count - first, MOST), MPI_BYTE, from, world),
            problem);
    return done;
}

static bool gather(const void *own, size_t count, void *all, module_problem problem) {
    return is_done("MPI_Allgather",
        MPI_Allgather((void *)(size_t)own, (int)count, MPI_BYTE, all, (int)count, MPI_BYTE, world),
        problem);
}

/* Ranks meet by themselves; for MPI it is one epoch of access, to the end. */
static bool share(
    size_t bytes, void **addresses, int ranks, bool *refused, module_problem problem) {
    enum { PAGE = 4096 }; /* the ranks' parts follow one another */
    const size_t whole = (bytes + PAGE - 1) / PAGE * PAGE;
    void *own;
    *refused = !is_done("MPI_Win_allocate_shared",
        MPI_Win_allocate_shared((MPI_Aint)whole, 1, MPI_INFO_NULL, world, &own, &shared), problem);
    if (*refused) {
        shared = MPI_WIN_NULL;
        return false;
    }
    if (!is_done(
            "MPI_Win_set_errhandler", MPI_Win_set_errhandler(shared, MPI_ERRORS_RETURN), problem) ||
        !is_done("MPI_Win_lock_all", MPI_Win_lock_all(MPI_MODE_NOCHECK, shared), problem))
        return false;
    memset(own, 0, whole);
    bool done = is_done("MPI_Win_sync", MPI_Win_sync(shared), problem) &&
                is_done("MPI_Barrier", MPI_Barrier(world), problem);
    for (int r = 0; r < ranks && done; r++) {
        MPI_Aint size;
        int unit;
        done = is_done("MPI_Win_shared_query",
            MPI_Win_shared_query(shared, r, &size, &unit, &addresses[r]), problem);
    }
    return done;
}

static void progress(void) {
    int found;
    MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, world, &found, MPI_STATUS_IGNORE);
}

static bool end_sharing(module_problem problem) {
    return shared == MPI_WIN_NULL ||
           (is_done("MPI_Win_unlock_all", MPI_Win_unlock_all(shared), problem) &&
               is_done("MPI_Win_free", MPI_Win_free(&shared), problem));
}

static bool leave(module_problem problem) {
    return end_sharing(problem) && is_done("MPI_Comm_free", MPI_Comm_free(&world), problem) &&
           is_done("MPI_Finalize", MPI_Finalize(), problem);
}

static void end_all(int code) {
    int begun = 0;
    if (MPI_Initialized(&begun) == MPI_SUCCESS && begun)
        MPI_Abort(MPI_COMM_WORLD, code);
}

const struct communicator_module MODULE_SYMBOL = {
    .version = MODULE_VERSION,
    .open = join,
    .sum = sum,
    .broadcast = broadcast,
    .gather = gather,
    .share = share,
    .progress = progress,
    .close = leave,
    .end_all = end_all,
};
