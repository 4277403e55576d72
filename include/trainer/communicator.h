/* The communicator: the ranks that train one network together, as one of them sees it.
 *
 * A rank is a process that a launcher (mpirun, srun) has started with others. They are numbered
 * from 0. All of them do the same steps: each computes with its own part of a batch, and their
 * gradients are added up. Rank 0 speaks for all: it reads weights, writes files, and prints.
 *
 * MPI is opened at run time, and only in a process that a launcher has started. NULL is the
 * communicator of a process that is alone: it is fine in every function here, and costs nothing.
 *
 * The functions under "Exchanges" are collective: every rank calls the same ones in the same order,
 * and one may wait until all have called it. Different threads may call them, but one at a time. A
 * rank that can't go on calls communicator_abort, since the others would wait for it. Should one
 * not come to an exchange, for whatever reason, then after some time communicator_options.late is
 * called. STATUS_FAILED, with MPI's own error, where an exchange fails; the communicator is then
 * good for communicator_abort only. */
#ifndef TRAINER_COMMUNICATOR_H
#define TRAINER_COMMUNICATOR_H

#include "trainer/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct communicator;

enum communicator_library {
    COMMUNICATOR_AUTO, /* the MPI of the launcher that started the process; none without one */
    COMMUNICATOR_NONE, /* the process is alone, even if it was launched with others */
    COMMUNICATOR_OPENMPI,
    COMMUNICATOR_MPICH
};
extern const char *const communicator_library_names[]; /* "auto", "none", "openmpi", "mpich" */

enum { COMMUNICATOR_HOST_MAX = 64 };

struct communicator_info {
    int rank, ranks;
    int local_rank, local_ranks; /* among those on the same host */
    int hosts;
    /* Ranks on the same host that may use the same processors as this one, itself included; the
     * cores that all ranks of the host may use together, and that it has. */
    int sharing, bound_cores, host_cores;
    char host[COMMUNICATOR_HOST_MAX]; /* name of this rank's host */
    char library[64];                 /* "Open MPI 4.1.4" */
};

struct communicator_options {
    enum communicator_library library;
    /* Called, from a thread of its own, when an exchange has taken longer than its limit. It should
     * say so, and end with communicator_abort. The message names what took so long. */
    void (*late)(void *context, struct communicator *communicator, const char *message);
    void *context;
    /* Seconds, more than 0, that communicator_sum may take. All other exchanges may take ten times
     * as long: before them, between the epochs and before the first, some ranks may have to compile
     * kernels, to read data or to write files, while others wait. */
    double limit;
};

/* Joins the ranks that the launcher has started together with this process. *communicator stays
 * NULL where the process is alone. STATUS_USAGE where this build has no MPI that belongs to the
 * launcher, or none of the name that is asked for; STATUS_FAILED where MPI can't be opened; where
 * it has begun by then, *communicator is there all the same, for communicator_abort. It can be done
 * once in a process, and by one of the processes that a rank starts. The caller ends it with
 * communicator_close, in which all ranks meet once more. Where that fails, the communicator is
 * still there. */
enum status communicator_open(const struct communicator_options *options,
    struct communicator **communicator, struct error *error);
enum status communicator_close(struct communicator *communicator, struct error *error);

/* Ends all ranks at once, also those that are in the middle of something, and does not return. The
 * launcher's exit status becomes `code`. */
#if defined(__GNUC__)
__attribute__((noreturn))
#endif
void communicator_abort(struct communicator *communicator, int code);

/* Who is who. NULL has rank 0 of 1, on a host without a name. */
const struct communicator_info *communicator_info(const struct communicator *communicator);
int communicator_rank(const struct communicator *communicator);
int communicator_ranks(const struct communicator *communicator);
const char *communicator_host(const struct communicator *communicator, int rank);

/* --- Exchanges ----------------------------------------------------------------------------- */

/* values[count] = the sums over all ranks: the same bits in each, and in each run with as many. */
enum status communicator_sum(
    struct communicator *communicator, float *values, size_t count, struct error *error);

/* sums[count] = the sums over all ranks of values[count], which stay as they are. */
enum status communicator_sum_apart(struct communicator *communicator, const float *values,
    float *sums, size_t count, struct error *error);

/* Gives memory, twice `elements` floats, in which communicator_sum_apart takes least, as ranks on
 * one host share it: *values is for a rank's own, and *sums is one and the same memory for all, so
 * nobody writes there. Both stay NULL, and that is no error, where ranks are on several hosts,
 * where the system or MPI gives no such memory (Linux: see /dev/shm), and while somebody else has
 * it. It is the communicator's own, and communicator_unshare gives it back, in all ranks. */
enum status communicator_share(struct communicator *communicator, size_t elements, float **values,
    float **sums, struct error *error);
void communicator_unshare(struct communicator *communicator);

/* The seconds that this rank has spent in communicator_sum. */
double communicator_seconds(const struct communicator *communicator);

/* Copies bytes of rank 0 to all others. */
enum status communicator_broadcast(
    struct communicator *communicator, void *bytes, size_t count, struct error *error);

/* all[ranks, count] = the bytes of each rank. */
enum status communicator_gather(struct communicator *communicator, const void *own, size_t count,
    void *all, struct error *error);

/* *most = the largest of the ranks' numbers. */
enum status communicator_most(
    struct communicator *communicator, int own, int *most, struct error *error);

/* Makes the outcome of what each rank did by itself that of all: STATUS_OK if it is so in each;
 * else the status and the message of the first rank that failed. The message says which that was,
 * unless all of them failed. communicator_agreed then tells that the failure is known to all ranks:
 * they can end in an orderly way. A failure of an exchange is that of this rank, and stays it:
 * there is nobody to agree with. */
enum status communicator_agree(
    struct communicator *communicator, enum status own, struct error *error);
bool communicator_agreed(const struct communicator *communicator);

#ifdef __cplusplus
}
#endif
#endif
