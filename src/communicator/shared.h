/* Memory that ranks on one host share: values of each of them, and sums, which are the same memory
 * for all. So they add up without MPI, and without a copy: each adds up a part for all. */
#ifndef COMMUNICATOR_SHARED_H
#define COMMUNICATOR_SHARED_H

#include <stdbool.h>
#include <stddef.h>

/* Called now and then by a rank that waits for others: MPI may still have something to send. */
typedef void shared_rest(void);

struct shared;

/* The bytes that each rank gives for so many elements: its own, and as many sums, of which those of
 * rank 0 are used. */
size_t shared_bytes(size_t elements);

/* What rank `rank` of `ranks`, two or more, sees, where addresses[ranks] are those of each one's
 * bytes, which are 0. NULL when memory is refused. `rest` may be NULL. */
struct shared *shared_create(
    void *const *addresses, int rank, int ranks, size_t elements, shared_rest *rest);
void shared_free(struct shared *shared);

/* This rank's own elements, and the sums of all. */
float *shared_values(const struct shared *shared);
float *shared_sums(const struct shared *shared);

/* Whether all of values[count] are this rank's own, or sums[count] those of all. */
bool shared_has(const struct shared *shared, const float *values, const float *sums, size_t count);

/* sums[count] = those over all ranks of values[count], in the order of the ranks, both of which
 * shared_has, at the same place. Waits until all ranks have come, and until all are done. The sums
 * stay until this rank comes to the next; nobody may write there. */
void shared_sum(struct shared *shared, const float *values, float *sums, size_t count);

#endif
