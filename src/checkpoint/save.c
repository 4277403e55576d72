#include "checkpoint/layout.h"
#include "system/json_text.h"
#include "system/locale.h"
#include "system/reservation.h"
#include "system/strict_math.h"
#include "system/utf8.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *describe_tensor(const struct tensor *tensor) {
    json_t *shape = tensor->columns > 0
                        ? json_pack("[I, I]", (json_int_t)tensor->rows, (json_int_t)tensor->columns)
                        : json_pack("[I]", (json_int_t)tensor->rows);
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", tensor->is_double ? "F64" : "F32", "shape",
        shape, "data_offsets", (json_int_t)tensor->begin,
        (json_int_t)(tensor->begin + tensor_bytes(tensor)));
}

/* False when memory is refused. */
static bool set_text(json_t *metadata, const char *name, const char *value) {
    return json_object_set_new(metadata, name, json_string(value)) == 0;
}

static bool set_whole(json_t *metadata, const char *name, size_t value) {
    char text[32];
    snprintf(text, sizeof text, "%zu", value);
    return set_text(metadata, name, text);
}

static bool describe_position(json_t *metadata, const struct training_position *position) {
    char seconds[32];
    const locale_t before = locale_begin();
    snprintf(seconds, sizeof seconds, "%.17g", position->seconds);
    locale_end(before);
    return set_text(metadata, GENERATOR_NAME, GENERATOR) &&
           set_whole(metadata, EPOCHS_NAME, position->epochs_done) &&
           set_whole(metadata, BATCHES_NAME, position->batches_done) &&
           set_whole(metadata, SAMPLES_NAME, position->samples_done) &&
           set_text(metadata, SECONDS_NAME, seconds);
}

static bool describe_run(json_t *metadata, const struct checkpoint_run *run) {
    bool done = !run->position || describe_position(metadata, run->position);
    for (size_t s = 0; s < run->settings_count && done; s++)
        if (utf8_is(run->settings[s].value))
            done = set_text(metadata, run->settings[s].name, run->settings[s].value);
    if (run->choices && *run->choices && utf8_is(run->choices))
        done = done && set_text(metadata, CHECKPOINT_CHOICES, run->choices);
    return done;
}

/* Makes the header as text, which the caller frees. NULL when memory is refused. */
static char *describe(
    const struct layout *layout, const struct checkpoint_run *run, size_t *length) {
    json_t *root = json_object(), *metadata = json_object();
    bool done = root && metadata && set_text(metadata, "format", "pt") &&
                (!run || describe_run(metadata, run));
    done = json_object_set_new(root, METADATA_NAME, metadata) == 0 && done;
    for (size_t t = 0; t < layout->count && done; t++)
        done = json_object_set_new(
                   root, layout->tensors[t].name, describe_tensor(&layout->tensors[t])) == 0;
    char *text = done ? json_text(root, JSON_COMPACT, length) : NULL;
    json_decref(root);
    return text;
}

/* Makes the header and its length. Spaces fill it up to a multiple of 8 bytes, so that the data is
 * aligned. */
static enum status make_header(const struct layout *layout, const struct checkpoint_run *run,
    char **header, uint64_t *length, struct error *error) {
    size_t used;
    char *text = describe(layout, run, &used);
    if (!text)
        return error_memory(error, "the header of the weights", HEADER_LIMIT);
    *length = (used + 7) / 8 * 8;
    *header = *length <= HEADER_LIMIT ? malloc(*length) : NULL;
    if (*header) {
        memset(*header, ' ', *length);
        memcpy(*header, text, used);
    }
    free(text);
    if (*header)
        return STATUS_OK;
    return *length <= HEADER_LIMIT
               ? error_memory(error, "the header of the weights", *length)
               : error_set(error, STATUS_FAILED,
                     "a header of %llu bytes for the weights is too long: at most %d are read",
                     (unsigned long long)*length, HEADER_LIMIT);
}

/* Puts the weights and biases of an array into the data, as the file has them. */
static void arrange_array(const struct layout *layout, const struct network_shape *shape,
    size_t array, const float *parameters, float *data) {
    for (size_t l = 0; l < shape->layers; l++) {
        const struct tensor *weight = &layout->tensors[layout_weight(shape, array, l)];
        const struct tensor *bias = weight + 1;
        layout_transpose(parameters + network_weights_offset(shape, l), weight->columns,
            weight->rows, data + weight->begin / sizeof *data);
        memcpy(data + bias->begin / sizeof *data, parameters + network_bias_offset(shape, l),
            tensor_bytes(bias));
    }
}

