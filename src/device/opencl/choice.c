#include "device/opencl/choice.h"

#include "device/kernel_text.h"
#include "device/program_cache.h"
#include "system/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The text under which a choice is kept: everything that it depends on. The caller frees it. */
static char *make_key(
    const struct products *products, const struct product_shape *shape, size_t *length) {
    const struct opencl *opencl = products->opencl;
    char methods[128] = "";
    for (size_t m = 0, used = 0; m < products->methods_count && used < sizeof methods; m++)
        used += (size_t)snprintf(
            methods + used, sizeof methods - used, "%s ", products->methods[m].name);
    const char *text = kernel_text("product.cl");
    const size_t room = sizeof opencl->identity + sizeof methods + strlen(text) + 256;
    char *key = malloc(room);
    if (key)
        *length = (size_t)snprintf(key, room, "OpenCL choice\n%s%s\n%s\n%s %zu %zu %zu\n%s",
            opencl->identity, opencl->base.info.library, methods, product_names[shape->product],
            shape->batch, shape->in, shape->out, text);
    return key;
}

/* What an earlier run has chosen; false when there was none. */
static bool recall(struct products *products, const char *key, size_t key_length, size_t *method) {
    void *content;
    size_t length;
    bool found = false;
    if (!key || !program_cache_load(key, key_length, &content, &length))
        return false;
    for (size_t m = 0; m < products->methods_count && !found; m++) {
        const char *name = products->methods[m].name;
        found = strlen(name) == length && memcmp(name, content, length) == 0;
        if (found)
            *method = m;
    }
    free(content);
    return found;
}

/* Seconds for `repeats` products by a method, one after another, until they are done. */
static enum status time_products(struct products *products, size_t method, enum product product,
    const struct product_views *views, size_t repeats, double *seconds, struct error *error) {
    const double start = clock_seconds();
    enum status status = STATUS_OK;
    for (size_t r = 0; r < repeats && status == STATUS_OK; r++)
        status = products_compute(products, method, product, views, error);
    if (status == STATUS_OK)
        status = opencl_finish(products->opencl, error);
    *seconds = (clock_seconds() - start) / (double)repeats;
    return status;
}

/* The method of the least seconds. The library must be clearly faster: it costs a launch more for
 * what follows the product, compiles at every start, and is to be checked. */
static size_t fastest_of(const struct products *products, const double *least) {
    const double clearly = 0.8;
    size_t fastest = 0;
    for (size_t m = 1; m < products->methods_count; m++)
        if (least[m] < (products->methods[m].library ? clearly : 1.0) * least[fastest])
            fastest = m;
    return fastest;
}

/* The fastest method. Each has a first run, which may compile it. Then they take turns, so that
 * what else the machine does meets all of them, and each one's least time counts; after some rounds
 * those that are far from the best one are left out. */
static enum status race(struct products *products, enum product product,
    const struct product_views *views, size_t *fastest, struct error *error) {
    enum { ROUNDS = 10, ROUNDS_FOR_ALL = 3, REPEATS_MAX = 16 };
    const double turn = 1e-3, enough = 0.05; /* seconds */
    double least[PRODUCT_METHODS_MAX], seconds;
    enum status status = STATUS_OK;
    for (size_t m = 0; m < products->methods_count && status == STATUS_OK; m++) {
        status = time_products(products, m, product, views, 1, &seconds, error);
        if (status == STATUS_OK)
            status = time_products(products, m, product, views, 1, &least[m], error);
    }
    const double start = clock_seconds();
    for (int r = 0; r < ROUNDS && status == STATUS_OK && clock_seconds() - start < enough; r++)
        for (size_t m = 0; m < products->methods_count && status == STATUS_OK; m++) {
            const double wanted = turn / least[m];
            const size_t repeats = wanted < 1.0           ? 1
                                   : wanted > REPEATS_MAX ? REPEATS_MAX
                                                          : (size_t)wanted;
            if (r >= ROUNDS_FOR_ALL && least[m] > 2.0 * least[fastest_of(products, least)])
                continue;
            status = time_products(products, m, product, views, repeats, &seconds, error);
            least[m] = seconds < least[m] ? seconds : least[m];
        }
    if (status == STATUS_OK)
        *fastest = fastest_of(products, least);
    return status;
}

