/* What the host's processor can do at most, by instruction set. */
#include "device/host_device.h"
#include "device/instruction_set.h"
#include "device/multiply_add.h"
#include "system/clock.h"
#include "system/strict_math.h"
#include "system/team.h"
#include "trainer/random.h"

#include <math.h>

/* A window is so short that even on a busy machine some are not disturbed: a thread that has waited
 * for its core is given it for some milliseconds. And it is so long that some microseconds of
 * barriers are little. */
static const double WINDOW_SECONDS = 0.001;
/* An instruction set has many windows in a turn, because a processor may need the first ones to
 * change its clock, or to power its wide units up. */
static const double TURN_SECONDS = 0.05;
enum {
    TURNS = 20,             /* of each instruction set */
    ROUNDS_FIRST = 1 << 12, /* whose time is taken; they are doubled until it is long enough */
    TRIES = 3,              /* for that */
};
/* So small that values in [-1, 1) stay there in any number of rounds, and not so small that a
 * product is denormal. */
static const float FACTOR = 0x1p-40f;

static void fill(const struct multiply_add *multiply_add, float *values) {
    random_uniform(0, RANDOM_CHECK, 0, values, multiply_add->vectors * multiply_add->lanes);
}

/* The rounds that take one thread as long as a window should be. Of several tries the shortest
 * counts, as a disturbed one would give too few. */
static size_t count_rounds(const struct multiply_add *multiply_add) {
    float values[MULTIPLY_ADD_VALUES_MAX];
    fill(multiply_add, values);
    for (size_t rounds = ROUNDS_FIRST;; rounds *= 2) {
        double shortest = INFINITY;
        for (int try = 0; try < TRIES; try++) {
            const double start = clock_seconds();
            multiply_add->run(values, FACTOR, rounds);
            shortest = fmin(shortest, clock_seconds() - start);
        }
        if (shortest >= WINDOW_SECONDS / 4)
            return (size_t)((double)rounds * WINDOW_SECONDS / shortest) + 1;
    }
}

/* Windows, one after another. */
struct turn {
    size_t begun;           /* windows */
    double start, last;     /* when the turn and its last window began */
    double shortest_window; /* seconds */
};

/* Ends a window, and begins the next one, while all threads wait. Returns whether the turn goes
 * on. */
static bool begin_window(struct turn *turn) {
    const double now = clock_seconds();
    if (turn->begun++ == 0)
        turn->start = now;
    else
        turn->shortest_window = fmin(turn->shortest_window, now - turn->last);
    turn->last = now;
    return now - turn->start < TURN_SECONDS;
}

/* Has a team take a turn, and returns the seconds of its shortest window. A window lasts from
 * before any thread begins until after all are done, because the clock is read between two
 * barriers. They are OpenMP's, which spin: a thread that sleeps at a barrier may be woken on the
 * processor of another one of the team, and a busy machine then leaves both there. */
static double take_turn(
    const struct multiply_add *multiply_add, size_t rounds, int threads, int *team) {
    struct turn turn = {.shortest_window = INFINITY};
    bool goes_on = true;
    int members = 0;
#pragma omp parallel num_threads(team_whole(threads)) reduction(+ : members)
    {
        float values[MULTIPLY_ADD_VALUES_MAX];
        fill(multiply_add, values);
        members = 1;
        for (;;) {
#pragma omp barrier
#pragma omp single /* ends with a barrier */
            goes_on = begin_window(&turn);
            if (!goes_on)
                break;
            multiply_add->run(values, FACTOR, rounds);
        }
    }
    *team = members;
    return turn.shortest_window;
}

/* An instruction set while it is measured. */
struct measured {
    const struct multiply_add *multiply_add;
    size_t rounds;          /* of a window */
    double shortest_window; /* seconds, of all turns */
};

static size_t begin_sets(struct measured *measured, struct arithmetic_peak *peaks) {
    size_t sets = 0;
    for (const struct instruction_set *set = instruction_sets; set->name; set++)
        if (set->usable() && sets < ARITHMETIC_PEAKS_MAX) {
            peaks[sets].name = set->name;
            measured[sets++] =
                (struct measured){set->multiply_add, count_rounds(set->multiply_add), INFINITY};
        }
    return sets;
}

enum status host_device_measure_arithmetic(
    struct device *device, struct device_peak *peak, struct error *error) {
    struct measured measured[ARITHMETIC_PEAKS_MAX];
    const size_t sets = begin_sets(measured, peak->arithmetic);
    const int threads = device->info.threads;
    enum status status = STATUS_OK;
    for (size_t turn = 0; turn < TURNS * sets && status == STATUS_OK; turn++) {
        struct measured *one = &measured[turn % sets];
        int team;
        const double window = take_turn(one->multiply_add, one->rounds, threads, &team);
        one->shortest_window = fmin(one->shortest_window, window);
        status = host_team_check(&device->info, team, error);
    }
    for (size_t s = 0; s < sets; s++) {
        const struct multiply_add *of = measured[s].multiply_add;
        const double operations =
            2.0 * (double)(of->vectors * of->lanes) * (double)measured[s].rounds * threads;
        peak->arithmetic[s].flops = operations / measured[s].shortest_window;
    }
    return status;
}
