#include "checkpoint/open.h"
#include "system/locale.h"
#include "system/strict_math.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- What the metadata says of a run --- */

/* Reads a count from the metadata. STATUS_CHECKPOINT when it is not a whole number of up to 9
 * digits. */
static enum status read_count(
    const struct checkpoint *checkpoint, const char *name, size_t *count, struct error *error) {
    enum { DIGITS = 9 };
    const char *text = checkpoint_setting(checkpoint, name);
    const size_t length = text ? strlen(text) : 0;
    if (length < 1 || length > DIGITS || strspn(text, "0123456789") != length)
        return error_set(error, STATUS_CHECKPOINT,
            "%s: offset %d: \"%s\" in the header's metadata is \"%.40s\"; expected a number",
            checkpoint->path, LENGTH_BYTES, name, text ? text : "");
    *count = (size_t)strtoul(text, NULL, 10);
    return STATUS_OK;
}

/* Fills all of `position` except its arrays from the metadata. All of it is 0 when the file has
 * only weights. */
static enum status read_run(
    const struct checkpoint *checkpoint, struct training_position *position, struct error *error) {
    *position = (struct training_position){0};
    if (!checkpoint_setting(checkpoint, EPOCHS_NAME))
        return STATUS_OK;
    enum status status = read_count(checkpoint, EPOCHS_NAME, &position->epochs_done, error);
    if (status == STATUS_OK)
        status = read_count(checkpoint, BATCHES_NAME, &position->batches_done, error);
    if (status == STATUS_OK)
        status = read_count(checkpoint, SAMPLES_NAME, &position->samples_done, error);
    if (status != STATUS_OK)
        return status;
    const char *seconds = checkpoint_setting(checkpoint, SECONDS_NAME);
    char *end;
    const locale_t before = locale_begin();
    position->seconds = seconds ? strtod(seconds, &end) : -1.0;
    locale_end(before);
    if (!seconds || end == seconds || *end != '\0' || !isfinite(position->seconds) ||
        position->seconds < 0.0)
        return error_set(error, STATUS_CHECKPOINT,
            "%s: offset %d: \"%s\" in the header's metadata is \"%.40s\"; expected seconds",
            checkpoint->path, LENGTH_BYTES, SECONDS_NAME, seconds ? seconds : "");
    const char *generator = checkpoint_setting(checkpoint, GENERATOR_NAME);
    if (!generator || strcmp(generator, GENERATOR) != 0)
        return error_set(error, STATUS_CHECKPOINT,
            "%s: offset %d: the random numbers are of \"%.40s\"; expected \"%s\"", checkpoint->path,
            LENGTH_BYTES, generator ? generator : "", GENERATOR);
    return STATUS_OK;
}

/* --- Finding the tensors --- */

static enum status refuse(const struct checkpoint *checkpoint, const struct tensor *tensor,
    uint64_t offset, const char *problem, struct error *error) {
    char columns[32] = "";
    if (tensor->columns > 0)
        snprintf(columns, sizeof columns, ", %zu", tensor->columns);
    return error_set(error, STATUS_CHECKPOINT,
        "%s: offset %" PRIu64 ": tensor \"%s\": %s; expected %s [%zu%s]", checkpoint->path, offset,
        tensor->name, problem, tensor->is_double ? "F64" : "F32", tensor->rows, columns);
}

static bool is_shape(const json_t *shape, const struct tensor *tensor) {
    return json_array_size(shape) == (tensor->columns > 0 ? 2 : 1) &&
           json_integer_value(json_array_get(shape, 0)) == (json_int_t)tensor->rows &&
           (tensor->columns == 0 ||
               json_integer_value(json_array_get(shape, 1)) == (json_int_t)tensor->columns);
}

