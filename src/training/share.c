#include "training/share.h"

#include "system/hash.h"
#include "training/observer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* --- Who takes what --- */

struct span share_of(struct span batch, size_t rank, size_t ranks) {
    const size_t begin = batch.count * rank / ranks, end = batch.count * (rank + 1) / ranks;
    return (struct span){batch.first + begin, end - begin};
}

struct span share_planned(const struct training_plan *plan, struct span batch) {
    return share_of(batch, (size_t)communicator_rank(plan->communicator),
        (size_t)communicator_ranks(plan->communicator));
}

size_t training_share(const struct training_plan *plan) {
    const size_t ranks = (size_t)communicator_ranks(plan->communicator);
    return (plan->batch_size + ranks - 1) / ranks;
}

/* --- Together --- */

enum status share_results(const struct training_plan *plan, struct span samples, size_t columns,
    float *values, struct error *error) {
    if (!plan->communicator)
        return STATUS_OK;
    /* Others' are 0 here, and one rank's alone are not: the sum is exact. */
    const size_t size = columns * sizeof *values;
    for (size_t first = 0; first < samples.count; first += plan->batch_size) {
        const size_t left = samples.count - first;
        const struct span batch = {first, left < plan->batch_size ? left : plan->batch_size};
        const struct span own = share_planned(plan, batch);
        const size_t after = own.first + own.count;
        memset(values + batch.first * columns, 0, (own.first - batch.first) * size);
        memset(values + after * columns, 0, (batch.first + batch.count - after) * size);
    }
    return communicator_sum(plan->communicator, values, samples.count * columns, error);
}

enum status share_stop(const struct training_plan *plan, const struct training_observer *observer,
    bool *stop, struct error *error) {
    int most;
    const enum status status =
        communicator_most(plan->communicator, observer_stops(observer), &most, error);
    *stop = most != 0;
    return status;
}

enum status share_compare(
    const struct training_plan *plan, const float *parameters, size_t length, struct error *error) {
    if (!plan->communicator)
        return STATUS_OK;
    const uint64_t own = hash_on(hash_start, parameters, length * sizeof *parameters);
    uint64_t first = own;
    enum status status = communicator_broadcast(plan->communicator, &first, sizeof first, error);
    if (status != STATUS_OK)
        return status;
    if (own != first)
        status = error_set(error, STATUS_DEVICE,
            "its parameters are no longer those of rank 0 (hash %016" PRIx64 ", not %016" PRIx64
            "): a device, a link or %s has changed numbers, or the ranks' processors or GPUs are "
            "too different",
            own, first, communicator_info(plan->communicator)->library);
    return communicator_agree(plan->communicator, status, error);
}

static int compare_numbers(const void *a, const void *b) {
    const double first = *(const double *)a, second = *(const double *)b;
    return (first > second) - (first < second);
}

enum status share_spread(const struct training_plan *plan, double own,
    struct training_spread *spread, struct error *error) {
    const size_t ranks = (size_t)communicator_ranks(plan->communicator);
    double *all = malloc(ranks * sizeof *all);
    if (!all)
        return error_memory(error, "the ranks' times", ranks * sizeof *all);
    const enum status status =
        communicator_gather(plan->communicator, &own, sizeof own, all, error);
    if (status == STATUS_OK) {
        qsort(all, ranks, sizeof *all, compare_numbers);
        *spread = (struct training_spread){
            all[0], (all[(ranks - 1) / 2] + all[ranks / 2]) / 2, all[ranks - 1]};
    }
    free(all);
    return status;
}