/* Times every method on the operands themselves, but for the weights of an update, which have
 * others in their place: what is there may be anything, and must stay. */
static enum status time_methods(struct products *products, enum product product,
    const struct product_views *views, size_t *fastest, struct error *error) {
    struct opencl *opencl = products->opencl;
    struct product_views timed = *views;
    struct buffer *weights = NULL;
    enum status status = STATUS_OK;
    if (product == PRODUCT_UPDATE) {
        const struct view result = views->result;
        const size_t elements = result.rows * result.columns;
        status = device_allocate(&opencl->base, elements + result.columns, &weights, error);
        timed.result = device_view(weights, result.rows, result.columns);
        timed.bias = (struct view){weights, elements, 1, result.columns};
    }
    struct recording *recorded = opencl->recorded;
    opencl->recorded = NULL; /* this is done now */
    if (status == STATUS_OK)
        status = race(products, product, &timed, fastest, error);
    opencl->recorded = recorded;
    device_release(weights);
    return status;
}

/* CLBlast up to 1.6.2 multiplies wrong on some Intel and Apple GPUs, square matrices from this side
 * on: github.com/CNugteren/CLBlast/issues/542. */
enum { DOUBTFUL_SIDE = 1152 };

/* What the choices come to: "own-host", or "own-small 7, clblast 2". */
static void describe_choices(const struct products *products) {
    struct device_info *info = &products->opencl->base.info;
    size_t counts[PRODUCT_METHODS_MAX] = {0}, used = 0;
    for (size_t c = 0; c < products->choices_count; c++)
        counts[products->choices[c].method]++;
    info->gemm[0] = '\0';
    info->doubtful = 0;
    for (size_t m = 0; m < products->methods_count && used < sizeof info->gemm; m++) {
        const char *name = products->methods[m].name;
        if (counts[m] > 0 && products->methods[m].library)
            info->doubtful = DOUBTFUL_SIDE;
        if (counts[m] > 0 && counts[m] == products->choices_count)
            snprintf(info->gemm, sizeof info->gemm, "%s", name);
        else if (counts[m] > 0)
            used += (size_t)snprintf(info->gemm + used, sizeof info->gemm - used, "%s%s %zu",
                used > 0 ? ", " : "", name, counts[m]);
    }
}

enum status product_choose(struct products *products, enum product product,
    const struct product_views *views, size_t *method, struct error *error) {
    struct product_choice choice = {.shape = product_shape_of(product, views)};
    for (size_t c = 0; c < products->choices_count; c++)
        if (memcmp(&products->choices[c].shape, &choice.shape, sizeof choice.shape) == 0) {
            *method = products->choices[c].method;
            return STATUS_OK;
        }
    struct product_choice *grown =
        realloc(products->choices, (products->choices_count + 1) * sizeof *grown);
    if (!grown)
        return error_memory(error, "the choice of products", sizeof *grown);
    products->choices = grown;
    if (products->methods_count > 1) {
        size_t length = 0;
        char *key = make_key(products, &choice.shape, &length);
        enum status status = STATUS_OK;
        if (!recall(products, key, length, &choice.method)) {
            status = time_methods(products, product, views, &choice.method, error);
            const char *name = products->methods[choice.method].name;
            if (key && status == STATUS_OK)
                program_cache_store(key, length, name, strlen(name));
        }
        free(key);
        if (status != STATUS_OK)
            return status;
    }
    products->choices[products->choices_count++] = choice;
    describe_choices(products);
    *method = choice.method;
    return STATUS_OK;
}