/* Finds the place of one tensor in the data, and checks its type, its shape and its size. */
static enum status find_tensor(
    const struct checkpoint *checkpoint, struct tensor *tensor, struct error *error) {
    const char *dtype;
    json_t *shape;
    json_int_t begin, end;
    json_error_t problem;
    json_t *entry = json_object_get(checkpoint->header, tensor->name);
    if (!entry)
        return refuse(checkpoint, tensor, LENGTH_BYTES, "is missing", error);
    errno = 0;
    const bool unpacked = json_unpack_ex(entry, &problem, 0, "{s:s, s:o, s:[I, I!]}", "dtype",
                              &dtype, "shape", &shape, "data_offsets", &begin, &end) == 0;
    if (!unpacked && errno == ENOMEM)
        return error_memory(error, "the header of the weights", HEADER_LIMIT);
    if (!unpacked)
        return refuse(checkpoint, tensor, LENGTH_BYTES, problem.text, error);
    const uint64_t available = checkpoint->bytes - checkpoint->data, bytes = tensor_bytes(tensor);
    const bool inside = begin >= 0 && (uint64_t)begin <= available;
    const uint64_t offset = inside ? checkpoint->data + (uint64_t)begin : LENGTH_BYTES;
    if (strcmp(dtype, tensor->is_double ? "F64" : "F32") != 0 || !is_shape(shape, tensor)) {
        char found[128];
        char *dimensions = json_dumps(shape, JSON_ENCODE_ANY);
        snprintf(found, sizeof found, "is %.16s %.100s", dtype, dimensions ? dimensions : "");
        free(dimensions);
        return refuse(checkpoint, tensor, offset, found, error);
    }
    if (!inside || bytes > available - (uint64_t)begin || end < 0 ||
        (uint64_t)end != (uint64_t)begin + bytes)
        return refuse(checkpoint, tensor, offset,
            "data_offsets that don't fit its shape and the file", error);
    tensor->begin = (uint64_t)begin;
    return STATUS_OK;
}

/* Checks that the header has nothing but the tensors and the metadata. */
static enum status check_names(const struct checkpoint *checkpoint, const struct layout *layout,
    size_t layers, struct error *error) {
    const char *name;
    json_t *entry;
    json_object_foreach(checkpoint->header, name, entry) {
        bool known = strcmp(name, METADATA_NAME) == 0;
        for (size_t t = 0; t < layout->count && !known; t++)
            known = strcmp(name, layout->tensors[t].name) == 0;
        if (!known)
            return error_set(error, STATUS_CHECKPOINT,
                "%s: offset %d: tensor \"%.200s\" is not of this network, whose %zu layers are "
                "named \"0.weight\", \"0.bias\" ... \"%zu.bias\"; see --layers",
                checkpoint->path, LENGTH_BYTES, name, layers, 2 * (layers - 1));
    }
    return STATUS_OK;
}

static int compare_begins(const void *left, const void *right) {
    const struct tensor *a = *(const struct tensor *const *)left;
    const struct tensor *b = *(const struct tensor *const *)right;
    return a->begin < b->begin ? -1 : a->begin > b->begin;
}

/* Checks that the tensors fill the data, one after another. */
static enum status check_order(
    const struct checkpoint *checkpoint, const struct layout *layout, struct error *error) {
    const struct tensor **order = malloc(layout->count * sizeof *order);
    if (!order)
        return error_memory(error, "reading the weights", layout->count * sizeof *order);
    for (size_t t = 0; t < layout->count; t++)
        order[t] = &layout->tensors[t];
    qsort(order, layout->count, sizeof *order, compare_begins);
    enum status status = STATUS_OK;
    uint64_t end = 0;
    for (size_t t = 0; t < layout->count && status == STATUS_OK; t++) {
        if (order[t]->begin != end)
            status = error_set(error, STATUS_CHECKPOINT,
                "%s: tensor \"%s\" begins at offset %" PRIu64 ", %s%s%s ends at offset %" PRIu64
                ": %s",
                checkpoint->path, order[t]->name, checkpoint->data + order[t]->begin,
                t > 0 ? "\"" : "", t > 0 ? order[t - 1]->name : "the header", t > 0 ? "\"" : "",
                checkpoint->data + end, order[t]->begin < end ? "they overlap" : "a hole");
        end = order[t]->begin + tensor_bytes(order[t]);
    }
    if (status == STATUS_OK && end != checkpoint->bytes - checkpoint->data)
        status = error_set(error, STATUS_CHECKPOINT,
            "%s: offset %" PRIu64 ": %" PRIu64 " bytes after the last tensor, \"%s\"",
            checkpoint->path, checkpoint->data + end, checkpoint->bytes - checkpoint->data - end,
            order[layout->count - 1]->name);
    free(order);
    return status;
}

