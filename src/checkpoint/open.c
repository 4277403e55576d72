#include "checkpoint/open.h"

#include "system/file.h"
#include "system/locale.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum status checkpoint_read_at(const struct checkpoint *checkpoint, uint64_t offset, void *to,
    size_t bytes, struct error *error) {
    int reason;
    const size_t got = file_read_at(checkpoint->descriptor, offset, to, bytes, &reason);
    return got == bytes
               ? STATUS_OK
               : error_set(error, STATUS_CHECKPOINT, "%s: offset %" PRIu64 ": %s", checkpoint->path,
                     offset + got, reason ? locale_reason(reason) : "the file ends here");
}

/* Finds out the size of the open file. */
static enum status measure(struct checkpoint *checkpoint, struct error *error) {
    const off_t bytes = lseek(checkpoint->descriptor, 0, SEEK_END);
    checkpoint->bytes = bytes > 0 ? (uint64_t)bytes : 0;
    if (checkpoint->bytes < LENGTH_BYTES)
        return error_set(error, STATUS_CHECKPOINT,
            "%s: offset %" PRIu64 ": the file ends here, too soon for a safetensors file",
            checkpoint->path, checkpoint->bytes);
    return STATUS_OK;
}

/* Whether the metadata, if there is any, is an object of texts. */
static bool has_sound_metadata(json_t *header) {
    json_t *metadata = json_object_get(header, METADATA_NAME), *value;
    const char *name;
    if (metadata && !json_is_object(metadata) && !json_is_null(metadata))
        return false;
    json_object_foreach(metadata, name, value) if (!json_is_string(value)) return false;
    return true;
}

enum { PARSING = JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL };

/* Parses the header. NULL when that fails; *refused then says whether memory was refused. jansson
 * 2.14 seldom reports that. When it is refused memory for a long text, it may even go on with a
 * part of the text. So the header is parsed twice, because a second time the result would be
 * another one. */
static json_t *parse(const char *text, size_t length, json_error_t *problem, bool *refused) {
    errno = 0;
    json_t *header = json_loadb(text, length, PARSING, problem);
    *refused = !header && errno == ENOMEM;
    json_t *again = header ? json_loadb(text, length, PARSING, problem) : NULL;
    if (header && !json_equal(header, again)) {
        json_decref(header);
        header = NULL;
        *refused = true;
    }
    json_decref(again);
    return header;
}

static enum status parse_header(
    struct checkpoint *checkpoint, const char *text, size_t length, struct error *error) {
    json_error_t problem;
    bool refused;
    checkpoint->header = parse(text, length, &problem, &refused);
    if (refused)
        return error_memory(error, "the header of the weights", length);
    if (!checkpoint->header)
        return error_set(error, STATUS_CHECKPOINT, "%s: offset %d: header: %s", checkpoint->path,
            LENGTH_BYTES + problem.position, problem.text);
    if (!json_is_object(checkpoint->header))
        return error_set(error, STATUS_CHECKPOINT, "%s: offset %d: the header is not a JSON object",
            checkpoint->path, LENGTH_BYTES);
    if (!has_sound_metadata(checkpoint->header))
        return error_set(error, STATUS_CHECKPOINT,
            "%s: offset %d: the header's \"__metadata__\" is not an object of texts",
            checkpoint->path, LENGTH_BYTES);
    return STATUS_OK;
}

static enum status read_header(struct checkpoint *checkpoint, struct error *error) {
    uint64_t length;
    enum status status = checkpoint_read_at(checkpoint, 0, &length, sizeof length, error);
    if (status != STATUS_OK)
        return status;
    if (length > HEADER_LIMIT || length > checkpoint->bytes - LENGTH_BYTES)
        return error_set(error, STATUS_CHECKPOINT,
            "%s: offset 0: a header of %" PRIu64 " bytes in a file of %" PRIu64
            " (at most %d are read); is this a safetensors file?",
            checkpoint->path, length, checkpoint->bytes, HEADER_LIMIT);
    char *text = malloc(length + 1);
    if (!text)
        return error_memory(error, "the header of the weights", length);
    status = checkpoint_read_at(checkpoint, LENGTH_BYTES, text, length, error);
    if (status == STATUS_OK)
        status = parse_header(checkpoint, text, length, error);
    free(text);
    checkpoint->data = LENGTH_BYTES + length;
    return status;
}

