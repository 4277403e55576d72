/* Memory that ranks on one host share. What lies there they add up without MPI, and without a copy:
 * each adds up a part of the elements for all, and then takes over the others' parts. */
#ifndef COMMUNICATOR_SHARED_H
#define COMMUNICATOR_SHARED_H

#include <stdbool.h>
#include <stddef.h>

/* Called now and then by a rank that waits for others: MPI may still have something to send. */
typedef void shared_rest(void);

struct shared;

/* The bytes that each rank gives for so many elements. */
size_t shared_bytes(size_t elements);

/* What rank `rank` of `ranks`, two or more, sees, where addresses[ranks] are those of each one's
 * bytes, which are 0. NULL when memory is refused. `rest` may be NULL. */
struct shared *shared_create(
    void *const *addresses, int rank, int ranks, size_t elements, shared_rest *rest);
void shared_free(struct shared *shared);

/* This rank's own elements. */
float *shared_values(const struct shared *shared);

/* Whether all of values[count] are among them. */
bool shared_has(const struct shared *shared, const float *values, size_t count);

/* values[count], which shared_has, become their sums over all ranks: the same bits in each, and in
 * the order of the ranks. Waits until all ranks have come, and until all are done. */
void shared_sum(struct shared *shared, float *values, size_t count);

#endif