static struct contents contents_of(
    const struct checkpoint *checkpoint, const struct training_position *position) {
    return (struct contents){checkpoint_optimizer(checkpoint), checkpoint_has_best(checkpoint),
        position->epochs_done,
        json_object_get(checkpoint->header, VALIDATION_NAME) ? position->epochs_done : 0,
        position->samples_done};
}

/* Finds all tensors. Checks that nothing else is there and that they fill the data together. The
 * caller frees layout->tensors, whatever is returned. */
static enum status find_tensors(const struct checkpoint *checkpoint,
    const struct network_shape *shape, const struct training_position *position,
    struct layout *layout, struct error *error) {
    const struct contents contents = contents_of(checkpoint, position);
    if (!layout_create(shape, &contents, layout))
        return error_memory(error, "reading the weights", sizeof *layout->tensors);
    enum status status = STATUS_OK;
    for (size_t t = 0; t < layout->count && status == STATUS_OK; t++)
        status = find_tensor(checkpoint, &layout->tensors[t], error);
    if (status == STATUS_OK)
        status = check_names(checkpoint, layout, shape->layers, error);
    return status == STATUS_OK ? check_order(checkpoint, layout, error) : status;
}

/* --- Reading them --- */

static double value_at(const struct tensor *tensor, const void *values, size_t index) {
    return tensor->is_double ? ((const double *)values)[index] : ((const float *)values)[index];
}

static enum status read_tensor(const struct checkpoint *checkpoint, const struct tensor *tensor,
    void *values, struct error *error) {
    const uint64_t start = checkpoint->data + tensor->begin;
    const size_t elements = tensor_elements(tensor);
    const enum status status =
        checkpoint_read_at(checkpoint, start, values, tensor_bytes(tensor), error);
    for (size_t i = 0; i < elements && status == STATUS_OK; i++)
        if (!isfinite(value_at(tensor, values, i)))
            return error_set(error, STATUS_CHECKPOINT,
                "%s: tensor \"%s\": offset %" PRIu64 ": the value %g is not finite",
                checkpoint->path, tensor->name, start + i * (tensor_bytes(tensor) / elements),
                value_at(tensor, values, i));
    return status;
}

/* Fills one array: the parameters, or a state that is laid out as they are. */
static enum status read_weights(const struct checkpoint *checkpoint, const struct layout *layout,
    const struct network_shape *shape, size_t array, float *parameters, struct error *error) {
    size_t largest = 0;
    for (size_t l = 0; l < shape->layers; l++) {
        const size_t elements = tensor_elements(&layout->tensors[layout_weight(shape, array, l)]);
        largest = elements > largest ? elements : largest;
    }
    float *values = malloc(largest * sizeof *values);
    if (!values)
        return error_memory(error, "reading the weights", largest * sizeof *values);
    enum status status = STATUS_OK;
    for (size_t l = 0; l < shape->layers && status == STATUS_OK; l++) {
        const struct tensor *weight = &layout->tensors[layout_weight(shape, array, l)];
        status = read_tensor(checkpoint, weight, values, error);
        if (status == STATUS_OK) {
            layout_transpose(values, weight->rows, weight->columns,
                parameters + network_weights_offset(shape, l));
            status = read_tensor(
                checkpoint, weight + 1, parameters + network_bias_offset(shape, l), error);
        }
    }
    free(values);
    return status;
}

