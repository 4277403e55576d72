#include "fake_ranks.h"

#include "communicator/places.h"
#include "support.h"

#include <stdio.h>
#include <string.h>

struct fake_ranks fake_ranks;
static bool joining; /* the ranks tell each other where they are */

static bool is_fine(module_problem problem) {
    if (fake_ranks.problem)
        snprintf(problem, MODULE_TEXT, "%s", fake_ranks.problem);
    return !fake_ranks.problem;
}

static bool join(struct module_ranks *ranks, module_problem problem) {
    *ranks = (struct module_ranks){fake_ranks.rank, FAKE_RANKS, fake_ranks.rank % 2, 2, "MPI 1.2"};
    return is_fine(problem);
}

/* Each of the others has twice the numbers of this one. */
static bool sum(float *values, size_t count, module_problem problem) {
    if (fake_ranks.wait && !fake_ranks.wait())
        return false;
    for (size_t i = 0; i < count; i++)
        values[i] *= 1 + 2 * (FAKE_RANKS - 1);
    return is_fine(problem);
}

static bool broadcast(int from, void *bytes, size_t count, module_problem problem) {
    if (from != fake_ranks.rank && fake_ranks.broadcast)
        memcpy(bytes, fake_ranks.broadcast, count);
    return is_fine(problem);
}

/* Two ranks on each host, "host0" and "host1": those of host1 are bound to a processor each. */
static void tell_place(int rank, struct place *place) {
    *place =
        (struct place){.local_rank = fake_ranks.one_host ? rank : rank % 2, .processors = {0xff}};
    snprintf(place->host, sizeof place->host, "host%d", fake_ranks.one_host ? 0 : rank / 2);
    if (rank / 2 == 1)
        place->processors[0] = (unsigned char)(1 << rank % 2);
}

static bool gather(const void *own, size_t count, void *all, module_problem problem) {
    for (int r = 0; r < FAKE_RANKS && joining; r++)
        tell_place(r, (struct place *)all + r);
    for (int r = 0; r < FAKE_RANKS && !joining; r++)
        memcpy((char *)all + (size_t)r * count,
            r != fake_ranks.rank && fake_ranks.gathered[r] ? fake_ranks.gathered[r] : own, count);
    return is_fine(problem);
}

static bool share(
    size_t bytes, void **addresses, int ranks, bool *refused, module_problem problem) {
    static _Alignas(128) char memory[FAKE_RANKS][4096];
    fake_ranks.shares++;
    memset(memory, 0, sizeof memory);
    for (int r = 0; r < ranks; r++)
        addresses[r] = memory[r];
    *refused = fake_ranks.refuses;
    return bytes <= sizeof memory[0] && !*refused && is_fine(problem);
}

static bool leave(module_problem problem) {
    fake_ranks.closed++;
    return is_fine(problem);
}

static void end_all(int code) {
    fake_ranks.ended = code;
}

static const struct communicator_module module = {
    .version = MODULE_VERSION,
    .open = join,
    .sum = sum,
    .broadcast = broadcast,
    .gather = gather,
    .share = share,
    .close = leave,
    .end_all = end_all,
};

static void fake_late(void *context, struct communicator *communicator, const char *message) {
    (void)context, (void)communicator;
    snprintf(fake_ranks.late, sizeof fake_ranks.late, "%s", message);
    atomic_store(&fake_ranks.is_late, true);
}

static struct communicator *create(int rank, double limit, bool on_one_host) {
    const struct launcher launcher = {"a test", FAKE_RANKS, COMMUNICATOR_OPENMPI, true};
    const struct communicator_options options = {.late = fake_late, .limit = limit};
    struct communicator *communicator;
    struct error error;
    fake_ranks = (struct fake_ranks){.rank = rank, .ended = -1, .one_host = on_one_host};
    joining = true;
    assert_ok(communicator_create(&module, &launcher, &options, &communicator, &error));
    joining = false;
    return communicator;
}

struct communicator *fake_communicator(int rank) {
    return fake_communicator_of(rank, 1e6);
}

struct communicator *fake_communicator_of(int rank, double limit) {
    return create(rank, limit, false);
}

struct communicator *fake_communicator_on_one_host(int rank) {
    return create(rank, 1e6, true);
}