/* Makes the weights and biases of all arrays, in `bytes` bytes. The caller frees them. NULL when
 * memory is refused. */
static float *arrange_weights(const struct layout *layout, const struct network_shape *shape,
    const struct contents *contents, const float *parameters, const float *best, size_t bytes) {
    const size_t own = layout_arrays(contents) - contents->best;
    float *data = malloc(bytes);
    for (size_t a = 0; a < own && data; a++)
        arrange_array(layout, shape, a, parameters + a * network_parameters_length(shape), data);
    if (contents->best && data)
        arrange_array(layout, shape, own, best, data);
    return data;
}

/* The index of the first weight that is not finite; `count` if all of them are. */
static size_t find_not_finite(const float *weights, size_t count) {
    size_t i = 0;
    while (i < count && isfinite(weights[i]))
        i++;
    return i;
}

/* A function that writes the parts of a file to its place: reservation_write or
 * reservation_finish. */
typedef enum status writer(
    struct reservation *place, const struct file_part *parts, size_t count, struct error *error);

static enum status save(struct reservation *place, writer *write_parts,
    const struct network_shape *shape, const float *parameters, const struct checkpoint_run *run,
    struct error *error) {
    const struct training_position none = {0};
    const struct training_position *position = run && run->position ? run->position : &none;
    const struct contents contents = {
        run && run->position ? shape->optimizer : OPTIMIZER_GRADIENT_DESCENT,
        position->best && position->validated > 0, position->epochs_done, position->validated,
        position->samples_done};
    struct layout layout;
    if (!layout_create(shape, &contents, &layout))
        return error_memory(error, "saving the weights", sizeof *layout.tensors);
    const struct tensor *last =
        &layout.tensors[layout_weight(shape, layout_arrays(&contents), 0) - 1];
    const size_t weights_bytes = last->begin + tensor_bytes(last);
    char *header = NULL;
    uint64_t length = 0;
    float *weights =
        arrange_weights(&layout, shape, &contents, parameters, position->best, weights_bytes);
    const size_t count = weights_bytes / sizeof *weights;
    enum status status = weights ? make_header(&layout, run, &header, &length, error)
                                 : error_memory(error, "saving the weights", weights_bytes);
    if (status == STATUS_OK && find_not_finite(weights, count) < count)
        status = error_set(error, STATUS_DIVERGED,
            "training diverged: a weight is %g, so %s is left as it is; try a smaller "
            "--learning-rate",
            (double)weights[find_not_finite(weights, count)], reservation_path(place));
    const struct file_part parts[] = {{&length, LENGTH_BYTES}, {header, length},
        {weights, weights_bytes},
        {position->epochs, position->epochs_done * sizeof *position->epochs},
        {position->validations, position->validated * sizeof *position->validations},
        {position->scores, position->samples_done * SCORE_COLUMNS * sizeof *position->scores}};
    if (status == STATUS_OK)
        status = write_parts(place, parts, sizeof parts / sizeof *parts, error);
    free(layout.tensors);
    free(header);
    free(weights);
    return status;
}

enum status checkpoint_save(struct reservation *place, const struct network_shape *shape,
    const float *parameters, const struct checkpoint_run *run, struct error *error) {
    return save(place, reservation_write, shape, parameters, run, error);
}

enum status checkpoint_save_last(struct reservation *place, const struct network_shape *shape,
    const float *parameters, const struct checkpoint_run *run, struct error *error) {
    return save(place, reservation_finish, shape, parameters, run, error);
}

enum status checkpoint_reserve(const char *path, const struct network_shape *shape,
    const struct training_plan *plan, size_t samples, struct reservation **place,
    struct error *error) {
    struct layout layout;
    struct contents contents = {0};
    *place = NULL;
    if (plan)
        contents = (struct contents){shape->optimizer, plan->keep_best, plan->epochs,
            plan->validation > 0 ? plan->epochs : 0, samples};
    if (!layout_create(shape, &contents, &layout))
        return error_memory(error, "saving the weights", sizeof *layout.tensors);
    const uint64_t bytes = layout_file_bytes(&layout, plan != NULL);
    free(layout.tensors);
    return reservation_open(path, bytes, place, error);
}

void checkpoint_close_place(struct reservation *place) {
    reservation_close(place);
}