enum status checkpoint_open(const char *path, struct checkpoint **checkpoint, struct error *error) {
    const char *problem;
    uint64_t bytes;
    int reason;
    *checkpoint = NULL;
    const int descriptor = file_open_regular(path, &bytes, &problem, &reason);
    return descriptor >= 0 ? checkpoint_open_descriptor(descriptor, path, checkpoint, error)
                           : error_set(error, STATUS_CHECKPOINT,
                                 "%s: %s; expected a safetensors file", path, problem);
}

enum status checkpoint_open_descriptor(
    int descriptor, const char *path, struct checkpoint **checkpoint, struct error *error) {
    *checkpoint = NULL;
    struct checkpoint *opened = calloc(1, sizeof *opened);
    char *copy = strdup(path);
    if (!opened || !copy) {
        free(opened);
        free(copy);
        close(descriptor);
        return error_memory(error, "reading the weights", sizeof *opened + strlen(path));
    }
    *opened = (struct checkpoint){.path = copy, .descriptor = descriptor};
    enum status status = measure(opened, error);
    if (status == STATUS_OK)
        status = read_header(opened, error);
    if (status != STATUS_OK) {
        checkpoint_close(opened);
        return status;
    }
    *checkpoint = opened;
    return STATUS_OK;
}

void checkpoint_close(struct checkpoint *checkpoint) {
    if (!checkpoint)
        return;
    close(checkpoint->descriptor);
    json_decref(checkpoint->header);
    free(checkpoint->path);
    free(checkpoint);
}

bool checkpoint_is_current(const struct checkpoint *checkpoint) {
    return file_is_at(checkpoint->descriptor, checkpoint->path);
}

const char *checkpoint_setting(const struct checkpoint *checkpoint, const char *name) {
    return json_string_value(
        json_object_get(json_object_get(checkpoint->header, METADATA_NAME), name));
}

/* An optimiser, and which of its arrays the tensor of this name is of; by its prefix. False when it
 * is of none. */
static bool find_array(const char *name, enum optimizer *optimizer, size_t *array) {
    for (*optimizer = 0; *optimizer < OPTIMIZERS; ++*optimizer)
        for (*array = 1; *array <= optimizer_states[*optimizer]; ++*array) {
            const char *prefix = layout_prefix(*optimizer, *array);
            if (strncmp(name, prefix, strlen(prefix)) == 0)
                return true;
        }
    return false;
}

enum optimizer checkpoint_optimizer(const struct checkpoint *checkpoint) {
    const char *name;
    json_t *entry;
    enum optimizer optimizer;
    size_t array;
    json_object_foreach(
        checkpoint->header, name, entry) if (find_array(name, &optimizer, &array)) return optimizer;
    return OPTIMIZER_GRADIENT_DESCENT;
}

static bool is_of_best(const char *name) {
    return strncmp(name, BEST_PREFIX, strlen(BEST_PREFIX)) == 0;
}

bool checkpoint_has_best(const struct checkpoint *checkpoint) {
    const char *name;
    json_t *entry;
    json_object_foreach(checkpoint->header, name, entry) if (is_of_best(name)) return true;
    return false;
}

/* "2.weight", "2.bias", and the states and the best of the same names */
static bool is_of_layer(const char *name) {
    enum optimizer optimizer;
    size_t array;
    if (find_array(name, &optimizer, &array))
        name += strlen(layout_prefix(optimizer, array));
    else if (is_of_best(name))
        name += strlen(BEST_PREFIX);
    const char *rest = name + strspn(name, "0123456789");
    return rest > name && (strcmp(rest, ".weight") == 0 || strcmp(rest, ".bias") == 0);
}

bool checkpoint_is_ours(const struct checkpoint *checkpoint) {
    const char *name;
    json_t *entry;
    json_object_foreach(checkpoint->header, name, entry) {
        const bool known = is_of_layer(name) || strcmp(name, METADATA_NAME) == 0 ||
                           strcmp(name, EPOCHS_NAME) == 0 || strcmp(name, SCORES_NAME) == 0 ||
                           strcmp(name, VALIDATION_NAME) == 0;
        if (!known)
            return false;
    }
    return true;
}
