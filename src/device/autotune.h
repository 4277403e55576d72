/* Autotuning: times the algorithms by which a device can compute a gemm, and chooses the fastest.
 * The device says which algorithms it has, and does a gemm by one of them (struct algorithms). */
#ifndef DEVICE_AUTOTUNE_H
#define DEVICE_AUTOTUNE_H

#include "device/device_type.h"
#include "device/gemm_shape.h"

enum { ALGORITHMS_MAX = 8 };

/* The algorithms of a device, which are known by their index here, and how they are timed. A gemm
 * is an operation of the kinds that gemm_shape_of takes. */
struct algorithms {
    struct {
        const char *name; /* by which --gemm asks for it */
        bool library;     /* a library's; else ours */
        double share; /* it is chosen where its time is less than this share of the time of those
                       * before it (1.0: wherever it is faster) */
    } all[ALGORITHMS_MAX];
    size_t count;
    size_t suspect_side; /* device_info.suspect_side where a library is chosen; 0: it is trusted */

    double (*clock)(void); /* gives the seconds that a turn is timed by */

    /* Each algorithm does a gemm again and again for a turn of about `turn` seconds, but at most
     * `repeats` times. There are up to `rounds` turns of each, until `enough` seconds have passed
     * for the shape, or `enough_in_all` for all shapes. After the first `rounds_for_all`,
     * algorithms that take more than twice the best time are left out. */
    double turn, enough, enough_in_all;
    size_t repeats;
    int rounds, rounds_for_all;
    /* A gemm of more multiplications than this is timed with fewer samples in its batch; and with
     * fewer still after `enough_in_all`. */
    double multiplications;
    /* The inputs of a forward product lie in so many bytes of memory, from one gemm to the next,
     * since no cache holds an epoch's batches; 0: each gemm has the same. */
    size_t cold_bytes;
    size_t largest_batch; /* that is timed at all: larger ones are for the first algorithm */

    /* The key under which the program cache keeps the choice for a shape, which is given as text.
     * It holds everything that the choice depends on. The caller frees it. NULL when memory is
     * refused. */
    char *(*make_key)(const struct device *device, const char *shape, size_t *length);
    /* Enqueues a gemm, by one of the algorithms; or a part of it by which they can be told apart.
     */
    enum status (*enqueue)(
        struct device *device, size_t algorithm, const struct operation *gemm, struct error *error);
    /* Makes a recording of `repeats` gemms, which are these `count` in turn. The caller frees
     * *recording even where this fails, unless it is NULL. The function may be NULL: a turn's gemms
     * are then enqueued one by one. */
    enum status (*record)(struct device *device, size_t algorithm, const struct operation *gemms,
        size_t count, size_t repeats, struct recording **recording, struct error *error);
};

/* The choices made so far: an algorithm for each shape of gemm. `algorithms` must live as long.
 * Ended by gemm_choices_free; NULL is fine there. */
struct gemm_choices;
enum status gemm_choices_create(struct device *device, const struct algorithms *algorithms,
    struct gemm_choices **choices, struct error *error);
void gemm_choices_free(struct gemm_choices *choices);

/* Writes them, as `choices` of struct device_type does. */
size_t gemm_choices_text(const struct gemm_choices *choices, char *text, size_t size);

/* Gives the algorithm for this gemm. The first gemm of a shape makes the choice. If an earlier run
 * has chosen for this shape, its algorithm is taken (choice_cache.h). Else all algorithms are timed
 * on the operands, and the fastest is kept. While they are timed, results go to memory of their
 * own, so that the views keep what they hold. The device's info names what was chosen. */
enum status autotune_choose(struct gemm_choices *choices, const struct operation *gemm,
    size_t *algorithm, struct error *error);

#endif