enum status checkpoint_load(struct checkpoint *checkpoint, const struct network_shape *shape,
    float *parameters, struct error *error) {
    struct training_position position;
    struct layout layout = {0};
    enum status status = read_run(checkpoint, &position, error);
    memset(parameters, 0, network_length(shape) * sizeof *parameters);
    if (status == STATUS_OK)
        status = find_tensors(checkpoint, shape, &position, &layout, error);
    if (status == STATUS_OK)
        status = read_weights(checkpoint, &layout, shape, 0, parameters, error);
    free(layout.tensors);
    return status;
}

enum status checkpoint_load_states(struct checkpoint *checkpoint, const struct network_shape *shape,
    float *parameters, struct error *error) {
    struct training_position position;
    struct layout layout = {0};
    if (checkpoint_optimizer(checkpoint) != shape->optimizer)
        return error_set(error, STATUS_CHECKPOINT,
            "%s: offset %d: the optimiser of its run has states that are not those of its tensors",
            checkpoint->path, LENGTH_BYTES);
    enum status status = read_run(checkpoint, &position, error);
    if (status == STATUS_OK)
        status = find_tensors(checkpoint, shape, &position, &layout, error);
    for (size_t s = 1; s <= optimizer_states[shape->optimizer] && status == STATUS_OK; s++)
        status = read_weights(checkpoint, &layout, shape, s,
            parameters + s * network_parameters_length(shape), error);
    free(layout.tensors);
    return status;
}

/* Reads the tensor *next to new memory, and goes on to the one after it. */
static enum status read_new(const struct checkpoint *checkpoint, const struct tensor **next,
    const char *what, void **values, struct error *error) {
    const struct tensor *tensor = (*next)++;
    *values = malloc(tensor_bytes(tensor));
    return *values ? read_tensor(checkpoint, tensor, *values, error)
                   : error_memory(error, what, tensor_bytes(tensor));
}

/* Reads what of a position is in tensors. */
static enum status read_position(const struct checkpoint *checkpoint,
    const struct network_shape *shape, const struct layout *layout,
    struct training_position *position, struct error *error) {
    const struct contents contents = contents_of(checkpoint, position);
    const size_t arrays = layout_arrays(&contents);
    const struct tensor *next = layout->tensors + layout_weight(shape, arrays, 0);
    void *epochs = NULL, *validations = NULL, *scores = NULL;
    enum status status = STATUS_OK;
    if (contents.epochs > 0)
        status = read_new(checkpoint, &next, "the epochs", &epochs, error);
    if (status == STATUS_OK && contents.validated > 0)
        status = read_new(checkpoint, &next, "the validations", &validations, error);
    if (status == STATUS_OK && contents.samples > 0)
        status = read_new(checkpoint, &next, "the scores", &scores, error);
    position->epochs = epochs;
    position->validations = validations;
    position->scores = scores;
    position->validated = contents.validated;
    if (status != STATUS_OK || !contents.best)
        return status;
    position->best = calloc(network_length(shape), sizeof *position->best);
    return position->best
               ? read_weights(checkpoint, layout, shape, arrays - 1, position->best, error)
               : error_memory(error, "the best weights", network_length(shape) * sizeof(float));
}

enum status checkpoint_load_position(struct checkpoint *checkpoint,
    const struct network_shape *shape, struct training_position *position, struct error *error) {
    struct layout layout = {0};
    enum status status = read_run(checkpoint, position, error);
    if (status == STATUS_OK && !checkpoint_setting(checkpoint, EPOCHS_NAME))
        status = error_set(error, STATUS_CHECKPOINT,
            "%s: has weights, but no run to continue; --init starts one from them",
            checkpoint->path);
    if (status == STATUS_OK)
        status = find_tensors(checkpoint, shape, position, &layout, error);
    if (status == STATUS_OK)
        status = read_position(checkpoint, shape, &layout, position, error);
    free(layout.tensors);
    return status;
}
