#include "communicator/launcher.h"

#include <stdlib.h>
#include <string.h>

/* A number of the environment; 0: there is none. */
static int number(const char *name) {
    const char *text = getenv(name);
    const long value = text ? strtol(text, NULL, 10) : 0;
    return value > 0 && value < 1 << 30 ? (int)value : 0;
}

/* How launchers are recognised: by a variable that each of them sets. PMI and PMIx are the ways in
 * which a launcher tells an MPI of the other ranks: PMI is what MPICH's has, and Slurm's with
 * --mpi=pmi2; PMIx is Open MPI's, and Slurm's with --mpi=pmix. MPICH's HYDI_CONTROL_FD would not
 * do: it comes to ranks on the launcher's own host only. */
static const struct {
    const char *name, *mark, *ranks;
    enum communicator_library library;
    bool only;
} launchers[] = {
    {"Open MPI's mpirun", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", COMMUNICATOR_OPENMPI,
        true},
    {"MPICH's mpiexec", "MPI_LOCALNRANKS", "PMI_SIZE", COMMUNICATOR_MPICH, true},
    {"a launcher with PMIx", "PMIX_RANK", "SLURM_STEP_NUM_TASKS", COMMUNICATOR_OPENMPI, false},
    {"a launcher with PMI", "PMI_RANK", "PMI_SIZE", COMMUNICATOR_MPICH, false},
};

/* Slurm's count is that of its own step: another launcher with PMIx may run within one. */
static bool knows_ranks(const char *mark) {
    const char *names = getenv("PMIX_NAMESPACE");
    return strcmp(mark, "PMIX_RANK") != 0 || (names && strncmp(names, "slurm.", 6) == 0);
}

bool launcher_find(struct launcher *launcher, enum status *status, struct error *error) {
    *status = STATUS_OK;
    for (size_t l = 0; l < sizeof launchers / sizeof *launchers; l++)
        if (getenv(launchers[l].mark)) {
            *launcher = (struct launcher){launchers[l].name,
                knows_ranks(launchers[l].mark) ? number(launchers[l].ranks) : 0,
                launchers[l].library, launchers[l].only};
            return true;
        }
    /* Slurm sets these for each task of a step, but not for what a batch script itself starts. */
    if (getenv("SLURM_STEP_ID") && number("SLURM_STEP_NUM_TASKS") > 1)
        *status = error_set(error, STATUS_USAGE,
            "Slurm has started %d processes without a way for MPI to join them: add --mpi=pmi2 "
            "(for MPICH) or --mpi=pmix (for Open MPI) to srun, or --communicator none for runs "
            "that have nothing to do with each other",
            number("SLURM_STEP_NUM_TASKS"));
    return false;
}
