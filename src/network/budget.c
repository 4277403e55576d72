#include "network/budget.h"

#include "device/check.h"

#include <stdint.h>
#include <stdio.h>

void network_list(const struct network_shape *shape, struct budget_row arrays[NETWORK_ARRAYS]) {
    const size_t values = network_values_offset(shape, shape->layers), size = sizeof(float);
    arrays[NETWORK_PARAMETERS] = (struct budget_row){network_length(shape), 0, size};
    arrays[NETWORK_VALUES] = (struct budget_row){0, values, size};
    arrays[NETWORK_GRADIENTS] = (struct budget_row){0, values, size};
    const size_t clipped = shape->clip_norm > 0.0, gathered = clipped || shape->ranked;
    arrays[NETWORK_DROPPED] = (struct budget_row){0, shape->dropout > 0.0 ? values : 0, size};
    arrays[NETWORK_GRADIENT] =
        (struct budget_row){gathered * network_parameters_length(shape), 0, size};
    arrays[NETWORK_SUMS] = (struct budget_row){clipped * SQUARE_SUMS, 0, size};
    arrays[NETWORK_X] = (struct budget_row){0, shape->widths[0], size};
    arrays[NETWORK_LABELS] = (struct budget_row){0, 1, size};
    arrays[NETWORK_SCORE] = (struct budget_row){0, 2, size};
}

size_t network_bytes(const struct network_shape *shape, size_t batch) {
    struct budget_row arrays[NETWORK_ARRAYS];
    network_list(shape, arrays);
    return budget_bytes(arrays, NETWORK_OWN, batch);
}

size_t network_check_bytes(const struct network_shape *shape, size_t batch) {
    struct budget_row arrays[CHECK_ARRAYS];
    size_t most = 0;
    for (size_t l = 0; l < shape->layers; l++) {
        check_list(shape->widths[l], shape->widths[l + 1], arrays);
        const size_t bytes = budget_bytes(arrays, CHECK_ARRAYS, batch);
        most = bytes > most ? bytes : most;
    }
    return most;
}

/* --- Whether it is there --- */

/* Among several needs of memory, the one that allows the smallest batch. */
struct tightest {
    /* The largest batch that fits; bytes that the wanted batch needs; bytes that are free. */
    size_t most, needed, free;
};

/* Considers one need: `count` arrays and `others` bytes besides, where `free` bytes are free. */
static void consider(struct tightest *tightest, const struct budget_row *arrays, size_t count,
    size_t batch, size_t others, size_t free) {
    const size_t fits = free < others ? 0 : budget_largest_batch(arrays, count, free - others);
    if (fits < tightest->most)
        *tightest = (struct tightest){fits, budget_bytes(arrays, count, batch) + others, free};
}

/* The tightest need of the training and of the self-checks before it. A device without memory of
 * its own takes it from the host. Then a self-check has its arrays there twice, and the host will
 * also have given away `before` bytes. */
static struct tightest find_tightest(const struct device_memory *memory,
    const struct network_shape *shape, size_t batch, size_t before, size_t others) {
    struct tightest tightest = {.most = SIZE_MAX};
    struct budget_row arrays[NETWORK_ARRAYS], checked[2 * CHECK_ARRAYS];
    network_list(shape, arrays);
    consider(&tightest, arrays, NETWORK_ARRAYS, batch, others, memory->free_bytes);
    consider(&tightest, arrays, NETWORK_ARRAYS, batch, others + before, memory->host_bytes);
    for (size_t l = 0; l < shape->layers; l++) {
        check_list(shape->widths[l], shape->widths[l + 1], checked);
        check_list(shape->widths[l], shape->widths[l + 1], checked + CHECK_ARRAYS);
        consider(&tightest, checked, CHECK_ARRAYS, batch, 0, memory->free_bytes);
        consider(&tightest, checked, 2 * CHECK_ARRAYS, batch, before, memory->host_bytes);
    }
    return tightest;
}

/* The longest of the training's arrays, in bytes. *most is the largest batch with which each array
 * fits into a buffer of `bytes`. */
static size_t find_longest(
    const struct network_shape *shape, size_t batch, size_t bytes, size_t *most) {
    struct budget_row arrays[NETWORK_ARRAYS];
    size_t longest = 0;
    *most = SIZE_MAX;
    network_list(shape, arrays);
    for (size_t a = 0; a < NETWORK_ARRAYS; a++) {
        const size_t length = budget_bytes(&arrays[a], 1, batch);
        const size_t fits = budget_largest_batch(&arrays[a], 1, bytes);
        longest = length > longest ? length : longest;
        *most = fits < *most ? fits : *most;
    }
    return longest;
}

enum status network_check_budget(struct device *device, const struct network_shape *shape,
    size_t batch, size_t before, size_t others, struct error *error) {
    const struct device_memory memory = device_memory(device);
    const struct tightest tightest = find_tightest(&memory, shape, batch, before, others);
    size_t most;
    const size_t longest = find_longest(shape, batch, memory.buffer_bytes, &most);
    most = tightest.most < most ? tightest.most : most;
    if (batch <= most)
        return STATUS_OK;
    const bool by_host = memory.host_limit && tightest.free == memory.host_bytes;
    char advice[64] = "no batch fits: use narrower --layers";
    if (most > 0)
        snprintf(advice, sizeof advice, "the largest --batch-size that fits is %zu", most);
    return error_set(error, STATUS_DEVICE,
        "%s: out of memory: this network with batches of %zu needs %zu bytes, the largest buffer "
        "%zu; '%s' has %zu free%s%s, buffers may have %zu; %s",
        device_info(device)->kind, batch, tightest.needed, longest, device_info(device)->name,
        tightest.free, by_host ? ", by " : "", by_host ? memory.host_limit : "",
        memory.buffer_bytes, advice);
}
